package voiceagent_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	standin "lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/voiceagent"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m)
}

const (
	secret  = "s3cret-of-the-house"
	tenant  = "11111111-1111-4111-8111-111111111111"
	booking = "22222222-2222-4222-8222-222222222222"
	lead    = "33333333-3333-4333-8333-333333333333"
	number  = "+971501234567"
)

func call() voiceagent.Call {
	return voiceagent.Call{
		TenantID: tenant, BookingID: booking, LeadID: lead, InitiatedBy: "44444444-4444-4444-8444-444444444444",
		To: number, LeadName: "Zoë Quist", Context: "Wants a demo.", AgentID: 7, From: "+97143001000", IdempotencyKey: "followup:1",
	}
}

// bundle is a stand-in over the wire and the real client for it.
type bundle struct {
	*standin.Server
	url    string
	client *voiceagent.Client
}

func setup(t *testing.T, options standin.Options) bundle {
	t.Helper()
	options.Secret = secret
	b := serve(t, options)
	b.client = b.dial(t, voiceagent.Config{InternalServiceSecret: settings.NewSecret(secret)})
	return b
}

// serve starts a stand-in without a client.
func serve(t *testing.T, options standin.Options) bundle {
	t.Helper()
	options.Logger = slog.New(slog.DiscardHandler)
	server, err := standin.New(options)
	if err != nil {
		t.Fatal(err)
	}
	web := httptest.NewServer(server)
	t.Cleanup(server.Close)
	t.Cleanup(web.Close)
	return bundle{Server: server, url: web.URL}
}

func (b bundle) dial(t *testing.T, config voiceagent.Config) *voiceagent.Client {
	t.Helper()
	config.BaseURL, config.Timeout = b.url, time.Second
	client, err := voiceagent.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func (b bundle) start(t *testing.T, call voiceagent.Call) voiceagent.Result {
	t.Helper()
	creds, err := b.client.Authorize(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return b.client.StartCall(t.Context(), creds, call)
}

// send makes a plain request and returns the answer with its body.
func (b bundle) send(t *testing.T, method, path, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header, req.Close = header, true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func TestAccept(t *testing.T) {
	t.Parallel()
	b := setup(t, standin.Options{})
	before := time.Now()
	got := b.start(t, call())
	if got.Outcome != followup.CallAccepted || got.JobID == "" {
		t.Fatalf("got %+v", got)
	}
	calls := b.Calls(booking)
	if len(calls) != 1 || b.PostsRead(booking) != 1 || b.PostsRead("") != 1 {
		t.Fatalf("booked %+v after %d POSTs", calls, b.PostsRead(booking))
	}
	c := calls[0]
	if c.JobID != got.JobID || c.AgentID != 7 || c.FromNumber != "+97143001000" || c.InitiatedBy != call().InitiatedBy || c.ToNumber() != number || c.TenantID != tenant || c.LeadID != lead || c.IdempotencyKey != "followup:1" || c.Outcome != standin.Accept ||
		c.At.Before(before) || strings.Contains(c.ToNumberMasked, "1234567") || c.ToNumberMasked == "" {
		t.Errorf("booked %+v", c)
	}
}

func TestBehaviour(t *testing.T) {
	t.Parallel()
	seven := 7
	cases := []struct {
		behaviour standin.Behaviour
		want      followup.Outcome
		dialled   int
	}{
		{standin.Behaviour{Kind: standin.Accept}, followup.CallAccepted, 1},
		{standin.Behaviour{Kind: standin.Status, Status: 429}, followup.CallLimited, 0},
		{standin.Behaviour{Kind: standin.Status, Status: 503}, followup.CallUnknown, 0},
		{standin.Behaviour{Kind: standin.Status, Status: 503, RetryAfter: &seven}, followup.CallNotStarted, 0},
		{standin.Behaviour{Kind: standin.Status, Status: 402}, followup.CallRejected, 0},
		{standin.Behaviour{Kind: standin.Status, Status: 500, Dialled: true}, followup.CallUnknown, 1},
		{standin.Behaviour{Kind: standin.HangUp}, followup.CallUnknown, 0},
		{standin.Behaviour{Kind: standin.HangUp, Dialled: true}, followup.CallUnknown, 1},
		{standin.Behaviour{Kind: standin.Hang}, followup.CallUnknown, 0},
		{standin.Behaviour{Kind: standin.Hang, Dialled: true}, followup.CallUnknown, 1},
		{standin.Behaviour{Kind: standin.Slow, DelayMS: 50}, followup.CallAccepted, 1},
		{standin.Behaviour{Kind: standin.Slow, DelayMS: 60_000}, followup.CallUnknown, 1},
		{standin.Behaviour{Kind: standin.Truncate}, followup.CallAccepted, 1},
		{standin.Behaviour{Kind: standin.Body, Body: "<html>"}, followup.CallAccepted, 1},
		{standin.Behaviour{Kind: standin.DispatchFail}, followup.CallAccepted, 0},
		{standin.Behaviour{Kind: standin.SuccessFalse}, followup.CallUnknown, 0},
		{standin.Behaviour{Kind: standin.SuccessFalse, Dialled: true}, followup.CallUnknown, 1},
		{standin.Behaviour{Kind: standin.Closed}, followup.CallClosed, 0},
		{standin.Behaviour{Kind: standin.UpgradeRequired}, followup.CallMisconfigured, 0},
		{standin.Behaviour{Kind: standin.Status, Status: 403}, followup.CallMisconfigured, 0},
		{standin.Behaviour{Kind: standin.Body, Status: 204}, followup.CallAccepted, 1},
	}
	for _, tc := range cases {
		t.Run(fmt.Sprintf("%s %d dialled=%t", tc.behaviour.Kind, tc.behaviour.Status, tc.behaviour.Dialled), func(t *testing.T) {
			t.Parallel()
			b := setup(t, standin.Options{})
			if err := b.Behave(tc.behaviour); err != nil {
				t.Fatal(err)
			}
			if got := b.start(t, call()); got.Outcome != tc.want || got.Status != wantStatus(tc.behaviour) {
				t.Errorf("got %+v, want %v", got, tc.want)
			}
			if n := len(b.Calls(booking)); n != tc.dialled || b.PostsRead(booking) != 1 {
				t.Errorf("%d calls were dialled in %d POSTs, want %d in 1", n, b.PostsRead(booking), tc.dialled)
			}
		})
	}
}

func wantStatus(b standin.Behaviour) int {
	switch b.Kind {
	case standin.HangUp, standin.Hang:
		return 0
	case standin.Slow:
		if b.DelayMS > 1000 {
			return 0
		}
	case standin.Closed, standin.UpgradeRequired:
		return 403
	default: // as below
	}
	return max(b.Status, 200)
}

func TestBehaviourTimes(t *testing.T) {
	t.Parallel()
	b := setup(t, standin.Options{})
	for _, behaviour := range []standin.Behaviour{
		{Match: standin.Match{LeadID: lead}, Kind: standin.Status, Status: 429, Times: 2},
		{Match: standin.Match{LeadID: lead}, Kind: standin.Status, Status: 402, Times: 1},
	} {
		if err := b.Behave(behaviour); err != nil {
			t.Fatal(err)
		}
	}
	for i, want := range []int{429, 429, 402, 200, 200} {
		if got := b.start(t, call()); got.Status != want {
			t.Errorf("call %d: got %d, want %d", i+1, got.Status, want)
		}
	}
}

func TestBehaviourMatch(t *testing.T) {
	t.Parallel()
	for name, match := range map[string]standin.Match{
		"booking": {BookingID: booking}, "lead": {LeadID: lead}, "number": {ToNumber: number}, "key": {IdempotencyKey: "followup:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, standin.Options{})
			if err := b.Behave(standin.Behaviour{Match: match, Kind: standin.Status, Status: 402}); err != nil {
				t.Fatal(err)
			}
			other := call()
			other.BookingID, other.LeadID, other.To, other.IdempotencyKey = tenant, tenant, "+971507654321", "followup:2"
			if got := b.start(t, other); got.Status != 200 {
				t.Errorf("another call got %d", got.Status)
			}
			if got := b.start(t, call()); got.Status != 402 {
				t.Errorf("the call it is for got %d", got.Status)
			}
			b.Reset()
			if got := b.start(t, call()); got.Status != 200 {
				t.Errorf("after the reset it got %d", got.Status)
			}
		})
	}
}

func TestDeduplicate(t *testing.T) {
	t.Parallel()
	for _, deduplicate := range []bool{false, true} {
		t.Run(fmt.Sprint(deduplicate), func(t *testing.T) {
			t.Parallel()
			b := setup(t, standin.Options{Deduplicate: deduplicate})
			const posts = 8
			ids := make([]string, posts)
			var wg sync.WaitGroup
			for i := range posts {
				wg.Go(func() { ids[i] = b.start(t, call()).JobID })
			}
			wg.Wait()
			distinct := map[string]bool{}
			for _, id := range ids {
				distinct[id] = true
			}
			want := posts
			if deduplicate {
				want = 1
			}
			if len(distinct) != want || len(b.Calls(booking)) != want || b.PostsRead(booking) != posts {
				t.Errorf("%d POSTs made %d calls with %d ids, want %d", b.PostsRead(booking), len(b.Calls(booking)), len(distinct), want)
			}
			foreign := call()
			foreign.TenantID = booking
			if got := b.start(t, foreign); distinct[got.JobID] {
				t.Error("another tenant's key was answered with this tenant's call")
			}
		})
	}
}

func TestControl(t *testing.T) {
	t.Parallel()
	b := setup(t, standin.Options{})
	resp, text := b.send(t, http.MethodPost, standin.BehaviourPath, `{"leadId":"`+lead+`","behaviour":"status","status":429,"times":1,"retryAfter":3}`, http.Header{})
	if resp.StatusCode != http.StatusNoContent {
		t.Fatalf("got %d %s", resp.StatusCode, text)
	}
	if got := b.start(t, call()); got.Status != 429 || got.RetryAfter != 3*time.Second {
		t.Errorf("got %+v, want 429 with a Retry-After of 3 s", got)
	}
	accepted := b.start(t, call())

	resp, text = b.send(t, http.MethodGet, standin.CallsPath+"?bookingId="+booking, "", http.Header{"X-Tenant-Id": {tenant}})
	var calls []map[string]any
	dec := json.NewDecoder(bytes.NewBufferString(text))
	if err := dec.Decode(&calls); err != nil || len(calls) != 1 {
		t.Fatalf("got %s, %v", text, err)
	}
	for name, want := range map[string]any{"jobId": accepted.JobID, "tenantId": tenant, "bookingId": booking, "idempotencyKey": "followup:1", "outcome": "accept", "agentId": 7.0, "fromNumber": "+97143001000"} {
		if calls[0][name] != want {
			t.Errorf("%s is %v, want %v", name, calls[0][name], want)
		}
	}
	if strings.Contains(text, "1234567") {
		t.Errorf("the number is in %s", text)
	}
	if got := resp.Header.Get(standin.PostsReadHeader); got != "2" {
		t.Errorf("%s: %s, want 2", standin.PostsReadHeader, got)
	}
	for _, path := range []string{"?bookingId=" + tenant, ""} {
		if _, text = b.send(t, http.MethodGet, standin.CallsPath+path, "", http.Header{"X-Tenant-Id": {booking}}); strings.TrimSpace(text) != "[]" {
			t.Errorf("another tenant was shown %s", text)
		}
	}

	_ = b.Behave(standin.Behaviour{Kind: standin.HangUp})
	if resp, _ = b.send(t, http.MethodDelete, standin.BehaviourPath, "", http.Header{}); resp.StatusCode != http.StatusNoContent {
		t.Errorf("the reset got %d", resp.StatusCode)
	}
	if got := b.start(t, call()); got.Outcome != followup.CallAccepted {
		t.Errorf("after the reset: %+v", got)
	}
}

func TestBehaviourProblem(t *testing.T) {
	t.Parallel()
	b := setup(t, standin.Options{})
	for _, body := range []string{
		``, `{}`, `{"behaviour":"explode"}`, `{"behaviour":"status"}`, `{"behaviour":"status","status":200}`, `{"behaviour":"body","status":99}`,
		`{"behaviour":"hang","times":-1}`, `{"behaviour":"hang","bookingID2":"x"}`,
	} {
		if resp, text := b.send(t, http.MethodPost, standin.BehaviourPath, body, http.Header{}); resp.StatusCode != http.StatusBadRequest || !strings.Contains(text, "message") {
			t.Errorf("%s: got %d %s, want 400 with a message", body, resp.StatusCode, text)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	logger := slog.New(slog.DiscardHandler)
	for _, options := range []standin.Options{
		{}, {Secret: secret}, {Logger: logger}, {Logger: logger, FrontendID: "f"}, {Logger: logger, Secret: secret, APIKey: "k"},
		{Logger: logger, Secret: secret, BlockFor: -1}, {Logger: logger, Secret: secret, DispatchAfter: -1},
	} {
		if _, err := standin.New(options); err == nil {
			t.Errorf("%+v was accepted", options)
		}
	}
}
