package migrations_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
)

// LAD's roles write as ever, whatever they write, and however long it is.
func TestWrites(t *testing.T) {
	t.Parallel()
	for _, point := range variants {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			c := open(t, point)
			owner := c.as("lad_owner")
			mustExec(t, owner, `ALTER TABLE lead_bookings ALTER COLUMN booking_type TYPE varchar, ALTER COLUMN timezone TYPE text, ALTER COLUMN status TYPE text`)
			runners[0].up(t, owner, c)
			service := c.as("lad_service")
			mustExec(t, service, "SET timezone = 'Asia/Kathmandu'")
			tenant := scan[[16]byte](t, service, "SELECT $1::uuid", tenantA)
			lead := scan[[16]byte](t, service, "SELECT id FROM leads WHERE tenant_id = $1::uuid", tenantA)

			// No index can hold this text, and it does not compress.
			mustExec(t, service, "CREATE TEMP TABLE long AS SELECT string_agg(md5(n::text), '') AS text FROM generate_series(1, 3000) AS n")
			const few = " WHERE id IN (SELECT id FROM lead_bookings ORDER BY id LIMIT 3)"
			for n, column := range []string{"booking_type", "timezone", "status"} {
				for _, value := range []string{"(SELECT text FROM long)", "repeat('ß', 100000)", "''", "E'\\x01%s'", "'AST'", "'GST+4'", "'nonsense'"} {
					mustExec(t, service, "UPDATE lead_bookings SET "+column+" = "+value+few)
					if n == 0 {
						mustExec(t, service, "UPDATE lead_bookings SET metadata = to_jsonb("+value+"::text)"+few)
					}
				}
			}
			for _, metadata := range []string{"'{}'", "'[]'", "'{\"agent_id\": {\"metadata\": []}, \"metadata\": 7.0}'", "jsonb_build_object('metadata', (SELECT text FROM long), 'agent_id', NULL)", "NULL"} {
				mustExec(t, service, "UPDATE lead_bookings SET metadata = "+metadata+few)
				scan[int](t, c.functions(tenantA), "SELECT count(metadata_agent || metadata_call || metadata_odd)::int FROM followup_bookings")
			}
			for _, moment := range []string{"infinity", "-infinity", "4713-11-24 00:00 BC", "294276-12-31 23:59:59", "2026-10-25 02:30", "epoch"} {
				mustExec(t, service, "INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at, created_at) VALUES ($1, $2, 'follow_up', 'web', '"+moment+"', '"+moment+
					"') ON CONFLICT DO NOTHING", tenant, lead)
			}
			later := time.Date(2031, 1, 1, 10, 0, 0, 0, time.UTC)
			if n, err := service.CopyFrom(t.Context(), pgx.Identifier{schema, "lead_bookings"}, []string{"tenant_id", "lead_id", "booking_type", "booking_source", "timezone", "scheduled_at", "notes"},
				pgx.CopyFromRows([][]any{{tenant, lead, "follow_up", "web", "nowhere", later, "copied"}, {tenant, lead, "follow_up", "web", nil, later.Add(time.Minute), "copied"}})); err != nil || n != 2 {
				t.Errorf("COPY: %d rows, %v", n, err)
			}
			if got := scan[string](t, service, "SELECT string_agg(DISTINCT task_status, ',') FROM lead_bookings WHERE notes = 'copied'"); got != "pending" {
				t.Errorf("what LAD inserts is %q, want pending", got)
			}
			for _, state := range []string{"executed", "cancelled", "failed"} {
				mustExec(t, service, "UPDATE lead_bookings SET task_status = $1, task_name = 'LAD''s', execution_attempts = 9, idempotency_key = NULL", state)
			}
			for _, state := range []string{"pending", "scheduled"} {
				mustExec(t, service, "UPDATE lead_bookings SET task_status = $1 WHERE notes = 'copied'", state)
			}
			mustExec(t, service, "DELETE FROM lead_bookings WHERE notes = 'copied'")
			if _, err := service.Exec(t.Context(), "UPDATE lead_bookings SET task_status = 'nonsense'"); code(err) != checkViolation {
				t.Errorf("a status that nobody knows: error = %v", err)
			}
		})
	}
}

// The view reads the same wall clock out of every variant, in a session of any time zone.
func TestView(t *testing.T) {
	t.Parallel()
	for _, point := range startingPoints {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			c := open(t, point)
			owner := c.as("lad_owner")
			runners[0].up(t, owner, c)
			mustExec(t, owner, `SET timezone = 'UTC'; ALTER TABLE lead_bookings ADD COLUMN sample boolean;
				UPDATE lead_bookings SET task_status = 'executed', task_scheduled_at = 'infinity', claimed_at = '-infinity' WHERE metadata IS NULL;
				INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at, created_at, notes)
				SELECT tenant_id, id, 'Scheduled_Call', 'web', '2032-06-01 18:00', '2032-06-01 09:30:00.123456', 'late' FROM leads`)
			functions := c.functions(tenantA)
			mustExec(t, functions, "SET timezone = 'Asia/Kathmandu'")
			const utc = "to_char(%s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US')"
			at := func(column string) string { return strings.ReplaceAll(utc, "%s", column) }
			const late, day = "booking_kind = 'scheduledcall'", "2032-06-01 "
			for sql, want := range map[string][]string{
				"SELECT DISTINCT booking_kind FROM followup_bookings":                                                                                               {"autofollowup", "followup", "meeting", "scheduledcall"},
				"SELECT DISTINCT metadata_agent FROM followup_bookings WHERE metadata_agent IS NOT NULL":                                                            {"7"},
				"SELECT DISTINCT metadata_odd FROM followup_bookings WHERE metadata_odd IS NOT NULL":                                                                {`{"agent_id": 8}`, `{"agent_id": 9}`},
				"SELECT DISTINCT timezone FROM followup_bookings WHERE extract(year FROM wall_at) = 2026 ORDER BY 1":                                                {"", "Asia/Dubai", "GST", "no zone at all"},
				"SELECT wall_at::text FROM followup_bookings WHERE " + late:                                                                                         {day + "18:00:00"},
				"SELECT " + at("scheduled_at") + " FROM followup_bookings WHERE " + late:                                                                            {day + "18:00:00.000000"},
				"SELECT " + at("created_at") + " FROM followup_bookings WHERE " + late:                                                                              {day + "09:30:00.123456"},
				"SELECT " + at("wanted_at") + " FROM followup_bookings WHERE " + late:                                                                               {day + "18:00:00.000000"},
				"SELECT " + at("rough_at") + " FROM followup_bookings WHERE " + late:                                                                                {day + "18:00:00.000000"},
				"SELECT wall_at::text FROM followup_bookings WHERE extract(year FROM wall_at) NOT IN (2026, 2032) ORDER BY 1":                                       {"294276-12-31 23:59:59.999999", "4713-11-24 00:00:00 BC"},
				"SELECT 'infinite' FROM followup_bookings WHERE NOT (isfinite(wanted_at) AND isfinite(checked_at) AND isfinite(rough_at) AND isfinite(created_at))": nil,
				"SELECT DISTINCT 'dead' FROM followup_bookings WHERE live AND (is_deleted OR status = 'cancelled' OR wall_at IS NULL)":                              nil,
				"SELECT DISTINCT 'kept' FROM followup_bookings WHERE live AND is_deleted IS NULL":                                                                   {"kept"},
			} {
				found, err := functions.Query(t.Context(), sql)
				if err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
				got, err := pgx.CollectRows(found, pgx.RowTo[string])
				if err != nil {
					t.Fatalf("%s: %v", sql, err)
				}
				if len(got) == 0 {
					got = nil
				}
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: %s", sql, diff)
				}
			}
			mustExec(t, functions, "UPDATE followup_bookings SET call_at = '2032-06-01 14:00+00' WHERE "+late)
			if got := scan[string](t, functions, "SELECT "+at("scheduled_at")+" || ' ' || "+at("wanted_at")+" FROM followup_bookings WHERE "+late); got != day+"14:00:00.000000 "+day+"14:00:00.000000" {
				t.Errorf("once computed the booking is at %s", got)
			}
		})
	}
}
