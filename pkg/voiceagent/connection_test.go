package voiceagent

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lad.internal/followup/pkg/followup"
)

func TestNotConnected(t *testing.T) {
	t.Parallel()
	plain := newRawServer(t, func(p *peer) { p.write("HTTP/1.1 400 Bad Request\r\n\r\n"); p.hang() })
	silent := newRawServer(t, (*peer).hang)
	closing := newRawServer(t, func(p *peer) { _, _ = p.reader.ReadByte(); p.reset() })
	selfSigned := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		t.Error("a request reached a server whose certificate is not trusted")
	}))
	selfSigned.Config.ErrorLog = log.New(io.Discard, "", 0)
	selfSigned.StartTLS()
	t.Cleanup(selfSigned.Close)

	cases := []struct {
		name, url string
		timeout   time.Duration
		detail    string
	}{
		{"refused", "http://" + closedPort(t), 0, "connection refused"},
		{"unknown host", "https://voice-agent.invalid", 0, "the lookup of its host failed"},
		{"plain server behind https", tlsURL(plain), 0, "the TLS handshake failed"},
		{"silent in the TLS handshake", tlsURL(silent), 300 * time.Millisecond, "no answer within"},
		{"reset in the TLS handshake", tlsURL(closing), 0, "connection reset"},
		{"untrusted certificate", selfSigned.URL, 0, "its certificate is not trusted"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got := start(t, t.Context(), newTestClient(t, tc.url, tc.timeout), testCall())
			if got.Outcome != followup.CallNotStarted || got.Status != 0 {
				t.Errorf("got %+v, want not_started without a status", got)
			}
			if !strings.Contains(got.Detail, "not connected") || !strings.Contains(got.Detail, tc.detail) {
				t.Errorf("detail %q does not say %q", got.Detail, tc.detail)
			}
		})
	}
}

func tlsURL(s *rawServer) string { return strings.Replace(s.URL, "http://", "https://", 1) }

func TestNoAnswer(t *testing.T) {
	t.Parallel()
	const short = 300 * time.Millisecond
	cases := []struct {
		name    string
		handle  func(*peer)
		timeout time.Duration
		posts   int64
		why     string
	}{
		{"hangs without reading", (*peer).hang, short, 0, "no answer within 300ms"},
		{"hangs after reading", func(p *peer) { p.readRequest(); p.hang() }, short, 1, "no answer within 300ms"},
		// One byte is read first: a reset that overtakes the connect is a refusal.
		{"resets before reading", func(p *peer) { _, _ = p.reader.ReadByte(); p.reset() }, 0, 0, "connection reset"},
		{"resets after reading", func(p *peer) { p.readRequest(); p.reset() }, 0, 1, "connection reset"},
		{"closes after reading", func(p *peer) { p.readRequest() }, 0, 1, "the connection ended"},
		{"closes within the status line", func(p *peer) { p.readRequest(); p.write("HTTP/1.1 20") }, 0, 1, "a connection or an answer that is not HTTP"},
		{"closes within the header", func(p *peer) { p.readRequest(); p.write("HTTP/1.1 200 OK\r\nContent-Le") }, 0, 1, "a connection or an answer that is not HTTP"},
		{"answers something else than HTTP", func(p *peer) { p.readRequest(); p.write("220 mail ready\r\n") }, 0, 1, "a connection or an answer that is not HTTP"},
		{"sends more header than is read", func(p *peer) {
			p.readRequest()
			p.write("HTTP/1.1 200 OK\r\nX-Long: %s\r\n\r\n", strings.Repeat("x", 2*maxHeaderBytes))
		}, 0, 1, "a connection or an answer that is not HTTP"},
		{"trickles the header", func(p *peer) { p.readRequest(); p.write("HTTP/1.1 200 OK\r\nX: "); trickle(p) }, short, 1, "no answer within 300ms"},
		{"answers 100 Continue for ever", func(p *peer) { p.readRequest(); p.write("HTTP/1.1 100 Continue\r\n\r\n"); p.hang() }, short, 1, "no answer within 300ms"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := newRawServer(t, tc.handle)
			got := start(t, t.Context(), newTestClient(t, server.URL, tc.timeout), testCall())
			if got.Outcome != followup.CallUnknown || got.Status != 0 {
				t.Errorf("got %+v, want outcome_unknown without a status", got)
			}
			if want := "connected to the voice agent, but got no answer: " + tc.why; got.Detail != want {
				t.Errorf("detail %q, want %q", got.Detail, want)
			}
			if c, p := server.connections.Load(), server.posts.Load(); c != 1 || p != tc.posts {
				t.Errorf("the server saw %d connections and %d POSTs, want 1 and %d", c, p, tc.posts)
			}
		})
	}
}

// trickle sends a byte now and then until the client has had enough.
func trickle(p *peer) {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for range tick.C {
		if _, err := p.Write([]byte("x")); err != nil {
			return
		}
	}
}

func TestCancelledBeforeConnecting(t *testing.T) {
	t.Parallel()
	server := newRawServer(t, answerWith(200, "", "{}"))
	c := newTestClient(t, server.URL, 0)
	creds, err := c.Authorize(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got := c.StartCall(ctx, creds, testCall()); got.Outcome != followup.CallNotStarted {
		t.Errorf("got %+v, want not_started", got)
	}
	if n := server.connections.Load(); n != 0 {
		t.Errorf("the server saw %d connections", n)
	}
}

func TestCancelledAfterConnecting(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	server := newRawServer(t, func(p *peer) { p.readRequest(); cancel(); p.hang() })
	if got := start(t, ctx, newTestClient(t, server.URL, 0), testCall()); got.Outcome != followup.CallUnknown {
		t.Errorf("got %+v, want outcome_unknown", got)
	}
}

func TestHTTP1Only(t *testing.T) {
	t.Parallel()
	var proto, alpn string
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		proto, alpn = r.Proto, r.TLS.NegotiatedProtocol
		_, _ = io.WriteString(w, `{"callId":"11"}`)
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)

	c := newTestClient(t, server.URL, 0)
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	c.transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	if got := start(t, t.Context(), c, testCall()); got.Outcome != followup.CallAccepted || got.CallID != "11" {
		t.Errorf("got %+v, want accepted with the call id 11", got)
	}
	if proto != "HTTP/1.1" || alpn == "h2" {
		t.Errorf("spoke %s, ALPN %q", proto, alpn)
	}
}

func TestNoProxy(t *testing.T) {
	t.Parallel()
	if newTransport().Proxy != nil {
		t.Error("the transport asks for a proxy; one would stand between \"connected\" and the voice agent")
	}
}
