package followup

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

// admitCase is a row at noon, a task that has just fired, and what Admit makes
// of them.
type admitCase struct {
	name   string
	rules  Rules
	row    *Booking
	facts  Facts
	ticket Ticket
	want   want
}

// reachable is a lead with a number, of a tenant with an agent.
var reachable = Facts{
	Lead:   Lead{FirstName: "Ada", LastName: "Lovelace", Number: "+4915112345678"},
	Agents: Agents{Known: true, List: []Agent{{ID: 7}}},
}

// unreachable is a lead without a valid number.
var unreachable = Facts{Lead: Lead{NumberProblem: "the lead has no number"}, Agents: reachable.Agents}

// ticketFor is the task of the row's own revision, see scheduled.
func ticketFor(s time.Time) Ticket { return Ticket{Key: keyFor(s), Revision: 3, TaskName: oldTask} }

// nextTicket is a task that beat its own UPDATE.
func nextTicket(s time.Time) Ticket { return Ticket{Key: keyFor(s), Revision: 4, TaskName: newTask} }

// admits is the claim: from here on a call may be under way.
func admits(t Ticket) want {
	return func(b Booking) Decision {
		next := b.Task
		next.Status, next.Reason = InProgress, ""
		next.Attempts++
		next.ClaimedAt = noon
		next.Key, next.PlannedFor = keyFor(b.ScheduledAt), b.ScheduledAt
		next.Revision, next.Name = t.Revision, t.TaskName
		return Decision{Effect: Dial, Rule: RuleAdmitted, Next: next}
	}
}

// admitsEarly is the claim of a task that beat its own UPDATE: it records what
// the UPDATE would have, for a key that attempts were made for, or none yet.
func admitsEarly(t Ticket, attempts int, lastError string) want {
	return func(b Booking) Decision {
		d := admits(t)(b)
		d.Next.DueAt, d.Next.Attempts, d.Next.LastError = noon, attempts, lastError
		return d
	}
}

// isUnreachable: nobody to ring, for good.
func isUnreachable(b Booking) Decision {
	d := becomes(RuleNoPhone, Failed, Rejected)(b)
	d.Next.LastError = unreachable.Lead.NumberProblem
	return d
}

func TestAdmitAnswersByTheFirstLineThatFits(t *testing.T) {
	t.Parallel()
	for _, c := range admitCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			diff(t, c.row, c.want, c.rules.Admit(c.row, c.facts, c.ticket, noon))
		})
	}
}

// admitCases are the lines of the design's table in its order.
func admitCases() []admitCase {
	return slices.Concat(foreignCases(), atWorkCases(), doneCases(), lifelessCases(), prematureCases(),
		finalCases(), timeCases(), pauseCases(), phoneCases(), factCases(), dialCases())
}

// try is a case under the standard rules, with a lead that can be rung.
func try(name string, row *Booking, ticket Ticket, want want) admitCase {
	return admitCase{name, standard(), row, reachable, ticket, want}
}

// tryIdempotent is try with a voice agent that deduplicates.
func tryIdempotent(name string, row *Booking, ticket Ticket, want want) admitCase {
	return admitCase{"idempotent agent: " + name, idempotent(), row, reachable, ticket, want}
}

func foreignCases() []admitCase {
	later := onTime.Add(time.Hour)
	otherBooking := ticketFor(onTime)
	otherBooking.Key = "followup:" + tenant.String() + ":" + tenant.String() + ":2026-03-10T12:10:00.000Z"
	return []admitCase{
		try("an absent row has no call", nil, ticketFor(onTime), nothing(RuleAbsent)),
		try("a task for another time does nothing", booked(later, scheduled(onTime)),
			ticketFor(onTime), nothing(RuleOtherCall)),
		try("a task for another booking does nothing", booked(onTime, scheduled(onTime)),
			otherBooking, nothing(RuleOtherCall)),
		try("a task without a key does nothing", booked(onTime, scheduled(onTime)),
			Ticket{Revision: 3}, nothing(RuleOtherCall)),
		try("a task without a key does nothing for a row without a time", booked(onTime, fresh(), timeless),
			Ticket{Revision: 1}, nothing(RuleOtherCall)),
		try("a newer task for another time does nothing", booked(later, scheduled(onTime)),
			nextTicket(onTime), nothing(RuleOtherCall)),
		try("an older task for another time does nothing", booked(later, scheduled(onTime), atRevision(4)),
			ticketFor(onTime), nothing(RuleOtherCall)),
		try("a task for another time does not disturb a claim", booked(later, claimed(onTime, noon)),
			ticketFor(onTime), nothing(RuleOtherCall)),
		try("a task for another time does not settle a lapsed claim",
			booked(later, claimed(onTime, noon.Add(-time.Hour))), ticketFor(onTime), nothing(RuleOtherCall)),

		try("an older task does nothing", booked(onTime, scheduled(onTime), atRevision(4)),
			ticketFor(onTime), nothing(RuleStale)),
		try("an older task of a parked row does nothing", booked(onTime, state(onTime, Pending, ""), atRevision(4)),
			ticketFor(onTime), nothing(RuleStale)),
		try("an older task does not wait for a claim", booked(onTime, claimed(onTime, noon), atRevision(4)),
			ticketFor(onTime), nothing(RuleStale)),
		try("an older task does not cancel", booked(onTime, scheduled(onTime), atRevision(4), deleted),
			ticketFor(onTime), nothing(RuleStale)),
	}
}

func atWorkCases() []admitCase {
	over := noon.Add(-lease - tick)
	late := noon.Add(-lateness)
	return []admitCase{
		try("a claim made now makes its task wait", booked(onTime, claimed(onTime, noon)),
			ticketFor(onTime), waits(RuleClaimed)),
		try("a claim at the end of its lease makes its task wait",
			booked(onTime, claimed(onTime, noon.Add(-lease))), ticketFor(onTime), waits(RuleClaimed)),
		try("a claim makes a newer task wait", booked(onTime, claimed(onTime, noon)),
			nextTicket(onTime), waits(RuleClaimed)),
		try("a claim makes the task of a cancelled booking wait",
			booked(onTime, claimed(onTime, noon), inStatus("cancelled")), ticketFor(onTime), waits(RuleClaimed)),
		try("a claim makes its task wait, even with a call on record",
			booked(onTime, claimed(onTime, noon), executedAt(noon.Add(-tick))), ticketFor(onTime), waits(RuleClaimed)),
		tryIdempotent("a live claim makes its task wait", booked(onTime, claimed(onTime, noon.Add(-lease))),
			ticketFor(onTime), waits(RuleClaimed)),

		try("a claim past its lease is held", booked(onTime, claimed(onTime, over)), ticketFor(onTime), isHeld),
		try("a claim of LAD's, without a time, is held", booked(onTime, claimed(onTime, time.Time{}), byLAD),
			ticketFor(onTime), isHeld),
		try("a claim past its lease is held for a newer task too", booked(onTime, claimed(onTime, over)),
			nextTicket(onTime), isHeld),
		try("a lapsed claim of a cancelled booking is held",
			booked(onTime, claimed(onTime, over), inStatus("cancelled")), ticketFor(onTime), isHeld),
		try("a lapsed claim is held before an earlier call is looked at",
			booked(onTime, claimed(onTime, over), executedAt(noon)), ticketFor(onTime), isHeld),
		try("a lapsed claim is held, not expired",
			booked(late.Add(-tick), claimed(late.Add(-tick), over), createdAt(late.Add(-tick))),
			ticketFor(late.Add(-tick)), isHeld),

		tryIdempotent("a lapsed claim is taken over", booked(onTime, claimed(onTime, over)),
			ticketFor(onTime), admits(ticketFor(onTime))),
		tryIdempotent("a claim without a time is taken over", booked(onTime, claimed(onTime, time.Time{}), byLAD),
			ticketFor(onTime), admits(ticketFor(onTime))),
		tryIdempotent("a newer task takes a lapsed claim over", booked(onTime, claimed(onTime, over)),
			nextTicket(onTime), admitsEarly(nextTicket(onTime), 2, "the line was busy")),
		tryIdempotent("a lapsed claim is taken over at the end of its lateness",
			booked(late, claimed(late, over), createdAt(late)), ticketFor(late), admits(ticketFor(late))),
		tryIdempotent("a lapsed claim past its lateness is held",
			booked(late.Add(-tick), claimed(late.Add(-tick), over), createdAt(late.Add(-tick))),
			ticketFor(late.Add(-tick)), isHeld),
		tryIdempotent("a lapsed claim of a cancelled booking is held",
			booked(onTime, claimed(onTime, over), inStatus("cancelled")), ticketFor(onTime), isHeld),
		tryIdempotent("a lapsed claim of a deleted booking is held",
			booked(onTime, claimed(onTime, over), deleted), ticketFor(onTime), isHeld),
		tryIdempotent("a lapsed claim of a called booking is executed",
			booked(onTime, claimed(onTime, over), executedAt(noon)), ticketFor(onTime), isCalled),
		tryIdempotent("a lapsed claim is armed again by a task that is too early",
			booked(onTime.Add(time.Hour), claimed(onTime, over)), ticketFor(onTime.Add(time.Hour)),
			armsAnew(RuleTooEarly, noon.Add(time.Hour))),
	}
}

func doneCases() []admitCase {
	doubt := at(state(onTime, Failed, OutcomeUnknown), claimedAt(noon.Add(-time.Hour)))
	justCalled := executedAt(noon.Add(-5 * time.Second))
	return []admitCase{
		try("in doubt is held", booked(onTime, doubt), ticketFor(onTime), nothing(RuleHeld)),
		try("in doubt is held for a newer task", booked(onTime, doubt), nextTicket(onTime), nothing(RuleHeld)),
		try("in doubt and called is held", booked(onTime, doubt, justCalled), ticketFor(onTime), nothing(RuleHeld)),
		try("in doubt and cancelled is held", booked(onTime, doubt, deleted), ticketFor(onTime), nothing(RuleHeld)),
		try("in doubt and moved is held", booked(onTime, doubt, withKeyOf(noon)), ticketFor(onTime), nothing(RuleHeld)),
		tryIdempotent("in doubt is held", booked(onTime, doubt), ticketFor(onTime), nothing(RuleHeld)),

		try("scheduled and called becomes executed", booked(onTime, scheduled(onTime), justCalled),
			ticketFor(onTime), isCalled),
		try("pending and called becomes executed", booked(onTime, fresh(), justCalled),
			ticketFor(onTime), isCalled),
		try("not started and called becomes executed",
			booked(onTime, state(onTime, Failed, NotStarted), justCalled), ticketFor(onTime), isCalled),
		try("stopped and called becomes executed",
			booked(onTime, state(onTime, Cancelled, ByOperator), justCalled), ticketFor(onTime), isCalled),
		try("executed for an earlier time that covers this one takes this key",
			booked(onTime, state(noon, Executed, ""), justCalled), ticketFor(onTime), isCalled),
		try("executed under its own key stays",
			booked(onTime, state(onTime, Executed, ""), justCalled), ticketFor(onTime), nothing(RuleCalled)),
		try("called and cancelled becomes executed",
			booked(onTime, scheduled(onTime), justCalled, inStatus("cancelled")), ticketFor(onTime), isCalled),
		try("a call just too early for this time does not count",
			booked(onTime, scheduled(onTime), executedAt(noon.Add(-5*time.Second-tick))),
			ticketFor(onTime), admits(ticketFor(onTime))),
	}
}

func pauseCases() []admitCase {
	late := noon.Add(-lateness - tick)
	everybody, them, others := standard(), standard(), standard()
	everybody.Paused = Pause{All: true}
	them.Paused = Pause{Tenants: []uuid.UUID{booking, tenant}}
	others.Paused = Pause{Tenants: []uuid.UUID{booking}}
	row := booked(onTime, scheduled(onTime))
	return []admitCase{
		{"paused for everybody, a task waits", everybody, row, reachable, ticketFor(onTime), waits(RulePaused)},
		{"paused for its tenant, a task waits", them, row, reachable, ticketFor(onTime), waits(RulePaused)},
		{"paused for others, a task dials", others, row, reachable, ticketFor(onTime), admits(ticketFor(onTime))},
		{"paused, a lead without a number waits", everybody, row, unreachable, ticketFor(onTime), waits(RulePaused)},
		{"paused, a newer task waits", everybody, booked(onTime, fresh()), reachable, nextTicket(onTime), waits(RulePaused)},
		{"paused, a call past its lateness expires", everybody,
			booked(late, scheduled(late), createdAt(late)), reachable, ticketFor(late), isExpired},
		{"paused, a cancelled booking is cancelled", everybody,
			booked(onTime, scheduled(onTime), deleted), reachable, ticketFor(onTime), isCancelled},
	}
}
