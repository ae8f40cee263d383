package voiceagent

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"time"
)

// Limit is how many requests are taken. A field of 0 is no bound.
type Limit struct{ PerMinute, PerFiveSeconds int }

// limiter counts requests, and blocks everybody for a while once there are too many.
type limiter struct {
	limit    Limit
	blockFor time.Duration

	mu           sync.Mutex
	taken        []time.Time // within the last minute
	blockedUntil time.Time
}

// take counts a request, and blocks if it is past the limit.
func (l *limiter) take() {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	l.taken = slices.DeleteFunc(l.taken, func(at time.Time) bool { return now.Sub(at) >= time.Minute })
	l.taken = append(l.taken, now)
	recent := 0
	for _, at := range l.taken {
		if now.Sub(at) < 5*time.Second {
			recent++
		}
	}
	past := func(n, bound int) bool { return bound > 0 && n > bound }
	if past(len(l.taken), l.limit.PerMinute) || past(recent, l.limit.PerFiveSeconds) {
		l.blockedUntil = now.Add(l.blockFor)
		l.taken = nil // older than a minute when the usual block ends
	}
}

// blocked is how much longer everybody is refused.
func (l *limiter) blocked() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Until(l.blockedUntil)
}

// limited counts a request for start-call or a job, and answers it if there have
// been too many. A request during a block does not count.
func (s *Server) limited(w http.ResponseWriter, c contract) bool {
	if s.requests.blocked() <= 0 {
		s.requests.take()
	}
	wait := s.requests.blocked()
	if _, direct := c.(service); direct {
		wait = max(wait, s.bad.blocked())
	}
	if wait <= 0 {
		return false
	}
	w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
	c.refuse(w, http.StatusTooManyRequests, "rate limit exceeded")
	return true
}
