package wire_test

import (
	"testing"
	"time"
)

// faultTime is how long a fault lasts at least. Half of the bookings are due
// within it.
const faultTime = 1200 * time.Millisecond

func TestFaultsOnTheWire(t *testing.T) {
	t.Parallel()
	for _, target := range targets {
		t.Run(target, func(t *testing.T) {
			t.Parallel()
			for _, f := range faults {
				t.Run(f.name, func(t *testing.T) {
					if f.lasting && target == voiceAgent {
						t.Skip("each of its connections is for one call")
					}
					t.Parallel()
					w := newWorld(t, setup{})
					defer w.sweeping()()
					l := w.load(t)
					l.book(bookings / 2)
					l.await(1)
					p := w.proxies[target]
					p.inject(f)
					began := time.Now()
					l.book(bookings / 2)
					l.withdraw()
					for time.Since(began) < faultTime || !p.metBy(f) && time.Since(began) < 10*faultTime {
						time.Sleep(20 * time.Millisecond)
					}
					if !p.metBy(f) {
						t.Error("the fault has met nobody, so nothing was tested")
					}
					p.heal()
					r := l.check(l.finish())
					t.Logf("%v; %d connections were cut", r, p.cutOff())
					if target == taskQueue && r.unknown > 0 {
						t.Error("a call is in doubt, although database and voice agent were well")
					}
					if f.latency > 0 && r.unknown > 0 {
						t.Error("a call is in doubt, although everything was only slow")
					}
				})
			}
		})
	}
}

func TestTheDatabasesClockDecides(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		skew time.Duration
	}{
		{"the function's machine is a day and two hours behind", 26 * time.Hour},
		{"the function's machine is a day and two hours ahead", -26 * time.Hour},
		{"the function's machine is 40 days behind", 40 * 24 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setup{skew: c.skew})
			defer w.sweeping()()
			l := w.load(t)
			l.book(bookings)
			r := l.check(l.finish())
			if r.called != bookings {
				t.Errorf("%v; want all called", r)
			}
		})
	}
}
