package reconcile_test

import (
	"errors"
	"testing"
	"time"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

// A backlog that is longer than the grace, and a queue that is paused, must not be
// torn down: a task that waits is left to wait, and what is gone is made again.
func TestOverdue(t *testing.T) {
	t.Parallel()
	unreachable := errors.New("unreachable")
	for _, c := range []struct {
		name   string
		gone   bool
		fails  error
		effect followup.Effect
		steps  string
	}{
		{name: "its task waits", effect: followup.None, steps: "read look"},
		{name: "its task is gone", gone: true, effect: followup.Arm, steps: "read look create update delete"},
		{name: "nobody may ask", fails: tasks.ErrDenied, effect: followup.Arm, steps: "read look create update delete"},
		{name: "nobody can ask", fails: unreachable, steps: "read look"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			due := time.Now().Add(-time.Hour).Truncate(time.Millisecond)
			b := w.Insert(functiontest.Seed{At: due})
			if _, err := w.reconciler(t).Booking(t.Context(), b.Ref); err != nil {
				t.Fatal(err)
			}
			w.Change(b.Ref, "task_scheduled_at = scheduled_at AT TIME ZONE 'UTC'") // as if it had been planned then
			before := w.Row(b.Ref)
			if c.gone {
				if err := w.queue.Client.Delete(t.Context(), before.Task.Name); err != nil {
					t.Fatal(err)
				}
			}
			w.steps, w.waitsFails = nil, c.fails
			d, err := w.reconciler(t).Booking(t.Context(), b.Ref)
			if !errors.Is(err, c.fails) && c.effect == "" || err != nil && c.effect != "" {
				t.Fatalf("error %v", err)
			}
			if c.effect != "" && (d.Effect != c.effect || d.Rule != followup.RuleOverdue) {
				t.Errorf("%s by %s", d.Effect, d.Rule)
			}
			if w.taken() != c.steps {
				t.Errorf("steps %q, want %q", w.taken(), c.steps)
			}
			after := w.Row(b.Ref)
			if c.effect != followup.Arm {
				if after != before {
					t.Errorf("the row has become %+v", after.Task)
				}
				return
			}
			if after.Task.Revision != before.Task.Revision+1 || !after.Task.DueAt.After(before.Task.DueAt) {
				t.Errorf("the row has become %+v", after.Task)
			}
			if w.queue.Named(after.Task.Name) == nil {
				t.Error("there is no new task")
			}
		})
	}
}
