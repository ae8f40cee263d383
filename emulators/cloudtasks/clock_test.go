package cloudtasks_test

import (
	"slices"
	"testing"
	"time"

	"lad.internal/followup/emulators/cloudtasks"
)

func TestAManualClockCallsItsTimersInOrderAndShowsTheirTime(t *testing.T) {
	t.Parallel()
	c := cloudtasks.NewManualClock(start)
	var shown []time.Duration
	note := func() { shown = append(shown, c.Now().Sub(start)) }
	c.AfterFunc(start.Add(3*time.Second), note)
	c.AfterFunc(start.Add(time.Second), func() {
		note()
		c.AfterFunc(start.Add(2*time.Second), note) // set on the way, still in this step
	})
	c.AfterFunc(start.Add(5*time.Second), note)
	cancel := c.AfterFunc(start.Add(2*time.Second), note)
	cancel()
	c.Advance(4 * time.Second)
	if want := seconds(1, 2, 3); !slices.Equal(shown, want) {
		t.Errorf("timers at %v, want %v", shown, want)
	}
	equal(t, "now", c.Now(), start.Add(4*time.Second))
}

func TestATimerInThePastIsCalledAtOnce(t *testing.T) {
	t.Parallel()
	c := cloudtasks.NewManualClock(start)
	called := make(chan struct{}, 1)
	c.AfterFunc(start, func() { called <- struct{}{} })
	receive(t, called)
}

func TestTimersOfOneInstantAreCalledInTheOrderTheyWereSet(t *testing.T) {
	t.Parallel()
	c := cloudtasks.NewManualClock(start)
	var called []int
	for i := range 50 {
		c.AfterFunc(start.Add(time.Second), func() { called = append(called, i) })
	}
	c.Advance(time.Second)
	equal(t, "called", len(called), 50)
	equal(t, "in order", slices.IsSorted(called), true)
}
