package soak

import (
	"time"

	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/internal/promise"
	"lad.internal/followup/pkg/followup"
)

// trace is what is known of one booking. The change and the claims lock the row, so
// the claim that the change saw is the last one before it.
func (j *judge) trace(s spec, r row) promise.Trace {
	c := j.changes[r.id]
	now := promise.Means(s.ref, c.change != cancel, r.scheduledAt, time.Time{})
	first, words := now, []promise.Word{now}
	if c.change != none {
		first = promise.Means(s.ref, true, c.from, time.Time{})
		if !c.claimed.IsZero() {
			words = []promise.Word{first, now}
		}
	}
	calls := j.calls[r.id.String()]
	t := promise.Trace{Ref: s.ref, Calls: voiceagent.Seen(calls), Ended: true, Permits: func(promise.Row) bool { return j.permits(s, r) }}
	claimed := promise.Attempt{At: r.claimedAt, Key: now.Key, Words: []promise.Word{now}}
	if c.change != none && r.claimedAt.Equal(c.claimed) {
		claimed.Key, claimed.Words = first.Key, []promise.Word{first}
	}
	if !r.claimedAt.IsZero() {
		t.Attempts = append(t.Attempts, claimed)
	}
	for _, call := range calls {
		t.Attempts = append(t.Attempts, promise.Attempt{At: call.At, Key: call.IdempotencyKey, Words: words})
	}
	if j.unasked(s, r) {
		t.Calls = append(t.Calls, promise.Call{TenantID: s.ref.TenantID.String(), Key: claimed.Key, IDs: []string{r.callID}})
	}
	if len(calls) == 0 && j.posts(r.id.String()) > 0 {
		t.Attempts = append(t.Attempts, promise.Attempt{Words: words}) // a request that nothing is known of
	}
	task := followup.Task{Status: r.end.status, Reason: r.end.reason, Key: r.key, ClaimedAt: r.claimedAt, ExecutedAt: r.calledAt}
	if r.end == executed { // a call whose dispatch has failed has an id, and is none of the agent's calls
		task.CallID = r.callID
	}
	t.Rows = []promise.Row{{Task: task, Word: now}}
	return t
}

// unasked: the agent accepted the call, and the process was killed before it asked
// whether its job could be dispatched: accepted is accepted.
func (j *judge) unasked(s spec, r row) bool {
	return s.agent != nil && s.agent.Kind == voiceagent.DispatchFail && r.end == executed && j.broke(r.id, r.claimedAt)
}

// permits: an outcome is unknown because the voice agent left it open, or because
// the process that waited for it was killed. A call has the end that the agent was
// told to give it.
func (j *judge) permits(s spec, r row) bool {
	switch c := j.changes[r.id]; r.end {
	case executed, rejected:
		// It may have answered so for the time that a move has taken away.
		return s.end == r.end || c.change == move && !c.claimed.IsZero() || j.unasked(s, r)
	case unknown:
		switch {
		case s.end == unknown && j.posts(r.id.String()) > 0:
			j.report.UnknownByAgent++
		case j.broke(r.id, r.claimedAt):
			j.report.UnknownByKill++
		default:
			return false
		}
		return true
	default:
		return r.end.reason == followup.NotStarted || r.end.reason == followup.RateLimited // it is to be tried again
	}
}
