// Package examples_test runs what the documents for LAD's developers show: the
// Node examples beside it, on a real Express and a real PostgreSQL, and every
// statement of docs/voice-agent.md, docs/events.md and docs/cut-over.md.
//
// It needs Node and npm, and the network once, to fetch what the examples depend
// on; without them the tests that run Node skip and say so.
package examples_test

import (
	"testing"

	"lad.internal/followup/emulators/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }
