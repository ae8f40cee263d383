package property_test

import (
	"bytes"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/voiceagent"
)

// agent is the voice agent's stand-in, with a look at each POST before it is
// answered, and an empty book for each run.
type agent struct {
	url          string
	deduplicates bool
	now          func() time.Time

	mu     sync.Mutex
	server *voiceagent.Server
	next   *misdeed         // of the next start-call
	read   func(post, bool) // tells the run of a POST, and whether the agent misbehaves
}

// post is a start-call as it came in.
type post struct {
	booking, key string
	at           time.Time
}

// misdeed is a way to answer that a voice agent should not have.
type misdeed struct {
	voiceagent.Behaviour
	name string
}

// The misdeeds, from what is proven not to have rung to what may have.
const (
	overloaded = iota
	limited
	closed
	refusedForGood
	refusedCredentials
	saidItFailed
	brokeDown
	brokeDownAfterDialling
	hungUp
	hungUpAfterDialling
	brokeOffItsAnswer
	oddAnswer
)

var misdeeds = []misdeed{
	overloaded:             {voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusServiceUnavailable, RetryAfter: new(7)}, "answers 503, come again"},
	limited:                {voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusTooManyRequests, RetryAfter: new(90)}, "answers 429, come again"},
	closed:                 {voiceagent.Behaviour{Kind: voiceagent.Closed}, "answers 403, outside business hours"},
	refusedCredentials:     {voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusUnauthorized}, "answers 401"},
	saidItFailed:           {voiceagent.Behaviour{Kind: voiceagent.SuccessFalse}, "answers 200, but that it has failed"},
	refusedForGood:         {voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusBadRequest}, "answers 400"},
	brokeDown:              {voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusInternalServerError}, "answers 500"},
	brokeDownAfterDialling: {voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusInternalServerError, Dialled: true}, "rings and answers 500"},
	hungUp:                 {voiceagent.Behaviour{Kind: voiceagent.HangUp}, "hangs up"},
	hungUpAfterDialling:    {voiceagent.Behaviour{Kind: voiceagent.HangUp, Dialled: true}, "rings and hangs up"},
	brokeOffItsAnswer:      {voiceagent.Behaviour{Kind: voiceagent.Truncate}, "rings and breaks off its answer"},
	oddAnswer:              {voiceagent.Behaviour{Kind: voiceagent.Body, Body: "<html>thank you</html>"}, "rings and answers in HTML"},
}

func newAgent(t *testing.T, now func() time.Time, deduplicates bool) *agent {
	t.Helper()
	a := &agent{now: now, deduplicates: deduplicates}
	if err := a.forget(); err != nil {
		t.Fatal(err)
	}
	listening := httptest.NewServer(a)
	t.Cleanup(listening.Close)
	a.url = listening.URL
	return a
}

// forget gives the next run an agent that has never been called.
func (a *agent) forget() error {
	server, err := voiceagent.New(voiceagent.Options{Logger: slog.New(slog.DiscardHandler), Secret: functiontest.Secret, Deduplicate: a.deduplicates})
	if err != nil {
		return err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.server, a.next = server, nil
	return nil
}

// misbehaveOnce has the next start-call be answered so.
func (a *agent) misbehaveOnce(m misdeed) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = &m
}

// behave ends what misbehaveOnce has begun.
func (a *agent) behave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.next = nil
}

// calls are those that were dialled for a booking; all for "".
func (a *agent) calls(booking string) []voiceagent.Call {
	a.mu.Lock()
	server := a.server
	a.mu.Unlock()
	return server.Calls(booking)
}

// ServeHTTP implements http.Handler.
func (a *agent) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the caller has gone
	}
	var call struct {
		BookingID string `json:"booking_id"`
	}
	_ = json.Unmarshal(body, &call) // the stand-in refuses what cannot be read
	p := post{booking: call.BookingID, key: r.Header.Get("Idempotency-Key"), at: a.now()}
	a.mu.Lock()
	server, next := a.server, a.next
	a.next = nil
	read := a.read
	a.mu.Unlock()
	if read != nil {
		read(p, next != nil)
	}
	if next != nil {
		b := next.Behaviour
		b.Match, b.Times = voiceagent.Match{BookingID: p.booking}, 1
		if err := server.Behave(b); err != nil {
			panic(err) // one of misdeeds is none
		}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	server.ServeHTTP(w, r)
}
