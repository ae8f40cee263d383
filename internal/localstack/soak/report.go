package soak

import (
	"time"

	"lad.internal/followup/internal/promise"
	"lad.internal/followup/pkg/followup"
)

// Report is the account of a soak.
type Report struct {
	Seed     uint64
	Bookings int
	Tenants  int

	Booking  time.Duration // how long bookings came due, faults and all
	Settling time.Duration // from the end of the faults to the end of the last booking
	// Promised is what Settling takes at most on a machine that keeps up, and the
	// retries of a refused call excepted: lease, grace and two sweeps.
	Promised time.Duration

	Kills      KillCount
	Deliveries FaultCount
	Cancelled  int // bookings that LAD has cancelled
	Moved      int // and moved to another time

	Calls int            // that the voice agent has dialled
	Ends  map[string]int // bookings, by status/reason
	// Unknown outcomes, by what explains them. Both together are the bookings that
	// a person must look at.
	UnknownByAgent, UnknownByKill int
	Lag                           Lag

	Violated   int         // violations
	Violations []Violation // the first maxViolations of them
}

// KillCount counts SIGKILLs by the function that died of them.
type KillCount struct{ Schedule, Execute int }

// FaultCount counts the deliveries that were disturbed, and the rows that LAD wrote
// back as it had read them earlier, or locked.
type FaultCount struct{ LostTasks, DoubledTasks, LostEvents, DoubledEvents, WrittenBack, Locked int }

// Lag says how long after their time the executed bookings were claimed for their
// call. What a kill, a lost task or a busy signal has held up is in it.
type Lag struct{ P50, P95, P99, Max time.Duration }

// Unknown is the share of bookings, 0 to 1, whose outcome is unknown.
func (r *Report) Unknown() float64 {
	return float64(r.UnknownByAgent+r.UnknownByKill) / float64(r.Bookings)
}

// maxViolations is how many are kept: one says as much as a thousand.
const maxViolations = 50

// What can be wrong with all bookings together, besides what is with one.
const (
	LostRow  promise.Kind = "lost row" // a booking that is gone
	Stranger promise.Kind = "stranger" // a row or a call that nobody has asked for
)

// Violation is one booking about which a promise was broken.
type Violation struct {
	Kind    promise.Kind
	Booking followup.Ref
	Detail  string
}

// percentiles are those of sorted lags.
func percentiles(sorted []time.Duration) Lag {
	if len(sorted) == 0 {
		return Lag{}
	}
	at := func(share float64) time.Duration { return sorted[int(share*float64(len(sorted)-1))] }
	return Lag{P50: at(0.50), P95: at(0.95), P99: at(0.99), Max: at(1)}
}
