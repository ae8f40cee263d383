package contract_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"lad.internal/followup/internal/contract"
)

const (
	id  = "3f9e2c1a-7b5d-4e8f-9a6c-1d2e3f4a5b6c"
	key = "followup:" + id + ":" + id + ":2026-03-01T09:00:00.000Z"
)

func document(t *testing.T) *contract.Document {
	t.Helper()
	d, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func startCall(change func(http.Header), body string) contract.Exchange {
	r := httptest.NewRequest(http.MethodPost, "http://agent.example/api/voice-agent/calls/start-call", nil)
	r.Header = http.Header{"Content-Type": {"application/json"}, "X-Tenant-Id": {id}, "Idempotency-Key": {key}, "X-Internal-Service-Secret": {"s"}}
	change(r.Header)
	return contract.Exchange{Request: r, RequestBody: []byte(body)}
}

func TestRequest(t *testing.T) {
	t.Parallel()
	const good = `{"voice_id":"default","to_number":"+971501234567","agent_id":7,"idempotency_key":"` + key + `"}`
	for name, c := range map[string]struct {
		change func(http.Header)
		body   string
		want   string // nothing: it is fine
	}{
		"as documented": {func(http.Header) {}, good, ""},
		"an API key": {func(h http.Header) {
			h.Del("X-Internal-Service-Secret")
			h.Set("X-Frontend-ID", "f")
			h.Set("X-API-Key", "k")
		}, good, ""},
		"a token":              {func(h http.Header) { h.Del("X-Internal-Service-Secret"); h.Set("Authorization", "Bearer t") }, good, ""},
		"no agent":             {func(http.Header) {}, strings.Replace(good, `"agent_id":7,`, "", 1), "agent_id"},
		"half an API key":      {func(h http.Header) { h.Del("X-Internal-Service-Secret"); h.Set("X-Frontend-ID", "f") }, good, "X-API-Key"},
		"no credentials":       {func(h http.Header) { h.Del("X-Internal-Service-Secret") }, good, "X-Internal-Service-Secret"},
		"no tenant":            {func(h http.Header) { h.Del("X-Tenant-Id") }, good, "X-Tenant-Id"},
		"another content type": {func(h http.Header) { h.Set("Content-Type", "text/plain") }, good, "Content-Type"},
		"a number for people":  {func(http.Header) {}, strings.Replace(good, "+97150", "050 ", 1), "to_number"},
		"a field of our own":   {func(http.Header) {}, strings.Replace(good, "voice_id", "voiceId", 1), "voice"},
	} {
		err := document(t).CheckRequest(contract.StartCall, startCall(c.change, c.body))
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestServiceRequest(t *testing.T) {
	t.Parallel()
	const good = `{"voice_id":"default","to_number":"+971501234567","agent_id":7}`
	for body, want := range map[string]string{good: "", strings.Replace(good, "}", `,"booking_id":"`+id+`"}`, 1): "booking_id"} {
		err := document(t).CheckRequest(contract.ServiceStartCall, startCall(func(http.Header) {}, body))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

func TestJob(t *testing.T) {
	t.Parallel()
	for path, c := range map[string]struct{ operation, want string }{
		"/api/voice-agent/calls/job/j_1":   {contract.GetJob, ""},
		"/calls/job/j_1":                   {contract.ServiceGetJob, ""},
		"/calls/job/" + "j.1":              {contract.ServiceGetJob, "job_id"},
		"/api/voice-agent/calls/start-job": {"", ""},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://agent.example"+path, nil)
		r.Header = http.Header{"X-Tenant-Id": {id}, "X-Internal-Service-Secret": {"s"}}
		if got := contract.AgentOperation(r); got != c.operation {
			t.Errorf("%s is %q, want %q", path, got, c.operation)
		}
		if c.operation == "" {
			continue
		}
		err := document(t).CheckRequest(c.operation, contract.Exchange{Request: r})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", path, err, c.want)
		}
	}
	for path, want := range map[string]string{"/calls/start-call": contract.ServiceStartCall, "/api/voice-agent/calls/start-call": contract.StartCall} {
		if got := contract.AgentOperation(httptest.NewRequest(http.MethodPost, "http://agent.example"+path, nil)); got != want {
			t.Errorf("%s is %q, want %q", path, got, want)
		}
	}
}

func TestJobAnswer(t *testing.T) {
	t.Parallel()
	r := httptest.NewRequest(http.MethodGet, "http://agent.example/calls/job/j", nil)
	for body, want := range map[string]string{
		`{"job_id":"j","status":"pending","results":[{"to_number":"+971501234567","status":"pending","call_log_id":null}],"error":null}`: "",
		`{"job_id":"j","status":"running","results":[{"call_log_id":"c"}]}`:                                                              "",
		`{"job_id":"j","status":"running","results":{}}`:                                                                                 "results",
	} {
		err := document(t).CheckAnswer(contract.ServiceGetJob, contract.Exchange{Request: r, Status: 200,
			Header: http.Header{"Content-Type": {"application/json"}}, Body: []byte(body)})
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", body, err, want)
		}
	}
}

func TestAnswer(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status int
		header http.Header
		body   string
		want   string
	}{
		"as documented":         {200, nil, `{"result":"accepted"}`, ""},
		"a refusal":             {401, http.Header{"Www-Authenticate": {"Bearer"}}, `{"error":{"code":"unauthenticated","message":"m"}}`, ""},
		"without its header":    {401, nil, `{"error":{"code":"unauthenticated","message":"m"}}`, "WWW-Authenticate"},
		"an unknown result":     {200, nil, `{"result":"maybe"}`, "result"},
		"a result elsewhere":    {409, nil, `{"result":"accepted"}`, "result"},
		"a field more":          {200, nil, `{"result":"accepted","phone":"+971501234567"}`, "phone"},
		"an unknown code":       {400, nil, `{"error":{"code":"odd","message":"m"}}`, "code"},
		"an undocumented state": {418, nil, `{}`, "status"},
		"not JSON":              {200, http.Header{"Content-Type": {"text/html"}}, `<p>`, "Content-Type"},
	} {
		header := http.Header{"Content-Type": {"application/json"}}
		for name, values := range c.header {
			header[name] = values
		}
		r := httptest.NewRequest(http.MethodPost, "http://function.example/", nil)
		err := document(t).CheckAnswer(contract.ExecuteFollowUp, contract.Exchange{Request: r, Status: c.status, Header: header, Body: []byte(c.body)})
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func TestUnknownOperation(t *testing.T) {
	t.Parallel()
	e := contract.Exchange{Request: httptest.NewRequest(http.MethodPost, "http://function.example/", nil)}
	if err := document(t).CheckRequest("hangUp", e); err == nil || !strings.Contains(err.Error(), "hangUp") {
		t.Error(err)
	}
	if err := document(t).CheckAnswer("hangUp", e); err == nil || !strings.Contains(err.Error(), "hangUp") {
		t.Error(err)
	}
}
