package tenantdb_test

import (
	"testing"
	"time"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/pkg/followup"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// rules are the product's defaults, live since yesterday.
func rules() followup.Rules {
	return followup.Rules{
		ActiveSince:  time.Now().Add(-24 * time.Hour),
		BookingTypes: []string{"follow_up", "scheduled_call"},
		Horizon:      7 * 24 * time.Hour,
		MaxLateness:  24 * time.Hour,
		Lease:        2 * time.Minute,
		Grace:        5 * time.Minute,
	}
}

// micro is a time that Postgres can store exactly.
func micro(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }

// await polls until the condition holds.
func await(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("in vain: %s", what)
		}
	}
}
