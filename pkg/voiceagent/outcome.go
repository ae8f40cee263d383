package voiceagent

import (
	"fmt"
	"net/http"
	"strconv"
	"time"
)

// Outcome is what is known about a call after StartCall. The zero value is
// Unknown, so that a forgotten case holds the call for a person.
type Outcome int

const (
	// Unknown: the request may have reached the voice agent, and nothing proves
	// that it did not dial.
	Unknown Outcome = iota
	// NotStarted: proven that no call was started; a later attempt may succeed.
	NotStarted
	// Rejected: no call was started, and the same request would be refused again.
	Rejected
	// Accepted: the voice agent has taken the call on.
	Accepted
)

// String returns accepted, not_started, rejected or outcome_unknown.
func (o Outcome) String() string {
	switch o {
	case Accepted:
		return "accepted"
	case NotStarted:
		return "not_started"
	case Rejected:
		return "rejected"
	case Unknown:
		return "outcome_unknown"
	}
	return fmt.Sprintf("Outcome(%d)", int(o))
}

// MaxRetryAfter is the longest Result.RetryAfter: a voice agent that asks for more
// is asked again after this.
const MaxRetryAfter = time.Hour

// Result is the answer to one StartCall.
type Result struct {
	Outcome Outcome
	// Status is the HTTP status of the answer, 0 if there was none.
	Status int
	// CallID is the voice agent's id of the call, "" if its answer held none, or one
	// with the lead's number or name in it. It is at most 200 bytes of valid UTF-8
	// without control characters.
	CallID string
	// Detail says what happened, for people: at most 500 characters of valid UTF-8
	// without control characters, and without the lead's number and name or a secret.
	Detail string
	// RetryAfter is the wait that the voice agent asked for, between 0 and
	// MaxRetryAfter; 0 also if it asked for none.
	RetryAfter time.Duration
}

// classify gives the outcome of an answer with this status.
//
// A 403 is no refusal for good: LAD answers it outside business hours too.
// LAD's 500 stands for "before or after dialling". A 409 may mean that another
// request with this key is dialling. A bare 503, like 502 and 504, may come from a
// proxy that lost its connection to a voice agent already at work; with Retry-After
// it is a refusal made on purpose (RFC 9110, section 15.6.4).
//
// Every status not named here is Unknown, the 101 that nobody asked for included:
// a wrong "unknown" costs a person a look, a wrong "not started" a second call.
func classify(status int, retryAfterGiven bool) Outcome {
	switch {
	case status >= 200 && status <= 299:
		return Accepted
	case status >= 300 && status <= 399:
		return Rejected
	}
	switch status {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusTooEarly, http.StatusTooManyRequests:
		return NotStarted
	case http.StatusBadRequest, http.StatusPaymentRequired, http.StatusNotFound, http.StatusMethodNotAllowed,
		http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType, http.StatusUnprocessableEntity:
		return Rejected
	case http.StatusServiceUnavailable:
		if retryAfterGiven {
			return NotStarted
		}
	}
	return Unknown
}

// retryAfter reads a Retry-After of either form (RFC 9110, section 10.2.3), bounded
// to 0…MaxRetryAfter. A value in neither form counts as none given, which leaves a
// 503 Unknown.
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
