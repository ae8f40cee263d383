package main

import (
	"errors"
	"slices"
	"testing"
	"time"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

func TestCancelStopsACallUntilItsBookingMoves(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	b := d.Insert(functiontest.Seed{At: soon()})
	d.run("sweep").want(0)
	task := d.onQueue(b).GetName()
	s := d.run("cancel", "--tenant", tenantA(), id(b), "--yes").want(0, "cancelled/by_operator")
	if d.queue.Named(task) != nil {
		t.Error("its task is still on the queue")
	}
	if len(s.events("operator_cancelled")) != 1 {
		t.Errorf("log:\n%s", s.err.String())
	}
	d.run("sweep").want(0)
	if got := d.state(b); got != "cancelled/by_operator" {
		t.Fatalf("after a sweep it is %s", got)
	}
	d.run("cancel", "--tenant", tenantA(), id(b), "--yes").want(cli.ExitFailed, "an operator has cancelled it")
	d.Change(b.Ref, "scheduled_at = scheduled_at + interval '1 hour'")
	d.run("sweep").want(0)
	if got := d.state(b); got != "scheduled" {
		t.Errorf("moved, and swept, it is %s", got)
	}
	// And back: the operator's word was for a time, and that time is over.
	d.run("cancel", "--tenant", tenantA(), "--status", "scheduled", "--due-before", "3h", "--yes").want(0)
	d.run("retry", "--tenant", tenantA(), "--reason", "by_operator", "--yes").want(0)
	if got := d.state(b); got != "scheduled" {
		t.Errorf("retried, it is %s", got)
	}
}

// Whoever commits first wins, and the other one knows.
func TestOfACancelAndAClaimOneWins(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	const calls = 16
	args := []string{"cancel", "--tenant", tenantA(), "--json"}
	var bookings []followup.Booking
	for range calls {
		b := d.Insert(functiontest.Seed{At: ago(0), Task: followup.Task{Status: followup.Scheduled, Revision: 1, DueAt: ago(0), Key: functiontest.CurrentKey}})
		bookings, args = append(bookings, b), append(args, id(b))
	}
	term, s := d.atPrompt(args...)
	term.types(t, "yes") // the first is cancelled first, and claimed last: they meet
	won := map[string]bool{}
	for _, b := range slices.Backward(bookings) {
		ticket := followup.Ticket{Key: b.Key(), Revision: 1, TaskName: "projects/p/locations/l/queues/q/tasks/t"}
		a, err := tenantdb.Admission{}, error(tenantdb.ErrLocked)
		for errors.Is(err, tenantdb.ErrLocked) { // by the other, so that the task comes again
			a, err = d.DB.Admit(t.Context(), b.Ref, functiontest.Rules(), func(b *followup.Booking, facts followup.Facts, now time.Time) followup.Decision {
				return functiontest.Rules().Admit(b, facts, ticket, now)
			})
		}
		if err != nil {
			t.Fatal(err)
		}
		won[id(b)] = a.Decision.Effect == followup.Dial
	}
	var views []changeView
	s.json(&views)
	lost := 0
	for _, v := range views {
		if won[v.BookingID] {
			lost++
		}
		if cancelled := v.Result == resultDone; cancelled == won[v.BookingID] {
			t.Errorf("cancelled is %v, dialled is %v: %+v", cancelled, won[v.BookingID], v)
		}
	}
	if len(views) != calls || (s.code == 0) != (lost == 0) {
		t.Errorf("%d bookings reported, %d were dialled, exit code %d", len(views), lost, s.code)
	}
	t.Logf("%d of %d were dialled", lost, calls)
}
