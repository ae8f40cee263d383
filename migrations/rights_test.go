package migrations_test

import (
	"errors"
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
	checkOptionViolation  = "44000"
	checkViolation        = "23514"
)

func TestTheFunctionsAreRefusedEverythingButTheirViews(t *testing.T) {
	t.Parallel()
	c := open(t, startingPoints[2])
	functions := c.functions(tenantA)
	for _, statement := range []string{
		"SELECT FROM lead_bookings",
		"SELECT FROM leads",
		"SELECT FROM lead_notes",
		"UPDATE lead_bookings SET task_status = 'failed'",
		"INSERT INTO followup_bookings (tenant_id) VALUES ('" + tenantA + "')",
		"DELETE FROM followup_bookings",
		"DELETE FROM followup_leads",
		"UPDATE followup_leads SET phone = '+1'",
		"UPDATE followup_bookings SET status = 'cancelled'",
		"UPDATE followup_bookings SET scheduled_at = now()",
		"UPDATE followup_bookings SET is_deleted = true",
		"UPDATE followup_bookings SET lead_id = id",
		"UPDATE followup_bookings SET tenant_id = '" + tenantB + "'",
		"TRUNCATE lead_bookings",
	} {
		var pgErr *pgconn.PgError
		if _, err := functions.Exec(t.Context(), statement); !errors.As(err, &pgErr) || pgErr.Code != insufficientPrivilege {
			t.Errorf("%s: error = %v, want a refusal", statement, err)
		}
	}
}

func TestATenantSeesAndChangesItsOwnRowsAlone(t *testing.T) {
	t.Parallel()
	c := open(t, startingPoints[2])
	owner, functions := c.as("lad_owner"), c.functions(tenantA)

	want := scan[int](t, owner, "SELECT count(*)::int FROM lead_bookings WHERE tenant_id = $1::uuid", tenantA)
	if got := scan[int](t, functions, "SELECT count(*)::int FROM followup_bookings"); got != want || got == 0 {
		t.Errorf("the tenant sees %d rows, want its %d", got, want)
	}
	if got := scan[string](t, functions, "SELECT string_agg(first_name || ': ' || latest_note, ';') FROM followup_leads"); got != "Ada: the latest note" {
		t.Errorf("leads = %s", got)
	}
	mustExec(t, functions, "UPDATE followup_bookings SET task_status = 'failed', task_reason = 'rejected'")
	if got := scan[int](t, owner, "SELECT count(*)::int FROM lead_bookings WHERE task_status = 'failed' AND tenant_id <> $1::uuid", tenantA); got != 0 {
		t.Errorf("%d foreign rows were changed", got)
	}
	foreign := scan[string](t, owner, "SELECT id::text FROM lead_bookings WHERE tenant_id = $1::uuid LIMIT 1", tenantB)
	if got := scan[int](t, functions, "SELECT count(*)::int FROM followup_bookings WHERE id::text = $1", foreign); got != 0 {
		t.Error("a foreign row is visible by its id")
	}
}

func TestWithoutATenantNothingIsVisible(t *testing.T) {
	t.Parallel()
	c := open(t, startingPoints[2])
	functions := c.as("functions")
	for _, when := range []string{"before any setting", "after a transaction's setting"} {
		for _, view := range []string{"followup_bookings", "followup_leads"} {
			if got := scan[int](t, functions, "SELECT count(*)::int FROM "+view); got != 0 {
				t.Errorf("%s: %s shows %d rows", when, view, got)
			}
		}
		mustExec(t, functions, "BEGIN; SELECT set_config('app.tenant_id', '"+tenantA+"', true); COMMIT")
	}
}

// The barrier: a function of the caller's own must not see a row before the filter has.
func TestACheapFunctionOfTheCallersSeesNoForeignRow(t *testing.T) {
	t.Parallel()
	c := open(t, startingPoints[2])
	functions := c.functions(tenantA)
	mustExec(t, functions, `CREATE FUNCTION pg_temp.spy(tenant uuid) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS $$
		BEGIN IF tenant::text <> '`+tenantA+`' THEN RAISE 'leaked %', tenant; END IF; RETURN true; END $$`)
	mustExec(t, functions, "SELECT FROM followup_bookings WHERE pg_temp.spy(tenant_id)")
	mustExec(t, functions, "SELECT FROM followup_leads WHERE pg_temp.spy(tenant_id)")
}

// Even the owner, who may write every column, cannot push a row out of the tenant through the view.
func TestTheCheckOptionHoldsForTheOwnerToo(t *testing.T) {
	t.Parallel()
	c := open(t, startingPoints[2])
	owner := c.as("lad_owner")
	mustExec(t, owner, "SELECT set_config('app.tenant_id', $1, false)", tenantA)
	var pgErr *pgconn.PgError
	_, err := owner.Exec(t.Context(), "UPDATE followup_bookings SET tenant_id = '"+tenantB+"'")
	if !errors.As(err, &pgErr) || pgErr.Code != checkOptionViolation {
		t.Errorf("error = %v, want the check option's", err)
	}
}

func TestTheFunctionsCanLockARowAgainstOneAnother(t *testing.T) {
	t.Parallel()
	c := open(t, startingPoints[2])
	one, other := c.functions(tenantA), c.functions(tenantA)
	mustExec(t, one, "BEGIN")
	id := scan[string](t, one, "SELECT id::text FROM followup_bookings LIMIT 1 FOR NO KEY UPDATE")
	var pgErr *pgconn.PgError
	_, err := other.Exec(t.Context(), "SELECT FROM followup_bookings WHERE id = $1::text::uuid FOR NO KEY UPDATE NOWAIT", id)
	if !errors.As(err, &pgErr) || pgErr.Code != "55P03" {
		t.Errorf("error = %v, want lock not available", err)
	}
	// LAD inserts a child of the locked row meanwhile.
	mustExec(t, c.as("lad_service"), `INSERT INTO lead_bookings (tenant_id, lead_id, parent_booking_id)
		SELECT tenant_id, lead_id, id FROM lead_bookings WHERE id = $1::text::uuid`, id)
}

func TestTheViewReadsWhatLADMayHaveStored(t *testing.T) {
	t.Parallel()
	c := open(t, startingPoints[2])
	mustExec(t, c.as("lad_owner"), `ALTER TABLE lead_bookings ADD COLUMN sample boolean;
		UPDATE lead_bookings SET task_scheduled_at = 'infinity', claimed_at = '-infinity' WHERE metadata IS NULL`)
	functions := c.functions(tenantA)
	for sql, want := range map[string][]string{
		"booking_kind": {"autofollowup", "followup", "meeting"},
		"agent_id":     {"7"},
		"CASE WHEN live THEN status || ' ' || scheduled_at END":                             {"scheduled 2026-06-01 10:00:00+00"},
		"CASE WHEN NOT isfinite(wanted_at) OR NOT isfinite(checked_at) THEN 'infinite' END": nil,
		"CASE WHEN live AND is_deleted THEN 'deleted' END":                                  nil,
	} {
		got := scan[[]string](t, functions, "SELECT array_agg(DISTINCT v ORDER BY v) FROM (SELECT "+sql+" AS v FROM followup_bookings) AS s WHERE v IS NOT NULL")
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %s", sql, diff)
		}
	}
	if scan[int](t, functions, "SELECT count(*)::int FROM followup_bookings WHERE live AND is_deleted IS NULL") == 0 {
		t.Error("a booking without is_deleted counts as deleted")
	}
}

func TestTheTenantsOfEveryOpenConcernAreListedToEverybodyOfOurs(t *testing.T) {
	t.Parallel()
	c := open(t, startingPoints[2])
	owner := c.as("lad_owner")
	mustExec(t, owner, "ALTER TABLE lead_bookings ALTER COLUMN task_status DROP NOT NULL")
	for _, state := range []string{
		"task_status = 'pending'",
		"task_status = NULL",
		"task_status = 'scheduled'",
		"task_status = 'failed', task_reason = 'not_started'",
		"task_status = 'in_progress'",
		"task_status = 'executed'", // planned_for is not scheduled_at
		"task_status = 'cancelled', task_reason = 'booking_cancelled', planned_for = scheduled_at",
	} {
		mustExec(t, owner, "UPDATE lead_bookings SET task_reason = NULL, planned_for = NULL")
		mustExec(t, owner, "UPDATE lead_bookings SET "+state)
		got := scan[[]string](t, c.as("functions"), "SELECT array_agg(tenant_id::text ORDER BY tenant_id) FROM followup_tenants")
		if diff := cmp.Diff([]string{tenantA, tenantB}, got); diff != "" {
			t.Errorf("%s: %s", state, diff)
		}
	}
	mustExec(t, owner, "UPDATE lead_bookings SET task_reason = NULL, task_status = 'executed', planned_for = scheduled_at WHERE tenant_id = $1::uuid", tenantB)
	if got := scan[[]string](t, c.as("functions"), "SELECT array_agg(tenant_id::text) FROM followup_tenants"); !cmp.Equal(got, []string{tenantA}) {
		t.Errorf("tenants = %v, want the one with something to do", got)
	}
}

func TestLADsOtherRoleWorksAsEver(t *testing.T) {
	t.Parallel()
	for _, point := range startingPoints {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			c := open(t, point)
			runners[0].up(t, c.as("lad_owner"), c)
			service := c.as("lad_service")
			lead := scan[[16]byte](t, service, "SELECT id FROM leads WHERE tenant_id = $1::uuid", tenantA)
			tenant := scan[[16]byte](t, service, "SELECT $1::uuid", tenantA)

			mustExec(t, service, "INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, scheduled_at) VALUES ($1, $2, 'follow_up', now())", tenant, lead)
			if n, err := service.CopyFrom(t.Context(), pgx.Identifier{schema, "lead_bookings"}, []string{"tenant_id", "lead_id", "notes"},
				pgx.CopyFromRows([][]any{{tenant, lead, "copied"}, {tenant, lead, "copied"}})); err != nil || n != 2 {
				t.Errorf("COPY: %d rows, %v", n, err)
			}
			if got := scan[string](t, service, "SELECT string_agg(DISTINCT task_status, ',') FROM lead_bookings WHERE notes = 'copied'"); got != "pending" {
				t.Errorf("what LAD inserts is %q, want pending", got)
			}
			for _, state := range []string{"pending", "scheduled", "executed", "cancelled", "failed"} {
				mustExec(t, service, "UPDATE lead_bookings SET task_status = $1, task_name = 'LAD''s', execution_attempts = 9", state)
			}
			mustExec(t, service, "DELETE FROM lead_bookings WHERE notes = 'copied'")

			var pgErr *pgconn.PgError
			if _, err := service.Exec(t.Context(), "UPDATE lead_bookings SET task_status = 'nonsense'"); !errors.As(err, &pgErr) || pgErr.Code != checkViolation {
				t.Errorf("a status that nobody knows: error = %v", err)
			}
		})
	}
}
