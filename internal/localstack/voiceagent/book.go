package voiceagent

import (
	"sync"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/promise"
)

// Call is one call that was accepted.
type Call struct {
	JobID string `json:"jobId"`
	// CallID is the id of its entry in the call log, "" until it is dispatched.
	CallID         string    `json:"callId"`
	TenantID       string    `json:"tenantId"`
	BookingID      string    `json:"bookingId"`
	LeadID         string    `json:"leadId,omitempty"`
	InitiatedBy    string    `json:"initiatedBy,omitempty"`
	AgentID        int64     `json:"agentId,omitempty"`
	FromNumber     string    `json:"fromNumber,omitempty"`
	IdempotencyKey string    `json:"idempotencyKey"`
	At             time.Time `json:"at"` // UTC
	// Outcome is how its POST was answered: the Kind of the behaviour, Accept if
	// there was none.
	Outcome        Kind   `json:"outcome"`
	ToNumberMasked string `json:"toNumberMasked"`

	toNumber string // for Options.Dispatched, see ToNumber
}

// ToNumber is the number that is dialled. It is in no listing.
func (c Call) ToNumber() string { return c.toNumber }

// Is reports whether id is the call's: that of its job, or that of its entry in the
// call log.
func (c Call) Is(id string) bool { return id != "" && (id == c.JobID || id == c.CallID) }

// Seen are calls as internal/promise looks at them.
func Seen(calls []Call) []promise.Call {
	seen := make([]promise.Call, 0, len(calls))
	for _, c := range calls {
		seen = append(seen, promise.Call{TenantID: c.TenantID, Key: c.IdempotencyKey, IDs: []string{c.JobID, c.CallID}})
	}
	return seen
}

// entry is a call and its job.
type entry struct {
	Call
	state     string // pending, running or failed
	fails     bool   // the dispatch will fail, with the code
	code      string
	asked     int
	forgotten bool
}

// book is what the stand-in saw.
type book struct {
	mu      sync.Mutex
	entries []*entry
	jobs    map[string]*entry // by the job's id
	posts   map[string]int    // by booking id; "" for requests that named none
	timers  []*time.Timer
	closed  bool
	running sync.WaitGroup
}

func (b *book) countPost(bookingID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.posts == nil {
		b.posts = map[string]int{}
	}
	b.posts[bookingID]++
}

// dial books the call, which stands for dialling it: it is dispatched a little
// later. When deduplicating, a key that the tenant has used before gives the first
// call back, and nothing is booked.
func (s *Server) dial(call Call, by Behaviour) *entry {
	b := &s.book
	b.mu.Lock()
	defer b.mu.Unlock()
	if s.options.Deduplicate && call.IdempotencyKey != "" {
		for _, first := range b.entries {
			if first.TenantID == call.TenantID && first.IdempotencyKey == call.IdempotencyKey {
				return first
			}
		}
	}
	call.Outcome, call.At, call.JobID = by.Kind, time.Now().UTC(), uuid.NewString()
	e := &entry{Call: call, state: "pending", fails: by.Kind == DispatchFail, code: by.Error}
	b.entries = append(b.entries, e)
	if b.jobs == nil {
		b.jobs = map[string]*entry{}
	}
	b.jobs[call.JobID] = e
	if !b.closed {
		b.running.Add(1)
		b.timers = append(b.timers, time.AfterFunc(s.options.DispatchAfter, func() {
			defer b.running.Done()
			s.dispatch(e)
		}))
	}
	return e
}

func (s *Server) dispatch(e *entry) {
	if e.fails {
		s.book.mu.Lock()
		defer s.book.mu.Unlock()
		e.state = "failed"
		return
	}
	id := uuid.NewString()
	if s.options.Dispatched != nil {
		id = s.options.Dispatched(e.Call)
	}
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	e.state, e.CallID = "running", id
}

// Close ends the dispatching, and waits for a dispatch that is under way.
func (s *Server) Close() {
	s.book.mu.Lock()
	s.book.closed = true
	for _, timer := range s.book.timers {
		if timer.Stop() {
			s.book.running.Done()
		}
	}
	s.book.timers = nil
	s.book.mu.Unlock()
	s.book.running.Wait()
}

// Calls returns the calls that were dialled for the booking, oldest first; all of
// them for "". A call counts from the moment it is accepted, unless its dispatch
// is to fail.
func (s *Server) Calls(bookingID string) []Call {
	return s.book.list(bookingID, func(e *entry) bool { return !e.fails })
}

// Failed returns the calls that were accepted and whose dispatch fails: they rang
// nobody.
func (s *Server) Failed(bookingID string) []Call {
	return s.book.list(bookingID, func(e *entry) bool { return e.fails })
}

func (b *book) list(bookingID string, wanted func(*entry) bool) []Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	calls := []Call{}
	for _, e := range b.entries {
		if wanted(e) && (bookingID == "" || e.BookingID == bookingID) {
			calls = append(calls, e.Call)
		}
	}
	return calls
}

// PostsRead returns how many start-call POSTs were read whole for the booking,
// whatever became of them; all of them for "".
func (s *Server) PostsRead(bookingID string) int {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	if bookingID != "" {
		return s.book.posts[bookingID]
	}
	total := 0
	for _, n := range s.book.posts {
		total += n
	}
	return total
}

// JobsAsked returns how often the booking's jobs were asked for; all for "".
func (s *Server) JobsAsked(bookingID string) (total int) {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	for _, e := range s.book.entries {
		if bookingID == "" || e.BookingID == bookingID {
			total += e.asked
		}
	}
	return total
}
