package tenantdb_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/ladschema"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

func ttl(d time.Duration) tenantdbtest.Option {
	return func(c *tenantdb.Config) { c.RegistryTTL = d }
}

// known says whether the repository finds the booking.
func known(t *testing.T, db *tenantdb.DB, ref followup.Ref) bool {
	t.Helper()
	b, _, err := db.Booking(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	return b != nil
}

func TestATenantThatIsAddedWhileRunningIsFoundWithinTheTTL(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), ttl(20*time.Millisecond))
	newcomer := uuid.New()
	if known(t, f.DB, followup.Ref{TenantID: newcomer, BookingID: uuid.New()}) { // that there is none is remembered, too
		t.Fatal("a tenant out of nothing")
	}
	f.AddTenant(t, newcomer, "newcomer")
	ref := f.Insert(t, tenantdbtest.Row{Tenant: newcomer})
	await(t, "the new tenant's booking", func() bool { return known(t, f.DB, ref) })
}

func TestATenantThatMovesIsFollowedWithinTheTTL(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), ttl(20*time.Millisecond))
	before := f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA})
	if !known(t, f.DB, before) {
		t.Fatal("not found before the move")
	}
	f.AddTenant(t, tenantdbtest.TenantA, "moved")
	after := f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA})
	await(t, "the booking in the new schema", func() bool { return known(t, f.DB, after) })
	if known(t, f.DB, before) {
		t.Error("the old schema is still read")
	}
}

func TestTheRegistrysAnswerIsBelievedForTheTTL(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), ttl(time.Hour))
	ref := f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA})
	f.Read(t, ref)
	if _, err := f.Owner.Exec(t.Context(), `DROP TABLE `+tenantdbtest.Registry); err != nil {
		t.Fatal(err)
	}
	f.Read(t, ref) // without asking
	other := followup.Ref{TenantID: tenantdbtest.TenantB, BookingID: uuid.New()}
	_, _, err := f.DB.Booking(t.Context(), other)
	if err == nil || errors.Is(err, tenantdb.ErrUnmigrated) || !strings.Contains(err.Error(), "look up schema") {
		t.Errorf("a registry that is gone: %v", err)
	}
}

// The old schema is gone before the TTL is over: the next request asks again.
func TestATenantWhoseOldSchemaIsGoneIsFollowedAtOnce(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), ttl(time.Hour))
	f.Read(t, f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA}))
	f.LAD(t, tenantdbtest.TenantA, `DROP SCHEMA `+tenantdbtest.SchemaA+` CASCADE`)
	f.AddTenant(t, tenantdbtest.TenantA, "moved")
	ref := f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA})
	if _, _, err := f.DB.Booking(t.Context(), ref); !errors.Is(err, tenantdb.ErrUnmigrated) {
		t.Errorf("the first request: %v", err)
	}
	f.Read(t, ref)
}

func TestASchemaWithoutTheViewsIsUnmigrated(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	f.Register(t, tenantdbtest.TenantA, "nowhere")
	_, _, err := f.DB.Booking(t.Context(), followup.Ref{TenantID: tenantdbtest.TenantA, BookingID: uuid.New()})
	if !errors.Is(err, tenantdb.ErrUnmigrated) {
		t.Errorf("got %v", err)
	}
}

func TestATenantWithoutASchemaIsUnknownAndOneWithTwoIsAnError(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), ttl(time.Millisecond))
	ref := f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA})
	if _, err := f.Owner.Exec(t.Context(), `UPDATE `+tenantdbtest.Registry+` SET schema_name = NULL WHERE tenant_id = $1`, tenantdbtest.TenantA); err != nil {
		t.Fatal(err)
	}
	if known(t, f.DB, ref) {
		t.Error("a schema of NULL is read")
	}
	if tenants, err := f.DB.Tenants(t.Context()); err != nil || slices.Contains(tenants, tenantdbtest.TenantA) {
		t.Errorf("tenants %v, error %v", tenants, err)
	}
	_, err := f.Owner.Exec(t.Context(), `ALTER TABLE `+tenantdbtest.Registry+` DROP CONSTRAINT tenants_pkey`)
	if err == nil {
		_, err = f.Owner.Exec(t.Context(), `INSERT INTO `+tenantdbtest.Registry+` VALUES ($1, 'tenant_a'), ($1, 'tenant_b')`, tenantdbtest.TenantA)
	}
	if err != nil {
		t.Fatal(err)
	}
	await(t, "an error for two schemas", func() bool {
		_, _, err := f.DB.Booking(t.Context(), ref)
		return err != nil && strings.Contains(err.Error(), "more than one schema")
	})
}

// A registry may be a view over whatever LAD has, with ids as text.
func TestTheRegistryMayBeAViewWithIdsAsText(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	for _, statement := range []string{
		`CREATE SCHEMA "Odd-Registry"`,
		`CREATE VIEW "Odd-Registry"."Ten""ants" AS SELECT tenant_id::text AS tenant_id, schema_name::name AS schema_name FROM ` + tenantdbtest.Registry,
		`GRANT USAGE ON SCHEMA "Odd-Registry" TO followup_app`,
		`GRANT SELECT ON "Odd-Registry"."Ten""ants" TO followup_app`,
	} {
		if _, err := f.Owner.Exec(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	db := f.Open(func(c *tenantdb.Config) { c.Registry = `Odd-Registry.Ten"ants` })
	if ref := f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantB}); !known(t, db, ref) {
		t.Error("the booking is not found")
	}
	if tenants, err := db.Tenants(t.Context()); err != nil || !slices.Equal(tenants, []uuid.UUID{tenantdbtest.TenantA, tenantdbtest.TenantB}) {
		t.Errorf("tenants %v, error %v", tenants, err)
	}
}

func TestTenantsOfASharedSchemaAreThoseWithFollowUps(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	if tenants, err := f.DB.Tenants(t.Context()); err != nil || len(tenants) != 0 {
		t.Errorf("of an empty schema: %v, error %v", tenants, err)
	}
	f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA})
	f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantB})
	if tenants, err := f.DB.Tenants(t.Context()); err != nil || !slices.Equal(tenants, []uuid.UUID{tenantdbtest.TenantA, tenantdbtest.TenantB}) {
		t.Errorf("%v, error %v", tenants, err)
	}
}

var oddSchemas = []string{
	`Tenant A`, `ten-ant`, `ten"ant`, `ten'ant`, `мандант漢`, strings.Repeat("s", 63), strings.Repeat("ß", 31), `a.b`, `a,b`, `$1`, `%s@tenant`,
	`x"; DROP SCHEMA lad_dev CASCADE; --`, ` `, `SELECT`, `\`,
}

func TestASchemaMayHaveAnyName(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	for _, name := range oddSchemas {
		tenant := uuid.New()
		f.AddTenant(t, tenant, name)
		ref := f.Insert(t, tenantdbtest.Row{Tenant: tenant})
		shared := f.Open(func(c *tenantdb.Config) { c.Registry, c.Schema = "", name })
		for mode, db := range map[string]*tenantdb.DB{"registry": f.DB, "shared": shared} {
			b, _, err := db.Booking(t.Context(), ref)
			if err != nil || b == nil {
				t.Errorf("%q, %s: booking %v, error %v", name, mode, b, err)
				continue
			}
			if stored, err := db.Update(t.Context(), *b, b.Task); err != nil || !stored {
				t.Errorf("%q, %s: stored %v, error %v", name, mode, stored, err)
			}
		}
	}
}

// A name out of the registry is a name, whatever it says.
func TestANameInTheRegistryInjectsNothing(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), ttl(time.Nanosecond))
	ref := f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA})
	// The schema that "$user" stands for, and a relation that the role may read.
	if _, err := f.Owner.Exec(t.Context(), `CREATE SCHEMA followup_app; GRANT USAGE ON SCHEMA followup_app TO followup_app;
		CREATE VIEW followup_app.followup_bookings AS SELECT * FROM tenant_a.followup_bookings;
		GRANT SELECT ON followup_app.followup_bookings TO followup_app`); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		`tenant_a"`, `"tenant_a"`, `nowhere, tenant_a`, `nowhere", "tenant_a`, `tenant_a, pg_temp`, `TENANT_A`, `tenant_a `, ` tenant_a`,
		`nowhere"; SET search_path = tenant_a; --`, `$user`, `pg_temp`, `pg_catalog`, `information_schema`, ``, strings.Repeat("s", 64),
		"tenant_a\n", `tenant\_a`, `tenant_a.`, `lad.tenant_a`,
	} {
		f.Register(t, tenantdbtest.TenantA, name)
		if b, _, err := f.DB.Booking(t.Context(), ref); b != nil {
			t.Errorf("%q is read as another name (error %v)", name, err)
		}
	}
	f.Register(t, tenantdbtest.TenantA, tenantdbtest.SchemaA)
	f.Read(t, ref)
}

// One connection serves all schemas with the same prepared statements, whatever
// the types of LAD's columns are in each.
func TestOneConnectionServesSchemasWhoseColumnsDiffer(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), poolOfOne)
	// As Prisma writes them, for one.
	f.AddTenant(t, uuid.New(), "prisma", ladschema.Timestamptz, ladschema.Own001, `ALTER TABLE lead_bookings
		ALTER COLUMN scheduled_at TYPE timestamptz(6), ALTER COLUMN created_at TYPE timestamptz(6), ALTER COLUMN task_scheduled_at TYPE timestamptz(3),
		ALTER COLUMN executed_at TYPE timestamptz(6), ALTER COLUMN booking_type TYPE text, ALTER COLUMN status TYPE varchar(64),
		ALTER COLUMN last_execution_error TYPE varchar(1000), ALTER COLUMN task_name TYPE varchar(255), ALTER COLUMN execution_attempts TYPE bigint`,
		`ALTER TABLE leads ALTER COLUMN phone TYPE text, ALTER COLUMN first_name TYPE text`)
	tenants := []uuid.UUID{tenantdbtest.TenantA, tenantdbtest.TenantB}
	all, err := f.DB.Tenants(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, tenant := range all {
		if !slices.Contains(tenants, tenant) {
			tenants = append(tenants, tenant)
		}
	}
	for range 3 {
		for _, tenant := range tenants {
			ref := f.Insert(t, tenantdbtest.Row{Tenant: tenant})
			a, err := f.DB.Admit(t.Context(), ref, rules(), always(followup.Dial, claim))
			if err != nil || a.Facts.Lead.Number == "" {
				t.Fatalf("Admit in %s: %+v, error %v", f.Schema(tenant), a.Facts.Lead, err)
			}
			if _, err := f.DB.Finish(t.Context(), ref, claim, claim); err != nil {
				t.Fatalf("Finish in %s: %v", f.Schema(tenant), err)
			}
			b, _ := f.Read(t, ref)
			if stored, err := f.DB.Update(t.Context(), b, followup.Task{Status: followup.Cancelled}); err != nil || !stored {
				t.Fatalf("Update in %s: stored %v, error %v", f.Schema(tenant), stored, err)
			}
			for _, c := range tenantdb.Concerns {
				candidates(t, f.DB, tenant, c, rules(), 10)
			}
		}
	}
}
