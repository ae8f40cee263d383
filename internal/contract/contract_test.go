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

func TestARequestThatIsNotAsDocumentedIsFound(t *testing.T) {
	t.Parallel()
	const good = `{"voice_id":"default","to_number":"+971501234567","idempotency_key":"` + key + `"}`
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

func TestAnAnswerThatIsNotAsDocumentedIsFound(t *testing.T) {
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

func TestAnOperationThatIsNotDocumentedIsRefused(t *testing.T) {
	t.Parallel()
	e := contract.Exchange{Request: httptest.NewRequest(http.MethodPost, "http://function.example/", nil)}
	if err := document(t).CheckRequest("hangUp", e); err == nil || !strings.Contains(err.Error(), "hangUp") {
		t.Error(err)
	}
	if err := document(t).CheckAnswer("hangUp", e); err == nil || !strings.Contains(err.Error(), "hangUp") {
		t.Error(err)
	}
}
