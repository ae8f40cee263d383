package crash_test

import (
	"slices"

	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
)

// check looks whether the promises were kept.
func (r *run) check() {
	history := r.history(r.t, r.ref)
	if len(history) == 0 {
		r.fail("the booking has no history")
		return
	}
	claims := r.checkClaims(history)
	r.checkCalls(claims)
	r.checkStates(history)
	r.checkEnd(history[len(history)-1])
}

// checkClaims: a claim is committed only on a booking that LAD means, and for
// the very time that the booking has. So no call is made after a cancel that was
// committed before its claim, or for a time that no longer holds. It returns how
// often each key was claimed.
func (r *run) checkClaims(history []version) map[string]int {
	claims := map[string]int{}
	var before version
	for _, v := range history {
		if v.claims(before) {
			claims[v.Task.Key]++
			if !v.meant() {
				r.fail("a booking was claimed that LAD no longer meant: %s", v)
			}
			if v.Task.Key != v.Key() {
				r.fail("a booking was claimed for a time that it no longer had: %s", v)
			}
		}
		before = v
	}
	return claims
}

// checkCalls: a key is rung at most once, and each POST had a claim of its own.
func (r *run) checkCalls(claims map[string]int) {
	all := 0
	for key, n := range claims {
		all += n
		if rung := r.rung(key); rung > 1 {
			r.fail("the lead was rung %d times for one time", rung)
		}
	}
	for _, call := range r.agent.Calls(r.ref.BookingID.String()) {
		if claims[call.IdempotencyKey] == 0 {
			r.fail("a call was made that nobody had claimed: %s", call.IdempotencyKey)
		}
	}
	if posts := r.agent.PostsRead(r.ref.BookingID.String()); posts > all {
		r.fail("%d POSTs were made on %d claims", posts, all)
	}
}

// checkStates: nothing is called executed without a call for the claim that it
// stands on, and nothing is held that was not claimed.
func (r *run) checkStates(history []version) {
	claimed := map[int64]string{} // the time of a claim, and its key
	var before version
	for _, v := range history {
		if v.claims(before) {
			claimed[v.Task.ClaimedAt.UnixMicro()] = v.Task.Key
		}
		if v.Task.Status == followup.Executed {
			key, ok := claimed[v.Task.ExecutedAt.UnixMicro()]
			if !ok || r.rung(key) == 0 {
				r.fail("it counts as called, and nobody was rung: %s", v)
			}
		}
		if key := claimed[v.CalledAt.UnixMicro()]; !v.CalledAt.IsZero() && r.rung(key) == 0 {
			r.fail("a call is on record, and nobody was rung: %s", v)
		}
		if v.Task.Reason == followup.OutcomeUnknown {
			if _, ok := claimed[v.Task.ClaimedAt.UnixMicro()]; !ok {
				r.fail("it is held, and nobody had claimed it: %s", v)
			}
			if before.Task.Reason != followup.OutcomeUnknown && !r.inDoubt(v) {
				r.fail("it was held although nothing was in doubt: %s", v)
			}
		}
		before = v
	}
}

// inDoubt: the case leaves it open whether a call was made. A voice agent that
// deduplicates is simply asked again, as long as LAD means the booking.
func (r *run) inDoubt(v version) bool {
	if r.plan.idempotent && v.meant() {
		return false
	}
	if r.plan.claimLost {
		return true
	}
	claim := r.claimStep()
	if !r.reached || claim == 0 || r.what.step < claim {
		return false
	}
	if r.what.step > claim {
		return true
	}
	// The claim's own COMMIT: it did not happen, or its answer was lost and the
	// claim given back at once.
	return r.what.fault == crashAfter || r.what.fault == hang
}

// checkEnd: the end has the reason that this case gives.
func (r *run) checkEnd(last version) {
	task := last.Task
	withdrawn := last.Status == "cancelled"
	switch {
	case task.Status == followup.Executed:
	case task.Status == followup.Failed && task.Reason == followup.OutcomeUnknown:
	case task.Status == followup.Cancelled && task.Reason == followup.BookingCancelled:
		if !withdrawn {
			r.fail("it ended as cancelled by LAD, which it is not")
		}
	case task.Status == followup.Cancelled && task.Reason == followup.ByOperator:
		if r.what.rival != stop {
			r.fail("it ended as cancelled by an operator, and there was none")
		}
	default:
		r.fail("it ended as %s", last)
	}
	calls := r.agent.Calls(r.ref.BookingID.String())
	if task.CallID != "" && !slices.ContainsFunc(calls, func(c voiceagent.Call) bool { return c.Is(task.CallID) }) {
		r.fail("it names the call %s, which nobody has made: %s", task.CallID, last)
	}
	if r.what.fault != none || !r.what.rival.harmless() || withdrawn || r.plan.claimLost {
		return
	}
	if len(calls) != 1 || task.Status != followup.Executed || !calls[0].Is(task.CallID) {
		r.fail("nothing was spoiled, and it ended as %s, call %q, with %d calls", last, task.CallID, len(calls))
	}
}
