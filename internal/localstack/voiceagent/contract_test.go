package voiceagent_test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	standin "lad.internal/followup/internal/localstack/voiceagent"
)

func validBody() map[string]any {
	return map[string]any{
		"voice_id": "default", "to_number": number, "from_number": "+97140000000", "added_context": "Wants a demo.", "agent_id": 7,
		"lead_name": "Zoë Quist", "lead_id": lead, "initiated_by": lead, "llm_provider": "p", "llm_model": "m",
		"knowledge_base_store_ids": []string{"a"}, "booking_id": booking, "idempotency_key": "k",
	}
}

func validHeader() http.Header {
	return http.Header{
		"Content-Type": {"application/json; charset=utf-8"}, "X-Tenant-Id": {tenant},
		"X-Internal-Service-Secret": {secret}, "Idempotency-Key": {"k"},
	}
}

func TestBackendContract(t *testing.T) {
	t.Parallel()
	b := setup(t, standin.Options{})
	set := func(name string, value any) func(map[string]any, http.Header) {
		return func(body map[string]any, _ http.Header) { body[name] = value }
	}
	unset := func(name string) func(map[string]any, http.Header) {
		return func(body map[string]any, _ http.Header) { delete(body, name) }
	}
	header := func(name, value string) func(map[string]any, http.Header) {
		return func(_ map[string]any, h http.Header) { h.Set(name, value) }
	}
	cases := []struct {
		name    string
		change  func(map[string]any, http.Header)
		status  int
		message string
	}{
		{"everything LAD knows", func(map[string]any, http.Header) {}, 200, "Call initiated"},
		{"no voice", unset("voice_id"), 400, "voice_id is required"},
		{"null voice", set("voice_id", nil), 400, "voice_id has the wrong type"},
		{"no number", unset("to_number"), 400, "to_number is not + and 2 to 15 digits"},
		{"local number", set("to_number", "0501234567"), 400, "to_number is not +"},
		{"number with spaces", set("to_number", "+971 50 1234567"), 400, "to_number is not +"},
		{"bad caller", set("from_number", "me"), 400, "from_number is not +"},
		{"short number", set("to_number", "+12"), 200, "Call initiated"},
		{"long number", set("to_number", "+1234567890123456"), 400, "to_number is not +"},
		{"no agent", unset("agent_id"), 502, "422"},
		{"agent as text", set("agent_id", "7"), 400, "agent_id has the wrong type"},
		{"half an agent", set("agent_id", 7.5), 400, "agent_id has the wrong type"},
		{"lead no UUID", set("lead_id", "7"), 400, "lead_id is no UUID"},
		{"lead empty", set("lead_id", ""), 400, "lead_id is no UUID"},
		{"lead in braces", set("lead_id", "{"+lead+"}"), 400, "lead_id is no UUID"},
		{"initiator no UUID", set("initiated_by", "me"), 400, "initiated_by is no UUID"},
		{"unknown field", set("leadId", lead), 400, `unknown field \"leadId\"`},
		{"other case", set("Voice_ID", "default"), 400, `unknown field \"Voice_ID\"`},
		{"no tenant", header("X-Tenant-Id", ""), 400, "X-Tenant-Id"},
		{"tenant no UUID", header("X-Tenant-Id", "acme"), 400, "X-Tenant-Id"},
		{"wrong secret", header("X-Internal-Service-Secret", secret+"x"), 401, "invalid credentials"},
		{"no secret", header("X-Internal-Service-Secret", ""), 401, "invalid credentials"},
		{"form", header("Content-Type", "application/x-www-form-urlencoded"), 415, "application/json"},
	}
	dialled := 0
	for _, tc := range cases {
		body, h := validBody(), validHeader()
		tc.change(body, h)
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		resp, answer := b.send(t, http.MethodPost, standin.StartCallPath, string(text), h)
		if resp.StatusCode != tc.status || !strings.Contains(answer, tc.message) {
			t.Errorf("%s: got %d %s, want %d with %q", tc.name, resp.StatusCode, answer, tc.status, tc.message)
		}
		if tc.status == 200 {
			dialled++
		}
	}
	if n := len(b.Calls("")); n != dialled {
		t.Errorf("%d calls were dialled, want %d", n, dialled)
	}
	if n := b.PostsRead(""); n != len(cases) {
		t.Errorf("%d POSTs were read, want %d", n, len(cases))
	}
}

func TestBackendBody(t *testing.T) {
	t.Parallel()
	b := setup(t, standin.Options{})
	for body, want := range map[string]int{
		"": 400, "null": 400, "[]": 400, `{"voice_id":"default"`: 400, `{"voice_id":"default","to_number":"` + number + `","agent_id":7} {}`: 400,
		`{"added_context":"` + strings.Repeat("x", 64<<10) + `"}`: 413,
	} {
		if resp, text := b.send(t, http.MethodPost, standin.StartCallPath, body, validHeader()); resp.StatusCode != want {
			t.Errorf("%.40s: got %d %s, want %d", body, resp.StatusCode, text, want)
		}
	}
	if resp, _ := b.send(t, http.MethodPut, standin.StartCallPath, "{}", validHeader()); resp.StatusCode != http.StatusMethodNotAllowed {
		t.Errorf("PUT: got %d, want 405", resp.StatusCode)
	}
	if resp, _ := b.send(t, http.MethodPost, "/v2/calls/start-call", "{}", validHeader()); resp.StatusCode != http.StatusNotFound {
		t.Errorf("another path: got %d, want 404", resp.StatusCode)
	}
}
