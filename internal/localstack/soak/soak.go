// Package soak runs many bookings through a local stack while everything around
// it fails, and then accounts for every one of them: nothing was called twice,
// nothing was lost.
//
// While the bookings come due, the functions' processes are killed every few
// seconds, the voice agent misbehaves towards some leads, events and tasks are
// lost and doubled, and LAD cancels and moves bookings around their time. Then
// the faults stop, every booking is given the time to reach its end, and a judge
// compares each row with what LAD did to it, what the voice agent has booked, and
// which processes died when.
//
// Bookings, misbehaviours, changes and the pauses between kills come from a seed;
// how they interleave cannot. The package looks at the system from outside: it
// writes as LAD does, with the login of the tables' owner. It refuses to run on a
// database that somebody else made.
package soak

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/emulators/eventarc"
	"lad.internal/followup/internal/localstack/stack"
)

// Options say what a soak is made of. All but Stack and Progress are needed.
type Options struct {
	Bookings int
	Tenants  int
	// Seed decides about everything that is planned.
	Seed uint64
	// KillEvery is the mean pause between two kills. A pause is at least half and
	// at most one and a half of it.
	KillEvery time.Duration
	// Misbehave is the share of bookings, 0 to 1, towards whose leads the voice
	// agent misbehaves.
	Misbehave float64
	// Rate is how many bookings a second are made at most. Fewer are made while
	// this machine cannot keep up.
	Rate float64
	// SweepEvery is how often the sweep's tick is published.
	SweepEvery time.Duration
	// Stack is what the stack is made of otherwise: the functions' program, logs.
	Stack stack.Options
	// Progress is told, about once a second, how far the run is; nil tells nobody.
	Progress func(Progress)
}

// Progress is how far a run is.
type Progress struct {
	Planned int // bookings
	Booked  int
	Ended   int // bookings that have reached an end
	Kills   int
	// Settling: the faults have stopped, and what is left comes to its end.
	Settling bool
}

func (o Options) check() error {
	switch {
	case o.Bookings < 1 || o.Tenants < 1:
		return errors.New("soak: at least one booking and one tenant are needed")
	case o.KillEvery < 100*time.Millisecond:
		return errors.New("soak: a function needs 100 ms to start, so the pause between kills must be longer")
	case o.Misbehave < 0 || o.Misbehave > 1:
		return errors.New("soak: the share of misbehaving answers is not between 0 and 1")
	case o.Rate <= 0 || o.SweepEvery <= 0:
		return errors.New("soak: rate and sweep interval must be above 0")
	case o.Stack.DatabaseURL != "" || o.Stack.CloudTasks != "" || o.Stack.VoiceAgent != "":
		return errors.New("soak: database, Cloud Tasks and voice agent must be the stack's own")
	}
	return nil
}

// The functions' settings: the shortest that let a machine that is busy elsewhere
// answer in time, so that what a kill has left behind is soon found.
const (
	callTimeout = 10 * time.Second
	lease       = 25 * time.Second
	grace       = 10 * time.Second
)

var settings = map[string]string{
	"VOICE_AGENT_TIMEOUT":        callTimeout.String(),
	"FOLLOWUP_LEASE":             lease.String(),
	"FOLLOWUP_GRACE":             grace.String(),
	"FOLLOWUP_DISPATCH_DEADLINE": "1m",
	"FOLLOWUP_PAUSED":            "false",
	"FOLLOWUP_LEAD_TIME":         "0s",
	"FOLLOWUP_MAX_LATENESS":      "24h",
	"VOICE_AGENT_IDEMPOTENT":     "false",
	"DB_MAX_CONNS":               "10",
	"LOG_LEVEL":                  "error",
}

// Run starts a stack, plays the bookings on it, ends it, and gives account.
// Violations are no error, but in the report; there is none if ctx ends first.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	r := &run{options: o, faults: newFaults(o.Seed), changes: map[uuid.UUID]changed{}}
	if r.stack, err = stack.Start(ctx, r.stackOptions()); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.stack.Close()) }()
	if err := r.open(ctx); err != nil {
		return nil, err
	}
	defer r.pool.Close()
	report, err := r.play(ctx)
	if ctx.Err() != nil {
		return nil, fmt.Errorf("soak with seed %d: %w", o.Seed, context.Cause(ctx))
	}
	if err != nil {
		return nil, fmt.Errorf("soak with seed %d: %w", o.Seed, err)
	}
	return report, nil
}

func (r *run) stackOptions() stack.Options {
	o := r.options.Stack
	o.Tenants = r.options.Tenants
	o.SweepEvery = r.options.SweepEvery
	o.Env = maps.Clone(settings)
	maps.Copy(o.Env, r.options.Stack.Env)
	o.CloudTasksOptions.Deliveries = r.faults.deliveries
	o.CloudTasksOptions.OnAttempt = r.faults.onAttempt
	o.EventRetry = eventarc.Backoff{Min: time.Second, Max: 5 * time.Second}
	o.EventChaos = r.faults.eventFate
	return o
}

// play does everything but starting and ending the stack.
func (r *run) play(ctx context.Context) (*Report, error) {
	killing, stopKilling := context.WithCancel(ctx)
	killed := make(chan struct{})
	go func() {
		r.faults.killAll(killing, r.stack, r.options.KillEvery)
		close(killed)
	}()
	started := time.Now()
	err := r.book(ctx)
	stopKilling()
	<-killed
	r.faults.stopped.Store(true)
	if err != nil {
		return nil, err
	}
	faultless := time.Now()
	if err := r.settle(ctx); err != nil {
		return nil, err
	}
	settled := time.Now()
	// Whatever is still on its way must find nothing to do.
	if err := r.wait(ctx, 2*r.options.SweepEvery); err != nil {
		return nil, err
	}
	report, err := r.judge(ctx)
	if err != nil {
		return nil, err
	}
	report.Booking, report.Settling, report.Promised = faultless.Sub(started), settled.Sub(faultless), r.promised()
	return report, nil
}
