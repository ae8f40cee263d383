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
	s := snapshot{asked: asked}
	if s.ask(RuleAbsent, b == nil) {
		return Decision{Effect: None, Rule: RuleAbsent}
	}
	s = r.look(*b, now)
	s.asked = asked
	for _, l := range planTable {
		if s.ask(l.rule, l.fits(s)) {
			return s.refresh(l.answer(s, l.rule))
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
	fits   func(snapshot) bool
	answer func(snapshot, Rule) Decision
}

// planTable ends in arm: what no line settles is new, moved, revived or overdue.
var planTable = []line{
	{RuleNoFollowUp, func(s snapshot) bool { return s.untouched() && !s.rules.isFollowUp(s.b) }, snapshot.keep},
	{RuleHistoric, func(s snapshot) bool { return s.untouched() && s.historic() }, snapshot.keep},
	{RuleClaimed, snapshot.claimed, snapshot.keep},
	{RuleLeaseOver, snapshot.unfinished,
		func(s snapshot, rule Rule) Decision {
			if s.retryable() {
				return s.arm(rule)
			}
			return s.hold(rule)
		}},
	{RuleHeld, snapshot.held, snapshot.keep},
	{RuleCalled, snapshot.called, snapshot.markCalled},
	{RuleNoZone, snapshot.zoneless, snapshot.noZone},
	{RuleNotLive, func(s snapshot) bool { return !s.live() }, snapshot.withdraw},
	{RuleSettled, snapshot.unkeyed, snapshot.pin},
	{RuleSettled, func(s snapshot) bool { return s.finalForKey() && (s.same() || s.ofLAD()) }, snapshot.keep},
	{RuleOnItsWay, func(s snapshot) bool { return s.planned() && !s.overdue() }, snapshot.keep},
}
