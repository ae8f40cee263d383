package tenantdb_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// SQLSTATE codes (PostgreSQL documentation, appendix A).
const (
	insufficientPrivilege = "42501"
	wrongObjectType       = "42809"
	checkOptionViolation  = "44000"
	notUpdatable          = "55000"
	featureNotSupported   = "0A000"
)

// refusals are what a member of followup_app tries in vain, in a transaction of
// its own tenant's. LAD's owner has another schema, lad_private, besides.
var refusals = []struct{ name, sql, code string }{
	{"read a table", `SELECT FROM lead_bookings`, insufficientPrivilege},
	{"count its rows", `SELECT count(*) FROM leads`, insufficientPrivilege},
	{"read notes", `SELECT FROM lead_notes WHERE tenant_id = $1`, insufficientPrivilege},
	{"join a table with a view", `SELECT FROM followup_bookings b JOIN leads l ON l.id = b.lead_id`, insufficientPrivilege},
	{"update a table", `UPDATE lead_bookings SET task_status = 'failed' WHERE tenant_id = $1`, insufficientPrivilege},
	{"insert into a table", `INSERT INTO lead_bookings (tenant_id) VALUES ($1)`, insufficientPrivilege},
	{"delete from a table", `DELETE FROM lead_bookings WHERE tenant_id = $1`, insufficientPrivilege},
	{"empty a table", `TRUNCATE lead_bookings`, insufficientPrivilege},
	{"lock a table", `LOCK TABLE lead_bookings IN ACCESS SHARE MODE`, insufficientPrivilege},
	{"copy a table out", `COPY lead_bookings TO STDOUT`, insufficientPrivilege},
	{"copy into a table", `COPY lead_bookings FROM STDIN`, insufficientPrivilege},
	{"put a trigger on a table", `CREATE TRIGGER t AFTER INSERT ON lead_bookings FOR EACH ROW EXECUTE FUNCTION suppress_redundant_updates_trigger()`, insufficientPrivilege},
	{"index a table", `CREATE INDEX ON lead_bookings (id)`, insufficientPrivilege},
	{"alter a table", `ALTER TABLE lead_bookings ADD COLUMN mine int`, insufficientPrivilege},
	{"drop a table", `DROP TABLE lead_notes`, insufficientPrivilege},
	{"read a table's contents with a view of its own", `CREATE TEMP VIEW v AS SELECT * FROM leads; SELECT FROM v`, insufficientPrivilege},

	{"insert into a view", `INSERT INTO followup_bookings (tenant_id, task_status) VALUES ($1, 'pending')`, insufficientPrivilege},
	{"delete from a view", `DELETE FROM followup_bookings WHERE tenant_id = $1`, insufficientPrivilege},
	{"delete from the leads", `DELETE FROM followup_leads WHERE tenant_id = $1`, notUpdatable},
	{"change a lead", `UPDATE followup_leads SET phone = '+1' WHERE tenant_id = $1`, notUpdatable},
	{"change the tenants", `DELETE FROM followup_tenants`, notUpdatable},
	{"empty a view", `TRUNCATE followup_bookings`, wrongObjectType},
	{"upsert a view", `INSERT INTO followup_bookings (id) VALUES (gen_random_uuid()) ON CONFLICT DO NOTHING`, insufficientPrivilege},

	{"move a row to another tenant", `UPDATE followup_bookings SET tenant_id = gen_random_uuid()`, insufficientPrivilege},
	{"move a row to its own tenant", `UPDATE followup_bookings SET tenant_id = $1`, insufficientPrivilege},
	{"move a row beside a task column", `UPDATE followup_bookings SET task_status = 'failed', tenant_id = gen_random_uuid()`, insufficientPrivilege},

	{"read in another schema", `SELECT FROM lad_private.salaries`, insufficientPrivilege},
	{"read a table in another tenant's schema", `SELECT FROM tenant_b.lead_bookings`, insufficientPrivilege},
	{"create in another schema", `CREATE TABLE lad_private.t (n int)`, insufficientPrivilege},
	{"create a table", `CREATE TABLE lad_dev.t (n int)`, insufficientPrivilege},
	{"create a view", `CREATE VIEW lad_dev.v AS SELECT 1`, insufficientPrivilege},
	{"create a function", `CREATE FUNCTION lad_dev.f() RETURNS int LANGUAGE sql AS 'SELECT 1'`, insufficientPrivilege},
	{"create where the search path says", `CREATE TABLE t (n int)`, insufficientPrivilege},
	{"create a schema", `CREATE SCHEMA mine`, insufficientPrivilege},
	{"rename the schema", `ALTER SCHEMA lad_dev RENAME TO mine`, insufficientPrivilege},

	{"replace a view", `CREATE OR REPLACE VIEW lad_dev.followup_leads AS SELECT * FROM lad_dev.followup_leads`, insufficientPrivilege},
	{"lower the barrier", `ALTER VIEW followup_bookings SET (security_barrier = false)`, insufficientPrivilege},
	{"drop a view", `DROP VIEW followup_tenants`, insufficientPrivilege},
	{"give a right to itself", `GRANT SELECT ON lead_bookings TO followup_app`, insufficientPrivilege},

	{"become the owner", `SET ROLE lad_owner`, insufficientPrivilege},
	{"become the superuser", `SET ROLE postgres`, insufficientPrivilege},
	{"log in anew as the owner", `SET SESSION AUTHORIZATION lad_owner`, insufficientPrivilege},
	{"make itself a member", `GRANT lad_owner TO followup_app`, insufficientPrivilege},
	{"create a role", `CREATE ROLE helper`, insufficientPrivilege},
	{"read a file", `SELECT pg_read_file('PG_VERSION')`, insufficientPrivilege},
	{"copy to a file", `COPY (SELECT 1) TO '/tmp/followup-refused'`, insufficientPrivilege},
	{"run a program", `COPY (SELECT 1) TO PROGRAM 'true'`, insufficientPrivilege},
}

func sqlState(err error) string {
	var answer *pgconn.PgError
	if errors.As(err, &answer) {
		return answer.Code
	}
	return ""
}

func TestTheFunctionsLoginIsRefusedWhatIsNotItsBusiness(t *testing.T) {
	t.Parallel()
	f, db := scene(t)
	for _, sql := range []string{`CREATE SCHEMA lad_private`, `CREATE TABLE lad_private.salaries (amount int)`, `GRANT SELECT ON lad_private.salaries TO PUBLIC`} {
		f.LAD(t, tenantdbtest.TenantA, sql)
	}
	for _, c := range refusals {
		if err := tryAsA(t, db, c.sql); sqlState(err) != c.code {
			t.Errorf("%s: %s: error %v, want %s", c.name, c.sql, err, c.code)
		}
	}
}

// The columns are the catalogue's: one that a later migration adds is LAD's
// unless it is named here, too.
func TestEveryColumnOfLADsIsRefusedToAnUpdate(t *testing.T) {
	t.Parallel()
	_, db := scene(t)
	ours := []string{
		"task_status", "task_reason", "task_name", "task_scheduled_at", "task_revision", "planned_for",
		"execution_attempts", "claimed_at", "executed_at", "call_id", "last_execution_error", "idempotency_key",
		"called_at", "call_at", "call_at_wall", "call_at_zone", "call_at_rule",
	}
	computed := []string{"booking_kind", "scheduled_at", "wall_at", "timezone", "booking_source", "created_at",
		"metadata_agent", "metadata_call", "metadata_odd", "live", "wanted_at", "rough_at", "checked_at"}
	var columns []string
	err := inTenantA(t, db, func(tx pgx.Tx) error {
		rows, err := tx.Query(t.Context(), `SELECT attname::text FROM pg_attribute WHERE attrelid = 'followup_bookings'::regclass AND attnum > 0`)
		if err != nil {
			return err
		}
		columns, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil || len(columns) < len(ours)+len(computed)+7 {
		t.Fatalf("columns %v, error %v", columns, err)
	}
	for _, column := range columns {
		want := insufficientPrivilege
		switch {
		case slices.Contains(ours, column):
			want = ""
		case slices.Contains(computed, column):
			want = featureNotSupported
		}
		if err := tryAsA(t, db, `UPDATE followup_bookings SET `+column+` = `+column); sqlState(err) != want || want == "" && err != nil {
			t.Errorf("UPDATE of %s: error %v, want %q", column, err, want)
		}
	}
	// What the view does not show cannot be named at all.
	for _, column := range []string{"notes", "metadata", "buffer_until"} {
		if err := tryAsA(t, db, `UPDATE followup_bookings SET `+column+` = NULL`); sqlState(err) != "42703" {
			t.Errorf("UPDATE of %s: error %v", column, err)
		}
	}
}

// Should somebody grant too much by mistake, the views still keep tenants apart.
func TestEvenWithAllRightsOnTheViewsNoRowChangesItsTenant(t *testing.T) {
	t.Parallel()
	f, db := scene(t)
	f.LAD(t, tenantdbtest.TenantA, `GRANT ALL ON followup_bookings TO followup_app`)
	f.LAD(t, tenantdbtest.TenantA, `ALTER TABLE lead_bookings DISABLE TRIGGER USER`) // LAD's asks for rights of its own
	f.Loosen(t, tenantdbtest.TenantA, "booking_type", "booking_source", "scheduled_at")
	for name, sql := range map[string]string{
		"UPDATE": `UPDATE followup_bookings SET tenant_id = gen_random_uuid()`,
		"INSERT": `INSERT INTO followup_bookings (tenant_id, lead_id) SELECT gen_random_uuid(), lead_id FROM followup_bookings`,
	} {
		if err := tryAsA(t, db, sql); sqlState(err) != checkOptionViolation {
			t.Errorf("%s: error %v, want the check option's", name, err)
		}
	}
}

// A temporary relation of a view's name does not stand in for it.
func TestATemporaryTableStandsInForNoView(t *testing.T) {
	t.Parallel()
	_, db := scene(t)
	err := inTenantA(t, db, func(tx pgx.Tx) error {
		if _, err := tx.Exec(t.Context(), `CREATE TEMP TABLE followup_bookings (tenant_id uuid)`); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(t.Context(), `SELECT count(*) FROM followup_bookings`).Scan(&n); err != nil || n != 2 {
			t.Errorf("%d bookings, error %v, want the view's 2", n, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
