package httpjson_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lad.internal/followup/internal/httpjson"
)

// exchange sends raw bytes and reads all that comes back, until the connection
// is closed.
func exchange(t *testing.T, handler http.HandlerFunc, request string) string {
	t.Helper()
	server := httptest.NewServer(handler)
	defer server.Close()
	conn, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if err := conn.SetDeadline(time.Now().Add(60 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("after %q: %v", answer, err)
	}
	return string(answer)
}

func TestABodyThatDoesNotComeInTimeIsGivenUp(t *testing.T) {
	t.Parallel()
	for name, read := range map[string]func(http.ResponseWriter, *http.Request){
		"read": func(w http.ResponseWriter, r *http.Request) {
			_, problem := httpjson.ReadBodyWithin(w, r, 1024, 100*time.Millisecond)
			if problem == nil || problem.Status != 400 || problem.Code != "unreadable_body" {
				t.Errorf("read with %+v", problem)
				return
			}
			problem.Write(w)
		},
		"discarded": func(w http.ResponseWriter, r *http.Request) {
			httpjson.Discard(w, r)
			httpjson.Problem{Status: 405, Code: "method_not_allowed"}.Write(w)
		},
	} {
		for _, request := range []string{
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\n",
			"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc",
			"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
		} {
			if got := exchange(t, read, request); !strings.HasPrefix(got, "HTTP/1.1 40") || !strings.Contains(got, `"code":`) {
				t.Errorf("%s, %q: answered %q", name, request, got)
			}
		}
	}
}

func TestABodyIsReadUpToItsLimitAndNotBeyond(t *testing.T) {
	t.Parallel()
	for size, want := range map[int]int{0: 200, 1023: 200, 1024: 200, 1025: 413, 1 << 20: 413} {
		w := httptest.NewRecorder()
		body := strings.NewReader(strings.Repeat("x", size))
		got, problem := httpjson.ReadBody(w, httptest.NewRequest(http.MethodPost, "/", body), 1024)
		switch {
		case problem == nil && (want != 200 || len(got) != size):
			t.Errorf("%d bytes: read %d", size, len(got))
		case problem != nil && (problem.Status != want || problem.Message != "a body has at most 1 KiB" || got != nil):
			t.Errorf("%d bytes: %+v", size, problem)
		}
		if read := size - body.Len(); read > 1025 && size < 1<<20 || read > 2048 {
			t.Errorf("%d bytes: %d were taken", size, read)
		}
	}
}

// net/http takes a read that fails for a client that has gone.
func TestTheDeadlineOfABodyDoesNotEndTheRequest(t *testing.T) {
	t.Parallel()
	const timeout = 50 * time.Millisecond
	handler := func(w http.ResponseWriter, r *http.Request) {
		if _, problem := httpjson.ReadBodyWithin(w, r, 1024, timeout); problem != nil {
			t.Errorf("read with %+v", problem)
		}
		select {
		case <-r.Context().Done():
			t.Error("the request ended: ", context.Cause(r.Context()))
		case <-time.After(5 * timeout):
		}
	}
	for _, body := range []string{"Content-Length: 3\r\n\r\nabc", "Content-Length: 0\r\n\r\n", "\r\n"} {
		if got := exchange(t, handler, "POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"+body); !strings.HasPrefix(got, "HTTP/1.1 200 ") {
			t.Errorf("answered %q", got)
		}
	}
}
