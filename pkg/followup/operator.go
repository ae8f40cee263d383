package followup

import (
	"slices"
	"time"
)

// The rules by which a person changes a booking. Like those of the tables their
// names are stable.
const (
	RuleOperatorRetry     Rule = "operator_retry"      // call after all
	RuleOperatorCancel    Rule = "operator_cancel"     // do not call
	RuleOperatorCalled    Rule = "operator_called"     // the call in doubt was made
	RuleOperatorNotCalled Rule = "operator_not_called" // the call in doubt was not made
	RuleOperatorReplayed  Rule = "operator_replayed"   // the log tells of a call that the row does not
)

// RefusedError says why a person may not do something to a booking as it
// stands, and what to do instead. Its text is a clause for people; it holds
// nothing personal.
type RefusedError struct{ Why string }

// Error implements error.
func (e *RefusedError) Error() string { return e.Why }

// Retry makes a call wait for a task again that failed without a doubt, that an
// operator cancelled, or that Admit ended and would ask about again. Plan then arms
// it, or lets it wait for the horizon: what Plan would end at once is refused. The
// error is always a *RefusedError.
func (r Rules) Retry(b Booking, now time.Time) (Decision, error) {
	b.Task = b.proven()
	if !b.Task.retryable() {
		return r.refuse(b, now)
	}
	d := r.look(b, now).reopen(RuleOperatorRetry)
	b.Task = d.Next
	switch plan := r.Plan(&b, now); plan.Rule {
	case RuleArm, RuleBeyond:
		return d, nil
	case RuleExpired:
		return refused(tooLate)
	case RuleCalled:
		return refused(alreadyCalled)
	case RuleNoZone:
		return refused(noZone)
	default:
		return refused(notMeant + ": revive it in LAD first")
	}
}

// retryable reports whether Retry takes the task. A timezone that cannot be read is
// LAD's to correct.
func (t Task) retryable() bool {
	switch t.Status {
	case Failed:
		return slices.Contains([]Reason{NotStarted, Rejected, Misconfigured, Backdated}, t.Reason)
	case Cancelled:
		return slices.Contains([]Reason{ByOperator, LeadDeleted, LeadArchived, DoNotCall, Duplicate, CallLimit}, t.Reason)
	default:
		return false
	}
}

// ResolveCalled ends a call whose outcome is unknown as made, at the moment of
// its claim. callID is the voice agent's name for it; "" keeps the one that the
// row has. The error is always a *RefusedError.
func (r Rules) ResolveCalled(b Booking, callID string, now time.Time) (Decision, error) {
	b.Task = b.proven()
	if !b.Task.is(Failed, OutcomeUnknown) {
		return r.refuse(b, now)
	}
	next := b.Task
	next.Status, next.Reason, next.LastError = Executed, "", ""
	next.ExecutedAt = next.ClaimedAt
	if next.ClaimedAt.IsZero() {
		// Not a claim of this system, so only the key can say for which time
		// the call counts: the one that the person sees.
		next.Key, next.PlannedFor = b.Key(), b.ScheduledAt
	}
	if callID != "" {
		next.CallID = callID
	}
	next.Name, next.DueAt = "", time.Time{}
	return Decision{Effect: Update, Rule: RuleOperatorCalled, Next: next, Drop: b.Task.Name}, nil
}

// ResolveNotCalled makes a call whose outcome is unknown wait for a task again:
// it is proven, by a person, not to have rung. Plan decides what becomes of it;
// if it is too late by now, it expires. The error is always a *RefusedError.
func (r Rules) ResolveNotCalled(b Booking, now time.Time) (Decision, error) {
	b.Task = b.proven()
	if !b.Task.is(Failed, OutcomeUnknown) {
		return r.refuse(b, now)
	}
	return r.look(b, now).reopen(RuleOperatorNotCalled), nil
}

// Cancel stops the call that a booking still waits for: one that is open, or
// that Plan is about to arm because the booking was moved or revived. It holds
// until the booking moves to another time. The error is always a
// *RefusedError.
func (r Rules) Cancel(b Booking, now time.Time) (Decision, error) {
	plan := r.Plan(&b, now)
	s := r.look(b, now)
	switch {
	case plan.Rule == RuleNoFollowUp, plan.Rule == RuleHistoric, plan.Rule == RuleCalled,
		s.unfinished(), b.ScheduledAt.IsZero():
		return r.refuse(b, now)
	case s.b.Task.open(), plan.Rule == RuleArm, plan.Rule == RuleBeyond:
		return s.end(RuleOperatorCancel, Cancelled, ByOperator), nil
	default:
		return r.refuse(b, now)
	}
}

// reopen lets the row wait for a task. The revision makes stale whatever task
// there still is, and the finish of the last claim unless the call was accepted.
func (s snapshot) reopen(rule Rule) Decision {
	next := s.b.Task
	next.Status, next.Reason, next.LastError = Pending, "", ""
	next.Revision++
	next.Name, next.DueAt, next.ClaimedAt = "", time.Time{}, time.Time{}
	return Decision{Effect: Update, Rule: rule, Next: next, Drop: s.b.Task.Name}
}

func (r Rules) refuse(b Booking, now time.Time) (Decision, error) { return refused(r.Advice(b, now)) }

func refused(why string) (Decision, error) { return Decision{}, &RefusedError{Why: why} }
