package execute_test

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
)

// doorbell listens where a database would be, and counts who comes.
func doorbell(t *testing.T) (addr string, rung *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	rung = &atomic.Int64{}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			rung.Add(1)
			_ = conn.Close()
		}
	}()
	t.Cleanup(func() { _ = listener.Close(); <-done })
	return listener.Addr().String(), rung
}

func TestAStrangerOpensNoConnectionToTheDatabase(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	addr, rung := doorbell(t)
	e := w.serve(func(p *execute.Parts) {
		p.Store = w.Open(functiontest.At("postgres://app:x@" + addr + "/lad?sslmode=disable&connect_timeout=5"))
	})
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	for _, change := range []func(*http.Request){
		header("Authorization", ""), bearer("a.b.c"), bearer(w.forged(jwt.SigningMethodRS256, "unknown", w.ownKey())),
		bearer(w.signed(func(jwt.MapClaims) {})), // Google's, where an emulator is set
		bearer(w.signed(func(c jwt.MapClaims) { c["iss"], c["email"] = w.queue.Issuer, "other@p.iam.gserviceaccount.com" })),
		header("X-CloudTasks-QueueName", "another"), header("X-CloudTasks-TaskName", ""),
		header("Content-Type", "text/plain"), header("Content-Encoding", "gzip"),
		body([]byte(`{}`)), body(bytes.Repeat([]byte(" "), 64<<10+1)),
	} {
		r := e.request(payload(b, 1))
		change(r)
		if got := e.send(r); got.status < 400 || got.status > 499 {
			t.Errorf("answered %s", got)
		}
	}
	if n := rung.Load(); n != 0 {
		t.Errorf("strangers opened %d connections", n)
	}
	// The task invoker does open one, so the above means something.
	if got := e.deliver(b, 1); got.status < 500 || rung.Load() == 0 {
		t.Errorf("the task invoker got %s after %d connections", got, rung.Load())
	}
}

// endless is a body of spaces without an end, which counts what was taken of it.
type endless struct{ taken atomic.Int64 }

func (e *endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	e.taken.Add(int64(len(p)))
	return len(p), nil
}

func TestABodyWithoutEndIsCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) { p.Store = untouchable{t} })
	b := w.Insert(functiontest.Seed{})
	for name, tc := range map[string]struct {
		token  string
		length int64
		status int
	}{
		"a stranger's":                 {"a.b.c", -1, 401},
		"a stranger's, and announced":  {"a.b.c", 1 << 40, 413},
		"the invoker's":                {w.queue.Token(), -1, 413},
		"the invoker's, and announced": {w.queue.Token(), 1 << 40, 413},
	} {
		t.Run(name, func(t *testing.T) {
			stream := &endless{}
			r := e.request(payload(b, 1))
			r.Body, r.ContentLength = io.NopCloser(stream), tc.length
			bearer(tc.token)(r)
			got, err := client.Do(r) // gives up after 30 s
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = got.Body.Close() }()
			// Sockets hold some megabytes on their own.
			if got.StatusCode != tc.status || stream.taken.Load() > 64<<20 {
				t.Errorf("answered %d after %d bytes", got.StatusCode, stream.taken.Load())
			}
		})
	}
}

// raw sends the head of a request, with this token and an announced body, then
// as much of the body as there is, and reads the answer.
func (e *endpoint) raw(t *testing.T, head, body string) (status int, answer string, closed bool) {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, head+"\r\n\r\n"+body); err != nil {
		t.Fatal(err)
	}
	reader := bufio.NewReader(conn)
	got, err := http.ReadResponse(reader, nil)
	if err != nil {
		t.Fatalf("no answer: %v", err)
	}
	defer func() { _ = got.Body.Close() }()
	text, err := io.ReadAll(got.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, err = reader.ReadByte()
	return got.StatusCode, string(text), err != nil && !errors.Is(err, os.ErrDeadlineExceeded)
}

// net/http reads a body that a handler has left, before it sends the answer.
func TestABodyThatIsAnnouncedAndNeverSentHoldsNoPlace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) { p.Store = untouchable{t} })
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nAuthorization: Bearer a.b.c\r\n"
	for name, rest := range map[string]string{
		"with a length": head + "Content-Length: 1000",
		"in chunks":     head + "Transfer-Encoding: chunked",
		"by GET":        "GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000",
		"of text":       "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 1000",
	} {
		if status, answer, closed := e.raw(t, rest, ""); status < 400 || status > 499 || !closed {
			t.Errorf("%s: answered %d %s, closed: %t", name, status, answer, closed)
		}
	}
}

func TestATokenThatIsMoreThanAHeaderMayBeIsRefusedByTheServer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) { p.Store = untouchable{t} })
	head := "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 2\r\nAuthorization: Bearer " + strings.Repeat("A", 1<<20+8192)
	if status, _, closed := e.raw(t, head, "{}"); status != 431 || !closed {
		t.Errorf("answered %d, closed: %t", status, closed)
	}
}
