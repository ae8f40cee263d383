package tenantdb_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// manyTenants is more than one connection serves. FOLLOWUP_BIG=1 asks with 1,000.
func manyTenants() int {
	if os.Getenv("FOLLOWUP_BIG") != "" {
		return 1000
	}
	return tenantdb.MaxSchemas + 20
}

// seedManySQL stores two bookings in each schema: the tenant's own, and what
// must never be read, a booking with the next tenant's id and its booking's. All
// are due. The booking's id is the tenant's.
const seedManySQL = `DO $$
DECLARE
	mine record;
BEGIN
	FOR mine IN SELECT tenant_id, schema_name,
			COALESCE(lead(tenant_id) OVER (ORDER BY tenant_id), min(tenant_id::text) OVER ()::uuid) AS next
		FROM lad_registry.tenants
	LOOP
		EXECUTE format('INSERT INTO %1$I.users (id, tenant_id) VALUES (%2$L, %2$L), (%3$L, %3$L) ON CONFLICT DO NOTHING',
			mine.schema_name, mine.tenant_id, mine.next);
		EXECUTE format('INSERT INTO %1$I.leads (id, tenant_id, phone, assigned_user_id) VALUES (%2$L, %2$L, ''+4915112345678'', %2$L), (%3$L, %3$L, ''+19005550100'', %3$L)',
			mine.schema_name, mine.tenant_id, mine.next);
		EXECUTE format('INSERT INTO %1$I.lead_bookings (id, tenant_id, lead_id, booking_type, booking_source, scheduled_at, timezone, metadata)
			SELECT id, id, id, ''follow_up'', ''x'', now() AT TIME ZONE ''UTC'', ''UTC'', jsonb_build_object(''agent_id'', CASE WHEN id = %2$L THEN %1$L ELSE ''decoy'' END) FROM %1$I.leads',
			mine.schema_name, mine.tenant_id);
	END LOOP;
END
$$`

// many is a fixture of that many tenants, the fixture's own two among them.
func many(t *testing.T, options ...tenantdbtest.Option) (*tenantdbtest.Fixture, []uuid.UUID) {
	t.Helper()
	f := tenantdbtest.New(t, append(options, tenantdbtest.WithRegistry())...)
	started := time.Now()
	f.AddTenants(t, manyTenants()-2)
	if _, err := f.Owner.Exec(t.Context(), seedManySQL); err != nil {
		t.Fatal(err)
	}
	tenants, err := f.DB.Tenants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(tenants) != manyTenants() {
		t.Fatalf("%d tenants, want %d", len(tenants), manyTenants())
	}
	t.Logf("%d schemas made in %v", len(tenants), time.Since(started).Round(time.Millisecond))
	return f, tenants
}

// Few connections serve many schemas in every order, and each tenant is read and
// written in its own: never through a plan that was made for the schema before.
func TestEachOfManyTenantsIsReadAndWrittenInItsOwnSchema(t *testing.T) {
	t.Parallel()
	f, tenants := many(t)
	for range 3 {
		rand.Shuffle(len(tenants), func(i, j int) { tenants[i], tenants[j] = tenants[j], tenants[i] })
		group, ctx := errgroup.WithContext(t.Context())
		group.SetLimit(2 * int(f.Config.MaxConns))
		for _, tenant := range tenants {
			group.Go(func() error { return claimAndRelease(ctx, f.DB, tenant, f.Schema(tenant)) })
		}
		if err := group.Wait(); err != nil {
			t.Fatal(err)
		}
	}
	for _, tenant := range tenants {
		var attempts, decoys int
		err := f.Owner.QueryRow(t.Context(), `SELECT execution_attempts, (SELECT count(*) FROM `+f.Schema(tenant)+`.lead_bookings
				WHERE tenant_id <> $1 AND (execution_attempts <> 0 OR task_status <> 'pending' OR task_revision <> 0))
			FROM `+f.Schema(tenant)+`.lead_bookings WHERE tenant_id = $1`, tenant).Scan(&attempts, &decoys)
		if err != nil || attempts != 3 || decoys != 0 {
			t.Errorf("%s: claimed %d times, %d rows of others written, error %v", f.Schema(tenant), attempts, decoys, err)
		}
	}
}

// claimAndRelease does with a tenant's booking what a task's call does, and what
// a sweep does, and insists on the tenant's own schema throughout.
func claimAndRelease(ctx context.Context, db *tenantdb.DB, tenant uuid.UUID, schema string) error {
	ref := followup.Ref{TenantID: tenant, BookingID: tenant}
	var claimed followup.Task
	a, err := db.Admit(ctx, ref, rules(), func(b *followup.Booking, _ followup.Facts, now time.Time) followup.Decision {
		if b == nil {
			return followup.Decision{}
		}
		claimed = followup.Task{Status: followup.InProgress, Revision: 1, Attempts: b.Task.Attempts + 1, ClaimedAt: now, PlannedFor: now}
		return followup.Decision{Effect: followup.Dial, Next: claimed}
	})
	if err != nil {
		return err
	}
	if a.Booking == nil || a.Booking.AgentID != schema || a.Facts.Lead.Number != "+4915112345678" {
		return fmt.Errorf("%s was shown %+v and the lead %+v", schema, a.Booking, a.Facts.Lead)
	}
	released := claimed
	released.Status = followup.Pending
	if stored, err := db.Finish(ctx, ref, claimed, released); err != nil || !stored {
		return fmt.Errorf("finish in %s: stored %v, error %w", schema, stored, err)
	}
	due, _, err := db.Candidates(ctx, tenant, tenantdb.Due, rules(), tenantdb.Cursor{}, 10)
	if err != nil || len(due) != 1 || due[0] != ref {
		return fmt.Errorf("%s has due %v, error %w", schema, due, err)
	}
	return nil
}

// A name is looked up at each use: a schema that takes the name of another is
// read at once, on a connection whose plans were made for the other.
func TestASchemaThatTakesAnothersNameIsReadAtOnce(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), poolOfOne)
	a, b := f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA}), f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantB})
	inA := followup.Ref{TenantID: tenantdbtest.TenantA, BookingID: uuid.New()}
	lead := uuid.New()
	f.LAD(t, tenantdbtest.TenantB, `INSERT INTO users (id, tenant_id) VALUES ($1, $1)`, tenantdbtest.TenantA)
	f.LAD(t, tenantdbtest.TenantB, `INSERT INTO leads (id, tenant_id, assigned_user_id) VALUES ($1, $2, $2)`, lead, tenantdbtest.TenantA)
	f.LAD(t, tenantdbtest.TenantB, `INSERT INTO lead_bookings (id, tenant_id, lead_id, booking_type, booking_source, scheduled_at)
		SELECT $1, $2, $3, booking_type, booking_source, scheduled_at FROM lead_bookings`, inA.BookingID, tenantdbtest.TenantA, lead)
	for range 10 { // beyond five PostgreSQL may keep a plan for all parameters
		if !known(t, f.DB, a) || known(t, f.DB, inA) || !known(t, f.DB, b) {
			t.Fatal("before the renaming the wrong schema is read")
		}
	}
	if _, err := f.Owner.Exec(t.Context(), `ALTER SCHEMA tenant_a RENAME TO aside; ALTER SCHEMA tenant_b RENAME TO tenant_a`); err != nil {
		t.Fatal(err)
	}
	for range 10 {
		if known(t, f.DB, a) || !known(t, f.DB, inA) {
			t.Fatal("after the renaming the wrong schema is read")
		}
	}
}
