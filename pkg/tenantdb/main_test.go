package tenantdb_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
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

// newLead inserts a lead of LAD's, and the user whom it is assigned to.
func newLead(t *testing.T, f *tenantdbtest.Fixture, tenant uuid.UUID) uuid.UUID {
	t.Helper()
	id := uuid.New()
	f.LAD(t, tenant, `INSERT INTO users (id, tenant_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, tenantdbtest.User(tenant), tenant)
	f.LAD(t, tenant, `INSERT INTO leads (id, tenant_id, first_name, phone, assigned_user_id) VALUES ($1, $2, 'Ada', '+4915112345678', $3)`,
		id, tenant, tenantdbtest.User(tenant))
	return id
}

// loosen lets a column be NULL, as a LAD of another age may have it.
func loosen(t *testing.T, f *tenantdbtest.Fixture, tenant uuid.UUID, columns ...string) {
	t.Helper()
	for _, c := range columns {
		f.LAD(t, tenant, `ALTER TABLE lead_bookings ALTER COLUMN `+c+` DROP NOT NULL`)
	}
}
