package voiceagent

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// Kind is a way to answer a start-call that holds the contract.
type Kind string

// The kinds, and whether they dial by themselves. Behaviour.Dialled makes the
// others dial first.
const (
	Accept       Kind = "accept"        // dials, answers as the contract says
	DispatchFail Kind = "dispatch_fail" // answers so, too; then the job fails with Behaviour.Error
	Status       Kind = "status"        // answers Behaviour.Status
	HangUp       Kind = "hang_up"       // reads, then closes the connection without an answer
	Hang         Kind = "hang"          // never answers; ends when the client or the server gives up
	Slow         Kind = "slow"          // dials, waits Behaviour.DelayMS, answers as Accept
	Truncate     Kind = "truncate"      // dials, announces a longer body than it sends
	Body         Kind = "body"          // dials, answers 200 (or Behaviour.Status) with Behaviour.Body
	SuccessFalse Kind = "success_false" // answers 200 {"success":false}
	Closed       Kind = "closed"        // answers 403 with Behaviour.Hours: outside business hours
	// UpgradeRequired answers 403 upgrade_required: the tenant lacks the feature.
	UpgradeRequired Kind = "upgrade_required"
)

// Behaviour is what to do with the start-calls that match. It is the JSON of POST
// BehaviourPath, such as {"leadId":"…","behaviour":"status","status":429,"times":2}.
type Behaviour struct {
	Match
	Kind Kind `json:"behaviour"`
	// Times is how many start-calls it is for; 0 is all. The next one that matches
	// takes over afterwards, and after the last the stand-in behaves.
	Times int `json:"times,omitempty"`

	Status     int    `json:"status,omitempty"`
	RetryAfter *int   `json:"retryAfter,omitempty"` // seconds
	Dialled    bool   `json:"dialled,omitempty"`    // dial before misbehaving
	DelayMS    int    `json:"delayMs,omitempty"`
	Body       string `json:"body,omitempty"`
	// Error is the code of a job that fails; by default dispatch_failed.
	Error string `json:"error,omitempty"`
	// Hours are the business_hours of a Closed; by default LAD's.
	Hours json.RawMessage `json:"hours,omitempty"`
}

// Match names start-calls by what they carry; what is empty matches everything.
type Match struct {
	BookingID      string `json:"bookingId,omitempty"`
	LeadID         string `json:"leadId,omitempty"`
	ToNumber       string `json:"toNumber,omitempty"`
	IdempotencyKey string `json:"idempotencyKey,omitempty"`
}

func (m Match) covers(call Match) bool {
	fits := func(want, have string) bool { return want == "" || want == have }
	return fits(m.BookingID, call.BookingID) && fits(m.LeadID, call.LeadID) &&
		fits(m.ToNumber, call.ToNumber) && fits(m.IdempotencyKey, call.IdempotencyKey)
}

func (b Behaviour) check() error {
	switch b.Kind {
	case Accept, DispatchFail, HangUp, Hang, Slow, Truncate, Body, SuccessFalse, Closed, UpgradeRequired:
	case Status:
		if b.Status < 300 { // a 2xx says that it dialled
			return errors.New(`behaviour "status" needs a status from 300 to 599: use body for an odd 2xx`)
		}
	default:
		return fmt.Errorf("unknown behaviour %q: use accept, dispatch_fail, status, hang_up, hang, slow, truncate, body, success_false, closed or upgrade_required", b.Kind)
	}
	if b.Status != 0 && (b.Status < 200 || b.Status > 599) {
		return fmt.Errorf("status %d is not between 200 and 599", b.Status)
	}
	if b.Times < 0 || b.DelayMS < 0 || (b.RetryAfter != nil && *b.RetryAfter < 0) {
		return errors.New("times, delayMs and retryAfter cannot be negative")
	}
	return nil
}

// rules are the behaviours asked for, in order.
type rules struct {
	mu   sync.Mutex
	list []Behaviour
}

// Behave adds a behaviour behind those asked for before; the first that matches a
// start-call is used.
func (s *Server) Behave(b Behaviour) error {
	if err := b.check(); err != nil {
		return err
	}
	if b.Error == "" {
		b.Error = "dispatch_failed"
	}
	if b.Hours == nil {
		b.Hours = json.RawMessage(ladHours)
	}
	s.rules.mu.Lock()
	defer s.rules.mu.Unlock()
	s.rules.list = append(s.rules.list, b)
	return nil
}

// Reset makes the stand-in behave again. Its book stays.
func (s *Server) Reset() {
	s.rules.mu.Lock()
	defer s.rules.mu.Unlock()
	s.rules.list = nil
}

// next gives the behaviour for this start-call and counts it.
func (r *rules) next(call Match) Behaviour {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, b := range r.list {
		if !b.covers(call) {
			continue
		}
		switch b.Times {
		case 0:
		case 1:
			r.list = append(r.list[:i:i], r.list[i+1:]...)
		default:
			r.list[i].Times--
		}
		return b
	}
	return Behaviour{Kind: Accept}
}

// behave answers one start-call.
func (s *Server) behave(w http.ResponseWriter, r *http.Request, c contract, b Behaviour, call Call) {
	var dialled *entry
	switch b.Kind {
	case Accept, DispatchFail, Slow, Truncate, Body:
		dialled = s.dial(call, b)
	default:
		if b.Dialled {
			dialled = s.dial(call, b)
		}
	}
	if b.RetryAfter != nil {
		w.Header().Set("Retry-After", strconv.Itoa(*b.RetryAfter))
	}
	switch b.Kind {
	case Status:
		message, known := messages[b.Status]
		if !known {
			message = http.StatusText(b.Status)
		}
		c.refuse(w, b.Status, message)
	case HangUp:
		panic(http.ErrAbortHandler) // net/http's way to close without an answer
	case Hang:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	case Slow:
		if wait(r, time.Duration(b.DelayMS)*time.Millisecond) {
			c.accept(w, s.book.accepted(dialled))
		}
	case Truncate:
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"success":true,"data":{"job_id":"`))
	case Body:
		w.WriteHeader(max(b.Status, http.StatusOK))
		_, _ = w.Write([]byte(b.Body))
	case SuccessFalse:
		answer(w, http.StatusOK, map[string]any{"success": false})
	case Closed:
		answer(w, http.StatusForbidden, map[string]any{"success": false, "message": "Calls are allowed in business hours only", "business_hours": b.Hours})
	case UpgradeRequired:
		answer(w, http.StatusForbidden, map[string]any{"success": false, "error": "The tenant does not have this feature", "upgrade_required": true})
	default:
		c.accept(w, s.book.accepted(dialled))
	}
}

// ladHours are the hours that LAD's backend has today, for all tenants.
const ladHours = `{"start":"08:00","end":"22:00","timezone":"Asia/Dubai","allowed_days":["monday","tuesday","wednesday","thursday","friday"]}`

// messages are LAD's reasons.
var messages = map[int]string{
	http.StatusBadRequest:          "missing or invalid fields",
	http.StatusUnauthorized:        "invalid credentials",
	http.StatusPaymentRequired:     "not enough credits",
	http.StatusForbidden:           "invalid token",
	http.StatusInternalServerError: "failed to start the call",
}

// wait reports false when the client went away first.
func wait(r *http.Request, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-r.Context().Done():
		return false
	}
}
