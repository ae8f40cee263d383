package voiceagent

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lad.internal/followup/internal/settings"
)

// recorded is what a voice agent read.
type recorded struct {
	requests int
	path     string
	header   http.Header
	body     map[string]any
}

func record(t *testing.T) (*recorded, string) {
	t.Helper()
	seen := new(recorded)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen.requests++
		seen.path, seen.header, seen.body = r.Method+" "+r.RequestURI, r.Header, nil
		dec := json.NewDecoder(r.Body)
		dec.UseNumber()
		if err := dec.Decode(&seen.body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return seen, server.URL
}

func TestTheRequestIsLADsContractToTheLetter(t *testing.T) {
	t.Parallel()
	seen, url := record(t)
	c := newTestClient(t, url, 0)
	call, agent := testCall(), int64(9007199254740993)
	call.AgentID, call.Traceparent = &agent, "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if got := start(t, t.Context(), c, call); got.Outcome != Accepted {
		t.Fatalf("got %+v", got)
	}

	if seen.path != "POST /api/voice-agent/calls/start-call" {
		t.Errorf("sent %s", seen.path)
	}
	wantBody := map[string]any{
		"voice_id":        "default",
		"to_number":       "+971501234567",
		"added_context":   "Asked for the price of <two> seats & parking.",
		"agent_id":        json.Number("9007199254740993"),
		"lead_name":       "Zoë Quist",
		"lead_id":         call.LeadID,
		"initiated_by":    call.InitiatedBy,
		"booking_id":      call.BookingID,
		"idempotency_key": call.IdempotencyKey,
	}
	if diff := cmp.Diff(wantBody, seen.body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	seen.header.Del("Content-Length")
	wantHeader := http.Header{
		"Content-Type":              {"application/json"},
		"Accept":                    {"application/json"},
		"User-Agent":                {"lad-followup/1"},
		"Connection":                {"close"},
		"X-Tenant-Id":               {call.TenantID},
		"Idempotency-Key":           {call.IdempotencyKey},
		"Traceparent":               {call.Traceparent},
		"X-Internal-Service-Secret": {testSecret},
	}
	if diff := cmp.Diff(wantHeader, seen.header); diff != "" {
		t.Errorf("header (-want +got):\n%s", diff)
	}
}

func TestWhatIsEmptyIsLeftOut(t *testing.T) {
	t.Parallel()
	seen, url := record(t)
	full := testCall()
	call := Call{TenantID: full.TenantID, To: full.To, IdempotencyKey: full.IdempotencyKey, Traceparent: "nonsense"}
	start(t, t.Context(), newTestClient(t, url, 0), call)
	want := map[string]any{"voice_id": "default", "to_number": full.To, "idempotency_key": full.IdempotencyKey}
	if diff := cmp.Diff(want, seen.body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if got := seen.header.Values("Traceparent"); got != nil {
		t.Errorf("passed on the trace context %q", got)
	}
}

func TestTheBookingsAgentComesBeforeTheSetting(t *testing.T) {
	t.Parallel()
	seen, url := record(t)
	c := newTestClient(t, url, 0)
	setting, own := int64(7), int64(8)
	c.config.DefaultAgentID = &setting
	call := testCall()
	start(t, t.Context(), c, call)
	if got := seen.body["agent_id"]; got != json.Number("7") {
		t.Errorf("without an agent of its own the call has agent_id %v, want the setting's 7", got)
	}
	call.AgentID = &own
	start(t, t.Context(), c, call)
	if got := seen.body["agent_id"]; got != json.Number("8") {
		t.Errorf("a call with the agent 8 has agent_id %v", got)
	}
}

// A note of megabytes in one word, as a pasted picture is, must not be compiled
// into an expression that looks for it.
func TestWhatIsLookedForInAnAnswerIsBounded(t *testing.T) {
	t.Parallel()
	call := testCall()
	seen, url := record(t)
	client := newTestClient(t, url, 0)
	small, large := call, call
	small.Context = strings.Repeat("x", maxContext)
	large.Context, large.LeadName = strings.Repeat("x", 1000*maxContext), strings.Repeat("y", 1000*maxName)
	measured := func(call Call) int64 {
		return testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				start(t, t.Context(), client, call)
			}
		}).AllocedBytesPerOp()
	}
	usual, most := measured(small), measured(large)
	if most > 2*usual {
		t.Errorf("a note of 16 MB takes %d bytes, one of 16 KB %d", most, usual)
	}
	if n := len(seen.body["lead_name"].(string)); n != maxName {
		t.Errorf("sent %d bytes of name", n)
	}
}

func TestALongNoteIsCutAtARunesBorder(t *testing.T) {
	t.Parallel()
	seen, url := record(t)
	call := testCall()
	call.Context = "x" + strings.Repeat("é", maxContext)
	start(t, t.Context(), newTestClient(t, url, 0), call)
	if want := "x" + strings.Repeat("é", maxContext/2-1); seen.body["added_context"] != want {
		t.Errorf("sent %d bytes of context, want %d", len(seen.body["added_context"].(string)), len(want))
	}
}

func TestAllConfiguredCredentialsAreSent(t *testing.T) {
	t.Parallel()
	seen, url := record(t)
	config := testConfig(url)
	config.InternalServiceSecret = settings.Secret{}
	config.FrontendID, config.APIKey, config.Audience = "followup", settings.NewSecret("the-key"), "https://voice.example.com"
	c, err := New(t.Context(), config, WithIDTokens(func(context.Context) (string, error) { return "e30.e30.c2ln", nil }))
	if err != nil {
		t.Fatal(err)
	}
	start(t, t.Context(), c, testCall())
	for name, want := range map[string]string{
		"X-Frontend-ID": "followup", "X-API-Key": "the-key", "Authorization": "Bearer e30.e30.c2ln", "X-Internal-Service-Secret": "",
	} {
		if got := seen.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestAnIDTokenThatCannotBeFetchedFailsBeforeDialling(t *testing.T) {
	t.Parallel()
	cause := errors.New("metadata server is away")
	for name, source := range map[string]IDTokens{
		"error":    func(context.Context) (string, error) { return "", cause },
		"empty":    func(context.Context) (string, error) { return "", nil },
		"unusable": func(context.Context) (string, error) { return "a\nb", nil },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen, url := record(t)
			config := testConfig(url)
			config.Audience = "https://voice.example.com"
			c, err := New(t.Context(), config, WithIDTokens(source))
			if err != nil {
				t.Fatal(err)
			}
			creds, err := c.Authorize(t.Context())
			if err == nil || (name == "error" && !errors.Is(err, cause)) {
				t.Errorf("got %v", err)
			}
			if got := c.StartCall(t.Context(), creds, testCall()); got.Outcome != NotStarted || seen.requests != 0 {
				t.Errorf("without credentials: got %+v after %d requests, want not_started after none", got, seen.requests)
			}
		})
	}
}

func TestACallThatCanNeverBeSentIsRejectedWithoutDialling(t *testing.T) {
	t.Parallel()
	seen, url := record(t)
	c := newTestClient(t, url, 0)
	for name, spoil := range map[string]func(*Call){
		"no number":         func(c *Call) { c.To = "" },
		"local number":      func(c *Call) { c.To = "0501234567" },
		"number with words": func(c *Call) { c.To = testNumber + "\n" },
		"too long a number": func(c *Call) { c.To = "+1234567890123456" },
		"no tenant":         func(c *Call) { c.TenantID = "" },
		"header injection":  func(c *Call) { c.TenantID += "\r\nX-Evil: 1" },
		"no key":            func(c *Call) { c.IdempotencyKey = "" },
		"key with newline":  func(c *Call) { c.IdempotencyKey += "\n" },
	} {
		call := testCall()
		spoil(&call)
		if got := start(t, t.Context(), c, call); got.Outcome != Rejected || !strings.HasPrefix(got.Detail, "not sent: ") {
			t.Errorf("%s: got %+v, want rejected", name, got)
		}
	}
	if seen.requests != 0 {
		t.Errorf("%d requests were sent", seen.requests)
	}
}

func TestWaitingForAnIDTokenEndsWithTheContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("enough")
	returned := make(chan struct{})
	defer close(returned)
	_, err := bounded(ctx, func() (string, error) {
		cancel(cause)
		select { // the library does not hear of the context
		case <-returned:
		case <-time.After(10 * time.Second):
		}
		return "too late", nil
	})
	if !errors.Is(err, cause) {
		t.Errorf("got %v, want %v", err, cause)
	}
}
