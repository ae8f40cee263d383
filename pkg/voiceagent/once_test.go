package voiceagent

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"lad.internal/followup/pkg/followup"
)

// breakReused answers the first request of a connection and keeps it alive; the
// second it reads and hangs up on. That is what makes net/http send a POST again.
func breakReused(p *peer) {
	if p.readRequest() {
		p.write("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
	}
	p.readRequest()
}

func TestOnePostPerCall(t *testing.T) {
	t.Parallel()
	server := newRawServer(t, breakReused)
	c := newTestClient(t, server.URL, 0)
	for i := range 3 {
		if got := start(t, t.Context(), c, testCall()); got.Outcome != followup.CallAccepted {
			t.Errorf("call %d: got %+v, want accepted", i+1, got)
		}
	}
	if posts, conns := server.posts.Load(), server.connections.Load(); posts != 3 || conns != 3 {
		t.Errorf("3 calls were %d POSTs on %d connections, want 3 on 3", posts, conns)
	}
}

// The guard of the test above: with a plain http.Client the same server does read
// one POST too many, and the client sees nothing but success.
func TestPlainClientSendsTwice(t *testing.T) {
	t.Parallel()
	server := newRawServer(t, breakReused)
	plain := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(plain.CloseIdleConnections)
	for range 2 {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, server.URL, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Idempotency-Key", "k")
		resp, err := plain.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body := make([]byte, 2)
		if _, err := resp.Body.Read(body); resp.StatusCode != 200 || string(body) != "{}" {
			t.Fatalf("got %d %q, %v", resp.StatusCode, body, err)
		}
		_, _ = resp.Body.Read(body) // to EOF, which gives the connection back
		_ = resp.Body.Close()
	}
	if posts := server.posts.Load(); posts != 3 {
		t.Errorf("2 requests were %d POSTs, want 3: if net/http has changed, the test above proves nothing any more", posts)
	}
}

func TestRedirect(t *testing.T) {
	t.Parallel()
	elsewhere := newRawServer(t, answerWith(200, "", "{}"))
	for _, status := range []int{300, 301, 302, 303, 304, 307, 308} {
		for _, location := range []string{elsewhere.URL + "/calls", "/again", "://%zz", ""} {
			t.Run(fmt.Sprintf("%d to %q", status, location), func(t *testing.T) {
				t.Parallel()
				header := ""
				if location != "" {
					header = "Location: " + location + "\r\n"
				}
				server := newRawServer(t, answerWith(status, header, ""))
				got := start(t, t.Context(), newTestClient(t, server.URL, 0), testCall())
				if got.Outcome != followup.CallRejected || got.Status != status {
					t.Errorf("got %+v, want rejected with %d", got, status)
				}
				if n := server.posts.Load(); n != 1 {
					t.Errorf("the server read %d POSTs", n)
				}
			})
		}
	}
	t.Cleanup(func() {
		if n := elsewhere.connections.Load(); n != 0 {
			t.Errorf("the redirect's target saw %d connections", n)
		}
	})
}
