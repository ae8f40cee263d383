package followup

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// act is something that a person does to a booking.
type act func(Rules, Booking, time.Time) (Decision, error)

var (
	retry     act = Rules.Retry
	stop      act = Rules.Cancel
	notCalled act = Rules.ResolveNotCalled
	called    act = func(r Rules, b Booking, now time.Time) (Decision, error) { return r.ResolveCalled(b, "", now) }
)

// actCase is a row at noon, and what becomes of it or why not.
type actCase struct {
	name    string
	do      act
	row     *Booking
	want    want
	refusal string // part of it
}

func TestWhatAPersonMayDo(t *testing.T) {
	t.Parallel()
	for _, c := range actCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before := *c.row
			got, err := c.do(standard(), *c.row, noon)
			if *c.row != before {
				t.Error("the booking that was asked about has changed")
			}
			if c.want != nil {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				diff(t, c.row, c.want, got)
				return
			}
			var refused *RefusedError
			if !errors.As(err, &refused) || !strings.Contains(err.Error(), c.refusal) {
				t.Errorf("error %v, want a refusal with %q", err, c.refusal)
			}
			if d := cmp.Diff(Decision{}, got); d != "" {
				t.Errorf("a refusal that decides:\n%s", d)
			}
		})
	}
}

// reopened: the row waits for a task again, and every older one is stale.
func reopened(rule Rule) want {
	return func(b Booking) Decision {
		next := b.Task
		next.Status, next.Reason, next.LastError = Pending, "", ""
		next.Name, next.DueAt, next.ClaimedAt = "", time.Time{}, time.Time{}
		next.Revision++
		return Decision{Effect: Update, Rule: rule, Next: next, Drop: b.Task.Name}
	}
}

// wasCalled: the call was made when it was claimed, two minutes ago.
func wasCalled(b Booking) Decision {
	next := b.Task
	next.Status, next.Reason, next.LastError = Executed, "", ""
	next.ExecutedAt = noon.Add(-2 * time.Minute)
	next.Name, next.DueAt = "", time.Time{}
	return Decision{Effect: Update, Rule: RuleOperatorCalled, Next: next, Drop: b.Task.Name}
}

func actCases() []actCase {
	isStopped := becomes(RuleOperatorCancel, Cancelled, ByOperator)
	late := onTime.Add(-leadTime - lateness - tick)
	inDoubt := at(claimed(onTime, noon.Add(-2*time.Minute)), withStatus(Failed), withReason(OutcomeUnknown))
	row := func(status TaskStatus, reason Reason, edits ...edit) *Booking {
		return booked(onTime, state(onTime, status, reason), edits...)
	}
	old := createdAt(noon.Add(-2 * lateness))
	zoneless := func(b *Booking) { b.ScheduledAt, b.When = time.Time{}, When{Wall: onTime, Zone: "Mars"} }
	var cases []actCase
	for _, reason := range []Reason{LeadDeleted, LeadArchived, DoNotCall, Duplicate, CallLimit} {
		cases = append(cases, actCase{"retry: a call cancelled as " + string(reason), retry, row(Cancelled, reason), reopened(RuleOperatorRetry), ""})
	}
	return append(cases, []actCase{
		{"retry: a call that met a fault of the settings", retry, row(Failed, Misconfigured), reopened(RuleOperatorRetry), ""},
		{"retry: a call without a readable timezone", retry, row(Failed, UnknownTimezone, zoneless), nil, "correct it in LAD"},
		{"retry: a refused call whose timezone cannot be read by now", retry, row(Failed, Rejected, zoneless), nil, "correct it in LAD"},
		{"retry: a refused call that LAD has written over as cancelled", retry, row(Cancelled, Rejected), func(b Booking) Decision {
			b.Task.Status = Failed
			return reopened(RuleOperatorRetry)(b)
		}, ""},
		{"retry: a call that waits for its turn", retry, row(Scheduled, Paced), nil, "VOICE_AGENT_LIMIT"},
		{"retry: a refused call", retry, row(Failed, Rejected), reopened(RuleOperatorRetry), ""},
		{"retry: a call that did not start", retry, row(Failed, NotStarted), reopened(RuleOperatorRetry), ""},
		{"retry: a call that an operator cancelled", retry, row(Cancelled, ByOperator), reopened(RuleOperatorRetry), ""},
		{"retry: one that was cancelled before it ever had a task", retry, row(Cancelled, ByOperator, unarmed), reopened(RuleOperatorRetry), ""},
		{"retry: one beyond the horizon waits for it", retry,
			booked(noon.Add(horizon+leadTime+tick), state(onTime, Cancelled, ByOperator)), reopened(RuleOperatorRetry), ""},
		{"retry: a refused call that is too late by now", retry,
			booked(late, state(late, Failed, Rejected), old), nil, "move the booking to a new time instead, since an old promise must not ring at night"},
		{"retry: a refused call that may just still be made", retry,
			booked(late.Add(tick), state(late.Add(tick), Failed, Rejected), old), reopened(RuleOperatorRetry), ""},
		{"retry: an expired call", retry, row(Failed, Expired), nil, "move the booking to a new time instead, since an old promise must not ring at night"},
		{"retry: a call in doubt", retry, row(Failed, OutcomeUnknown), nil, "resolve it as called or not called"},
		{"retry: a failure of somebody else's", retry, row(Failed, "other"), nil, "outside this system"},
		{"retry: a call under way", retry, booked(onTime, claimed(onTime, noon)), nil, "wait for the lease, which is over at 2026-03-10T12:02:00Z"},
		{"retry: a claim that has ended", retry, booked(onTime, claimed(onTime, noon.Add(-lease-tick))), nil, "the next sweep settles it"},
		{"retry: a scheduled call", retry, row(Scheduled, ""), nil, "still to come"},
		{"retry: a new booking", retry, booked(onTime, fresh()), nil, "still to come"},
		{"retry: a NULL task_status", retry, booked(onTime, Task{}), nil, "still to come"},
		{"retry: a made call", retry, row(Executed, ""), nil, "has been made"},
		{"retry: a booking that LAD cancelled", retry, row(Cancelled, BookingCancelled, deleted), nil, "revive it in LAD"},
		{"retry: one that LAD has revived, and nobody planned yet", retry, row(Cancelled, BookingCancelled), nil, "the next sweep plans its call"},
		{"retry: a call that somebody else cancelled", retry, row(Cancelled, "", byLAD), nil, "outside this system"},
		{"retry: a refused call that LAD no longer means", retry, row(Failed, Rejected, inStatus("completed")), nil, "revive it in LAD first"},
		{"retry: a refused call that was made for a later time", retry, row(Failed, Rejected, executedAt(noon)), nil, "for this time has been made"},

		{"called: a call in doubt", called, booked(onTime, inDoubt), wasCalled, ""},
		{"called: with the voice agent's name for it", func(r Rules, b Booking, now time.Time) (Decision, error) { return r.ResolveCalled(b, "call-7", now) },
			booked(onTime, inDoubt), func(b Booking) Decision {
				d := wasCalled(b)
				d.Next.CallID = "call-7"
				return d
			}, ""},
		{"called: one that has since moved keeps the key of its attempt", called, booked(onTime.Add(time.Hour), inDoubt), wasCalled, ""},
		{"called: without a claim it counts for the time that the booking has", called,
			booked(onTime, at(inDoubt, claimedAt(time.Time{}), withoutKey)), func(b Booking) Decision {
				d := wasCalled(b)
				d.Next.ExecutedAt = time.Time{}
				d.Next.Key, d.Next.PlannedFor = keyFor(onTime), onTime
				return d
			}, ""},
		{"called: a call under way", called, booked(onTime, claimed(onTime, noon)), nil, "wait for the lease"},
		{"called: a call that did not start", called, row(Failed, NotStarted), nil, "certainly not rung"},
		{"called: a refused call", called, row(Failed, Rejected), nil, "then retry it"},

		{"not called: a call in doubt", notCalled, booked(onTime, inDoubt), reopened(RuleOperatorNotCalled), ""},
		{"not called: one that is too late expires by itself", notCalled, booked(late, inDoubt, old), reopened(RuleOperatorNotCalled), ""},
		{"not called: a made call", notCalled, row(Executed, ""), nil, "has been made"},
		{"not called: a call under way", notCalled, booked(onTime, claimed(onTime, noon)), nil, "wait for the lease"},

		{"cancel: a new booking", stop, booked(onTime, fresh()), isStopped, ""},
		{"cancel: a NULL task_status", stop, booked(onTime, Task{}), isStopped, ""},
		{"cancel: a scheduled call", stop, row(Scheduled, ""), isStopped, ""},
		{"cancel: a call that did not start", stop, row(Failed, NotStarted), isStopped, ""},
		{"cancel: one far ahead", stop, booked(noon.Add(2*horizon), fresh()), isStopped, ""},
		{"cancel: one that was moved after it was called, and not planned yet", stop,
			booked(onTime.Add(time.Hour), at(state(onTime, Executed, ""), executedAt(noon))), isStopped, ""},
		{"cancel: one that was revived, and not planned yet", stop, row(Cancelled, BookingCancelled), isStopped, ""},
		{"cancel: an open call that LAD no longer means stays cancelled when LAD revives it", stop, row(Scheduled, "", deleted), isStopped, ""},
		{"cancel: an overdue call that would only expire", stop, booked(late, fresh(), old), isStopped, ""},
		{"cancel: a call under way", stop, booked(onTime, claimed(onTime, noon)), nil, "is under way"},
		{"cancel: a claim that has ended", stop, booked(onTime, claimed(onTime, noon.Add(-lease-tick))), nil, "the next sweep settles it"},
		{"cancel: a call in doubt", stop, row(Failed, OutcomeUnknown), nil, "resolve it as called or not called"},
		{"cancel: a made call", stop, row(Executed, ""), nil, "has been made"},
		{"cancel: an open call that was made for a later time", stop, row(Scheduled, "", executedAt(noon)), nil, "for this time has been made"},
		{"cancel: one that is cancelled already", stop, row(Cancelled, ByOperator), nil, "an operator has cancelled it"},
		{"cancel: a refused call", stop, row(Failed, Rejected), nil, "refused for good"},
		{"cancel: an expired call", stop, row(Failed, Expired), nil, "too late to ring"},
		{"cancel: a booking without a time", stop, row(Scheduled, "", timeless), nil, "no longer means"},
		{"cancel: a meeting", stop, booked(onTime, fresh(), ofType("meeting")), nil, "no follow-up"},
		{"cancel: a booking from before this system", stop,
			booked(noon.Add(-31*24*time.Hour), fresh(), createdAt(noon.Add(-32*24*time.Hour))), nil, "before FOLLOWUP_ACTIVE_SINCE, 2026-02-08T12:00:00Z"},
		{"cancel: a call that waits for its turn", stop, row(Scheduled, Paced), isStopped, ""},
		{"cancel: a call whose timezone cannot be read", stop, row(Scheduled, "", zoneless), nil, "timezone cannot be read"},
	}...)
}

func TestWithAnIdempotentAgentAClaimThatHasEndedIsStillNotCancelled(t *testing.T) {
	t.Parallel()
	for _, s := range []time.Time{onTime, noon.Add(2 * horizon)} {
		if _, err := idempotent().Cancel(*booked(s, claimed(onTime, noon.Add(-lease-tick))), noon); err == nil {
			t.Errorf("cancelled a call for %v that may be under way", s)
		}
	}
}

// The next three hold in every state that a row can be in.

func TestWhatIsRetriedIsArmedOrWaitsForTheHorizonAndItsOldTaskIsStale(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		w.row.Task.Status, w.row.Task.Reason = Failed, rapid.SampledFrom([]Reason{Rejected, NotStarted}).Draw(t, "failed")
		d, err := w.rules.Retry(w.row, w.now)
		if err != nil {
			return false
		}
		old := w.row.Task.Revision
		w.row.Task = d.Next
		if plan := w.rules.Plan(&w.row, w.now); plan.Effect != Arm && plan.Rule != RuleBeyond {
			t.Fatalf("then %s by %s", plan.Effect, plan.Rule)
		}
		w.ticket.Revision = old
		if d := w.rules.Admit(&w.row, w.facts, w.ticket, w.now); d.Effect != None {
			t.Fatalf("its old task: %s by %s", d.Effect, d.Rule)
		}
		return true
	})
}

func TestWhatAPersonCancelsIsLeftAloneUntilItMoves(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		d, err := w.rules.Cancel(w.row, w.now)
		if err != nil {
			return false
		}
		w.row.Task = d.Next
		for _, later := range []time.Duration{0, tick, grace + tick, time.Hour, 30 * 24 * time.Hour} {
			now := w.now.Add(later)
			if d := w.rules.Plan(&w.row, now); d.Effect != None {
				t.Fatalf("Plan %v later: %s by %s", later, d.Effect, d.Rule)
			}
			if d := w.rules.Admit(&w.row, w.facts, w.ticket, now); d.Effect != None {
				t.Fatalf("Admit %v later: %s by %s", later, d.Effect, d.Rule)
			}
		}
		moved := w.row
		moved.ScheduledAt = w.now.Add(100 * time.Minute) // beyond every call that was made, within the horizon
		moved.Deleted, moved.Status, moved.Type = false, BookingScheduled, "follow_up"
		if w.row.Task.Revision == 0 && moved.CreatedAt.Before(w.rules.ActiveSince) && moved.ScheduledAt.Before(w.rules.ActiveSince) {
			return true
		}
		if d := w.rules.Plan(&moved, w.now); d.Effect != Arm && d.Rule != RuleCalled {
			t.Fatalf("moved: %s by %s", d.Effect, d.Rule)
		}
		return true
	})
}

func TestNobodyTouchesACallThatMayBeUnderWay(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		w.row.Task.Status, w.row.Task.Reason, w.row.Task.ExecutedAt = InProgress, "", time.Time{}
		if w.row.Task.ClaimedAt.IsZero() {
			w.row.Task.ClaimedAt = w.now
		}
		for name, do := range map[string]act{"retry": retry, "cancel": stop, "called": called, "not called": notCalled} {
			if _, err := do(w.rules, w.row, w.now); err == nil {
				t.Fatalf("%s is allowed", name)
			}
		}
		return true
	})
}

// drawInDoubt is a world whose row waits for a person.
func drawInDoubt(w world) world {
	w.row.Task.Status, w.row.Task.Reason = Failed, OutcomeUnknown
	if w.row.Task.ClaimedAt.IsZero() {
		w.row.Task.ClaimedAt = w.now.Add(-time.Hour)
	}
	return w
}

func TestACallResolvedAsCalledIsNotMadeAgainForItsTime(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		w = drawInDoubt(w)
		d, err := w.rules.ResolveCalled(w.row, "", w.now)
		if err != nil {
			t.Fatal(err)
		}
		same := w.row.Task.Key == w.row.Key()
		forLater := w.row.ScheduledAt.After(d.Next.ExecutedAt.Add(w.rules.LeadTime + Earliness))
		w.row.Task = d.Next
		if forLater && !same {
			return false // it has moved since: another call
		}
		if d := w.rules.Plan(&w.row, w.now); d.Effect == Arm {
			t.Fatalf("armed by %s", d.Rule)
		}
		w.ticket.Key = w.row.Key()
		if d := w.rules.Admit(&w.row, w.facts, w.ticket, w.now); d.Effect == Dial || d.Effect == Arm {
			t.Fatalf("%s by %s", d.Effect, d.Rule)
		}
		return true
	})
}

func TestACallResolvedAsNotCalledIsPlannedAndItsAttemptIsFencedOff(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		w = drawInDoubt(w)
		attempt := w.row.Task
		d, err := w.rules.ResolveNotCalled(w.row, w.now)
		if err != nil {
			t.Fatal(err)
		}
		if d.Next.Revision <= attempt.Revision {
			t.Fatal("the late outcome of the attempt would still be stored")
		}
		w.row.Task = d.Next
		if plan := w.rules.Plan(&w.row, w.now); plan.Effect == None && plan.Rule != RuleBeyond {
			t.Fatalf("left pending by %s", plan.Rule)
		}
		w.ticket.Revision = attempt.Revision
		if d := w.rules.Admit(&w.row, w.facts, w.ticket, w.now); d.Effect != None {
			t.Fatalf("its old task: %s by %s", d.Effect, d.Rule)
		}
		return true
	})
}
