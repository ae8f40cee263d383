package crash_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"lad.internal/followup/pkg/followup"
)

const eventsPath = "/events"

// The messages on the topic.
const (
	created   = "booking.created"
	updated   = "booking.updated"
	cancelled = "booking.cancelled"
	tick      = "followup.sweep"
)

// delivery is a request as it came, to be delivered again.
type delivery struct {
	path   string
	header http.Header
	body   []byte
}

// keep reads a request so that it can be read once more.
func keep(r *http.Request) (*delivery, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return &delivery{path: r.URL.Path, header: r.Header.Clone(), body: body}, nil
}

// to delivers it to a handler and returns the answer's status.
func (d *delivery) to(h http.Handler) int {
	r := httptest.NewRequest(http.MethodPost, d.path, bytes.NewReader(d.body))
	r.Header = d.header.Clone()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	return answer.Code
}

// event is what Pub/Sub pushes about a booking, or as a tick.
func event(kind string, ref followup.Ref) *delivery {
	data, err := json.Marshal(map[string]string{"type": kind, "tenantId": ref.TenantID.String(), "bookingId": ref.BookingID.String()})
	if err == nil {
		data, err = json.Marshal(map[string]any{"subscription": "s", "message": map[string]any{"data": data, "messageId": "m"}})
	}
	if err != nil {
		panic(err) // nothing in it cannot be marshalled
	}
	return &delivery{path: eventsPath, header: http.Header{"Content-Type": {"application/json"}}, body: data}
}

// hear has a healthy instance handle an event.
func (w *world) hear(kind string, ref followup.Ref) error {
	if status := event(kind, ref).to(w.healthy.schedule); status != http.StatusOK {
		return fmt.Errorf("%s: answered %d", kind, status)
	}
	return nil
}

// client opens a connection for each request, so that a request is never sent
// twice.
var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// push delivers an event over the network, as Eventarc does, until ctx ends. The
// status is 0 if there was no answer.
func (w *world) push(ctx context.Context, d *delivery) int {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url+d.path, bytes.NewReader(d.body))
	if err != nil {
		return 0
	}
	r.Header = d.header.Clone()
	answer, err := client.Do(r)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, answer.Body) // the status says it all
	_ = answer.Body.Close()
	return answer.StatusCode
}
