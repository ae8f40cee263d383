package voiceagent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lad.internal/followup/internal/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testSecret = "s3cret-of-the-house"
	testNumber = "+971501234567"
	testName   = "Zoë Quist"
)

func testCall() Call {
	return Call{
		TenantID:       "11111111-1111-4111-8111-111111111111",
		BookingID:      "22222222-2222-4222-8222-222222222222",
		LeadID:         "33333333-3333-4333-8333-333333333333",
		InitiatedBy:    "44444444-4444-4444-8444-444444444444",
		To:             testNumber,
		AgentID:        7,
		LeadName:       testName,
		Context:        "Asked for the price of <two> seats & parking.",
		IdempotencyKey: "followup:11111111-1111-4111-8111-111111111111:22222222-2222-4222-8222-222222222222:2026-03-01T09:00:00.000Z",
	}
}

func testConfig(baseURL string) Config {
	return Config{
		BaseURL:               baseURL,
		InternalServiceSecret: settings.NewSecret(testSecret),
		Timeout:               20 * time.Second,
	}
}

// newTestClient returns a client; a timeout other than 0 may be shorter than
// Validate allows.
func newTestClient(t *testing.T, baseURL string, timeout time.Duration) *Client {
	t.Helper()
	c, err := New(t.Context(), testConfig(baseURL))
	if err != nil {
		t.Fatal(err)
	}
	if timeout != 0 {
		c.config.Timeout = timeout
	}
	return c
}

func start(t *testing.T, ctx context.Context, c *Client, call Call) Result {
	t.Helper()
	creds, err := c.Authorize(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return c.StartCall(ctx, creds, call)
}

// rawServer is a TCP server whose every connection is handled by a function, so
// that it can misbehave in any way. It counts what it saw.
type rawServer struct {
	URL         string
	connections atomic.Int64
	posts       atomic.Int64

	listener net.Listener
	mu       sync.Mutex
	open     map[*peer]struct{}
	handlers sync.WaitGroup
}

type peer struct {
	*net.TCPConn
	server *rawServer
	reader *bufio.Reader
}

func newRawServer(t *testing.T, handle func(*peer)) *rawServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &rawServer{URL: "http://" + l.Addr().String(), listener: l, open: map[*peer]struct{}{}}
	s.handlers.Go(func() { s.accept(handle) })
	t.Cleanup(s.close)
	return s
}

func (s *rawServer) accept(handle func(*peer)) {
	for {
		conn, err := s.listener.Accept()
		if err != nil {
			return
		}
		s.connections.Add(1)
		p := &peer{TCPConn: conn.(*net.TCPConn), server: s, reader: bufio.NewReader(conn)}
		s.mu.Lock()
		s.open[p] = struct{}{}
		s.mu.Unlock()
		s.handlers.Go(func() {
			defer func() {
				s.mu.Lock()
				delete(s.open, p)
				s.mu.Unlock()
				_ = p.Close()
			}()
			handle(p)
		})
	}
}

func (s *rawServer) close() {
	_ = s.listener.Close()
	s.mu.Lock()
	for p := range s.open {
		_ = p.Close()
	}
	s.mu.Unlock()
	s.handlers.Wait()
}

// readRequest reads one whole request and counts it if it is a POST. It returns
// false when the client sends no more.
func (p *peer) readRequest() bool {
	req, err := http.ReadRequest(p.reader)
	if err != nil {
		return false
	}
	if _, err := io.Copy(io.Discard, req.Body); err != nil {
		return false
	}
	if req.Method == http.MethodPost {
		p.server.posts.Add(1)
	}
	return true
}

// hang holds the connection until the client gives it up.
func (p *peer) hang() { _, _ = io.Copy(io.Discard, p.reader) }

// reset ends the connection with a TCP RST.
func (p *peer) reset() {
	_ = p.SetLinger(0)
	_ = p.Close()
}

func (p *peer) write(format string, args ...any) { _, _ = fmt.Fprintf(p, format, args...) }

// answer returns a handler that reads one request and answers it whole.
func answerWith(status int, header, body string) func(*peer) {
	return func(p *peer) {
		if p.readRequest() {
			p.write("HTTP/1.1 %d Some Words\r\n%sContent-Length: %d\r\n\r\n%s", status, header, len(body), body)
		}
	}
}

// closedPort returns an address at which nobody listens.
func closedPort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
		t.Fatal(err)
	}
	return l.Addr().String()
}
