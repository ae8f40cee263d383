package migrations_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func adminOf(t *testing.T, c connections) *pgx.Conn {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), c.database.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = admin.Close(t.Context()) })
	return admin
}

// SQLSTATE codes.
const (
	insufficientPrivilege = "42501"
	notUpdatable          = "55000" // a view of more than a table's columns
	notUpdatableColumn    = "0A000"
	checkOptionViolation  = "44000"
	checkViolation        = "23514"
)

func code(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

func TestRights(t *testing.T) {
	t.Parallel()
	c := open(t, ours)
	functions := c.functions(tenantA)
	for _, statement := range []string{
		"SELECT FROM lead_bookings",
		"SELECT FROM leads",
		"SELECT FROM lead_notes",
		"SELECT FROM voice_agents",
		"SELECT FROM voice_agent_numbers",
		"SELECT FROM voice_call_logs",
		"UPDATE lead_bookings SET task_status = 'failed'",
		"INSERT INTO followup_bookings (tenant_id) VALUES ('" + tenantA + "')",
		"DELETE FROM followup_bookings",
		"DELETE FROM followup_leads",
		"DELETE FROM followup_agents",
		"DELETE FROM followup_numbers",
		"DELETE FROM followup_call_log",
		"UPDATE followup_leads SET phone = '+1'",
		"UPDATE followup_call_log SET lead_id = NULL",
		"UPDATE followup_bookings SET status = 'cancelled'",
		"UPDATE followup_bookings SET scheduled_at = now()",
		"UPDATE followup_bookings SET timezone = 'UTC'",
		"UPDATE followup_bookings SET is_deleted = true",
		"UPDATE followup_bookings SET lead_id = id",
		"UPDATE followup_bookings SET tenant_id = '" + tenantB + "'",
		"TRUNCATE lead_bookings",
	} {
		_, err := functions.Exec(t.Context(), statement)
		if !slices.Contains([]string{insufficientPrivilege, notUpdatable, notUpdatableColumn}, code(err)) {
			t.Errorf("%s: error = %v, want a refusal", statement, err)
		}
	}
	if _, err := c.as("lad_service").Exec(t.Context(), "SELECT followup_pace(now(), now())"); code(err) != insufficientPrivilege {
		t.Errorf("the pace is told to others: %v", err)
	}
	mustExec(t, functions, "UPDATE followup_bookings SET call_at = now(), call_at_wall = now(), call_at_zone = 'GST', call_at_rule = 1")
}

// shown is what a tenant sees in the views: names, not ids.
var shown = map[string]string{
	"SELECT first_name || ': ' || latest_note FROM followup_leads":                                                                    "Ada: the latest note",
	"SELECT string_agg(id || shared, ' ' ORDER BY id) FROM followup_agents":                                                           "1false 3true",
	"SELECT string_agg(country_code || base_number || COALESCE('=' || agent_id, ''), ' ' ORDER BY base_number) FROM followup_numbers": "+971501=1 +971502",
	"SELECT agent_id || status || job_id || extract(epoch FROM started_at)::int FROM followup_call_log":                               "1endedj1780308000",
}

func TestTenants(t *testing.T) {
	t.Parallel()
	c := open(t, ours)
	owner, functions := c.as("lad_owner"), c.functions(tenantA)

	want := scan[int](t, owner, "SELECT count(*)::int FROM lead_bookings WHERE tenant_id = $1::uuid", tenantA)
	if got := scan[int](t, functions, "SELECT count(*)::int FROM followup_bookings"); got != want || got == 0 {
		t.Errorf("the tenant sees %d rows, want its %d", got, want)
	}
	for sql, want := range shown {
		if got := scan[string](t, functions, sql); got != want {
			t.Errorf("%s = %s, want %s", sql, got, want)
		}
	}
	mustExec(t, functions, "UPDATE followup_bookings SET task_status = 'failed', task_reason = 'rejected'")
	if got := scan[int](t, owner, "SELECT count(*)::int FROM lead_bookings WHERE task_reason = 'rejected' AND tenant_id <> $1::uuid", tenantA); got != 0 {
		t.Errorf("%d foreign rows were changed", got)
	}
	foreign := scan[string](t, owner, "SELECT id::text FROM lead_bookings WHERE tenant_id = $1::uuid LIMIT 1", tenantB)
	if got := scan[int](t, functions, "SELECT count(*)::int FROM followup_bookings WHERE id::text = $1", foreign); got != 0 {
		t.Error("a foreign row is visible by its id")
	}
}

func TestTenants_none(t *testing.T) {
	t.Parallel()
	c := open(t, ours)
	functions := c.as("functions")
	for _, when := range []string{"before any setting", "after a transaction's setting"} {
		for _, view := range []string{"followup_bookings", "followup_leads", "followup_agents", "followup_numbers", "followup_call_log"} {
			if got := scan[int](t, functions, "SELECT count(*)::int FROM "+view); got != 0 {
				t.Errorf("%s: %s shows %d rows", when, view, got)
			}
		}
		mustExec(t, functions, "BEGIN; SELECT set_config('app.tenant_id', '"+tenantA+"', true); COMMIT")
	}
}

// The barrier: a function of the caller's own must not see a row before the filter has.
func TestTenants_barrier(t *testing.T) {
	t.Parallel()
	c := open(t, ours)
	functions := c.functions(tenantA)
	mustExec(t, functions, `CREATE FUNCTION pg_temp.spy(tenant uuid) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
		BEGIN IF tenant::text <> '`+tenantA+`' THEN RAISE 'leaked %', tenant; END IF; RETURN true; END $$`)
	mustExec(t, functions, "SELECT FROM followup_bookings WHERE pg_temp.spy(tenant_id)")
	mustExec(t, functions, "SELECT FROM followup_leads WHERE pg_temp.spy(tenant_id)")
	mustExec(t, functions, `CREATE FUNCTION pg_temp.spy(id text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
		BEGIN IF id IN ('2', '504', 'bbb') THEN RAISE 'leaked %', id; END IF; RETURN true; END $$`)
	mustExec(t, functions, "SELECT FROM followup_agents WHERE pg_temp.spy(id) AND pg_temp.spy(COALESCE(tenant_id, '"+tenantA+"'))")
	mustExec(t, functions, "SELECT FROM followup_numbers WHERE pg_temp.spy(base_number)")
	mustExec(t, c.as("lad_owner"), "UPDATE voice_call_logs SET status = 'bbb' WHERE tenant_id = '"+tenantB+"'")
	mustExec(t, functions, "SELECT FROM followup_call_log WHERE pg_temp.spy(status)")
}

// Even the owner, who may write every column, cannot push a row out of the tenant through the view.
func TestTenants_check_option(t *testing.T) {
	t.Parallel()
	c := open(t, ours)
	owner := c.as("lad_owner")
	mustExec(t, owner, "SELECT set_config('app.tenant_id', $1, false)", tenantA)
	if _, err := owner.Exec(t.Context(), "UPDATE followup_bookings SET tenant_id = '"+tenantB+"'"); code(err) != checkOptionViolation {
		t.Errorf("error = %v, want the check option's", err)
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	c := open(t, ours)
	one, other := c.functions(tenantA), c.functions(tenantA)
	mustExec(t, one, "BEGIN")
	id := scan[string](t, one, "SELECT id::text FROM followup_bookings LIMIT 1 FOR NO KEY UPDATE")
	if _, err := other.Exec(t.Context(), "SELECT FROM followup_bookings WHERE id = $1::text::uuid FOR NO KEY UPDATE NOWAIT", id); code(err) != "55P03" {
		t.Errorf("error = %v, want lock not available", err)
	}
	// LAD inserts a child of the locked row meanwhile.
	mustExec(t, c.as("lad_service"), `INSERT INTO lead_bookings (tenant_id, lead_id, parent_booking_id, booking_type, booking_source, scheduled_at)
		SELECT tenant_id, lead_id, id, booking_type, booking_source, '2027-01-01' FROM lead_bookings WHERE id = $1::text::uuid`, id)
}

func TestExcluded(t *testing.T) {
	t.Parallel()
	for _, point := range startingPoints {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			c := open(t, point)
			owner := c.as("lad_owner")
			runners[0].up(t, owner, c)
			functions := c.functions(tenantA)
			const excludedSQL = "SELECT COALESCE(excluded, '') FROM followup_leads"
			if got := scan[string](t, functions, excludedSQL); got != "" {
				t.Errorf("excluded = %s", got)
			}
			// A column that LAD adds later counts at once.
			mustExec(t, owner, "ALTER TABLE leads ADD COLUMN do_not_call boolean; UPDATE leads SET do_not_call = true")
			if got := scan[string](t, functions, excludedSQL); got != "do_not_call" {
				t.Errorf("excluded = %s", got)
			}
			for column, want := range map[string]string{"is_archived": "lead_archived", "is_deleted": "lead_deleted"} {
				mustExec(t, owner, "ALTER TABLE leads ADD COLUMN IF NOT EXISTS "+column+" boolean")
				mustExec(t, owner, "UPDATE leads SET "+column+" = true")
				if got := scan[string](t, functions, excludedSQL); got != want {
					t.Errorf("with %s excluded = %s", column, got)
				}
				mustExec(t, owner, "UPDATE leads SET "+column+" = false")
			}
		})
	}
}

// computed is what the product writes beside the instant.
const computed = "call_at_wall = CASE WHEN isfinite(scheduled_at) THEN scheduled_at END, call_at_zone = COALESCE(timezone, '')"

func TestTenantsView(t *testing.T) {
	t.Parallel()
	c := open(t, ours)
	owner := c.as("lad_owner")
	mustExec(t, owner, "ALTER TABLE lead_bookings ALTER COLUMN task_status DROP NOT NULL")
	clear := "UPDATE lead_bookings SET task_status = 'executed', task_reason = NULL, call_at = NULL, call_at_rule = NULL, " + computed
	for _, state := range []string{
		"task_status = 'pending', call_at = now()",
		"task_status = NULL, call_at = now()",
		"task_status = 'pending', call_at_zone = NULL",
		"task_status = 'pending', call_at_rule = 1", // whose zone cannot be read
		"task_status = 'scheduled'",
		"task_status = 'failed', task_reason = 'not_started'",
		"task_status = 'failed', task_reason = 'unknown_timezone', call_at_rule = 1",
		"task_status = 'in_progress'",
		"call_at_wall = NULL",
		"call_at_zone = 'UTC'",
		"task_status = 'cancelled', task_reason = 'booking_cancelled'",
	} {
		mustExec(t, owner, clear)
		mustExec(t, owner, "UPDATE lead_bookings SET "+state)
		got := scan[[]string](t, c.as("functions"), "SELECT array_agg(tenant_id::text ORDER BY tenant_id) FROM followup_tenants")
		if diff := cmp.Diff([]string{tenantA, tenantB}, got); diff != "" {
			t.Errorf("%s: %s", state, diff)
		}
	}
	mustExec(t, owner, clear+" WHERE tenant_id = $1::uuid", tenantB)
	if got := scan[[]string](t, c.as("functions"), "SELECT array_agg(tenant_id::text) FROM followup_tenants"); !cmp.Equal(got, []string{tenantA}) {
		t.Errorf("tenants = %v, want the one with something to do", got)
	}
}
