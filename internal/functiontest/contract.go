package functiontest

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"testing"

	"lad.internal/followup/internal/contract"
)

// othersKey begins the keys of LAD's own scheduler, as the tests of the cut-over
// play it with this system's client. LAD sends none.
const othersKey = "lad:"

// documented holds each request of this system that the agent gets, and each
// answer that it gives in JSON, against docs/openapi.yaml.
func documented(t testing.TB, agent http.Handler) http.Handler {
	document, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the caller has gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		if strings.HasPrefix(r.Header.Get("Idempotency-Key"), othersKey) {
			agent.ServeHTTP(w, r)
			return
		}
		operation := contract.AgentOperation(r)
		e := contract.Exchange{Request: r, RequestBody: body}
		if err := document.CheckRequest(operation, e); err != nil {
			t.Error(err)
		}
		answer := &recorder{ResponseWriter: w, status: http.StatusOK}
		agent.ServeHTTP(answer, r)
		if answer.Header().Get("Content-Type") != "application/json" {
			return // a body that a test has chosen
		}
		e.Status, e.Header, e.Body = answer.status, answer.Header(), answer.body.Bytes()
		if err := document.CheckAnswer(operation, e); err != nil {
			t.Error(err)
		}
	})
}

// recorder keeps a copy of what is answered.
type recorder struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

func (r *recorder) Write(p []byte) (int, error) {
	r.body.Write(p)
	return r.ResponseWriter.Write(p)
}
