package tenantdb_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"lad.internal/followup/migrations"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// endToEndSchemas are names that PostgreSQL allows and that somebody forgets to
// quote.
var endToEndSchemas = []string{
	`Tenant A`, `TENANT_A`, `ten"ant`, `"tenant_a"`, `ten'ant`, `a.b`, `tenant_b, tenant_a`, `мандант漢字`, "tab\tand\nline", `$1`, `%I`, `SELECT`,
	strings.Repeat("s", 63), strings.Repeat("ß", 31) + "x", `x"; DROP SCHEMA tenant_a CASCADE; --`, `'); DROP SCHEMA tenant_a CASCADE; --`, `\`, ` `,
}

// From the migration to the recorded call, each name is that schema and no other.
func TestASchemaOfAnyNameIsMigratedSweptClaimedAndFinished(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	names := map[string]followup.Ref{}
	for _, name := range endToEndSchemas {
		tenant := uuid.New()
		f.AddTenant(t, tenant, name) // by migrations.Up
		names[name] = f.Insert(t, tenantdbtest.Row{Tenant: tenant, AgentID: tenant.String(), ScheduledAt: time.Now()})
	}
	for name, ref := range names {
		if err := claimAndFinish(t, f, ref); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	rows, err := f.Owner.Query(t.Context(), `SELECT nspname::text FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema$)'`)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	// public, the registry's, the shared one, the two tenants' own.
	if err != nil || len(all) != len(endToEndSchemas)+5 {
		t.Errorf("the schemas are %q, error %v", all, err)
	}
}

func claimAndFinish(t *testing.T, f *tenantdbtest.Fixture, ref followup.Ref) error {
	t.Helper()
	due := candidates(t, f.DB, ref.TenantID, tenantdb.Untimed, rules(), 10)
	if len(due) != 1 || due[0] != ref {
		return fmt.Errorf("the sweep finds %v", due)
	}
	claimed := claim
	claimed.ClaimedAt, claimed.PlannedFor = micro(time.Now()), micro(time.Now())
	a, err := f.DB.Admit(t.Context(), ref, rules(), always(followup.Dial, claimed))
	if err != nil || a.Booking == nil || a.Booking.AgentID != ref.TenantID.String() || a.Facts.Lead.Number == "" {
		return fmt.Errorf("claimed %+v of %+v: %w", a.Booking, a.Facts.Lead, err)
	}
	executed := claimed
	executed.Status, executed.ExecutedAt = followup.Executed, claimed.ClaimedAt
	if stored, err := f.DB.Finish(t.Context(), ref, claimed, executed); err != nil || !stored {
		return fmt.Errorf("finished: %v, %w", stored, err)
	}
	if b, _ := f.Read(t, ref); b.Task.Status != followup.Executed || b.Task.Attempts != 1 {
		return fmt.Errorf("the row is %+v", b.Task)
	}
	return nil
}

// What a registry must not say is refused with a sentence, before the database
// hears of it, and for that tenant alone.
func TestAHostileNameInTheRegistryIsRefusedAndInjectsNothing(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), ttl(time.Nanosecond))
	long := strings.Repeat("s", 63)
	f.AddTenant(t, uuid.New(), long)
	for _, schema := range []string{tenantdbtest.SchemaA, tenantdbtest.SchemaB, long} { // whatever is read, it is found
		f.Register(t, tenantdbtest.TenantA, schema)
		f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA, Columns: map[string]any{"id": hostileID}})
	}
	ref := followup.Ref{TenantID: tenantdbtest.TenantA, BookingID: hostileID}
	before := fingerprint(t, f)
	for _, c := range []struct{ name, says string }{
		{long + "s", "64 bytes"}, // PostgreSQL itself would cut it off
		{strings.Repeat("ß", 32), "64 bytes"},
		{`pg_catalog`, "keeps the name pg_catalog for itself"},
		{`pg_temp`, "keeps the name pg_temp for itself"},
		{`pg_toast`, "keeps the name pg_toast for itself"},
		{`$user`, "keeps the name $user for itself"},
		{``, "the name is empty"},
		// These may be names of schemas. No schema has them.
		{`x"; DROP SCHEMA tenant_a CASCADE; --`, "followup migrate up"},
		{`tenant_a"; SET ROLE lad_owner; --`, "followup migrate up"},
		{`nowhere, tenant_a`, "followup migrate up"},
		{`nowhere", "tenant_a`, "followup migrate up"},
		{`"$user"`, "followup migrate up"},
		{`information_schema`, "followup migrate up"},
		{`tenant_a.followup_bookings`, "followup migrate up"},
		{`TENANT_A`, "followup migrate up"},
		{"tenant_a\u200b", "followup migrate up"},
		{`',true), set_config('search_path','tenant_a`, "followup migrate up"},
	} {
		f.Register(t, tenantdbtest.TenantA, c.name)
		a, err := f.DB.Admit(t.Context(), ref, rules(), always(followup.None, followup.Task{}))
		if a.Booking != nil || err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: shown %v, and told: %v", c.name, a.Booking, err)
		}
		if _, _, err := f.DB.Candidates(t.Context(), ref.TenantID, tenantdb.Due, rules(), tenantdb.Cursor{}, 10); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%q: the sweep is told: %v", c.name, err)
		}
	}
	if after := fingerprint(t, f); after != before {
		t.Errorf("the database was %s, and is %s", before, after)
	}
	if _, err := f.Owner.Exec(t.Context(), `UPDATE `+tenantdbtest.Registry+` SET schema_name = $1`, "tenant\x00_a"); err == nil {
		t.Error("PostgreSQL has stored a NUL")
	}
	f.Register(t, tenantdbtest.TenantA, tenantdbtest.SchemaA)
	f.Read(t, ref)
}

var hostileID = uuid.MustParse("dddddddd-0000-4000-8000-000000000001")

// fingerprint tells of every relation, role and right of the database, and of
// the rows that there are.
func fingerprint(t *testing.T, f *tenantdbtest.Fixture) string {
	t.Helper()
	var sum string
	err := f.Owner.QueryRow(t.Context(), `SELECT
		(SELECT count(*) || '/' || md5(string_agg(concat(oid, relname, relacl, relowner), ',' ORDER BY oid)) FROM pg_class WHERE relkind IN ('r', 'v')) || ' ' ||
		(SELECT md5(string_agg(concat(nspname, nspacl), ',' ORDER BY oid)) FROM pg_namespace WHERE nspname NOT LIKE 'pg_%temp%') || ' ' ||
		(SELECT md5(string_agg(concat(a, b), ',')) FROM tenant_a.lead_bookings a, tenant_b.lead_bookings b)`).Scan(&sum)
	if err != nil {
		t.Fatal(err)
	}
	return sum
}

// A migration, up or down, of a name that PostgreSQL would take for another
// schema's would change that.
func TestAMigrationOfAHostileNameIsRefusedAndChangesNothing(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	long := strings.Repeat("s", 63)
	f.AddTenant(t, uuid.New(), long)
	if _, err := f.Owner.Exec(t.Context(), `ALTER SCHEMA tenant_b RENAME TO lad_owner`); err != nil { // what $user stands for
		t.Fatal(err)
	}
	count := func() (n int) {
		if err := f.Owner.QueryRow(t.Context(), `SELECT count(*) FROM pg_class WHERE relname LIKE 'followup_%'`).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := count()
	for name, says := range map[string]string{
		long + "s": "takes it for", `$user`: "takes it for", "tenant\x00_a": "takes it for",
		`pg_catalog`: "no table", `pg_temp`: "pg_temp", ``: "zero-length", `tenant_a, lad_owner`: "no table",
		`x"; DROP SCHEMA tenant_a CASCADE; --`: "no table", `TENANT_A`: "no table", `"tenant_a"`: "no table",
	} {
		for what, migrate := range map[string]func(context.Context, *pgx.Conn, string, migrations.Options) error{
			"up": migrations.Up, "down": migrations.Down, "status": status,
		} {
			err := f.Owner.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
				return migrate(t.Context(), conn.Conn(), name, migrations.Options{})
			})
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Errorf("%q: %s: %v", name, what, err)
			}
			if after := count(); after != before {
				t.Fatalf("%q, %s: there were %d relations, and are %d", name, what, before, after)
			}
		}
	}
}

func status(ctx context.Context, conn *pgx.Conn, schema string, _ migrations.Options) error {
	_, err := migrations.Status(ctx, conn, schema)
	return err
}
