package stacktest

import (
	"context"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/localstack/lad"
)

// Patience is how long a condition is awaited. It is no statement about speed:
// on a machine that is busy elsewhere everything takes its time.
const Patience = 60 * time.Second

// LAD is LAD's stand-in as one tenant's user sees it.
type LAD struct {
	URL    string // of the stack
	Tenant string
}

// Client is the client of all requests. It keeps no connection.
var Client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: Patience}

// Book books a follow-up, due at the given time, for a lead of its own; fields
// are set in the request, beside the usual ones, and win.
func (l LAD) Book(t testing.TB, due time.Time, fields map[string]any) (id string) {
	t.Helper()
	body := map[string]any{
		"leadId": uuid.NewString(), "assignedUserId": uuid.NewString(), "bookingType": "follow_up",
		"scheduledAt": due.UTC().Format(time.RFC3339Nano),
	}
	maps.Copy(body, fields)
	var created struct{ ID string }
	l.request(t, http.MethodPost, lad.BookingsPath, body, &created)
	return created.ID
}

// Change changes a booking.
func (l LAD) Change(t testing.TB, id string, fields map[string]any) {
	t.Helper()
	l.request(t, http.MethodPatch, lad.BookingsPath+"/"+id, fields, nil)
}

// Move moves a booking to another time.
func (l LAD) Move(t testing.TB, id string, to time.Time) {
	t.Helper()
	l.Change(t, id, map[string]any{"scheduledAt": to.UTC().Format(time.RFC3339Nano)})
}

// Show reads a booking.
func (l LAD) Show(t testing.TB, id string) (b lad.Booking) {
	t.Helper()
	l.request(t, http.MethodGet, lad.BookingsPath+"/"+id, nil, &b)
	return b
}

// Await reads a booking until its task's status, with its reason behind a slash
// if it has one, is the wanted one.
func (l LAD) Await(t testing.TB, id, state string) lad.Booking {
	t.Helper()
	for deadline := time.Now().Add(Patience); ; time.Sleep(50 * time.Millisecond) {
		b := l.Show(t, id)
		if State(b) == state {
			return b
		}
		if time.Now().After(deadline) {
			t.Fatalf("booking %s is %s after %v, want %s: %+v", id, State(b), Patience, state, b)
		}
	}
}

// State is a booking's task status, with its reason behind a slash if it has one.
func State(b lad.Booking) string {
	state := text(b.TaskStatus)
	if reason := text(b.TaskReason); reason != "" {
		state += "/" + reason
	}
	return state
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (l LAD) request(t testing.TB, method, path string, body, into any) {
	t.Helper()
	if err := (lad.Client{URL: l.URL, Tenant: l.Tenant, HTTP: Client}).Do(context.Background(), method, path, body, into); err != nil {
		t.Fatal(err)
	}
}
