package property_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

// delivery is a request of Cloud Tasks or of Pub/Sub about a booking.
type delivery struct {
	functiontest.Delivery
	what   string // for people
	ref    followup.Ref
	ticket followup.Ticket // of a task
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
		ticket: followup.Ticket{Key: next.Key, Revision: next.Revision, TaskName: name},
		Delivery: functiontest.Delivery{Path: tasks.BookingPath(b.BookingID), Body: body, Header: http.Header{
			"Content-Type": {"application/json"}, "Authorization": {"Bearer t"},
			"X-Cloudtasks-Taskname": {path.Base(name)}, "X-Cloudtasks-Queuename": {functiontest.Queue},
		}},
	}, nil
}

// event is what Pub/Sub pushes about a booking.
func event(kind string, ref followup.Ref) *delivery {
	return &delivery{what: kind, ref: ref, Delivery: functiontest.Event(kind, ref)}
}

// keyTime is the time that a key is for.
func keyTime(key string) string {
	_, at, _ := strings.Cut(key, "T")
	return at
}
