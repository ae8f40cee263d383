package voiceagent_test

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"

	"lad.internal/followup/internal/contract"
	standin "lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/voiceagent"
)

// The requests of the real client and the answers of the stand-in are those of
// docs/openapi.yaml.
func TestDocumented(t *testing.T) {
	t.Parallel()
	document, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range contracts() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c.options.Logger = slog.New(slog.DiscardHandler)
			server, err := standin.New(c.options)
			if err != nil {
				t.Fatal(err)
			}
			seen := map[string]int{}
			web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				body, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				r.Body = io.NopCloser(bytes.NewReader(body))
				e := contract.Exchange{Request: r, RequestBody: body}
				operation := contract.AgentOperation(r)
				seen[operation]++
				if err := document.CheckRequest(operation, e); err != nil {
					t.Error(err)
				}
				answer := httptest.NewRecorder()
				server.ServeHTTP(answer, r)
				e.Status, e.Header, e.Body = answer.Code, answer.Header(), answer.Body.Bytes()
				if err := document.CheckAnswer(operation, e); err != nil {
					t.Error(err)
				}
				for name, values := range answer.Header() {
					w.Header()[name] = values
				}
				w.WriteHeader(answer.Code)
				_, _ = w.Write(answer.Body.Bytes())
			}))
			t.Cleanup(server.Close)
			t.Cleanup(web.Close)
			b := bundle{Server: server, url: web.URL}
			b.client = b.dial(t, c.config)

			for _, kind := range []standin.Kind{standin.DispatchFail, standin.SuccessFalse, standin.Closed, standin.UpgradeRequired} {
				if err := b.Behave(standin.Behaviour{Kind: kind, Times: 1}); err != nil {
					t.Fatal(err)
				}
			}
			b.await(t, b.start(t, keyed()).JobID, voiceagent.JobFailed)
			for range 3 {
				b.start(t, keyed())
			}
			b.await(t, b.start(t, keyed()).JobID, voiceagent.JobRunning)
			b.job(t, "none")
			if len(seen) != 2 {
				t.Errorf("seen %v", seen)
			}
		})
	}
}
