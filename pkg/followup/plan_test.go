package followup

import (
	"slices"
	"testing"
	"time"
)

// planCase is a row at noon and what Plan makes of it.
type planCase struct {
	name  string
	rules Rules
	row   *Booking
	want  want
}

func TestPlanAnswersByTheFirstLineThatFits(t *testing.T) {
	t.Parallel()
	for _, c := range planCases() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			diff(t, c.row, c.want, c.rules.Plan(c.row, noon))
		})
	}
}

func TestPlanLeavesItsArgumentAlone(t *testing.T) {
	t.Parallel()
	for _, c := range planCases() {
		if c.row == nil {
			continue
		}
		before := *c.row
		c.rules.Plan(c.row, noon)
		if *c.row != before {
			t.Errorf("%s: Plan changed the booking it was asked about", c.name)
		}
	}
}

// planCases are the lines of the design's table in its order.
func planCases() []planCase {
	return slices.Concat(ignoreCases(), claimCases(), heldCases(), calledCases(), notLiveCases(),
		settledCases(), onItsWayCases(), armCases(), expiryCases(), horizonCases(), zoneCases())
}

func ignoreCases() []planCase {
	since := standard()
	since.ActiveSince = noon
	before := noon.Add(-tick)
	return []planCase{
		{"an absent row is ignored", standard(), nil, nothing(RuleAbsent)},
		{"a booking of another type is ignored", standard(),
			booked(onTime, fresh(), ofType("meeting")), nothing(RuleNoFollowUp)},
		{"a booking without a type is ignored", standard(),
			booked(onTime, fresh(), ofType("")), nothing(RuleNoFollowUp)},
		{"a booking whose type is only separators is ignored", standard(),
			booked(onTime, fresh(), ofType(" -_")), nothing(RuleNoFollowUp)},
		{"another type that was cancelled is ignored, not cancelled", standard(),
			booked(onTime, fresh(), ofType("meeting"), inStatus("cancelled")), nothing(RuleNoFollowUp)},
		{"another type is ignored before it is found historic", since,
			booked(before, fresh(), ofType("meeting"), createdAt(before)), nothing(RuleNoFollowUp)},

		{"made and due before the start is historic", since,
			booked(before, fresh(), createdAt(before)), nothing(RuleHistoric)},
		{"made before the start without a time is historic", since,
			booked(before, fresh(), createdAt(before), timeless), nothing(RuleHistoric)},
		{"historic and cancelled is left alone", since,
			booked(before, fresh(), createdAt(before), inStatus("cancelled")), nothing(RuleHistoric)},
		{"historic and claimed by somebody else is left alone", since,
			booked(before, claimed(before, noon), createdAt(before), unarmed), nothing(RuleHistoric)},
		{"due at the very start is armed", since,
			booked(noon, fresh(), createdAt(before)), armsAnew(RuleArm, noon)},
		{"made at the very start, due before it, is armed", since,
			booked(before, fresh(), createdAt(noon)), armsAnew(RuleArm, noon)},

		// What was taken on is seen to its end.
		{"a row that was taken on and became another type is cancelled", standard(),
			booked(onTime, scheduled(onTime), ofType("meeting")), isCancelled},
		{"a row that was called and became another type stays", standard(),
			booked(onTime, state(onTime, Executed, ""), ofType("meeting")), nothing(RuleCalled)},
		{"a row that was taken on never becomes historic", since,
			booked(before, at(scheduled(before), dueAt(noon.Add(-grace-tick))), createdAt(before)),
			arms(RuleOverdue, noon)},
	}
}

func claimCases() []planCase {
	over := noon.Add(-lease - tick)
	late := noon.Add(-lateness)
	far := noon.Add(horizon)
	return []planCase{
		{"a claim made now is left to work", standard(),
			booked(onTime, claimed(onTime, noon)), nothing(RuleClaimed)},
		{"a claim at the end of its lease is left to work", standard(),
			booked(onTime, claimed(onTime, noon.Add(-lease))), nothing(RuleClaimed)},
		{"a live claim of a cancelled booking is left to work", standard(),
			booked(onTime, claimed(onTime, noon), inStatus("cancelled")), nothing(RuleClaimed)},
		{"a live claim of a moved booking is left to work", standard(),
			booked(onTime, claimed(onTime, noon), movedTo(far)), nothing(RuleClaimed)},
		{"a live claim is left to work, even with an earlier call on record", standard(),
			booked(onTime, claimed(onTime, noon), executedAt(noon.Add(-time.Hour))), nothing(RuleClaimed)},
		{"a live claim at an idempotent agent is left to work", idempotent(),
			booked(onTime, claimed(onTime, noon.Add(-lease))), nothing(RuleClaimed)},

		{"a claim past its lease is held", standard(), booked(onTime, claimed(onTime, over)), isHeld},
		{"a claim of LAD's, without a time, is held", standard(), booked(onTime, claimed(onTime, time.Time{}), byLAD), isHeld},
		{"a lapsed claim of a cancelled booking is held", standard(),
			booked(onTime, claimed(onTime, over), inStatus("cancelled")), isHeld},
		{"a lapsed claim is held under the key that was tried, though the booking moved", standard(),
			booked(onTime, claimed(onTime, over), movedTo(far)), isHeld},
		{"a lapsed claim is held before an earlier call is looked at", standard(),
			booked(onTime, claimed(onTime, over), executedAt(noon)), isHeld},

		{"idempotent agent: a lapsed claim is tried again", idempotent(),
			booked(onTime, claimed(onTime, over)), arms(RuleLeaseOver, noon)},
		{"idempotent agent: a claim without a time is tried again", idempotent(),
			booked(onTime, claimed(onTime, time.Time{}), byLAD), arms(RuleLeaseOver, noon)},
		{"idempotent agent: a lapsed claim of a booking moved ahead is armed anew", idempotent(),
			booked(onTime, claimed(onTime, over), movedTo(onTime.Add(time.Hour))),
			armsAnew(RuleLeaseOver, noon.Add(time.Hour))},
		{"idempotent agent: a lapsed claim of a booking moved past the horizon is parked", idempotent(),
			booked(onTime, claimed(onTime, over), movedTo(far.Add(tick))), isParked},
		{"idempotent agent: a lapsed claim of a cancelled booking is held", idempotent(),
			booked(onTime, claimed(onTime, over), inStatus("cancelled")), isHeld},
		{"idempotent agent: a lapsed claim of a deleted booking is held", idempotent(),
			booked(onTime, claimed(onTime, over), deleted), isHeld},
		{"idempotent agent: a lapsed claim of a booking without a time is held", idempotent(),
			booked(onTime, claimed(onTime, over), timeless), isHeld},
		{"idempotent agent: a lapsed claim of another type is held", idempotent(),
			booked(onTime, claimed(onTime, over), ofType("meeting")), isHeld},
		{"idempotent agent: a lapsed claim at the end of its lateness is tried again", idempotent(),
			booked(late, claimed(late, over), createdAt(late)), arms(RuleLeaseOver, noon)},
		{"idempotent agent: a lapsed claim past its lateness is held", idempotent(),
			booked(late.Add(-tick), claimed(late, over), createdAt(late.Add(-tick))), isHeld},
	}
}

func heldCases() []planCase {
	doubt := at(state(onTime, Failed, OutcomeUnknown), claimedAt(noon.Add(-time.Hour)))
	later := onTime.Add(time.Hour)
	return []planCase{
		{"in doubt is held", standard(), booked(onTime, doubt), nothing(RuleHeld)},
		{"in doubt and overdue is held", standard(), booked(onTime.Add(-time.Hour), doubt), nothing(RuleHeld)},
		{"in doubt and moved is held", standard(), booked(later, doubt), nothing(RuleHeld)},
		{"in doubt and cancelled is held", standard(),
			booked(onTime, doubt, inStatus("cancelled")), nothing(RuleHeld)},
		{"in doubt and deleted is held", standard(), booked(onTime, doubt, deleted), nothing(RuleHeld)},
		{"in doubt and called is held", standard(), booked(onTime, doubt, executedAt(noon)), nothing(RuleHeld)},
		{"in doubt is held, whatever the agent can do by now", idempotent(),
			booked(onTime, doubt), nothing(RuleHeld)},
	}
}

func calledCases() []planCase {
	justCalled := executedAt(onTime.Add(-leadTime - 5*time.Second)) // the earliest call that counts
	missed := executedAt(onTime.Add(-leadTime - 5*time.Second - tick))
	earlier := onTime.Add(-time.Hour)
	return []planCase{
		{"pending and called becomes executed", standard(), booked(onTime, fresh(), justCalled), isCalled},
		{"scheduled and called becomes executed, its task goes", standard(),
			booked(onTime, scheduled(onTime), justCalled), isCalled},
		{"not started and called becomes executed", standard(),
			booked(onTime, state(onTime, Failed, NotStarted), justCalled), isCalled},
		{"rejected and called becomes executed", standard(),
			booked(onTime, state(onTime, Failed, Rejected), justCalled), isCalled},
		{"expired and called becomes executed", standard(),
			booked(onTime, state(onTime, Failed, Expired), justCalled), isCalled},
		{"cancelled by LAD and called becomes executed", standard(),
			booked(onTime, state(onTime, Cancelled, BookingCancelled), justCalled), isCalled},
		{"stopped by an operator and called becomes executed", standard(),
			booked(onTime, state(onTime, Cancelled, ByOperator), justCalled), isCalled},
		{"executed and moved to an earlier time takes that time's key", standard(),
			booked(onTime, state(onTime, Executed, ""), movedTo(earlier), justCalled), isCalled},
		{"executed under its own key stays", standard(),
			booked(onTime, state(onTime, Executed, ""), justCalled), nothing(RuleCalled)},
		{"called and then cancelled by LAD is executed", standard(),
			booked(onTime, scheduled(onTime), justCalled, inStatus("cancelled")), isCalled},
		{"called and then deleted is executed", standard(),
			booked(onTime, scheduled(onTime), justCalled, deleted), isCalled},
		{"called long ago, for a time now past its lateness, is executed", standard(),
			booked(noon.Add(-48*time.Hour), fresh(), createdAt(noon.Add(-72*time.Hour)),
				executedAt(noon.Add(-48*time.Hour))), isCalled},

		{"a call just too early for this time does not count", standard(),
			booked(onTime, fresh(), missed), armsAnew(RuleArm, noon)},
		{"executed and moved past the last call is armed anew", standard(),
			booked(onTime, state(onTime.Add(-time.Hour), Executed, ""), missed), armsAnew(RuleArm, noon)},
		{"without a time nothing was called for it", standard(),
			booked(onTime, fresh(), timeless, executedAt(noon)), isCancelled},
	}
}

// Somebody who books for a time that has just passed wants the call; a time that
// lies days back is a mistake.
func TestBackdate(t *testing.T) {
	t.Parallel()
	r := standard()
	r.MaxBackdate, r.LeadTime = time.Hour, 0
	back, further := noon.Add(-time.Hour), noon.Add(-time.Hour-tick)
	ends := becomes(RuleBackdated, Failed, Backdated)
	for _, c := range []struct {
		name string
		row  *Booking
		want want
	}{
		{"just far enough", booked(back, fresh(), createdAt(noon)), armsAnew(RuleArm, noon)},
		{"too far", booked(further, fresh(), createdAt(noon)), ends},
		{"by a clock that is ahead", booked(further, fresh(), createdAt(noon.Add(time.Hour))), armsAnew(RuleArm, noon)},
		{"by a clock that is ahead, and late", booked(noon.Add(-lateness-tick), fresh(), createdAt(noon.Add(time.Hour))), isExpired},
		{"booked in time, and late since", booked(further, fresh(), createdAt(back)), armsAnew(RuleArm, noon)},
		{"armed before", booked(further, at(scheduled(further), dueAt(further)), createdAt(noon)), arms(RuleOverdue, noon)},
		{"that end stays", booked(further, at(state(further, Failed, Backdated), unarmed), createdAt(noon)), nothing(RuleSettled)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			diff(t, c.row, c.want, r.Plan(c.row, noon))
		})
	}
	row := booked(further, fresh(), createdAt(noon))
	diff(t, row, armsAnew(RuleArm, noon), standard().Plan(row, noon)) // no bound
}
