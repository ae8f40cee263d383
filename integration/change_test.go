package integration_test

import (
	"sync"
	"testing"
	"time"

	"lad.internal/followup/pkg/followup"
)

func TestABookingCancelledBeforeItsTimeIsNotCalled(t *testing.T) {
	t.Parallel()
	w := calm(t)
	user := w.user(1)
	due := in(12 * time.Second)
	id := user.Book(t, due, nil)
	armed := user.Await(t, id, "scheduled")
	user.Change(t, id, map[string]any{"status": "cancelled"})
	user.Await(t, id, "cancelled/booking_cancelled")
	await(t, "the deletion of its task", func() bool { _, there := w.task(t, armed); return !there })

	// A witness that its time has come.
	witness := user.Book(t, due, nil)
	user.Await(t, witness, "executed")
	w.expectCalls(t, id, 0, 0)
	if b := user.Show(t, id); b.ExecutionAttempts != 0 || b.ExecutedAt != nil {
		t.Errorf("the row is %+v", b)
	}
}

// The name of A's first task stays blocked after B has replaced it.
func TestABookingMovedAwayAndBackIsCalledOnceAtItsTime(t *testing.T) {
	t.Parallel()
	w := calm(t)
	user := w.user(0)
	t.Run("within a moment", func(t *testing.T) {
		t.Parallel()
		a := in(followup.Earliness + 4*time.Second)
		id := user.Book(t, a, nil)
		user.Move(t, id, in(2*time.Hour))
		user.Move(t, id, a)
		expectOneCallAt(t, w, id, a)
	})
	t.Run("with a task for each time", func(t *testing.T) {
		t.Parallel()
		a := in(followup.Earliness + 10*time.Second)
		id := user.Book(t, a, nil)
		for i, next := range []time.Time{in(2 * time.Hour), a} {
			await(t, "the task of the time before", func() bool { return user.Show(t, id).TaskRevision == i+1 })
			user.Move(t, id, next)
		}
		if b := expectOneCallAt(t, w, id, a); b != 3 {
			t.Errorf("called at revision %d, want 3: one for each move", b)
		}
	})
}

// expectOneCallAt waits for the call and returns the revision that made it.
func expectOneCallAt(t *testing.T, w *world, id string, due time.Time) (revision int) {
	t.Helper()
	user := w.user(0)
	b := user.Await(t, id, "executed")
	call := w.expectCalls(t, id, 1, 1)[0]
	if call.IdempotencyKey != keyAt(t, b, due) || call.At.Before(due.Add(-followup.Earliness)) {
		t.Errorf("called at %v with key %s, want the call of %v", call.At, call.IdempotencyKey, due)
	}
	return b.TaskRevision
}

func TestABookingMovedWhileItsTaskIsMadeIsCalledOnceAtItsNewTime(t *testing.T) {
	t.Parallel()
	w := calm(t)
	user := w.user(0)
	var movers sync.WaitGroup
	due := map[string]time.Time{}
	for range 20 {
		// The event is on its way when the booking moves, and so is the move's.
		id := user.Book(t, in(time.Hour), nil)
		due[id] = in(followup.Earliness + 4*time.Second)
		movers.Go(func() { user.Move(t, id, due[id]) })
	}
	movers.Wait()
	for id, at := range due {
		w.user(0).Await(t, id, "executed")
		b := user.Show(t, id)
		calls := w.Agent.Calls(id)
		if len(calls) != 1 || calls[0].IdempotencyKey != keyAt(t, b, at) || calls[0].At.Before(at.Add(-followup.Earliness)) {
			t.Errorf("booking %s, due %v, got the calls %+v", id, at, calls)
		}
	}
	w.awaitSweeps(t, 2)
	for id := range due {
		if n := w.Agent.PostsRead(id); n != 1 {
			t.Errorf("the voice agent read %d POSTs for booking %s", n, id)
		}
	}
}
