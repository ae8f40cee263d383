package cloudtasks

import (
	"math"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"golang.org/x/time/rate"
)

// The slow-down after 429 and 503. The service documents that it happens, not how large it is.
const (
	firstGap   = time.Second
	longestGap = time.Minute
)

// pace decides when a queue may dispatch next: the token bucket of RateLimits, and the slow-down that
// an overloaded worker has caused.
type pace struct {
	bucket *rate.Limiter
	held   time.Time     // nothing is dispatched before this
	gap    time.Duration // between dispatches while the queue is slowed down; else zero
	probe  time.Time     // the next dispatch while it is
}

func newPace(l *cloudtaskspb.RateLimits) *pace {
	return &pace{bucket: rate.NewLimiter(rate.Limit(l.GetMaxDispatchesPerSecond()), int(l.GetMaxBurstSize()))}
}

// reconfigure follows a change of the queue's limits without refilling the bucket.
func (p *pace) reconfigure(now time.Time, l *cloudtaskspb.RateLimits) {
	p.bucket.SetLimitAt(now, rate.Limit(l.GetMaxDispatchesPerSecond()))
	p.bucket.SetBurstAt(now, int(l.GetMaxBurstSize()))
}

// take reports whether a task may be dispatched now, and takes its token if so.
func (p *pace) take(now time.Time) bool {
	if p.held.After(now) || p.probe.After(now) || !p.bucket.AllowN(now, 1) {
		return false
	}
	if p.gap > 0 {
		p.probe = now.Add(p.gap)
	}
	return true
}

// next returns the earliest time at which take may succeed. It is later than now if take has just
// refused.
func (p *pace) next(now time.Time) time.Time {
	at := now
	if missing := 1 - p.bucket.TokensAt(now); missing > 0 {
		// Rounded up: a wake-up that comes a nanosecond early would find no token.
		at = now.Add(time.Duration(math.Ceil(missing / float64(p.bucket.Limit()) * float64(time.Second))))
	}
	for _, t := range []time.Time{p.held, p.probe} {
		if t.After(at) {
			at = t
		}
	}
	return at
}

// overloaded slows the queue down after a 429 or 503: "Cloud Tasks will use a higher backoff rate. The
// retry specified in the Retry-After HTTP response header is considered" (HttpRequest).
func (p *pace) overloaded(now time.Time, retryAfter time.Duration) {
	if !p.held.After(now) { // attempts that were under way together count as one answer
		p.gap = min(max(firstGap, 2*p.gap), longestGap)
	}
	if until := now.Add(max(p.gap, retryAfter)); until.After(p.held) {
		p.held = until
	}
}

// succeeded ends the slow-down. What a worker has asked for with Retry-After still holds.
func (p *pace) succeeded() { p.gap, p.probe = 0, time.Time{} }
