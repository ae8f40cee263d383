package integration_test

import (
	"sync"
	"testing"
	"time"

	"lad.internal/followup/internal/localstack/lad"
)

func TestAnEventIsHandledInEveryFormItMayTake(t *testing.T) {
	t.Parallel()
	for form, world := range map[string]func(testing.TB) *world{
		"a CloudEvent in binary mode": calm, "a structured CloudEvent": impatient, "a plain push": unreliable,
	} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			w := world(t)
			user := w.user(0)
			id := user.Book(t, in(0), nil)
			user.Await(t, id, "executed")
			// The sweep would have found it as well.
			await(t, "the event of booking "+id, func() bool { return w.log.count("event_handled", id) > 0 })
			w.expectCalls(t, id, 1, 1)
		})
	}
}

func TestEventsThatComeManyTimesMakeOneTask(t *testing.T) {
	t.Parallel()
	for name, world := range map[string]func(testing.TB) *world{"published again and again": calm, "and delivered so too": unreliable} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := world(t)
			user := w.user(1)
			id := user.Book(t, in(time.Hour), nil)
			var publishers sync.WaitGroup
			for range 20 {
				publishers.Go(func() { w.publish(t, event(t, lad.BookingCreated, user.Tenant, id)) })
			}
			publishers.Wait()
			await(t, "the handling of all events", func() bool { return w.log.count("event_handled", id) >= 21 })
			b := user.Show(t, id)
			if _, there := w.task(t, b); !there || b.TaskRevision != 1 {
				t.Errorf("at revision %d the task is there: %v, want revision 1 and a task", b.TaskRevision, there)
			}
			if _, there := w.getTask(t, w.taskName(key(t, b), 2)); there {
				t.Error("there is a second task")
			}
			user.Move(t, id, in(0))
			user.Await(t, id, "executed")
			w.expectCalls(t, id, 1, 1)
		})
	}
}

func TestTheSweepFindsWhatEventsHaveMissed(t *testing.T) {
	t.Parallel()
	w := calm(t)
	user := w.user(0)
	lost := map[string]any{"publish": false}

	t.Run("a new booking", func(t *testing.T) {
		t.Parallel()
		id := user.Book(t, in(4*time.Second), lost)
		user.Await(t, id, "executed")
		w.expectCalls(t, id, 1, 1)
		expectNoEvent(t, w, id)
	})
	t.Run("a booking that has moved", func(t *testing.T) {
		t.Parallel()
		id := user.Book(t, in(time.Hour), lost)
		user.Await(t, id, "scheduled")
		due := in(8 * time.Second)
		user.Change(t, id, map[string]any{"scheduledAt": due.UTC().Format(time.RFC3339Nano), "publish": false})
		b := user.Await(t, id, "executed")
		if calls := w.expectCalls(t, id, 1, 1); calls[0].IdempotencyKey != keyAt(t, b, due) {
			t.Errorf("called with key %s, want that of %v", calls[0].IdempotencyKey, due)
		}
		expectNoEvent(t, w, id)
	})
	t.Run("a booking that was cancelled", func(t *testing.T) {
		t.Parallel()
		id := user.Book(t, in(time.Hour), lost)
		b := user.Await(t, id, "scheduled")
		user.Change(t, id, map[string]any{"status": "cancelled", "publish": false})
		user.Await(t, id, "cancelled/booking_cancelled")
		await(t, "the deletion of its task", func() bool { _, there := w.task(t, b); return !there })
		w.expectCalls(t, id, 0, 0)
		expectNoEvent(t, w, id)
	})
}

func expectNoEvent(t *testing.T, w *world, booking string) {
	t.Helper()
	if n := w.log.count("event_handled", booking); n > 0 {
		t.Errorf("%d events of the booking were handled; they should have been lost", n)
	}
}
