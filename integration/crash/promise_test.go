package crash_test

import (
	"time"

	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/internal/promise"
	"lad.internal/followup/pkg/followup"
)

// check looks whether the promises were kept.
func (r *run) check() {
	history := r.history(r.t, r.ref)
	if len(history) == 0 {
		r.fail("the booking has no history")
		return
	}
	id := r.ref.BookingID.String()
	t := promise.Trace{
		Ref: r.ref, Posts: r.agent.PostsRead(id), Calls: voiceagent.Seen(r.agent.Calls(id)), Now: r.now(),
		Idempotent: r.plan.idempotent, Ended: true, Permits: r.permits,
		Undisturbed: r.what.fault == none && r.what.rival.harmless() && !r.plan.claimLost,
	}
	var before version
	for _, v := range history {
		word := promise.Means(v.Ref, v.meant(), v.ScheduledAt, time.Time{})
		if v.claims(before) {
			t.Attempts = append(t.Attempts, promise.Attempt{At: v.Task.ClaimedAt, Key: v.Task.Key, Words: []promise.Word{word}})
		}
		t.Rows = append(t.Rows, promise.Row{Task: v.Task, CalledAt: v.CalledAt, Word: word})
		t.Latest = later(t.Latest, v.ScheduledAt)
		before = v
	}
	for _, v := range t.Check() {
		r.fail("%s", v)
	}
}

// permits: what the case leaves open. A call that is refused for now is tried
// again, and no scenario refuses one for good.
func (r *run) permits(row promise.Row) bool {
	switch row.Reason {
	case "", followup.NotStarted, followup.RateLimited:
		return true
	case followup.OutcomeUnknown:
		return r.inDoubt(row.Word.Live)
	case followup.ByOperator:
		return r.what.rival == stop
	default:
		return false
	}
}

// inDoubt: the case leaves it open whether a call was made. A voice agent that
// deduplicates is simply asked again, as long as LAD means the booking.
func (r *run) inDoubt(meant bool) bool {
	if r.plan.idempotent && meant {
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
