package cloudtasks

import (
	"net/http"
	"strconv"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
)

// Backoff returns how long a task waits after its attempt number failures (counted from 1) has failed:
// "A task's retry interval starts at min_backoff, then doubles max_doublings times, then increases
// linearly, and finally retries at intervals of max_backoff" (RetryConfig.max_doublings).
func Backoff(c *cloudtaskspb.RetryConfig, failures int32) time.Duration {
	longest := c.GetMaxBackoff().AsDuration()
	delay := c.GetMinBackoff().AsDuration()
	if delay <= 0 || failures < 1 {
		return min(max(delay, 0), longest)
	}
	doublings := int32(0)
	for ; doublings < min(c.GetMaxDoublings(), failures-1); doublings++ {
		if delay >= longest { // also keeps the doubling from overflowing
			return longest
		}
		delay *= 2
	}
	step, further := delay, failures-1-doublings
	if further > 0 && time.Duration(further) > (longest-delay)/step {
		return longest
	}
	return min(delay+time.Duration(further)*step, longest)
}

// spent reports whether no further attempt may be made: "Cloud Tasks stops retrying only when
// max_attempts and max_retry_duration are both satisfied" (RetryConfig.max_attempts). A limit that is
// switched off (-1 attempts, zero duration) leaves the decision to the other one.
func spent(c *cloudtaskspb.RetryConfig, attempts int32, first, now time.Time) bool {
	limit, budget := c.GetMaxAttempts(), c.GetMaxRetryDuration().AsDuration()
	attemptsSpent := limit < 0 || attempts >= limit
	durationSpent := budget <= 0 || now.Sub(first) >= budget
	unlimited := limit < 0 && budget <= 0
	return attempts > 0 && !unlimited && attemptsSpent && durationSpent
}

// retryAfter reads a Retry-After header, in seconds or as an HTTP date (RFC 9110, section 10.2.3).
// Anything else counts as absent.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := h.Get("Retry-After")
	if v == "" {
		return 0
	}
	if seconds, err := strconv.ParseUint(v, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}
