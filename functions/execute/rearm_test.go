package execute_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

// movingStore moves the row between its reading and its update.
type movingStore struct {
	execute.Store
	move func()
}

func (s movingStore) Update(ctx context.Context, seen followup.Booking, next followup.Task) (bool, error) {
	s.move()
	return s.Store.Update(ctx, seen, next)
}

// failingQueue creates nothing.
type failingQueue struct{}

func (failingQueue) CreateScheduledHTTPTask(context.Context, followup.Booking, followup.Task) (string, error) {
	return "", errors.New("the queue is away")
}

func (failingQueue) Waits(context.Context, followup.Task) (bool, error) {
	return false, errors.New("the queue is away")
}

func (failingQueue) Delete(context.Context, string) error { return errors.New("the queue is away") }

func TestAnEarlyTaskThatCannotBePutOffComesAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, tc := range map[string]struct {
		change func(*execute.Parts, followup.Booking)
		status int
		result string
	}{
		"the row moves meanwhile": {func(p *execute.Parts, b followup.Booking) {
			p.Store = movingStore{w.DB, func() { w.Change(b.Ref, "scheduled_at = scheduled_at + interval '1 hour'") }}
		}, 409, "booking_moved"},
		"the queue is away": {func(p *execute.Parts, _ followup.Booking) { p.Queue = failingQueue{} }, 500, "task_rearm_failed"},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour), Task: task("scheduled", "", 1)})
			e := w.serve(func(p *execute.Parts) { tc.change(p, b) })
			if got := e.deliver(b, 1); got.status != tc.status || got.Result != tc.result {
				t.Errorf("answered %s, want %d %q", got, tc.status, tc.result)
			}
			if after := w.Row(b.Ref); after.Task != b.Task || w.posts(b) != 0 {
				t.Errorf("the row is %+v", after.Task)
			}
		})
	}
}

func TestATaskLeftOverFromAnEarlierPlanIsDeletedWhenTheRowIsSettled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve()
	b := w.Insert(functiontest.Seed{Status: "cancelled"})
	armed := b.Task
	armed.Key, armed.Revision, armed.DueAt = b.Key(), 1, time.Now().Add(time.Hour)
	name, err := w.queue.Client.CreateScheduledHTTPTask(t.Context(), b, armed)
	if err != nil {
		t.Fatal(err)
	}
	w.Change(b.Ref, "task_status = 'scheduled', task_revision = 1, task_name = $1, idempotency_key = $2, planned_for = scheduled_at", name, b.Key())
	// A newer task, which the row never came to know, brings the news.
	if got := e.deliver(b, 2); got.status != 200 || got.Result != "not_live" {
		t.Fatalf("answered %s", got)
	}
	if w.queue.Named(name) != nil {
		t.Error("the row's task is still there")
	}
	if row := state(w.Row(b.Ref)); row != "cancelled/booking_cancelled r1 a0" {
		t.Errorf("the row is %q", row)
	}
}

func TestAFailureToDeleteATaskIsOnlyLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) { p.Queue = failingQueue{} })
	b := w.Insert(functiontest.Seed{Deleted: true, Task: task("scheduled", "", 1)})
	if got := e.deliver(b, 2); got.status != 200 || got.Result != "not_live" {
		t.Errorf("answered %s", got)
	}
	if n := len(w.log.Events("task_delete_failed")); n != 1 {
		t.Errorf("%d failures were logged", n)
	}
}

func TestAHandlerWithoutAllItsPartsIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := w.serve().parts
	for name, without := range map[string]func(*execute.Parts){
		"store":        func(p *execute.Parts) { p.Store = nil },
		"queue":        func(p *execute.Parts) { p.Queue = nil },
		"agent":        func(p *execute.Parts) { p.Agent = nil },
		"verifier":     func(p *execute.Parts) { p.Verifier = nil },
		"queue name":   func(p *execute.Parts) { p.QueueName = "" },
		"task path":    func(p *execute.Parts) { p.TaskPath = nil },
		"call timeout": func(p *execute.Parts) { p.CallTimeout = 0 },
		"log":          func(p *execute.Parts) { p.Log = nil },
	} {
		parts := good
		without(&parts)
		if _, err := execute.New(parts); err == nil {
			t.Errorf("a handler without %s was made", name)
		}
	}
}
