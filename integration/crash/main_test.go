// Package crash_test breaks the system at every single point at which it talks
// to somebody, and looks whether it keeps its promise: a lead is rung at most
// once for a booking's time, never after a cancel, and every booking reaches an
// end.
//
// The real handlers work on a real PostgreSQL, with the real clients of Cloud
// Tasks and of the voice agent. One of them, the victim, reaches all three
// through seams on the other side of the wire, which count its I/O steps and do
// to one of them what the case says; just before one of them a rival acts. What
// follows, new deliveries, leases that run out and sweeps, is the business of
// healthy instances, on a clock of their own.
//
// The cases are enumerated, none is drawn by lot. `go test` runs a fixed part of
// them; FOLLOWUP_CRASH=all runs all and, with -v, prints their number and time:
//
//	FOLLOWUP_CRASH=all go test -v -timeout 60m -run TestMatrix ./integration/crash | tail
package crash_test

import (
	"flag"
	"os"
	"testing"

	"lad.internal/followup/emulators/postgres/postgrestest"
)

func TestMain(m *testing.M) {
	// Much of a case is waiting for the database. A -parallel on the command line
	// wins.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	postgrestest.Main(m)
}

// exhaustive: every case is run, not only the fixed part of them.
func exhaustive() bool { return os.Getenv("FOLLOWUP_CRASH") == "all" }
