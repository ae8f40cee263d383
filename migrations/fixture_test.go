package migrations_test

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/internal/ladschema"
	"lad.internal/followup/migrations"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

const (
	// schema needs quoting wherever it goes.
	schema = `lad "dev"`

	tenantA = "aaaaaaaa-0000-4000-8000-000000000001"
	tenantB = "bbbbbbbb-0000-4000-8000-000000000002"
)

// roles of the one server: LAD's owner, who migrates and is no superuser; another of LAD's services,
// with rights granted as usual; and the login of our functions.
const roles = `
CREATE ROLE lad_owner LOGIN PASSWORD 'secret' CREATEROLE;
CREATE ROLE lad_service LOGIN PASSWORD 'secret';
CREATE ROLE followup_app NOLOGIN;
CREATE ROLE functions LOGIN PASSWORD 'secret' IN ROLE followup_app;`

// rows are what LAD may have stored before we came, odd ones included: whatever stands in timezone and
// metadata, and the first and last moments that a timestamp can hold.
const rows = `
SET LOCAL timezone = 'UTC';
INSERT INTO users (id) VALUES ('99999999-0000-4000-8000-000000000009');
INSERT INTO leads (id, tenant_id, first_name, phone, assigned_user_id) VALUES
    ('11111111-0000-4000-8000-000000000001', 'aaaaaaaa-0000-4000-8000-000000000001', 'Ada', '+4915112345678', '99999999-0000-4000-8000-000000000009'),
    ('22222222-0000-4000-8000-000000000002', 'bbbbbbbb-0000-4000-8000-000000000002', 'Ben', '+4915187654321', '99999999-0000-4000-8000-000000000009');
INSERT INTO lead_notes (tenant_id, lead_id, content, created_at) VALUES
    ('aaaaaaaa-0000-4000-8000-000000000001', '11111111-0000-4000-8000-000000000001', 'an old note', '2026-01-01'),
    ('aaaaaaaa-0000-4000-8000-000000000001', '11111111-0000-4000-8000-000000000001', 'the latest note', '2026-01-02'),
    ('bbbbbbbb-0000-4000-8000-000000000002', '11111111-0000-4000-8000-000000000001', 'a foreign note', '2026-01-04');
INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at, timezone, status, metadata, is_deleted, notes)
SELECT l.tenant_id, l.id, kind, 'system', '2026-06-01 10:00'::timestamp + row_number() OVER () * interval '1 minute', zone, state, meta::jsonb, gone, 'row of LAD'
FROM leads l,
    unnest(ARRAY['follow_up', 'Auto-Follow Up', 'meeting']) AS kind,
    unnest(ARRAY['GST', 'Asia/Dubai', 'no zone at all', NULL]) AS zone,
    unnest(ARRAY['scheduled', 'cancelled']) AS state,
    unnest(ARRAY['{"agent_id": "7"}', '{"agent_id": 7}', '[1]', '"{\"agent_id\": 8}"', '{"metadata": {"agent_id": 9}}', 'null', NULL]) AS meta,
    unnest(ARRAY[true, false, NULL]) AS gone;
INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at, created_at, notes)
SELECT tenant_id, id, 'followup', 'system', moment, made, 'odd row of LAD'
FROM leads, (VALUES
    ('infinity'::timestamp, 'infinity'::timestamp), ('-infinity', '-infinity'),
    ('4713-11-24 00:00 BC', '4713-11-24 00:00 BC'), ('294276-12-31 23:59:59.999999', '294276-12-31 23:59:59.999999')) AS moments (moment, made);
UPDATE lead_bookings SET parent_booking_id = (SELECT id FROM lead_bookings LIMIT 1) WHERE booking_type = 'meeting';`

// own001Rows puts rows into every status that LAD's own 001 knows.
const own001Rows = `
UPDATE lead_bookings b SET
    task_status = (ARRAY['pending', 'scheduled', 'executed', 'cancelled', 'failed'])[1 + n % 5],
    task_name = 'projects/lad/task-' || n, task_scheduled_at = '2026-06-01', execution_attempts = n % 3,
    executed_at = CASE WHEN n % 5 = 2 THEN '2026-06-01 10:00+00'::timestamptz END,
    last_execution_error = CASE WHEN n % 5 = 4 THEN 'LAD''s error' END,
    idempotency_key = CASE WHEN n % 2 = 0 THEN 'followup:' || b.tenant_id || ':' || b.id || ':2026-06-01T10:00:00.000Z' END
FROM (SELECT id, row_number() OVER (ORDER BY id) AS n FROM lead_bookings) AS numbered
WHERE numbered.id = b.id;`

// voiceRows are two tenants' agents, numbers and calls, and an agent for all.
const voiceRows = `
INSERT INTO voice_agents (id, tenant_id) VALUES (1, 'aaaaaaaa-0000-4000-8000-000000000001'), (2, 'bbbbbbbb-0000-4000-8000-000000000002'), (3, NULL);
INSERT INTO voice_agent_numbers (tenant_id, country_code, base_number, status, default_agent_id) VALUES
    ('aaaaaaaa-0000-4000-8000-000000000001', '+971', 501, 'Active', 1), ('aaaaaaaa-0000-4000-8000-000000000001', '+971', 502, NULL, NULL),
    ('aaaaaaaa-0000-4000-8000-000000000001', '+971', 503, 'inactive', 1), ('bbbbbbbb-0000-4000-8000-000000000002', '+971', 504, 'active', 2);
INSERT INTO voice_call_logs (tenant_id, lead_id, agent_id, status, started_at, metadata)
SELECT tenant_id, id, 1, 'ended', '2026-06-01 10:00+00', '{"job_id": "j"}' FROM leads;`

const grants = `
GRANT USAGE ON SCHEMA "lad ""dev""" TO lad_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA "lad ""dev""" TO lad_service;
GRANT SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA "lad ""dev""" TO lad_service;`

// startingPoint is what a migration may find.
type startingPoint struct {
	name       string
	parts      []string
	ladColumns string // every column of LAD's, in SQL
	ours       bool   // we were here before
}

const bareColumns = `id, tenant_id, lead_id, assigned_user_id, booking_type, booking_source, scheduled_at, timezone, status,
	call_result, retry_count, parent_booking_id, notes, metadata, created_by, created_at, updated_at, is_deleted, buffer_until`

const taskColumns = `, task_name, task_scheduled_at, task_status, executed_at, execution_attempts, last_execution_error, idempotency_key`

// startingPoints are LAD's databases, and our own result.
var startingPoints = func() (points []startingPoint) {
	for _, v := range ladschema.Variants() {
		point := startingPoint{name: v.Name, parts: append(slices.Clone(v.Parts), rows), ladColumns: bareColumns}
		if slices.Contains(v.Parts, ladschema.Own001) {
			point.parts, point.ladColumns = append(point.parts, own001Rows), bareColumns+taskColumns
		}
		points = append(points, point)
	}
	return append(points, ours)
}()

var (
	ours = startingPoint{name: "ours", ladColumns: bareColumns + taskColumns, ours: true, parts: append(slices.Clone(ladschema.Default),
		rows, voiceRows, ladschema.NotesDeleted,
		`INSERT INTO lead_notes (tenant_id, lead_id, content, is_deleted, created_at) SELECT tenant_id, id, 'a deleted note', true, '2026-01-03' FROM leads`)}

	dump, with001 = startingPoints[0], startingPoints[1]
	variants      = startingPoints[:len(startingPoints)-1]
)

// dumped are the databases that are dumped and restored: LAD's oldest and its newest,
// or all with FOLLOWUP_BIG=1.
func dumped() []startingPoint {
	if os.Getenv("FOLLOWUP_BIG") != "" {
		return variants
	}
	return slices.Clip(variants[:2]) // one that appends to them must not write over the third
}

func (p startingPoint) template() postgrestest.Template {
	return postgrestest.Template{Key: p.name, Setup: func(ctx context.Context, adminURL string) error {
		admin, err := pgx.Connect(ctx, adminURL)
		if err != nil {
			return err
		}
		defer admin.Close(ctx)
		for _, statement := range append(strings.Split(roles, ";"), "GRANT CREATE ON DATABASE "+
			pgx.Identifier{admin.Config().Database}.Sanitize()+" TO lad_owner") {
			// The roles are the server's, and another template's set-up may be making them right now.
			if _, err := admin.Exec(ctx, statement); err != nil && !isDuplicate(err) {
				return err
			}
		}
		if _, err := admin.Exec(ctx, "SET ROLE lad_owner"); err != nil {
			return err
		}
		if err := ladschema.Create(ctx, admin, schema, append(p.parts, grants)...); err != nil {
			return err
		}
		if p.ours {
			return migrations.Up(ctx, admin, schema, migrations.Options{})
		}
		return nil
	}}
}

func isDuplicate(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == "42710" || pgErr.Code == "23505" || pgErr.Code == "XX000")
}

// connections to one test's database.
type connections struct {
	t        *testing.T
	database *postgrestest.Database
}

func open(t *testing.T, p startingPoint) connections {
	t.Helper()
	return connections{t, postgrestest.NewDatabase(t, p.template())}
}

// as connects as a role, with LAD's schema as search_path.
func (c connections) as(role string) *pgx.Conn {
	c.t.Helper()
	conn, err := pgx.Connect(c.t.Context(), c.database.URL(role, "secret"))
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(c.t.Context())) })
	mustExec(c.t, conn, "SET search_path = "+pgx.Identifier{schema}.Sanitize())
	return conn
}

// functions connects as our functions do, for one tenant.
func (c connections) functions(tenant string) *pgx.Conn {
	c.t.Helper()
	conn := c.as("functions")
	mustExec(c.t, conn, "SELECT set_config('app.tenant_id', $1, false)", tenant)
	return conn
}

func mustExec(t *testing.T, conn *pgx.Conn, sql string, args ...any) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql, args...); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func scan[T any](t *testing.T, conn *pgx.Conn, sql string, args ...any) T {
	t.Helper()
	found, err := conn.Query(t.Context(), sql, args...)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	value, err := pgx.CollectExactlyOneRow(found, pgx.RowTo[T])
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return value
}

func checksum(t *testing.T, conn *pgx.Conn, columns string) string {
	t.Helper()
	return scan[string](t, conn, "SELECT count(*) || md5(string_agg(r::text, '|' ORDER BY r.id)) FROM (SELECT "+columns+" FROM lead_bookings) AS r")
}

// runner is a way to run migration files.
type runner struct {
	name     string
	up, down func(*testing.T, *pgx.Conn, connections)
}

var runners = []runner{
	{
		name: "this package",
		up: func(t *testing.T, conn *pgx.Conn, _ connections) {
			if err := migrations.Up(t.Context(), conn, schema, migrations.Options{}); err != nil {
				t.Fatal(err)
			}
			mustExec(t, conn, "SET search_path = "+pgx.Identifier{schema}.Sanitize()) // Up has reset it
		},
		down: func(t *testing.T, conn *pgx.Conn, _ connections) {
			if err := migrations.Down(t.Context(), conn, schema, migrations.Options{}); err != nil {
				t.Fatal(err)
			}
			mustExec(t, conn, "SET search_path = "+pgx.Identifier{schema}.Sanitize())
		},
	},
	{name: "each file as one string", up: wholeFiles(upFiles), down: wholeFiles(downFiles)},
	{name: "psql", up: psql(upFiles), down: psql(downFiles)},
}

var (
	upFiles   = []string{migrations.Columns + ".sql", migrations.Safety + ".sql"}
	downFiles = []string{migrations.Safety + "_rollback.sql", migrations.Columns + "_rollback.sql"}
)

func wholeFiles(files []string) func(*testing.T, *pgx.Conn, connections) {
	return func(t *testing.T, conn *pgx.Conn, _ connections) {
		for _, file := range files {
			content, err := migrations.Files.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			// One simple query of several statements: one implicit transaction.
			if _, err := conn.PgConn().Exec(t.Context(), string(content)).ReadAll(); err != nil {
				t.Fatalf("%s: %v", file, err)
			}
		}
	}
}

func psql(files []string) func(*testing.T, *pgx.Conn, connections) {
	return func(t *testing.T, _ *pgx.Conn, c connections) {
		program, err := exec.LookPath("psql")
		if err != nil {
			t.Skip(err)
		}
		args := []string{"-Xq", "-v", "ON_ERROR_STOP=1", "-d", c.database.URL("lad_owner", "secret"),
			"-c", "SET search_path = " + pgx.Identifier{schema}.Sanitize()}
		for _, file := range files {
			args = append(args, "-f", filepath.Join(".", file))
		}
		command := exec.CommandContext(t.Context(), program, args...)
		command.Env = append(os.Environ(), "PGOPTIONS=-c client_min_messages=warning")
		if output, err := command.CombinedOutput(); err != nil || len(output) > 0 {
			t.Fatalf("psql: %v\n%s", err, output)
		}
	}
}
