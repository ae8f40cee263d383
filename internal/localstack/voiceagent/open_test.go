package voiceagent_test

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"lad.internal/followup/internal/localstack/voiceagent"
)

func TestOpen(t *testing.T) {
	t.Parallel()
	s, err := voiceagent.New(voiceagent.Options{Logger: slog.New(slog.DiscardHandler), Open: true, CallIDPrefix: "00000000-57ab-"})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, voiceagent.StartCallPath, strings.NewReader(`{"voice_id":"default","to_number":"+12025550100","agent_id":7}`))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("X-Tenant-Id", "aaaaaaaa-0000-4000-8000-000000000001")
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	calls := s.Calls("")
	if w.Code != http.StatusOK || len(calls) != 1 || !strings.HasPrefix(calls[0].JobID, "00000000-57ab-") || !strings.Contains(w.Body.String(), calls[0].JobID) {
		t.Errorf("answered %d %s, and booked %+v", w.Code, w.Body, calls)
	}
}

func TestOpenOptions(t *testing.T) {
	t.Parallel()
	for _, options := range []voiceagent.Options{{}, {Open: true, Secret: "s"}, {Open: true, FrontendID: "f", APIKey: "k"}} {
		options.Logger = slog.New(slog.DiscardHandler)
		if _, err := voiceagent.New(options); err == nil {
			t.Errorf("%+v was accepted", options)
		}
	}
}
