package followup

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// LAD's services may write every column of theirs back as they read it before,
// at any time. It must not cost a second call: not while the first is under way,
// nor when it is in doubt, nor after it was made.
func TestProven(t *testing.T) {
	t.Parallel()
	due := onTime.Add(-lease - tick) // as early as that may it be called
	live, over := claimedAt(noon.Add(-lease)), claimedAt(noon.Add(-lease-tick))
	idempotent := standard()
	idempotent.AgentIdempotent = true
	for _, stale := range []edit{
		func(b *Booking) { b.Task.Status = Pending },
		func(b *Booking) { b.Task.Status = Scheduled },
		func(b *Booking) { b.Task.Status = "" },
		func(b *Booking) { b.Task.Status = Failed },
		func(b *Booking) { b.Task.Status = Cancelled },
		func(b *Booking) { // all of them, as they were before the row was armed
			b.Task.Status, b.Task.Key, b.Task.Name, b.Task.Attempts, b.Task.DueAt = Pending, "", "", 0, time.Time{}
		},
	} {
		for _, c := range []struct {
			name        string
			rules       Rules
			row         *Booking
			plan, admit want
		}{
			{"while its call may be under way", standard(), booked(due, state(due, InProgress, ""), live, stale),
				nothing(RuleClaimed), waits(RuleClaimed)},
			{"and nobody said what came of it", standard(), booked(due, state(due, InProgress, ""), over, stale), isHeld, isHeld},
			{"and an idempotent agent may be asked again", idempotent, booked(due, state(due, InProgress, ""), over, stale),
				arms(RuleLeaseOver, noon), nil},
			{"while it was held for a person", standard(), booked(due, state(due, Failed, OutcomeUnknown), over, stale),
				mended(RuleHeld, Failed), nothing(RuleHeld)},
			{"after its call was made", standard(), booked(due, state(due, Executed, ""), over, executedAt(noon.Add(-lease-tick)), stale),
				mended(RuleCalled, Executed), nothing(RuleCalled)},
			{"wherever the booking moves", standard(), booked(due.Add(hourAhead), state(due, InProgress, ""), over, stale), isHeld, isHeld},
			{"after LAD has cancelled it", standard(), booked(due, state(due, InProgress, ""), over, inStatus("cancelled"), stale), isHeld, isHeld},
		} {
			t.Run(fmt.Sprintf("%s %s", c.row.Task.Status, c.name), func(t *testing.T) {
				t.Parallel()
				want := *c.row
				want.Task.Key = keyFor(want.Task.PlannedFor)
				got := c.rules.Plan(c.row, noon)
				if unchanged := c.row.Task.Status == Failed && c.row.Task.Reason == OutcomeUnknown && c.row.Task.Key != ""; unchanged {
					c.plan = nothing(RuleHeld)
				}
				diff(t, &want, c.plan, got)
				if d := c.rules.Admit(c.row, reachable, ticketFor(c.row.ScheduledAt), noon); c.admit != nil {
					diff(t, &want, c.admit, d)
				} else if d.Effect != Dial {
					t.Errorf("the answer to the row's own task is %s by %s", d.Effect, d.Rule)
				}
			})
		}
	}
}

// A reason of this system has its status, whatever LAD writes. So has a call that
// waits, but for pending: LAD may ask to have its task made anew.
func TestProven_status(t *testing.T) {
	t.Parallel()
	later := onTime.Add(hourAhead)
	for _, lads := range []TaskStatus{"", Pending, Scheduled, Executed, Cancelled, Failed, InProgress} {
		for reason, own := range statusOf {
			row := booked(later, state(later, own, reason), withStatus(lads))
			want := *row
			want.Task.Status = own
			if got, kept := standard().Plan(row, noon), standard().Plan(&want, noon); got.Effect == Update && kept.Effect == None {
				if got.Rule != kept.Rule || got.Next != want.Task {
					t.Errorf("%q over %s: %+v", lads, reason, got)
				}
			} else if diff := cmp.Diff(kept, got); diff != "" {
				t.Errorf("%q over %s (-want +got):\n%s", lads, reason, diff)
			}
		}
		row := booked(later, scheduled(later), withStatus(lads))
		want := mended(RuleOnItsWay, Scheduled)
		switch lads {
		case "", Pending:
			want = arms(RuleArm, noon.Add(hourAhead))
		case Scheduled:
			want = nothing(RuleOnItsWay)
		}
		diff(t, row, want, standard().Plan(row, noon))
	}
}

// Until this system has taken a row on, LAD's word counts.
func TestProven_untouched(t *testing.T) {
	t.Parallel()
	for _, lads := range []TaskStatus{Executed, Cancelled, Failed} {
		row := booked(onTime, Task{Status: lads, Key: keyFor(onTime)})
		diff(t, row, nothing(RuleSettled), standard().Plan(row, noon))
	}
}

func TestWhatWaitsForATaskCarriesNoClaim(t *testing.T) {
	t.Parallel()
	over := claimedAt(noon.Add(-grace - tick))
	far := booked(noon.Add(2*horizon), state(onTime, Failed, NotStarted), over)
	tried := booked(onTime, state(onTime, Failed, NotStarted), over, dueAt(noon.Add(-grace-tick)))
	retried, err := standard().Retry(*tried, noon)
	if err != nil {
		t.Fatal(err)
	}
	for name, d := range map[string]Decision{
		"armed": standard().Plan(tried, noon), "parked": standard().Plan(far, noon), "retried": retried,
	} {
		if waits := d.Next.Status == Scheduled || d.Next.Status == Pending; !waits || !d.Next.ClaimedAt.IsZero() {
			t.Errorf("%s: %+v", name, d.Next)
		}
	}
}
