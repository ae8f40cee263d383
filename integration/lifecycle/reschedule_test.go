package lifecycle_test

import (
	"testing"
	"time"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
)

func TestABookingIsCalledAtTheTimeItWasMovedTo(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		booked  time.Duration // from now
		moved   time.Duration // from now; the move happens after a minute
		quietAt time.Duration // from now: nobody has been rung yet
	}{
		{"to an earlier time", 10 * time.Hour, 2 * time.Hour, 119 * time.Minute},
		{"to a later time", 2 * time.Hour, 10 * time.Hour, 9 * time.Hour},
		{"into the past, at once", 2 * time.Hour, -time.Hour, time.Minute},
		{"beyond the horizon", 2 * time.Hour, 20 * 24 * time.Hour, 19 * 24 * time.Hour},
		{"from beyond the horizon to soon", 20 * 24 * time.Hour, 2 * time.Hour, 119 * time.Minute},
	}
	for _, c := range cases {
		for _, heard := range []bool{true, false} {
			name := c.name + ", with an event"
			if !heard {
				name = c.name + ", with no event"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				start := w.clock.Now()
				ref := w.book(c.booked)
				w.event(ref)
				w.pass(time.Minute, time.Minute)
				w.moveTo(ref, start.Add(c.moved))
				if w.calls(ref) != 0 {
					t.Fatal("rung before it was moved")
				}
				if heard {
					w.event(ref)
					w.settle()
				}
				w.pass(c.quietAt-time.Minute, max(10*time.Minute, c.quietAt/40))
				if c.moved > c.quietAt && w.calls(ref) != 0 {
					t.Fatalf("rung %v before its time", c.moved-c.quietAt)
				}
				w.pass(max(c.moved-c.quietAt, 0)+2*time.Minute, time.Minute)
				w.want(ref, followup.Executed, "", 1)
				if dialled, due := w.row(ref).Task.ExecutedAt, start.Add(c.moved); dialled.Before(due.Add(-followup.Earliness)) {
					t.Errorf("rung at %v, %v before its time", dialled, due.Sub(dialled))
				}
				w.pass(24*time.Hour, time.Hour)
				w.want(ref, followup.Executed, "", 1)
			})
		}
	}
}

func TestABookingMovedThereAndBackAgainIsStillCalledOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, b := w.clock.Now().Add(2*time.Hour), w.clock.Now().Add(3*time.Hour)
	ref := w.book(2 * time.Hour)
	w.event(ref)
	for range 4 { // within seconds, each heard
		w.moveTo(ref, b)
		w.event(ref)
		w.clock.Advance(time.Second)
		w.moveTo(ref, a)
		w.event(ref)
		w.clock.Advance(time.Second)
	}
	if queued := w.queued(); len(queued) != 1 {
		t.Errorf("%d tasks are on the queue, want the newest alone: %v", len(queued), queued)
	}
	w.pass(4*time.Hour, 10*time.Minute)
	w.want(ref, followup.Executed, "", 1)
}

func TestATaskOfAnOldPlanDoesNothingWhenItFiresAnyway(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := w.book(2 * time.Hour)
	w.event(ref)
	old := w.row(ref)
	w.moveTo(ref, w.clock.Now().Add(5*time.Hour))
	w.event(ref)
	// The old task has been deleted, so another one for the old time stands in for
	// one that could not be.
	if _, err := w.tasks.CreateScheduledHTTPTask(t.Context(), old, withRevision(old.Task, 99)); err != nil {
		t.Fatal(err)
	}
	w.pass(3*time.Hour, 10*time.Minute)
	w.want(ref, followup.Scheduled, "", 0)
	w.pass(3*time.Hour, 10*time.Minute)
	w.want(ref, followup.Executed, "", 1)
}

func withRevision(task followup.Task, revision int) followup.Task {
	task.Revision = revision
	return task
}

func TestABookingThatMovesWhileItsTaskIsCreatedIsCalledAtItsNewTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := w.book(2 * time.Hour)
	seen := w.row(ref)
	d := w.rules.Plan(&seen, w.clock.Now())
	name, err := w.tasks.CreateScheduledHTTPTask(t.Context(), seen, d.Next)
	if err != nil {
		t.Fatal(err)
	}
	w.moveTo(ref, w.clock.Now().Add(4*time.Hour)) // between CreateTask and UPDATE
	d.Next.Name = name
	if stored, err := w.DB.Update(t.Context(), seen, d.Next); err != nil || stored {
		t.Fatalf("the plan for the old time was stored: %v, %v", stored, err)
	}
	w.pass(3*time.Hour, 5*time.Minute)
	w.want(ref, followup.Scheduled, "", 0)
	w.pass(2*time.Hour, 5*time.Minute)
	w.want(ref, followup.Executed, "", 1)
}

func TestABookingThatMovesWhileItsCallIsUnderWayIsCalledAgainOnlyForALaterTime(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		moved time.Duration // from its time
		calls int
	}{
		{"to a later time", time.Hour, 2},
		{"to an earlier time", -30 * time.Minute, 1},
		{"by the five seconds that clocks may differ", followup.Earliness, 1},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			due := w.clock.Now().Add(time.Hour)
			ref := w.book(time.Hour)
			w.event(ref)
			w.agent.Must(voiceagent.Behaviour{Match: voiceagent.Match{BookingID: ref.BookingID.String()}, Kind: voiceagent.Slow, DelayMS: 300, Times: 1})
			w.clock.Jump(time.Hour)
			functiontest.Eventually(t, "the call is under way", func() bool { return w.row(ref).Task.Status == followup.InProgress })
			w.moveTo(ref, due.Add(c.moved))
			w.event(ref)
			w.want(ref, followup.InProgress, "", w.calls(ref))
			w.settle()
			w.want(ref, followup.Executed, "", 1)
			w.pass(3*time.Hour, 5*time.Minute)
			w.want(ref, followup.Executed, "", c.calls)
		})
	}
}

func TestAHeldBookingIsNotCalledAgainWhereverItMovesUntilAPersonResolvesIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := w.book(time.Hour)
	w.agent.Must(voiceagent.Behaviour{Match: voiceagent.Match{BookingID: ref.BookingID.String()}, Kind: voiceagent.HangUp, Dialled: true, Times: 1})
	w.pass(2*time.Hour, 5*time.Minute)
	w.want(ref, followup.Failed, followup.OutcomeUnknown, 1)
	w.moveTo(ref, w.clock.Now().Add(time.Hour))
	w.event(ref)
	w.pass(3*time.Hour, 5*time.Minute)
	w.want(ref, followup.Failed, followup.OutcomeUnknown, 1)
}
