package execute_test

import (
	"testing"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/pkg/followup"
)

// plan plans a booking, as the next event or sweep does: a row that LAD has
// written over is mended so, and not by its task.
func (w *world) plan(b followup.Booking) {
	w.t.Helper()
	r, err := reconcile.New(functiontest.Rules(), w.DB, w.queue.Client, w.log.Logger())
	if err == nil {
		_, err = r.Booking(w.t.Context(), b.Ref)
	}
	if err != nil {
		w.t.Error(err)
	}
}

// A generic update in LAD's backend may write any task column, and writes what it
// has read a while ago. Between the claim and its outcome that would have the lead
// rung again.
func TestAStatusThatLadWritesOverDuringTheCallCostsNoSecondCall(t *testing.T) {
	t.Parallel()
	for _, status := range []string{"'scheduled'", "'pending'"} {
		t.Run(status, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
			var e *endpoint
			store := &faultyStore{Store: w.DB, finish: func(n int64) error {
				if n > 1 {
					return nil
				}
				w.Change(b.Ref, "task_status = "+status)
				if got := e.deliver(b, 1); got.status != 409 || got.Result != "claimed" {
					t.Errorf("a second delivery is answered %s", got)
				}
				return nil
			}}
			e = w.serve(func(p *execute.Parts) { p.Store = store })
			if got := e.deliver(b, 1); got.status != 200 || got.Result != "accepted" {
				t.Errorf("answered %s", got)
			}
			w.Change(b.Ref, "task_status = "+status) // and once more
			if got := e.deliver(b, 1); got.status != 200 || got.Result != "called" {
				t.Errorf("after the call a second delivery is answered %s", got)
			}
			w.plan(b)
			if row := w.Row(b.Ref).Task; row.Status != "executed" || row.Attempts != 1 || w.posts(b) != 1 {
				t.Errorf("the row is %+v, the voice agent was asked %d times", row, w.posts(b))
			}
		})
	}
}

func TestABookingThatIsHeldStaysSoWhateverLadWritesOverItsStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve()
	held := task("failed", "outcome_unknown", 1)
	b := w.Insert(functiontest.Seed{Task: held})
	w.Change(b.Ref, "task_status = 'scheduled', claimed_at = now() - interval '1 hour'")
	if got := e.deliver(b, 1); got.status != 200 || got.Result != "held" {
		t.Errorf("answered %s", got)
	}
	w.plan(b)
	if row := w.Row(b.Ref).Task; row.Status != "failed" || row.Reason != "outcome_unknown" || w.posts(b) != 0 {
		t.Errorf("the row is %+v, the voice agent was asked %d times", row, w.posts(b))
	}
}
