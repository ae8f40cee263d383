package property_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"
	"sync"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/logging"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

// The messages on the topic.
const (
	created   = "booking.created"
	updated   = "booking.updated"
	cancelled = "booking.cancelled"
)

// delivery is a request of Cloud Tasks or of Pub/Sub, which may come any number
// of times.
type delivery struct {
	what   string // for people
	ref    followup.Ref
	ticket followup.Ticket // of a task
	path   string
	header http.Header
	body   []byte
}

// to delivers it to a handler and returns the answer's status.
func (d *delivery) to(h http.Handler) int {
	r := httptest.NewRequest(http.MethodPost, d.path, bytes.NewReader(d.body))
	r.Header = d.header.Clone()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	return answer.Code
}

// taskDelivery is the request of a task as Cloud Tasks sends it.
func taskDelivery(name string, b followup.Booking, next followup.Task) (*delivery, error) {
	body, err := json.Marshal(tasks.NewPayload(b, next))
	if err != nil {
		return nil, fmt.Errorf("task %s: %w", name, err)
	}
	return &delivery{
		what:   fmt.Sprintf("task r%d for %s", next.Revision, keyTime(next.Key)),
		ref:    b.Ref,
		path:   tasks.BookingPath(b.BookingID),
		ticket: followup.Ticket{Key: next.Key, Revision: next.Revision, TaskName: name},
		header: http.Header{
			"Content-Type": {"application/json"}, "Authorization": {"Bearer t"},
			"X-Cloudtasks-Taskname": {path.Base(name)}, "X-Cloudtasks-Queuename": {functiontest.Queue},
		},
		body: body,
	}, nil
}

// event is what Pub/Sub pushes about a booking.
func event(kind string, ref followup.Ref) *delivery {
	data, err := json.Marshal(map[string]string{"type": kind, "tenantId": ref.TenantID.String(), "bookingId": ref.BookingID.String()})
	if err == nil {
		data, err = json.Marshal(map[string]any{"subscription": "s", "message": map[string]any{"data": data, "messageId": "m"}})
	}
	if err != nil {
		panic(err) // nothing in it cannot be marshalled
	}
	return &delivery{what: kind, ref: ref, path: "/", header: http.Header{"Content-Type": {"application/json"}}, body: data}
}

// keyTime is the time that a key is for.
func keyTime(key string) string {
	_, at, _ := strings.Cut(key, "T")
	return at
}

// runLog is what the functions have logged during a run.
type runLog struct {
	mu  sync.Mutex
	out bytes.Buffer
}

// Logger writes to the log as the functions do.
func (l *runLog) Logger() *slog.Logger { return logging.New(l, logging.Options{}) }

// Write implements io.Writer.
func (l *runLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

// Reset empties the log.
func (l *runLog) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out.Reset()
}

// of is what matters of the lines about a booking.
func (l *runLog) of(booking string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for text := range bytes.Lines(l.out.Bytes()) {
		var line struct {
			Event, Rule, Effect, Error, Detail string
			Booking                            string `json:"booking_id"`
		}
		if json.Unmarshal(text, &line) == nil && line.Booking == booking {
			fmt.Fprintf(&b, "  %s %s %s %s %s\n", line.Event, line.Rule, line.Effect, line.Detail, line.Error)
		}
	}
	return b.String()
}
