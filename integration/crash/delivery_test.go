package crash_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

// keep reads a request so that it can be read once more.
func keep(r *http.Request) (*functiontest.Delivery, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return &functiontest.Delivery{Path: r.URL.Path, Header: r.Header.Clone(), Body: body}, nil
}

// hear has a healthy instance handle an event.
func (w *world) hear(kind string, ref followup.Ref) error {
	if status := functiontest.Event(kind, ref).To(w.healthy.Schedule); status != http.StatusOK {
		return fmt.Errorf("%s: answered %d", kind, status)
	}
	return nil
}

// client opens a connection for each request, so that a request is never sent
// twice.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// push delivers an event over the network, as Eventarc does, until ctx ends. The
// status is 0 if there was no answer.
func (w *world) push(ctx context.Context, d functiontest.Delivery) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+d.Path, bytes.NewReader(d.Body))
	if err != nil {
		return 0
	}
	r.Header = d.Header.Clone()
	answer, err := client.Do(r)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, answer.Body) // the status says it all
	_ = answer.Body.Close()
	return answer.StatusCode
}
