package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"lad.internal/followup/internal/localstack/lad"
	"lad.internal/followup/internal/localstack/stack"
)

const (
	// exampleDue is when the example's bookings are due, from when they are made.
	exampleDue = 5 * time.Second
	// examplePatience is how long they are watched.
	examplePatience = time.Minute
	clock           = "15:04:05.000"
)

// playExample books one follow-up per tenant through LAD's endpoint, and tells
// what becomes of each, until their ends or ctx's.
func playExample(ctx context.Context, out io.Writer, s *stack.Stack) error {
	ctx, cancel := context.WithTimeout(ctx, examplePatience)
	defer cancel()
	var group errgroup.Group
	for _, tenant := range s.Tenants {
		e := exampleBooking{url: s.URL, tenant: tenant.ID, out: out, due: time.Now().Add(exampleDue).Truncate(time.Millisecond)}
		group.Go(func() error { return e.play(ctx) })
	}
	return group.Wait()
}

// exampleBooking is one booking of the example.
type exampleBooking struct {
	url    string
	tenant string
	out    io.Writer
	due    time.Time
}

func (e exampleBooking) play(ctx context.Context) error {
	var created struct{ ID string }
	err := e.request(ctx, http.MethodPost, lad.BookingsPath, map[string]string{
		"leadId": uuid.NewString(), "assignedUserId": uuid.NewString(), "bookingType": "follow_up",
		"scheduledAt": e.due.UTC().Format(time.RFC3339Nano),
	}, &created)
	if err != nil {
		return fmt.Errorf("book the example: %w", err)
	}
	e.tell("booked %s, due at %s", created.ID, e.due.Format(clock))
	for told := "pending"; ; {
		var b lad.Booking
		if err := e.request(ctx, http.MethodGet, lad.BookingsPath+"/"+created.ID, nil, &b); err != nil {
			return fmt.Errorf("watch the example: %w", err)
		}
		if status := *b.TaskStatus; status != told {
			told = status
			if e.tellState(b) {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tellState tells where the booking is now, and returns whether that is its end.
func (e exampleBooking) tellState(b lad.Booking) (ended bool) {
	switch *b.TaskStatus {
	case "scheduled":
		e.tell("scheduled: a Cloud Task is on its way")
	case "in_progress":
		e.tell("in_progress: claimed, and the voice agent is asked")
	case "executed":
		e.tell("executed: called at %s, %v after its time", b.ClaimedAt.Local().Format(clock), b.ClaimedAt.Sub(e.due).Round(time.Millisecond))
		return true
	default:
		reason := ""
		if b.TaskReason != nil {
			reason = ", " + *b.TaskReason
		}
		e.tell("%s%s", *b.TaskStatus, reason)
		return *b.TaskStatus != "pending" && reason != ", not_started" // these are tried again
	}
	return false
}

func (e exampleBooking) tell(format string, args ...any) {
	fmt.Fprintf(e.out, "devstack: example of tenant %s: %s\n", e.tenant[:8], fmt.Sprintf(format, args...))
}

func (e exampleBooking) request(ctx context.Context, method, path string, body, into any) error {
	content, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, e.url+path, bytes.NewReader(content))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set(lad.TenantHeader, e.tenant)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }() // it has been read, or is of no use
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, answer)
	}
	return json.Unmarshal(answer, into)
}

// printHints tells a person what to type next. A time that has passed is fine:
// the call is then made at once.
func printHints(out io.Writer, url, tenant string, now time.Time) {
	booking, err := json.Marshal(struct {
		LeadID         string `json:"leadId"`
		AssignedUserID string `json:"assignedUserId"`
		BookingType    string `json:"bookingType"`
		ScheduledAt    string `json:"scheduledAt"`
	}{uuid.NewString(), uuid.NewString(), "follow_up", now.Add(30 * time.Second).UTC().Format(time.RFC3339)})
	if err != nil {
		return // four strings always have a JSON form
	}
	fmt.Fprintf(out, `
Book a call in another terminal, and see the voice agent get it half a minute later:

  curl -s %[1]s%[2]s -H '%[3]s: %[4]s' -H 'Content-Type: application/json' -d '%[5]s'
  curl -s %[1]s/api/voice-agent/calls

%[1]s lists what else there is. Ctrl-C ends it, and leaves nothing behind.

`, url, lad.BookingsPath, lad.TenantHeader, tenant, booking)
}
