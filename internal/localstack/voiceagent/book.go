package voiceagent

import (
	"sync"
	"time"
)

// Call is one call that was dialled.
type Call struct {
	CallID         string    `json:"callId"`
	TenantID       string    `json:"tenantId"`
	BookingID      string    `json:"bookingId"`
	LeadID         string    `json:"leadId,omitempty"`
	IdempotencyKey string    `json:"idempotencyKey"`
	At             time.Time `json:"at"` // UTC
	// Outcome is how its POST was answered: the Kind of the behaviour, Accept if
	// there was none.
	Outcome        Kind   `json:"outcome"`
	ToNumberMasked string `json:"toNumberMasked"`
}

// book is what the stand-in saw.
type book struct {
	mu    sync.Mutex
	calls []Call
	posts map[string]int // by booking id; "" for requests that named none
}

func (b *book) countPost(bookingID string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.posts == nil {
		b.posts = map[string]int{}
	}
	b.posts[bookingID]++
}

// add books the call. When deduplicating, a key that the tenant has
// used before gives the first call back, and nothing is booked.
func (b *book) add(call Call, deduplicate bool) Call {
	b.mu.Lock()
	defer b.mu.Unlock()
	if deduplicate && call.IdempotencyKey != "" {
		for _, first := range b.calls {
			if first.TenantID == call.TenantID && first.IdempotencyKey == call.IdempotencyKey {
				return first
			}
		}
	}
	call.At = time.Now().UTC()
	b.calls = append(b.calls, call)
	return call
}

// Calls returns the calls that were dialled for the booking, oldest first; all of
// them for "".
func (s *Server) Calls(bookingID string) []Call {
	s.book.mu.Lock()
	defer s.book.mu.Unlock()
	calls := []Call{}
	for _, call := range s.book.calls {
		if bookingID == "" || call.BookingID == bookingID {
			calls = append(calls, call)
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
