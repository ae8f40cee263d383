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
	"unicode/utf8"

	"github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
)

// recorded is what a voice agent read.
type recorded struct {
	requests int
	path     string
	header   http.Header
	body     map[string]any
	bytes    int64
}

func record(t *testing.T) (*recorded, string) {
	t.Helper()
	seen := new(recorded)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		seen.requests++
		seen.path, seen.header, seen.body, seen.bytes = r.Method+" "+r.RequestURI, r.Header, nil, r.ContentLength
		if r.Method == http.MethodGet {
			return
		}
		dec := json.NewDecoder(r.Body)
		dec.UseNumber()
		if err := dec.Decode(&seen.body); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(server.Close)
	return seen, server.URL
}

func TestRequestToBackend(t *testing.T) {
	t.Parallel()
	seen, url := record(t)
	c := newTestClient(t, url, 0)
	call := testCall()
	call.AgentID, call.From, call.Traceparent = 9007199254740993, "+97143001000", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	if got := start(t, t.Context(), c, call); got.Outcome != followup.CallAccepted {
		t.Fatalf("got %+v", got)
	}

	if seen.path != "POST /api/voice-agent/calls/start-call" {
		t.Errorf("sent %s", seen.path)
	}
	wantBody := map[string]any{
		"voice_id":        "default",
		"to_number":       "+971501234567",
		"from_number":     "+97143001000",
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

func TestRequestToService(t *testing.T) {
	t.Parallel()
	seen, url := record(t)
	config := testConfig(url)
	config.Contract, config.InternalServiceSecret = Service, settings.Secret{}
	config.FrontendID, config.APIKey = "followup", settings.NewSecret("the-key")
	c, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	call := testCall()
	start(t, t.Context(), c, call)
	if seen.path != "POST /calls/start-call" {
		t.Errorf("sent %s", seen.path)
	}
	want := map[string]any{
		"voice_id": "default", "to_number": string(call.To), "agent_id": json.Number("7"), "added_context": call.Context,
		"lead_name": call.LeadName, "lead_id": call.LeadID, "initiated_by": call.InitiatedBy,
	}
	if diff := cmp.Diff(want, seen.body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if seen.header.Get("Idempotency-Key") != call.IdempotencyKey || seen.header.Get("X-Frontend-ID") != "followup" || seen.header.Get("X-API-Key") != "the-key" {
		t.Errorf("header %v", seen.header)
	}
}

func TestRequestWithoutOptionalFields(t *testing.T) {
	t.Parallel()
	seen, url := record(t)
	full := testCall()
	call := Call{TenantID: full.TenantID, To: full.To, AgentID: 7, IdempotencyKey: full.IdempotencyKey, Traceparent: "nonsense"}
	start(t, t.Context(), newTestClient(t, url, 0), call)
	want := map[string]any{"voice_id": "default", "to_number": string(full.To), "agent_id": json.Number("7"), "idempotency_key": full.IdempotencyKey}
	if diff := cmp.Diff(want, seen.body); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
	if got := seen.header.Values("Traceparent"); got != nil {
		t.Errorf("passed on the trace context %q", got)
	}
}

func TestJWT(t *testing.T) {
	t.Parallel()
	seen, url := record(t)
	config := testConfig(url)
	config.JWTSecret, config.JWTTTL, config.InternalServiceSecret = settings.NewSecret("sign-with-this"), 2*time.Minute, settings.Secret{}
	c, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	call := testCall()

	t.Run("claims", func(t *testing.T) {
		for what, ask := range map[string]func(){
			"call": func() { start(t, t.Context(), c, call) },
			"job":  func() { c.Job(t.Context(), Credentials{ready: true}, call, idB) },
		} {
			ask()
			bearer, ok := strings.CutPrefix(seen.header.Get("Authorization"), "Bearer ")
			claims := jwt.MapClaims{}
			_, err := jwt.ParseWithClaims(bearer, claims, func(*jwt.Token) (any, error) { return []byte("sign-with-this"), nil },
				jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt())
			if err != nil || !ok || claims["userId"] != call.InitiatedBy || claims["tenantId"] != call.TenantID || len(claims) != 4 {
				t.Errorf("%s: the token %q says %v, %v", what, bearer, claims, err)
			}
			if life := claims["exp"].(float64) - claims["iat"].(float64); life != 120 {
				t.Errorf("%s: the token lives %v s", what, life)
			}
		}
	})
	t.Run("no user", func(t *testing.T) {
		before, nobodys := seen.requests, call
		nobodys.InitiatedBy = ""
		got := start(t, t.Context(), c, nobodys)
		if got.Outcome != followup.CallRejected || !strings.Contains(got.Detail, "not sent: the booking has no assigned user") {
			t.Errorf("got %+v", got)
		}
		if got := c.Job(t.Context(), Credentials{ready: true}, nobodys, idB); got.State != JobUnknown || seen.requests != before {
			t.Errorf("got %+v after %d requests", got, seen.requests-before)
		}
	})
}

// A note of megabytes in one word, as a pasted picture is, must not be compiled
// into an expression that looks for it.
func TestRequestMemory(t *testing.T) {
	t.Parallel()
	call := testCall()
	_, url := record(t)
	client := newTestClient(t, url, 0)
	small, large := call, call
	small.Context = strings.Repeat("x", maxContext)
	large.Context, large.LeadName = strings.Repeat("x", 10_000*maxContext), strings.Repeat("y", 10_000*maxName)
	measured := func(call Call) int64 {
		return testing.Benchmark(func(b *testing.B) {
			for b.Loop() {
				start(t, t.Context(), client, call)
			}
		}).AllocedBytesPerOp()
	}
	if usual, most := measured(small), measured(large); most > 2*usual {
		t.Errorf("a note of 5 MB takes %d bytes, one of 500 characters %d", most, usual)
	}
}

func TestRequestBounds(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Call)
		want   string // of added_context; "": the call is not sent
	}{
		"note of characters": {func(c *Call) { c.Context = "x" + strings.Repeat("é", 10*maxContext) }, "x" + strings.Repeat("é", maxContext-1)},
		"note of bytes":      {func(c *Call) { c.Context = strings.Repeat("\xff", 10*maxContext) }, strings.Repeat("\uFFFD", maxContext)},
		"note in HTML":       {func(c *Call) { c.Context = strings.Repeat("<p>&", 5000) }, strings.Repeat("<p>&", maxContext/4)},
		"name":               {func(c *Call) { c.Context, c.LeadName = "note", strings.Repeat("ü", 10*maxName) }, "note"},
		"ids":                {func(c *Call) { c.BookingID = strings.Repeat("b", maxRequest) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			seen, url := record(t)
			call := testCall()
			tc.change(&call)
			got := start(t, t.Context(), newTestClient(t, url, 0), call)
			if tc.want == "" {
				if got.Outcome != followup.CallRejected || seen.requests != 0 || !strings.Contains(got.Detail, "at most 16384 are sent") {
					t.Errorf("got %+v after %d requests", got, seen.requests)
				}
				return
			}
			if seen.body["added_context"] != tc.want {
				t.Errorf("sent %.20q", seen.body["added_context"])
			}
			if n := utf8.RuneCountInString(seen.body["lead_name"].(string)); n > maxName {
				t.Errorf("sent %d characters of name", n)
			}
			if seen.bytes > 4096 {
				t.Errorf("sent %d bytes", seen.bytes)
			}
		})
	}
}

func TestCredentials(t *testing.T) {
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

func TestIDTokenFailure(t *testing.T) {
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
			if got := c.StartCall(t.Context(), creds, testCall()); got.Outcome != followup.CallNotStarted || seen.requests != 0 {
				t.Errorf("without credentials: got %+v after %d requests, want not_started after none", got, seen.requests)
			}
		})
	}
}

func TestNotSent(t *testing.T) {
	t.Parallel()
	seen, url := record(t)
	c := newTestClient(t, url, 0)
	for name, spoil := range map[string]func(*Call){
		"no number":         func(c *Call) { c.To = "" },
		"local number":      func(c *Call) { c.To = "0501234567" },
		"number with words": func(c *Call) { c.To = testNumber + "\n" },
		"too long a number": func(c *Call) { c.To = "+1234567890123456" },
		"no agent":          func(c *Call) { c.AgentID = 0 },
		"negative agent":    func(c *Call) { c.AgentID = -7 },
		"caller with words": func(c *Call) { c.From = "+97143001000;x" },
		"no tenant":         func(c *Call) { c.TenantID = "" },
		"header injection":  func(c *Call) { c.TenantID += "\r\nX-Evil: 1" },
		"no key":            func(c *Call) { c.IdempotencyKey = "" },
		"key with newline":  func(c *Call) { c.IdempotencyKey += "\n" },
	} {
		call := testCall()
		spoil(&call)
		if got := start(t, t.Context(), c, call); got.Outcome != followup.CallRejected || !strings.HasPrefix(got.Detail, "not sent: ") {
			t.Errorf("%s: got %+v, want rejected", name, got)
		}
	}
	if seen.requests != 0 {
		t.Errorf("%d requests were sent", seen.requests)
	}
}

func TestIDTokenWait(t *testing.T) {
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
