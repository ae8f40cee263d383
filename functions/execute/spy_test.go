package execute_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
)

// spy is a voice agent that takes every call and remembers what it was sent.
type spy struct {
	*httptest.Server
	mu   sync.Mutex
	last string
}

func newSpy(t *testing.T) *spy {
	t.Helper()
	s := &spy{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *spy) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body) // a body that ends early is no call
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last = string(text)
}

func (s *spy) body() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last
}
