package property_test

import (
	"context"
	"testing"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

// The runs see what they look for: were VOICE_AGENT_IDEMPOTENT set for an agent
// that does not deduplicate, leads would be rung twice.
func TestTheRunsSeeASecondCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, true)
	w.agent.deduplicates = false
	seen := w.lookFor(t, func(r *run) {
		r.agent.misbehaveOnce(misdeeds[hungUpAfterDialling])
		r.bookAt("booking 1", "GST", 0, heard)
		r.settle()
		r.pass(2 * minute)
	})
	if seen == "" {
		t.Error("a second call was not seen")
	}
	t.Log(seen)
}

// What a run has found: a booking that is moved to a later time after its call while
// LAD has it cancelled, and is revived with no event, is called for that time.
func TestABookingThatMovesWhileItIsCancelledIsCalledOnceItIsRevived(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	broken := w.lookFor(t, func(r *run) {
		b := r.bookAt("booking 1", "GST", 0, heard)
		r.settle()
		r.change(b, functiontest.Cancelled, heard, func(b *booking) { b.status = "cancelled" })
		r.change(b, functiontest.Updated, heard, func(b *booking) { b.moveTo(r.now().Add(minute)) })
		r.change(b, functiontest.Updated, lost, func(b *booking) { b.status = "scheduled" })
	})
	if broken != "" {
		t.Error(broken)
	}
}

// What a run has found: a planner that reads an overdue row creates its next task
// and then loses the row to the old task's claim. The new task finds a row that
// does not want it and ends, and with it the name, which is the row's next. The
// call must not wait for another grace under a name that nothing comes of.
func TestATaskThatCameTooSoonCostsNoTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t, false)
	broken := w.lookFor(t, func(r *run) {
		b := r.bookAt("booking 1", "GST", minute, heard)
		first := r.tasks()[0]
		r.loseTask(first.ticket.TaskName)
		r.pass(minute + r.rules.Grace + minute)
		row, now, err := r.DB.Booking(context.Background(), b.Ref)
		r.must(err)
		plan := r.rules.Plan(row, now) // by somebody who reads, and is overtaken
		r.agent.misbehaveOnce(misdeeds[overloaded])
		r.deliverTask(first)
		tooSoon, err := watchedQueue{r.Tasks, r.world}.CreateScheduledHTTPTask(context.Background(), *row, plan.Next)
		r.must(err)
		r.settle()
		r.check()
		if row, _, _ := r.DB.Booking(context.Background(), b.Ref); row.Task.Reason != followup.NotStarted || row.Task.Revision != plan.Next.Revision-1 {
			t.Errorf("the row is %s/%s, revision %d: the case is not the one that it is about", row.Task.Status, row.Task.Reason, row.Task.Revision)
		}
		r.pass(r.rules.Grace + minute)
		r.sweep()
		r.settle()
		row, _, err = r.DB.Booking(context.Background(), b.Ref)
		r.must(err)
		if n := len(r.agent.calls(b.BookingID.String())); row.Task.Status != followup.Executed || n != 1 || row.Task.Name == tooSoon {
			t.Errorf("the row is %s/%s with %d calls and task %s, want it executed with one", row.Task.Status, row.Task.Reason, n, row.Task.Name)
		}
	})
	if broken != "" {
		t.Error(broken)
	}
}
