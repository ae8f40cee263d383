package migrations_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/internal/ladschema"
	"lad.internal/followup/migrations"
)

// addSchema gives a database another schema of LAD's, with rows, migrated by its owner.
func addSchema(t *testing.T, c connections, role, schema string) {
	t.Helper()
	conn := c.as(role)
	if err := ladschema.Create(t.Context(), conn, schema, append(ladschema.Variants()[0].Parts, rows)...); err != nil {
		t.Fatal(err)
	}
	if err := migrations.Up(t.Context(), conn, schema, migrations.Options{}); err != nil {
		t.Fatal(err)
	}
}

// pace is what followup_pace says, in minutes, as the functions see it.
func pace(t *testing.T, functions *pgx.Conn) string {
	t.Helper()
	return scan[string](t, functions, `SELECT COALESCE(string_agg(concat_ws(' ', left(tenant_id::text, 4), 'claimed ' || (extract(epoch FROM now() - claimed_at) / 60)::int,
		'slot ' || (extract(epoch FROM slot - now()) / 60)::int, blocked), ', ' ORDER BY tenant_id, slot NULLS FIRST), '') FROM followup_pace(now() - interval '1 hour', now())`)
}

func TestPace(t *testing.T) {
	t.Parallel()
	c := open(t, ours)
	admin, owner, functions := adminOf(t, c), c.as("lad_owner"), c.as("functions")
	mustExec(t, admin, fmt.Sprintf("GRANT CREATE ON DATABASE %s TO lad_owner, lad_service", pgx.Identifier{admin.Config().Database}.Sanitize()))
	addSchema(t, c, "lad_owner", "tenant 2")
	addSchema(t, c, "lad_service", "unreadable") // to lad_owner
	if got := pace(t, functions); got != "" {
		t.Errorf("at the start: %s", got)
	}
	// claim gives the last rows of a tenant states: claimed then and now, and waiting for slots.
	claim := func(schema, tenant string) {
		for n, state := range []string{
			"claimed_at = now() - interval '10 minutes'", "claimed_at = now() - interval '2 hours'",
			"task_status = 'scheduled', task_reason = 'paced', task_scheduled_at = now() + interval '20 minutes'",
			"task_status = 'scheduled', task_reason = 'paced', task_scheduled_at = now() + interval '30 minutes'",
			"task_status = 'scheduled', task_reason = 'rate_limited', task_scheduled_at = now() + interval '60 minutes'",
			"task_status = 'scheduled', task_reason = 'paced', task_scheduled_at = now() - interval '20 minutes'",
			"task_status = 'scheduled', task_scheduled_at = now() + interval '20 hours'",
		} {
			mustExec(t, admin, fmt.Sprintf(`UPDATE %[1]s.lead_bookings SET %[2]s WHERE id = (SELECT id FROM %[1]s.lead_bookings WHERE tenant_id = '%[3]s' ORDER BY id OFFSET %[4]d LIMIT 1)`,
				pgx.Identifier{schema}.Sanitize(), state, tenant, n))
		}
	}
	mustExec(t, owner, "UPDATE lead_bookings SET task_status = 'executed'") // own001Rows' own
	claim(schema, tenantA)
	claim("unreadable", tenantA)
	claim("tenant 2", tenantB)
	const a, b = "aaaa claimed 10 f, aaaa slot 30 f, aaaa slot 60 t", "bbbb claimed 10 f, bbbb slot 30 f, bbbb slot 60 t"
	if diff := cmp.Diff(a+", "+b, pace(t, functions)); diff != "" {
		t.Error(diff)
	}

	// A temporary table does not stand for the catalogue's.
	mustExec(t, functions, `CREATE TEMP TABLE pg_class (relname name); CREATE TEMP TABLE pg_namespace (nspname name)`)
	if diff := cmp.Diff(a+", "+b, pace(t, functions)); diff != "" {
		t.Error(diff)
	}
	mustExec(t, functions, "DROP TABLE pg_temp.pg_class, pg_temp.pg_namespace")

	// One schema's lock does not hold up the others.
	mustExec(t, owner, `BEGIN; LOCK TABLE "tenant 2".lead_bookings`)
	start := time.Now()
	if diff := cmp.Diff(a, pace(t, functions)); diff != "" {
		t.Error(diff)
	}
	if took := time.Since(start); took > 10*time.Second {
		t.Errorf("a locked table held the answer up for %s", took)
	}
	mustExec(t, owner, "ROLLBACK")

	mustExec(t, admin, `DROP SCHEMA "tenant 2" CASCADE`)
	if diff := cmp.Diff(a, pace(t, functions)); diff != "" {
		t.Error(diff)
	}
}

// The statements in followup_pace find their rows by the indexes.
func TestPace_cost(t *testing.T) {
	t.Parallel()
	c := open(t, startingPoint{name: "pace", parts: ladschema.Default, ours: true})
	owner := c.as("lad_owner")
	mustExec(t, owner, "SET timezone = 'UTC'")
	bulk(t, owner, 20_000)
	mustExec(t, owner, `UPDATE lead_bookings SET claimed_at = '2026-06-01' WHERE booking_type = 'auto_followup';
		UPDATE lead_bookings SET task_status = 'scheduled' WHERE mod(extract(minute FROM scheduled_at)::int, 2) = 0; ANALYZE lead_bookings`)
	for statement, index := range map[string]string{
		"SELECT tenant_id, claimed_at FROM lead_bookings WHERE claimed_at >= '2026-06-02'": "followup_claimed_idx",
		`SELECT tenant_id, max(task_scheduled_at) FROM lead_bookings WHERE task_reason IN ('paced', 'rate_limited')
			AND task_scheduled_at > now() - interval '1 minute' GROUP BY tenant_id, task_reason`: "followup_paced_idx",
	} {
		var used string
		explain(t, owner, statement).walk(func(node plan) { used += node.Index })
		if used != index {
			t.Errorf("%s uses %q", statement, used)
		}
	}
}
