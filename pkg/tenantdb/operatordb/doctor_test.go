package operatordb_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/ladschema"
	"lad.internal/followup/migrations"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

func TestTheDatabasesClockIsRead(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	if now, err := open(f.DB).Clock(t.Context()); err != nil || time.Since(now).Abs() > time.Minute {
		t.Errorf("%v, error %v", now, err)
	}
	hourAhead := f.Open(func(c *tenantdb.Config) { c.Clock = func(db time.Time) time.Time { return db.Add(time.Hour) } })
	if now, err := open(hourAhead).Clock(t.Context()); err != nil || time.Until(now) < 50*time.Minute {
		t.Errorf("%v, error %v", now, err)
	}
}

func TestEverySchemaOfTheTenantsIsListedOnce(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	f.LAD(t, tenantdbtest.TenantA, `INSERT INTO lad_registry.tenants VALUES ($1, $2), ($3, NULL)`, uuid.New(), tenantdbtest.SchemaA, uuid.New())
	got, err := open(f.DB).Schemas(t.Context())
	if want := []string{tenantdbtest.SchemaA, tenantdbtest.SchemaB}; err != nil || !slices.Equal(got, want) {
		t.Errorf("registry: %v, error %v", got, err)
	}
	f.LAD(t, tenantdbtest.TenantA, `UPDATE lad_registry.tenants SET schema_name = 'pg_catalog' WHERE tenant_id = $1`, tenantdbtest.TenantA)
	if got, err := open(f.Open()).Schemas(t.Context()); err == nil {
		t.Errorf("a registry that names no possible schema gives %v", got)
	}
	got, err = open(tenantdbtest.New(t).DB).Schemas(t.Context())
	if err != nil || !slices.Equal(got, []string{tenantdbtest.SharedSchema}) {
		t.Errorf("shared: %v, error %v", got, err)
	}
}

func TestWhatASchemaLacksIsTold(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	for _, schema := range []string{tenantdbtest.SchemaA, tenantdbtest.SchemaB} {
		for _, s := range migrationsOf(t, f.DB, schema) {
			if s.State() != "applied" {
				t.Errorf("%s: %s lacks %v", schema, s.Name, s.Missing)
			}
		}
	}
	f.LAD(t, tenantdbtest.TenantA, `DROP VIEW followup_leads`)
	if got := migrationsOf(t, f.DB, tenantdbtest.SchemaA)[1].Missing; !slices.Contains(got, "view followup_leads") {
		t.Errorf("without the view it lacks %v", got)
	}
	if _, err := open(f.DB).Migrations(t.Context(), "no_such_schema"); err == nil {
		t.Error("a schema that is not there lacks nothing")
	}
}

func migrationsOf(t *testing.T, db *tenantdb.DB, schema string) []migrations.MigrationStatus {
	t.Helper()
	statuses, err := open(db).Migrations(t.Context(), schema)
	if err != nil {
		t.Fatal(err)
	}
	return statuses
}

func TestALoginThatIsMoreThanItShouldIsFoundOut(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	for attributes, want := range map[string][]string{
		"":                     nil,
		"SUPERUSER CREATEROLE": {"it is CREATEROLE", "it is SUPERUSER"},
		"BYPASSRLS":            {"it is BYPASSRLS"},
		"CREATEDB REPLICATION": {"it is CREATEDB", "it is REPLICATION"},
	} {
		got, err := open(f.Login(t, attributes)).RoleExcess(t.Context())
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, error %v", attributes, got, err)
		}
	}
	// Membership is as good as the attribute, even where nothing is inherited.
	member := f.Login(t, "NOINHERIT", "GRANT lad_owner TO $role")
	if got, err := open(member).RoleExcess(t.Context()); err != nil || !slices.Equal(got, []string{"it is a member of lad_owner, which is CREATEROLE"}) {
		t.Errorf("a member of lad_owner: %v, error %v", got, err)
	}
}

func TestARightThatTheLoginDoesNotNeedIsFoundOut(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	for _, c := range []struct{ grant, want string }{
		{"", ""},
		{"GRANT SELECT ON lad_dev.lead_bookings TO $role", "SELECT on lead_bookings"},
		{"GRANT SELECT (phone) ON lad_dev.leads TO $role", "SELECT on leads"},
		{"GRANT INSERT, DELETE ON lad_dev.lead_notes TO $role", "DELETE, INSERT on lead_notes"},
		{"GRANT TRIGGER, TRUNCATE, REFERENCES ON lad_dev.leads TO $role", "REFERENCES, TRIGGER, TRUNCATE on leads"},
		{"GRANT UPDATE (status) ON lad_dev.followup_bookings TO $role", "UPDATE of status on followup_bookings"},
		{"GRANT UPDATE (phone) ON lad_dev.followup_leads TO $role", "UPDATE of phone on followup_leads"},
		{"GRANT DELETE ON lad_dev.followup_bookings TO $role", "DELETE on followup_bookings"},
		{"GRANT INSERT ON lad_dev.followup_tenants TO $role", "INSERT on followup_tenants"},
		{"GRANT CREATE ON SCHEMA lad_dev TO $role", "CREATE in the schema"},
		{"CREATE TABLE lad_dev.secrets (s text)", ""},
		{"GRANT SELECT ON lad_dev.secrets TO $role", "SELECT on secrets"},
	} {
		got, err := open(f.Login(t, "", c.grant)).SchemaExcess(t.Context(), tenantdbtest.SharedSchema)
		if err != nil || strings.Join(got, "; ") != c.want {
			t.Errorf("%s: %q, want %q, error %v", c.grant, got, c.want, err)
		}
	}
	// A registry in the same schema is meant to be read, and no more than that.
	with := f.Login(t, "", "CREATE TABLE lad_dev.registry (id int)", "GRANT SELECT, INSERT ON lad_dev.registry TO $role")
	got, err := open(with).SchemaExcess(t.Context(), tenantdbtest.SharedSchema, "lad_dev.registry")
	if err != nil || !slices.Equal(got, []string{"INSERT on registry"}) {
		t.Errorf("registry: %q, error %v", got, err)
	}
	// Who may become the owner has the owner's rights.
	got, err = open(f.Login(t, "NOINHERIT", "GRANT lad_owner TO $role")).SchemaExcess(t.Context(), tenantdbtest.SharedSchema)
	if err != nil || !slices.ContainsFunc(got, func(s string) bool { return strings.HasSuffix(s, "on lead_bookings") }) {
		t.Errorf("a member of the owner: %q, error %v", got, err)
	}
}

func TestAViewThatShowsOtherTenantsIsFoundOut(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	f.Insert(t, tenantdbtest.Row{})
	leaks := func(db *tenantdb.DB) string {
		t.Helper()
		found, err := open(db).Leaks(t.Context(), tenantdbtest.SharedSchema)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(found, "; ")
	}
	if got := leaks(f.DB); got != "" {
		t.Errorf("as migrated: %s", got)
	}
	// A setting of the role's own stands in for a forgotten one.
	preset := f.Login(t, "", "ALTER ROLE $role SET app.tenant_id = '"+tenantdbtest.TenantA.String()+"'")
	const unset = " shows rows without the setting app.tenant_id"
	if got := leaks(preset); got != strings.Join([]string{"followup_bookings", "followup_leads", "followup_agents", "followup_numbers"}, unset+"; ")+unset {
		t.Errorf("with a tenant preset: %s", got)
	}
	f.LAD(t, tenantdbtest.TenantA, `CREATE OR REPLACE VIEW followup_leads AS
		SELECT id, tenant_id, first_name, last_name, phone, NULL::text AS country_code, NULL::text AS base_number, NULL::text AS excluded,
			NULL::text AS latest_note FROM leads`)
	if got := leaks(f.DB); got != "followup_leads shows rows without the setting app.tenant_id; followup_leads shows rows of other tenants than the one in app.tenant_id" {
		t.Errorf("with an open view: %s", got)
	}
	f.LAD(t, tenantdbtest.TenantA, `DROP VIEW followup_leads`)
	if _, err := open(f.DB).Leaks(t.Context(), tenantdbtest.SharedSchema); !errors.Is(err, tenantdb.ErrUnmigrated) {
		t.Errorf("without the view: %v", err)
	}
}

func TestLADsTriggerIsFoundByItsNameOrItsChannelWhileItIsEnabled(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	triggers := func() string {
		t.Helper()
		found, err := open(f.DB).LADTriggers(t.Context(), tenantdbtest.SharedSchema)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Join(found, ",")
	}
	const name = "trigger_schedule_followup_cloud_task"
	for _, step := range []struct{ do, want string }{
		{"SELECT", ""},
		{ladschema.Trigger, name},
		{"ALTER TABLE lead_bookings DISABLE TRIGGER " + name, ""},
		{"ALTER TABLE lead_bookings ENABLE REPLICA TRIGGER " + name, name},
		{"ALTER TRIGGER " + name + " ON lead_bookings RENAME TO announce", "announce"},
		{"CREATE FUNCTION other() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'", "announce"},
		{"CREATE TRIGGER unrelated AFTER INSERT ON lead_bookings FOR EACH ROW EXECUTE FUNCTION other()", "announce"},
		{"DROP TRIGGER announce ON lead_bookings", ""},
		{"CREATE TRIGGER " + name + " AFTER INSERT ON lead_bookings FOR EACH ROW EXECUTE FUNCTION other()", name},
	} {
		f.Admin(t, "SET search_path = lad_dev; "+step.do)
		if got := triggers(); got != step.want {
			t.Errorf("after %.60q: %q, want %q", step.do, got, step.want)
		}
	}
}
