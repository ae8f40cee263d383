// Package property_test plays LAD, an operator, Cloud Tasks, Pub/Sub and a voice
// agent against each other in an order drawn by lot, and looks after every single
// act whether the system keeps its promise: a lead is rung at most once for a
// booking's time, never after a cancel, never too early, and nothing counts as
// called that was not. Once the faults stop, every booking must reach an end with
// a reason.
//
// The real handlers work on a real PostgreSQL, with the real clients of Cloud
// Tasks and of the voice agent, on a clock that moves when a run says so. Several
// bookings of two tenants are alive at once. The promises are those of
// internal/promise, which the package gives the calls that the voice agent saw, the
// rows, and what LAD meant at each moment.
//
// A plain `go test` makes 10,000 runs of about 12 acts, under the race detector
// 400. rapid shrinks a run that fails to a short one and prints the seed:
//
//	go test ./integration/property
//	go test -race ./integration/property
//	go test ./integration/property -run 'TestProperty/.*/worker_1$' -rapid.seed=1 -rapid.checks=100
//	FOLLOWUP_PROPERTY_STEPS=1000000 go test -timeout 0 -v ./integration/property
//
// The third replays a seed, and the last is the long form: as many runs as make a
// million acts.
package property_test

import (
	"flag"
	"fmt"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"lad.internal/followup/emulators/postgres/postgrestest"
)

const (
	// workers are the worlds that runs are made in at the same time.
	workers = 4
	// acts is how many acts a run has on average.
	acts = 12
)

func TestMain(m *testing.M) {
	each, err := runsOfAWorker()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	// What the command line says wins.
	for name, value := range map[string]int{"rapid.checks": each, "rapid.steps": acts, "test.parallel": workers} {
		if err := flag.Set(name, strconv.Itoa(value)); err != nil {
			panic(err)
		}
	}
	postgrestest.Main(m)
}

func runsOfAWorker() (int, error) {
	long := os.Getenv("FOLLOWUP_PROPERTY_STEPS")
	if long == "" {
		return runs / workers, nil
	}
	steps, err := strconv.Atoi(long)
	if err != nil || steps < 1 {
		return 0, fmt.Errorf("FOLLOWUP_PROPERTY_STEPS is %q: set it to a number of acts, such as 1000000", long)
	}
	return max(1, steps/acts/workers), nil
}

// counters are what all workers have done.
type counters struct{ runs, acts, calls atomic.Int64 }

func TestProperty(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name       string
		idempotent bool
	}{{"each key rings once", false}, {"the voice agent deduplicates", true}} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			for i := range workers / 2 {
				t.Run(fmt.Sprintf("worker %d", i+1), func(t *testing.T) {
					t.Parallel()
					var done counters
					started := time.Now()
					w := newWorld(t, mode.idempotent)
					rapid.Check(t, func(t *rapid.T) {
						r := w.begin(t)
						r.actBook(t)
						r.settle()
						t.Repeat(r.acts(&done))
						r.end()
						done.runs.Add(1)
						done.calls.Add(int64(len(w.agent.calls(""))))
					})
					t.Logf("%d runs, %d acts, %d calls in %v",
						done.runs.Load(), done.acts.Load(), done.calls.Load(), time.Since(started).Round(time.Millisecond))
				})
			}
		})
	}
}
