package voiceagent

import (
	"net/http"
	"strconv"
	"time"

	"lad.internal/followup/pkg/followup"
)

// MaxRetryAfter is the longest Result.RetryAfter: a voice agent that asks for more
// is asked again after this.
const MaxRetryAfter = time.Hour

// limitedFor is how long the voice service's limit blocks everybody.
const limitedFor = time.Minute

// Result is the answer to one StartCall.
type Result struct {
	Outcome followup.Outcome
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int
	// JobID is what Client.Job can be asked about: a UUID, or a number of at most 6
	// digits; "" if the answer held none in that form.
	JobID string
	// CallID is the voice agent's id of the call, in the form of JobID. The voice
	// service names it in its answer only once it has dispatched the call.
	CallID string
	// Detail says what happened, for people, in this package's own words: no text of
	// the voice agent is in it.
	Detail string
	// RetryAfter is the wait that the voice agent asked for, between 0 and
	// MaxRetryAfter; a minute for a CallLimited without one, else 0.
	RetryAfter time.Duration
	// OpensAt is when business hours next begin (UTC), for a CallClosed.
	OpensAt time.Time
}

// classify gives the outcome of an answer with this status.
//
// LAD's 500 stands for "before or after dialling". A 409 may mean that another
// request with this key is dialling. A bare 503, like 502 and 504, may come from a
// proxy that lost its connection to a voice agent already at work; with Retry-After
// it is a refusal made on purpose (RFC 9110, section 15.6.4). A 2xx that says that
// it has failed does not say when.
//
// Every status not named here is unknown, the 101 that nobody asked for included:
// a wrong "unknown" costs a person a minute, a wrong "not started" a second call.
func classify(status int, retryAfterGiven bool, a answer) followup.Outcome {
	switch {
	case status >= 200 && status <= 299 && a.failed:
		return followup.CallUnknown
	case status >= 200 && status <= 299:
		return followup.CallAccepted
	case status >= 300 && status <= 399:
		return followup.CallRejected
	}
	switch status {
	case http.StatusUnauthorized:
		return followup.CallMisconfigured
	case http.StatusForbidden:
		if a.hours != nil && !a.upgrade {
			return followup.CallClosed
		}
		return followup.CallMisconfigured
	case http.StatusTooManyRequests:
		return followup.CallLimited
	case http.StatusTooEarly:
		return followup.CallNotStarted
	case http.StatusBadRequest, http.StatusPaymentRequired, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return followup.CallRejected
	case http.StatusServiceUnavailable:
		if retryAfterGiven {
			return followup.CallNotStarted
		}
	}
	return followup.CallUnknown
}

// retryAfter reads a Retry-After of either form (RFC 9110, section 10.2.3), bounded
// to 0…MaxRetryAfter. A value in neither form counts as none given, which leaves a
// 503 unknown.
func retryAfter(value string, now time.Time) (wait time.Duration, given bool) {
	if isDigits(value) {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(MaxRetryAfter/time.Second) { // err: more digits than an int64 has
			return MaxRetryAfter, true
		}
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0, false
	}
	return min(max(at.Sub(now), 0), MaxRetryAfter), true
}

func isDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return s != ""
}
