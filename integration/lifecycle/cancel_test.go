package lifecycle_test

import (
	"sync"
	"testing"
	"time"

	"lad.internal/followup/pkg/followup"
)

// withdrawals are the ways in which LAD stops meaning a booking.
var withdrawals = []struct{ name, set string }{
	{"cancelled", `status = 'cancelled'`},
	{"deleted", `is_deleted = true`},
	{"completed by hand", `status = 'completed'`},
	{"missed", `status = 'missed'`},
	{"without a time", `scheduled_at = 'infinity'`},
}

func TestABookingThatLADNoLongerMeansIsNotCalled(t *testing.T) {
	t.Parallel()
	for _, c := range withdrawals {
		for _, when := range []string{"before it was scheduled", "after it was scheduled, with an event", "after it was scheduled, with no event"} {
			t.Run(c.name+" "+when, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				ref := w.book(time.Hour)
				if when != "before it was scheduled" {
					w.event(ref)
				}
				w.lad(ref, c.set)
				if when == "after it was scheduled, with an event" {
					w.event(ref)
				}
				w.pass(2*time.Hour, 10*time.Minute)
				w.want(ref, followup.Cancelled, followup.BookingCancelled, 0)
				if queued := w.queued(); len(queued) != 0 {
					t.Errorf("tasks are left: %v", queued)
				}
			})
		}
	}
}

func TestACancelThatNobodyHeardOfStopsTheTaskWhenItFires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := w.book(time.Hour)
	w.event(ref)
	w.lad(ref, `status = 'cancelled'`)
	w.clock.Advance(time.Hour) // no sweep comes by
	w.settle()
	w.want(ref, followup.Cancelled, followup.BookingCancelled, 0)
}

func TestARevivedBookingIsCalled(t *testing.T) {
	t.Parallel()
	for _, heard := range []bool{true, false} {
		name := "with an event"
		if !heard {
			name = "with no event"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			ref := w.book(3 * time.Hour)
			w.event(ref)
			w.lad(ref, `status = 'cancelled'`)
			w.event(ref)
			w.want(ref, followup.Cancelled, followup.BookingCancelled, 0)
			w.lad(ref, `status = 'confirmed'`)
			if heard {
				w.event(ref)
			}
			w.pass(4*time.Hour, 5*time.Minute)
			w.want(ref, followup.Executed, "", 1)
		})
	}
}

func TestACallThatAnOperatorStoppedIsNotRevivedButByAnotherTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := w.book(3 * time.Hour)
	w.event(ref)
	seen := w.row(ref)
	d, err := w.rules.Cancel(seen, w.clock.Now())
	if err != nil {
		t.Fatal(err)
	}
	if stored, err := w.reconciler.CarryOut(t.Context(), seen, d); err != nil || !stored {
		t.Fatalf("cancel: %v, %v", stored, err)
	}
	w.lad(ref, `status = 'cancelled'`)
	w.event(ref)
	w.lad(ref, `status = 'scheduled'`)
	w.event(ref)
	w.pass(4*time.Hour, 10*time.Minute)
	w.want(ref, followup.Cancelled, followup.ByOperator, 0)
	w.moveTo(ref, w.clock.Now().Add(time.Hour))
	w.pass(2*time.Hour, 10*time.Minute)
	w.want(ref, followup.Executed, "", 1)
}

// A cancel that commits before the claim wins; one that comes later finds the
// call made. Nothing lies between the two.
func TestACancelThatRacesTheClaimEitherWinsOrComesTooLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const races = 60
	refs := make([]followup.Ref, races)
	for i := range refs {
		refs[i] = w.book(time.Hour)
		w.event(refs[i])
	}
	var racers sync.WaitGroup
	racers.Go(func() { w.clock.Advance(time.Hour + 10*time.Second) })
	for _, ref := range refs {
		racers.Go(func() { w.lad(ref, `status = 'cancelled'`) })
	}
	racers.Wait()
	w.pass(10*time.Minute, time.Minute)
	won := 0
	for _, ref := range refs {
		if w.calls(ref) == 0 {
			won++
			w.want(ref, followup.Cancelled, followup.BookingCancelled, 0)
			continue
		}
		w.want(ref, followup.Executed, "", 1)
	}
	t.Logf("the cancel won %d of %d races", won, races)
}
