package followup

import "time"

// Plan decides what should become of this row now. b is nil for a booking that
// does not exist or is another tenant's: the two are not told apart.
//
// The first line that fits decides, and the order matters: an exhaustive search
// over these lines finds a second call, or a row that is never called, when one
// is moved or removed.
func (r Rules) Plan(b *Booking, now time.Time) Decision { return r.plan(b, now, nil) }

// plan also tells asked, unless it is nil, of each rule that it asks.
func (r Rules) plan(b *Booking, now time.Time, asked func(Rule, bool)) Decision {
	s := sight{asked: asked}
	if s.ask(RuleAbsent, b == nil) {
		return Decision{Effect: None, Rule: RuleAbsent}
	}
	s = r.look(*b, now)
	s.asked = asked
	for _, l := range planTable {
		if s.ask(l.rule, l.fits(s)) {
			return s.refresh(l.answer(s))
		}
	}
	if s.ask(RuleOverdue, s.planned()) {
		// Whoever carries this out asks first whether the task is still there.
		return s.refresh(s.arm(RuleOverdue))
	}
	return s.refresh(s.arm(RuleArm))
}

// line is one line of a table: if it fits, its answer holds.
type line struct {
	rule   Rule
	fits   func(sight) bool
	answer func(sight) Decision
}

// planTable ends in arm: what no line settles is new, moved, revived or overdue.
var planTable = []line{
	{RuleNoFollowUp,
		func(s sight) bool { return s.untouched() && !s.rules.isFollowUp(s.b) },
		func(s sight) Decision { return s.keep(RuleNoFollowUp) }},
	{RuleHistoric,
		func(s sight) bool { return s.untouched() && s.historic() },
		func(s sight) Decision { return s.keep(RuleHistoric) }},
	{RuleClaimed,
		func(s sight) bool { return s.unfinished() && !s.leaseOver() },
		func(s sight) Decision { return s.keep(RuleClaimed) }},
	{RuleLeaseOver, sight.unfinished,
		func(s sight) Decision {
			if s.retryable() {
				return s.arm(RuleLeaseOver)
			}
			return s.hold()
		}},
	{RuleHeld,
		func(s sight) bool { return s.b.Task.is(Failed, OutcomeUnknown) },
		func(s sight) Decision { return s.keep(RuleHeld) }},
	{RuleCalled, sight.called, sight.markCalled},
	{RuleNoZone, sight.zoneless, sight.noZone},
	{RuleNotLive,
		func(s sight) bool { return !s.live() },
		sight.withdraw},
	{RuleSettled, sight.unkeyed, sight.pin},
	{RuleSettled,
		func(s sight) bool { return s.finalForKey() && (s.same() || s.ofLAD()) },
		func(s sight) Decision { return s.keep(RuleSettled) }},
	{RuleOnItsWay,
		func(s sight) bool {
			return s.planned() && !s.overdue()
		},
		func(s sight) Decision { return s.keep(RuleOnItsWay) }},
}
