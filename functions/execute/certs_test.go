package execute_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
)

// issuer is the way to Google's certificates, which are a queue's here. It
// counts, and it may be cut.
type issuer struct {
	keys     string                                         // URL
	fail     atomic.Pointer[func() (*http.Response, error)] // instead of an answer
	maxAge   atomic.Int64                                   // seconds; 0 leaves the queue's
	requests atomic.Int64
}

// RoundTrip implements http.RoundTripper.
func (i *issuer) RoundTrip(r *http.Request) (*http.Response, error) {
	i.requests.Add(1)
	if r.URL.String() != "https://www.googleapis.com/oauth2/v3/certs" {
		return nil, fmt.Errorf("asked for %s", r.URL)
	}
	if fail := i.fail.Load(); fail != nil {
		return (*fail)()
	}
	asked, err := http.NewRequestWithContext(r.Context(), http.MethodGet, i.keys, nil)
	if err != nil {
		return nil, err
	}
	resp, err := client.Transport.RoundTrip(asked)
	if err == nil && i.maxAge.Load() > 0 {
		resp.Header.Set("Cache-Control", fmt.Sprintf("public, max-age=%d", i.maxAge.Load()))
	}
	return resp, err
}

// answers is a certificates endpoint that answers so.
func answers(status int, body string) func() (*http.Response, error) {
	return func() (*http.Response, error) {
		return &http.Response{StatusCode: status, Header: http.Header{"Cache-Control": {"max-age=3600"}}, Body: io.NopCloser(strings.NewReader(body))}, nil
	}
}

func away() (*http.Response, error) { return nil, errors.New("no route to host") }

// google is an endpoint that takes Google's tokens, over i.
func (w *world) google(i *issuer) *endpoint {
	w.t.Helper()
	i.keys = w.queue.CertsURL
	verifier, err := execute.NewVerifierOver(w.t.Context(), execute.OIDCConfig{Mode: "verify"}, functiontest.Audience, functiontest.Account, i)
	if err != nil {
		w.t.Fatal(err)
	}
	return w.serve(func(p *execute.Parts) { p.Verifier = verifier })
}

// call delivers a new booking's task with this token.
func (e *endpoint) call(token string) response {
	e.w.t.Helper()
	r := e.request(payload(e.w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)}), 1))
	bearer(token)(r)
	return e.send(r)
}

func TestCertificatesAreFetchedOnceAndAnOutageStopsNoCallMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := &issuer{}
	e := w.google(i)
	good, stranger := w.signed(func(jwt.MapClaims) {}), w.forged(jwt.SigningMethodNone, "k", jwt.UnsafeAllowNoneSignatureType)
	if got := e.call(stranger); got.status != 401 || i.requests.Load() != 0 {
		t.Errorf("a stranger got %s, and the issuer %d requests", got, i.requests.Load())
	}
	if got := e.call(good); got.Result != "accepted" {
		t.Fatalf("got %s", got)
	}
	broken := away
	i.fail.Store(&broken)
	for range 10 {
		if got := e.call(good); got.Result != "accepted" {
			t.Errorf("in the outage, got %s", got)
		}
		// A key that is not among the certificates is no reason to ask for them.
		if got := e.call(w.forged(jwt.SigningMethodRS256, "unknown", w.ownKey())); got.status != 401 {
			t.Errorf("a stranger got %s", got)
		}
	}
	if n := i.requests.Load(); n != 1 {
		t.Errorf("the certificates were asked for %d times", n)
	}
}

// Nothing is known of the token then: it is not refused for good, the queue is
// not slowed down (503, 429), and nobody is called.
func TestAnOutageThatOutlivesTheCertificatesPutsTheTasksOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := &issuer{}
	i.maxAge.Store(1)
	e := w.google(i)
	good := w.signed(func(jwt.MapClaims) {})
	if got := e.call(good); got.Result != "accepted" {
		t.Fatalf("got %s", got)
	}
	cut := away
	i.fail.Store(&cut)
	var got response
	functiontest.Eventually(t, "the certificates are over", func() bool {
		got = e.call(good)
		return got.status != 200
	})
	if got.status != 502 || got.Error.Code != "certificates_unavailable" {
		t.Errorf("got %s", got)
	}
	i.fail.Store(nil)
	functiontest.Eventually(t, "the calls go on", func() bool { return e.call(good).Result == "accepted" })
	lines := w.log.Events("request_refused")
	for _, line := range lines {
		if line["severity"] != "ERROR" || !strings.Contains(line["error"].(string), "certificates") {
			t.Errorf("logged %v", line)
		}
	}
	if len(lines) == 0 {
		t.Error("nothing was logged")
	}
}

func TestWhatIsNoListOfKeysIsNeverTakenForOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	good := w.signed(func(jwt.MapClaims) {})
	for name, fail := range map[string]func() (*http.Response, error){
		"no connection":   away,
		"an error":        answers(500, `{}`),
		"too many":        answers(429, `{}`),
		"moved":           answers(302, ``),
		"a proxy's page":  answers(200, "<html>captive</html>"),
		"an empty list":   answers(200, `{"keys":[]}`),
		"something else":  answers(200, `{"error":"none"}`),
		"too long a list": answers(200, `{"keys":[{"kid":"k"}]`+strings.Repeat(" ", 1<<20)+"}"),
		"half an answer": func() (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: io.NopCloser(io.MultiReader(strings.NewReader(`{"keys":`), broken{}))}, nil
		},
	} {
		i := &issuer{}
		i.fail.Store(&fail)
		e := w.google(i)
		r := e.request(payload(b, 1))
		bearer(good)(r)
		if got := e.send(r); got.status != 502 || got.Error.Code != "certificates_unavailable" || w.posts(b) != 0 {
			t.Errorf("%s: got %s", name, got)
		}
	}
}

// broken is a body that breaks off.
type broken struct{}

func (broken) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestHoweverManyStrangersAskInAnOutageOneRequestIsMade(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := &issuer{}
	release := make(chan struct{})
	held := func() (*http.Response, error) { <-release; return away() }
	i.fail.Store(&held)
	e := w.google(i)
	r := e.request(payload(w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)}), 1))
	forged := w.forged(jwt.SigningMethodRS256, "unknown", w.ownKey()) // the claims are known to anybody
	send := func(ctx context.Context) (response, error) {
		r := r.Clone(ctx)
		r.Body, _ = r.GetBody()
		bearer(forged)(r)
		return try(r)
	}
	impatient, leave := context.WithCancel(t.Context())
	left := make(chan error)
	go func() { _, err := send(impatient); left <- err }()
	functiontest.Eventually(t, "the first has asked", func() bool { return i.requests.Load() == 1 })
	leave() // which must not end the request for the others
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatalf("the first got %v", err)
	}
	var all sync.WaitGroup
	began := time.Now()
	for range 20 {
		all.Go(func() {
			if got, err := send(t.Context()); err != nil || got.status != 502 {
				t.Errorf("got %s, %v", got, err)
			}
		})
	}
	close(release)
	all.Wait()
	// The first, one that came right after it, and one a second.
	if n, most := i.requests.Load(), 2+int64(time.Since(began)/time.Second); n > most {
		t.Errorf("%d requests were made, at most %d are to be", n, most)
	}
}

// Google publishes a key before it signs with it. Should it ever not, the tasks
// come again until the certificates are over.
func TestAKeyThatTheCertificatesLackCountsWhenTheyHaveBeenFetchedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	i := &issuer{}
	i.maxAge.Store(2)
	e := w.google(i)
	old := w.signed(func(jwt.MapClaims) {})
	if got := e.call(old); got.Result != "accepted" {
		t.Fatalf("got %s", got)
	}
	for range 2 { // to a key that was not published when the certificates were fetched
		if err := w.queue.RotateKey(); err != nil {
			t.Fatal(err)
		}
	}
	next := w.signed(func(jwt.MapClaims) {})
	functiontest.Eventually(t, "the next key's token is taken", func() bool {
		got := e.call(next)
		if got.status != 401 && got.Result != "accepted" {
			t.Fatalf("got %s", got)
		}
		return got.status == 200
	})
	if got := e.call(old); got.Result != "accepted" {
		t.Errorf("a token that was signed before the rotation got %s", got)
	}
	if n := i.requests.Load(); n < 2 {
		t.Errorf("the certificates were asked for %d times", n)
	}
}
