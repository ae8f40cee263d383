package followup

import "testing"

// LAD's services may write task_status over, at any time. It must not cost a
// second call: not while the first is under way, nor when it is in doubt.
func TestAStatusThatIsWrittenOverDoesNotEndAClaim(t *testing.T) {
	t.Parallel()
	due := onTime.Add(-lease - tick) // as early as that may it be called
	live, over := claimedAt(noon.Add(-lease)), claimedAt(noon.Add(-lease-tick))
	idempotent := standard()
	idempotent.AgentIdempotent = true
	for _, status := range []TaskStatus{Pending, Scheduled, ""} {
		for _, c := range []struct {
			name        string
			rules       Rules
			row         *Booking
			plan, admit want
		}{
			{"while its call may be under way", standard(), booked(due, state(due, status, ""), live),
				nothing(RuleClaimed), waits(RuleClaimed)},
			{"and nobody said what came of it", standard(), booked(due, state(due, status, ""), over), isHeld, isHeld},
			{"and an idempotent agent may be asked again", idempotent, booked(due, state(due, status, ""), over),
				arms(RuleLeaseOver, noon), nil},
			{"while it was held for a person", standard(), booked(due, state(due, status, OutcomeUnknown), over), isHeld, isHeld},
			{"after its call was made", standard(), booked(due, state(due, status, ""), over, executedAt(noon.Add(-lease-tick))),
				isCalled, isCalled},
			{"wherever the booking moves", standard(), booked(due.Add(hourAhead), state(due, status, ""), over), isHeld, isHeld},
			{"after LAD has cancelled it", standard(), booked(due, state(due, status, ""), over, inStatus("cancelled")), isHeld, isHeld},
		} {
			t.Run(string(status)+" "+c.name, func(t *testing.T) {
				t.Parallel()
				want := *c.row
				if status == "" {
					want.Task.Status = Pending
				}
				diff(t, &want, c.plan, c.rules.Plan(c.row, noon))
				if d := c.rules.Admit(c.row, reachable, ticketFor(c.row.ScheduledAt), noon); c.admit != nil {
					diff(t, &want, c.admit, d)
				} else if d.Effect != Dial {
					t.Errorf("the answer to the row's own task is %s by %s", d.Effect, d.Rule)
				}
			})
		}
	}
}

func TestAnEndThatSomebodyWritesOverIsTakenForAWishToCallAgain(t *testing.T) {
	t.Parallel()
	// The reason says that the attempt had an end, and that nobody was rung.
	over := claimedAt(noon.Add(-lease - tick))
	for _, reason := range []Reason{NotStarted, Rejected, Expired, BookingCancelled, ByOperator} {
		row := booked(onTime, state(onTime, Pending, reason), over)
		diff(t, row, arms(RuleArm, noon), standard().Plan(row, noon))
	}
	// Whoever takes the key away, too, means all of it.
	row := booked(onTime, state(onTime, Pending, ""), over, withoutKey)
	diff(t, row, armsAnew(RuleArm, noon), standard().Plan(row, noon))
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
