// Package wire_test breaks the connections between the functions and what they
// talk to, the database, Cloud Tasks and the voice agent, under load, heals them
// and looks whether every lead was rung at most once and every booking came to an
// end. PostgreSQL itself is stopped, killed and started again as well.
//
// The handlers, the clients and PostgreSQL are real, and so is time: the faults
// are in a proxy that knows nothing of what it passes on. What a fault at one
// particular step does is the business of the crash matrix.
//
//	go test ./integration/wire
//	go test -v ./integration/wire -run 'TestFaultsOnTheWire/database/half-open'
package wire_test

import (
	"flag"
	"testing"

	"lad.internal/followup/emulators/postgres/postgrestest"
)

func TestMain(m *testing.M) {
	// The tests wait, and hardly compute. A -parallel on the command line wins.
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	postgrestest.Main(m)
}
