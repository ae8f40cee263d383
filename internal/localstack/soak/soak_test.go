package soak

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"lad.internal/followup/internal/localstack/stack"
	"lad.internal/followup/internal/localstack/stack/stacktest"
	"lad.internal/followup/internal/promise"
)

// seed is a new one, or that of SOAK_SEED. A test that fails names it.
func seed(t *testing.T) uint64 {
	t.Helper()
	s := rand.Uint64()
	if given := os.Getenv("SOAK_SEED"); given != "" {
		var err error
		if s, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("SOAK_SEED=%d", s)
	return s
}

func TestNothingIsCalledTwiceAndNothingIsLostWhileEverythingFails(t *testing.T) {
	t.Parallel()
	last := Progress{}
	report, err := Run(t.Context(), Options{
		// They take 20 seconds to be made, so there is time for 3 kills at least.
		Bookings: 300, Tenants: 10, Seed: seed(t), KillEvery: 4 * time.Second, Misbehave: 0.05,
		Rate: 15, SweepEvery: 2 * time.Second,
		Stack:    stack.Options{Function: stacktest.Function(t)},
		Progress: func(p Progress) { last = p },
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range report.Violations {
		t.Errorf("%s: %s: %s", v.Kind, v.Booking, v.Detail)
	}
	if last.Planned != 300 || last.Booked != 300 || last.Ended != 300 || !last.Settling {
		t.Errorf("the last that is told of it is %+v", last)
	}
	kills := report.Kills.Execute + report.Kills.Schedule
	if kills < 3 || last.Kills != kills || report.Deliveries.DoubledTasks == 0 || report.Cancelled+report.Moved == 0 ||
		report.Calls < 150 || report.Ends["executed"] < 100 {
		t.Errorf("is the whole soak played? %+v", *report)
	}
	t.Logf("%+v, %.2f %% unknown", *report, 100*report.Unknown())
}

// A function that asks an agent again whose answer was ambiguous breaks what a
// soak is about.
func TestASoakFindsThatAmbiguousCallsAreRepeated(t *testing.T) {
	t.Parallel()
	report, err := Run(t.Context(), Options{
		Bookings: 24, Tenants: 2, Seed: seed(t), KillEvery: time.Hour, Misbehave: 1,
		Rate: 24, SweepEvery: 2 * time.Second,
		Stack: stack.Options{Function: stacktest.Function(t), Env: map[string]string{"VOICE_AGENT_IDEMPOTENT": "true"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Violated == 0 {
		t.Errorf("it found nothing: %+v", *report)
	}
	for _, v := range report.Violations {
		if v.Kind != promise.WrongEnd {
			t.Errorf("%s: %s: %s", v.Kind, v.Booking, v.Detail)
		}
	}
}

func TestASoakThatIsBrokenOffHasNoReport(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	report, err := Run(ctx, Options{
		Bookings: 1000, Tenants: 2, Seed: 1, KillEvery: time.Second, Rate: 100, SweepEvery: time.Second,
		Stack:    stack.Options{Function: stacktest.Function(t)},
		Progress: func(Progress) { cancel() },
	})
	if report != nil || !errors.Is(err, context.Canceled) {
		t.Errorf("Run gives %v, %v", report, err)
	}
}
