package migrations_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// ladRoles are those of LAD's: the owner of the tables, and an ordinary role with
// rights granted on them.
var ladRoles = []string{"lad_owner", "lad_service"}

// deed is something that LAD does, with what LAD knows: its own columns.
type deed struct {
	name string
	do   func(*testing.T, *pgx.Conn) (string, error)
}

// statement is a deed in SQL, with its rows and its tag as the outcome.
func statement(name, sql string) deed {
	return deed{name, func(t *testing.T, conn *pgx.Conn) (string, error) {
		results, err := conn.PgConn().Exec(t.Context(), sql).ReadAll()
		var outcome strings.Builder
		for _, result := range results {
			for _, row := range result.Rows {
				fmt.Fprintf(&outcome, "%s\n", bytes.Join(row, []byte("|")))
			}
			fmt.Fprintln(&outcome, result.CommandTag)
		}
		return outcome.String(), err
	}}
}

func copyOut(name, sql string) deed {
	return deed{name, func(t *testing.T, conn *pgx.Conn) (string, error) {
		var out bytes.Buffer
		tag, err := conn.PgConn().CopyTo(t.Context(), &out, sql)
		return tag.String() + "\n" + out.String(), err
	}}
}

func copyIn(name, sql, lines string) deed {
	return deed{name, func(t *testing.T, conn *pgx.Conn) (string, error) {
		tag, err := conn.PgConn().CopyFrom(t.Context(), strings.NewReader(lines), sql)
		if err != nil {
			return tag.String(), err
		}
		out, err := copyOut("", "COPY (SELECT "+bareColumns+" FROM lead_bookings WHERE notes = 'copied' ORDER BY id) TO STDOUT").do(t, conn)
		return tag.String() + "\n" + out, err
	}}
}

const (
	ada    = "11111111-0000-4000-8000-000000000001"
	newID  = "33333333-0000-4000-8000-000000000003"
	fixed  = "booking_type, booking_source, scheduled_at, created_at, updated_at"
	moment = "'2027-05-01 08:00+00'"
	// values are those of fixed.
	values = "'follow_up', 'system', " + moment + ", " + moment + ", " + moment
)

// deeds are tried before and after the migrations, each in a transaction of its
// own that is rolled back, and must end in the same way. Some are refused, and
// must go on being refused in the same words.
var deeds = []deed{
	statement("read everything", "SELECT "+bareColumns+" FROM lead_bookings ORDER BY id"),
	statement("read as pg_dump does", "SET LOCAL row_security = off; SELECT count(*) FROM lead_bookings"),
	copyOut("COPY the table's columns out", "COPY lead_bookings ("+bareColumns+") TO STDOUT"),
	copyOut("COPY a query out", "COPY (SELECT id, tenant_id, notes FROM lead_bookings ORDER BY id) TO STDOUT (FORMAT csv, HEADER)"),
	copyOut("COPY leads out", "COPY leads TO STDOUT"),
	copyIn("COPY in", "COPY lead_bookings (id, tenant_id, lead_id, notes, "+fixed+") FROM STDIN",
		newID+"\t"+tenantA+"\t"+ada+"\tcopied\tfollow_up\tweb\t2027-01-01\t2027-01-01\t2027-01-01\n"),
	copyIn("COPY in, of another tenant", "COPY lead_bookings (id, tenant_id, lead_id, notes, "+fixed+") FROM STDIN (FORMAT csv)",
		newID+","+tenantB+","+ada+",copied,follow_up,web,2027-01-01,2027-01-01,2027-01-01\n"),
	copyIn("COPY nonsense in", "COPY lead_bookings (id, tenant_id, lead_id) FROM STDIN", "nonsense\t"+tenantA+"\t"+ada+"\n"),
	statement("insert a follow-up", "INSERT INTO lead_bookings (id, tenant_id, lead_id, metadata, "+fixed+") VALUES ('"+newID+"', '"+tenantA+"', '"+ada+"', '{}', "+values+") RETURNING "+bareColumns),
	statement("insert a zone that nobody knows", "INSERT INTO lead_bookings (id, tenant_id, lead_id, timezone, "+fixed+") VALUES ('"+newID+"', '"+tenantA+"', '"+ada+"', 'Mars/Olympus', "+values+") RETURNING "+bareColumns),
	statement("insert too long a zone", "INSERT INTO lead_bookings (id, tenant_id, lead_id, timezone, "+fixed+") VALUES ('"+newID+"', '"+tenantA+"', '"+ada+"', repeat('x', 51), "+values+")"),
	statement("insert metadata encoded twice", "INSERT INTO lead_bookings (id, tenant_id, lead_id, metadata, "+fixed+") VALUES ('"+newID+"', '"+tenantA+"', '"+ada+"', to_jsonb('{}'::text), "+values+") RETURNING "+bareColumns),
	statement("insert without a type", "INSERT INTO lead_bookings (tenant_id, lead_id, booking_source, scheduled_at) VALUES ('"+tenantA+"', '"+ada+"', 'web', "+moment+")"),
	statement("insert for a lead that is not", "INSERT INTO lead_bookings (tenant_id, lead_id, "+fixed+") VALUES ('"+tenantA+"', '"+newID+"', "+values+")"),
	statement("insert for a lead without a user", "UPDATE leads SET assigned_user_id = NULL; INSERT INTO lead_bookings (tenant_id, lead_id, "+fixed+") VALUES ('"+tenantA+"', '"+ada+"', "+values+")"),
	statement("insert many", "INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at) SELECT tenant_id, id, 'x', 'x', "+moment+"::timestamp + n * interval '1 hour' FROM leads, generate_series(1, 100) AS n"),
	statement("upsert", "INSERT INTO lead_bookings (id, tenant_id, lead_id, "+fixed+") SELECT id, tenant_id, lead_id, "+fixed+" FROM lead_bookings ON CONFLICT (id) DO UPDATE SET notes = 'again'"),
	statement("move everything to one time", "UPDATE lead_bookings SET scheduled_at = "+moment),
	statement("update all", "UPDATE lead_bookings SET status = 'cancelled', notes = 'changed', scheduled_at = scheduled_at + interval '1 day', timezone = 'EST', is_deleted = true WHERE isfinite(scheduled_at) AND scheduled_at < '2100-01-01'"),
	statement("update one and see it", "UPDATE lead_bookings SET notes = 'changed' WHERE id = (SELECT min(id::text)::uuid FROM lead_bookings) RETURNING "+bareColumns),
	statement("move to another tenant", "UPDATE lead_bookings SET tenant_id = '"+tenantB+"'"),
	statement("delete", "DELETE FROM lead_bookings WHERE booking_type = 'meeting'"),
	statement("delete a lead that has bookings", "DELETE FROM leads WHERE id = '"+ada+"'"),
	statement("lock rows", "SELECT id FROM lead_bookings ORDER BY id FOR UPDATE"),
	statement("lock the table", "LOCK TABLE lead_bookings"),
	statement("empty the table", "TRUNCATE lead_bookings"),
	statement("add a column", "ALTER TABLE lead_bookings ADD COLUMN lads_next int"),
	statement("add a column to leads", "ALTER TABLE leads ADD COLUMN lads_next int"),
	statement("index the table", "CREATE INDEX ON lead_bookings (assigned_user_id)"),
}

// taskDeeds are what LAD does where it has run its own form of 001.
var taskDeeds = []deed{
	copyOut("COPY the whole table out", "COPY lead_bookings ("+bareColumns+taskColumns+") TO STDOUT"),
	statement("schedule", "UPDATE lead_bookings SET task_status = 'scheduled', task_name = 'projects/lad/t', task_scheduled_at = "+moment+", execution_attempts = 0"),
	statement("execute", "UPDATE lead_bookings SET task_status = 'executed', executed_at = "+moment+", execution_attempts = execution_attempts + 1"),
	statement("fail", "UPDATE lead_bookings SET task_status = 'failed', last_execution_error = 'LAD''s'"),
	statement("forget", "UPDATE lead_bookings SET task_status = NULL, idempotency_key = NULL"),
	statement("write a status that nobody knows", "UPDATE lead_bookings SET task_status = 'nonsense'"),
	statement("use a key twice", "UPDATE lead_bookings SET idempotency_key = 'the same'"),
	statement("insert with a key", "INSERT INTO lead_bookings (id, tenant_id, lead_id, idempotency_key, task_status, "+fixed+") VALUES ('"+newID+"', '"+tenantA+"', '"+ada+"', 'k', 'pending', "+values+") RETURNING "+bareColumns+taskColumns),
}

// outcome is what somebody notices of a deed.
func outcome(t *testing.T, conn *pgx.Conn, d deed) string {
	t.Helper()
	mustExec(t, conn, "BEGIN")
	defer mustExec(t, conn, "ROLLBACK")
	result, err := d.do(t, conn)
	var refusal *pgconn.PgError
	switch {
	case errors.As(err, &refusal):
		return fmt.Sprintf("%s %s (%s %s %s)", refusal.Code, refusal.Message, refusal.TableName, refusal.ColumnName, refusal.ConstraintName)
	case err != nil:
		t.Fatalf("%s: %v", d.name, err)
	}
	return result
}

func TestUnnoticed(t *testing.T) {
	t.Parallel()
	for _, point := range variants {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			c := open(t, point)
			all := deeds
			if point.ladColumns != bareColumns {
				all = append(deeds[:len(deeds):len(deeds)], taskDeeds...)
			}
			for _, role := range ladRoles {
				mustExec(t, c.as(role), "SELECT") // it may log in at all
			}
			before := map[string]string{}
			for _, role := range ladRoles {
				conn := c.as(role)
				for _, d := range all {
					before[role+d.name] = outcome(t, conn, d)
				}
			}
			runners[0].up(t, c.as("lad_owner"), c)
			for _, role := range ladRoles {
				conn := c.as(role)
				for _, d := range all {
					if diff := cmp.Diff(before[role+d.name], outcome(t, conn, d)); diff != "" {
						t.Errorf("%s notices when it means to %s (-before +after):\n%s", role, d.name, diff)
					}
				}
			}
		})
	}
}
