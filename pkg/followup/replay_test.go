package followup

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// logged is the call of a booking at onTime as the log tells of it.
func logged(claimedAt time.Time, status TaskStatus, reason Reason) LoggedCall {
	return LoggedCall{ClaimedAt: claimedAt, PlannedFor: onTime, Revision: 4, Status: status, Reason: reason, CallID: "call-7"}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	claim := noon.Add(-2 * time.Minute)
	before, after := claim.Add(-time.Hour), claim.Add(time.Minute)
	accepted, inDoubt := logged(claim, Executed, ""), logged(claim, Failed, OutcomeUnknown)
	begun := logged(claim, "", "")
	begun.CallID = ""
	notStarted, refused := logged(claim, Failed, NotStarted), logged(claim, Failed, Rejected)

	// shows: the row as the log tells of a call.
	shows := func(c LoggedCall, status TaskStatus, reason Reason, lastError string) want {
		return func(b Booking) Decision {
			next := b.Task
			next.Status, next.Reason, next.LastError = status, reason, lastError
			if status == Executed {
				next.ExecutedAt = c.ClaimedAt
			}
			next.ClaimedAt, next.Revision, next.CallID = c.ClaimedAt, max(b.Task.Revision, 4), c.CallID
			next.Key, next.PlannedFor = keyFor(c.PlannedFor), c.PlannedFor
			next.Name, next.DueAt = "", time.Time{}
			return Decision{Effect: Update, Rule: RuleOperatorReplayed, Next: next, Drop: b.Task.Name}
		}
	}
	executed := shows(accepted, Executed, "", "")
	waiting := booked(onTime, scheduled(onTime))
	for _, c := range []struct {
		name  string
		row   *Booking
		calls []LoggedCall
		want  want // nil: refused
		why   string
	}{
		{"a call that was made, of a row that waits", waiting, []LoggedCall{accepted}, executed, ""},
		{"of a row that never had a task", booked(onTime, fresh()), []LoggedCall{accepted}, executed, ""},
		{"of a row that was armed again since", booked(onTime, at(scheduled(onTime), atRevision(9))), []LoggedCall{accepted}, executed, ""},
		{"of a row that LAD has cancelled since", booked(onTime, state(onTime, Cancelled, BookingCancelled), deleted), []LoggedCall{accepted}, executed, ""},
		{"of a row that was moved to a later time since", booked(onTime.Add(time.Hour), scheduled(onTime.Add(time.Hour))), []LoggedCall{accepted}, executed, ""},
		{"of a row that shows an earlier call", booked(onTime, state(onTime, Executed, ""), executedAt(before)), []LoggedCall{accepted}, executed, ""},
		{"of a row whose call is under way", booked(onTime, claimed(onTime, claim)), []LoggedCall{accepted}, executed, ""},
		{"of a row that was held meanwhile", booked(onTime, at(claimed(onTime, claim), withStatus(Failed), withReason(OutcomeUnknown))), []LoggedCall{accepted}, executed, ""},
		{"of a row that shows it", booked(onTime, state(onTime, Executed, ""), executedAt(claim)), []LoggedCall{accepted}, nil, alreadyShown},
		{"of a row that shows a later call", booked(onTime, state(onTime, Executed, ""), executedAt(after)), []LoggedCall{accepted}, nil, alreadyShown},

		{"a call of which only the beginning is known", waiting, []LoggedCall{begun}, shows(begun, Failed, OutcomeUnknown, ReplayedError), ""},
		{"one under way is left to its finish", booked(onTime, claimed(onTime, claim)), []LoggedCall{begun}, nil, alreadyShown},
		{"one that ended in doubt", waiting, []LoggedCall{inDoubt}, shows(inDoubt, Failed, OutcomeUnknown, ""), ""},
		{"one that ended in doubt, and is under way in the row", booked(onTime, claimed(onTime, claim)), []LoggedCall{inDoubt}, func(b Booking) Decision {
			return shows(inDoubt, Failed, OutcomeUnknown, "")(b)
		}, ""},
		{"one that is held already", booked(onTime, at(claimed(onTime, claim), withStatus(Failed), withReason(OutcomeUnknown))), []LoggedCall{begun}, nil, alreadyShown},
		{"one that was refused for good", waiting, []LoggedCall{refused}, shows(refused, Failed, Rejected, ""), ""},
		{"one that met a fault of the settings", waiting, []LoggedCall{logged(claim, Failed, Misconfigured)}, shows(refused, Failed, Misconfigured, ""), ""},

		{"one that did not start is still to come", waiting, []LoggedCall{notStarted}, nil, notRung},
		{"one that did not start, and is under way in the row", booked(onTime, claimed(onTime, claim)), []LoggedCall{notStarted}, shows(notStarted, Failed, NotStarted, ""), ""},
		{"one in doubt that was settled, since it was called again", waiting, []LoggedCall{logged(before, "", ""), notStarted}, nil, notRung},
		{"two calls: the row tells of both", waiting, []LoggedCall{logged(before, Executed, ""), refused}, func(b Booking) Decision {
			d := shows(refused, Failed, Rejected, "")(b)
			d.Next.ExecutedAt = before
			return d
		}, ""},
		{"nothing", waiting, nil, nil, alreadyShown},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := standard().Replay(*c.row, c.calls)
			if c.want != nil {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				diff(t, c.row, c.want, got)
				return
			}
			var refused *RefusedError
			if !errors.As(err, &refused) || refused.Why != c.why || !cmp.Equal(got, Decision{}) {
				t.Errorf("%v and %+v, want it refused: %s", err, got, c.why)
			}
		})
	}
}

// Whatever the row says that was restored: what the log knows of the call for its
// time keeps it from being made again, and a second replay finds nothing to do.
func TestReplayedIsNotDialled(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		if w.row.ScheduledAt.IsZero() {
			return false
		}
		call := LoggedCall{
			ClaimedAt:  w.row.ScheduledAt.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "claimed")) - w.rules.LeadTime),
			PlannedFor: w.row.ScheduledAt, Revision: rapid.IntRange(1, 5).Draw(t, "revision"),
			Status: rapid.SampledFrom([]TaskStatus{Executed, ""}).Draw(t, "status"),
		}
		d, err := w.rules.Replay(w.row, []LoggedCall{call})
		if err != nil {
			return false
		}
		w.row.Task = d.Next
		if _, err := w.rules.Replay(w.row, []LoggedCall{call}); err == nil {
			t.Fatal("a second replay has something to do")
		}
		for _, later := range []time.Duration{0, grace + tick, lease + tick, time.Hour} {
			if d := w.rules.Plan(&w.row, w.now.Add(later)); d.Effect == Arm {
				t.Fatalf("armed by %s", d.Rule)
			}
			w.ticket.Key, w.ticket.Revision = w.row.Key(), max(w.row.Task.Revision, w.ticket.Revision)
			if d := w.rules.Admit(&w.row, w.facts, w.ticket, w.now.Add(later)); d.Effect == Dial {
				t.Fatalf("dialled by %s", d.Rule)
			}
		}
		return true
	})
}
