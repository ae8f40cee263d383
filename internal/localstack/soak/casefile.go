package soak

import (
	"time"

	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
)

// casefile is all that is known of one booking.
type casefile struct {
	*judge
	spec    spec
	row     row
	changed changed // zero if LAD changed nothing
	calls   []voiceagent.Call
}

func (c casefile) violated(kind Kind, format string, args ...any) {
	c.judge.violated(c.spec.ref, kind, format, args...)
}

func (c casefile) keyAt(at time.Time) string {
	return followup.Booking{Ref: c.spec.ref, ScheduledAt: at}.Key()
}

// dialled counts the calls that were made with a key.
func (c casefile) dialled(key string) (n int) {
	for _, call := range c.calls {
		if call.IdempotencyKey == key {
			n++
		}
	}
	return n
}

// checkCalls: never twice, never for somebody else, never for a time that the
// booking has not had, and never before it.
func (c casefile) checkCalls() {
	times := map[string]time.Time{c.keyAt(c.row.scheduledAt): c.row.scheduledAt}
	if c.changed.change == move {
		times[c.keyAt(c.changed.from)] = c.changed.from
	}
	for key := range times {
		if n := c.dialled(key); n > 1 {
			c.violated(CalledTwice, "%d calls with the key %s", n, key)
		}
	}
	for _, call := range c.calls {
		due, known := times[call.IdempotencyKey]
		switch {
		case call.TenantID != c.spec.ref.TenantID.String():
			c.violated(ForeignTenant, "called for tenant %s", call.TenantID)
		case !known:
			c.violated(WrongTime, "called with the key %q, which is none of the booking's", call.IdempotencyKey)
		case call.At.Before(due.Add(-followup.Earliness)):
			c.violated(WrongTime, "called at %v, before its time %v", call.At, due)
		}
	}
}

// checkChange: no claim, and so no call, after a cancel has committed, nor for
// the time that a move has taken away. The change and the claims lock the row, so
// the last claim that the change saw is the last one before it.
func (c casefile) checkChange() {
	before := c.changed.claimed
	switch c.changed.change {
	case cancel:
		if !c.row.claimedAt.Equal(before) {
			c.violated(CalledAfterChange, "claimed at %v; the cancel, which saw the claim of %v, had committed by %v", c.row.claimedAt, before, c.changed.committed)
		}
		if posts := c.posts(c.row.id.String()); before.IsZero() && (posts > 0 || len(c.calls) > 0) {
			c.violated(CalledAfterChange, "%d requests and %d calls, none of them before the cancel, which had committed by %v", posts, len(c.calls), c.changed.committed)
		}
	case move:
		if n := c.dialled(c.keyAt(c.changed.from)); before.IsZero() && n > 0 {
			c.violated(CalledAfterChange, "%d calls for %v, none of them before the move away from it, which had committed by %v", n, c.changed.from, c.changed.committed)
		}
	case none:
	}
}

// checkEnd: every row has an end, and one that fits what has happened.
func (c casefile) checkEnd() {
	switch c.row.end {
	case executed:
		c.checkExecuted()
	case unknown:
		c.checkUnknown()
	case rejected:
		c.checkEndsAs(rejected)
	case cancelled:
		if c.changed.change != cancel {
			c.violated(WrongEnd, "cancelled, but not by LAD")
		}
		if len(c.calls) > 0 {
			c.violated(WrongEnd, "cancelled, but called")
		}
	default:
		if c.row.end.status == followup.Failed && c.row.end.reason != followup.NotStarted {
			c.violated(WrongEnd, "%s, want %s", c.row.end, c.spec.end)
			return
		}
		c.violated(NotEnded, "%s, due %v", c.row.end, c.row.scheduledAt)
	}
}

// checkEndsAs: the row may have this end, and was never called if it is none of
// a call.
func (c casefile) checkEndsAs(e end) {
	switch {
	case c.changed.change == cancel && c.changed.claimed.IsZero():
		c.violated(WrongEnd, "%s, but LAD had cancelled it in time", e)
	case c.spec.end != e && !c.answeredBefore():
		c.violated(WrongEnd, "%s, want %s", e, c.spec.end)
	}
	if e == rejected && len(c.calls) > 0 {
		c.violated(WrongEnd, "%s, but called", e)
	}
}

// answeredBefore: the voice agent may have answered for the time that a move has
// taken away, so it behaves for the new one.
func (c casefile) answeredBefore() bool {
	return c.changed.change == move && !c.changed.claimed.IsZero()
}

// checkExecuted: what is called executed was called.
func (c casefile) checkExecuted() {
	c.checkEndsAs(executed)
	key := c.keyAt(c.row.scheduledAt)
	if c.row.key != key {
		c.violated(WrongEnd, "executed for the key %q, want %q", c.row.key, key)
	}
	if c.dialled(key) == 0 && !c.calledLate() {
		c.violated(NeverCalled, "executed, but the voice agent has no call with the key %s", key)
	}
	for _, call := range c.calls {
		if call.Is(c.row.callID) {
			return
		}
	}
	if c.row.callID != "" {
		c.violated(WrongEnd, "executed with the call id %q, which is none of its calls'", c.row.callID)
	}
}

// calledLate: the call for the old time came so late that it was the one for the
// new time too.
func (c casefile) calledLate() bool {
	return c.answeredBefore() && c.dialled(c.keyAt(c.changed.from)) > 0 &&
		!c.row.scheduledAt.After(c.row.executedAt.Add(followup.Earliness))
}

// checkUnknown: an outcome is unknown because the voice agent left it open, or
// because the process that waited for it was killed.
func (c casefile) checkUnknown() {
	if c.changed.change == cancel && c.changed.claimed.IsZero() {
		c.violated(WrongEnd, "%s, but LAD had cancelled it in time", unknown)
	}
	switch {
	case c.spec.end == unknown && c.posts(c.row.id.String()) > 0:
		c.report.UnknownByAgent++
	case c.broke(c.row.id, c.row.claimedAt):
		c.report.UnknownByKill++
	default:
		c.violated(Unexplained, "the outcome of the claim of %v is unknown, but the voice agent behaved and no process was killed with it", c.row.claimedAt)
	}
}
