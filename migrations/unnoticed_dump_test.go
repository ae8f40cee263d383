package migrations_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/emulators/postgres"
	"lad.internal/followup/emulators/postgres/postgrestest"
)

// program runs one of PostgreSQL's programs, of the server's own version, and
// fails the test unless it succeeds and has nothing to complain of.
func program(t *testing.T, name, stdin string, args ...string) string {
	t.Helper()
	binaries, err := postgres.FindBinaries(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	path, err := exec.LookPath(filepath.Join(binaries.Dir, name))
	if err != nil {
		t.Skipf("this installation of PostgreSQL has no %s: %v", name, err)
	}
	var stdout, stderr strings.Builder
	command := exec.CommandContext(t.Context(), path, args...)
	command.Stdin, command.Stdout, command.Stderr = strings.NewReader(stdin), &stdout, &stderr
	if err := command.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, stderr.String())
	}
	if complaints := selfReference.ReplaceAllString(stderr.String(), ""); complaints != "" {
		t.Errorf("%s complains: %s", name, complaints)
	}
	return stdout.String()
}

// selfReference is what pg_dump says of parent_booking_id, with and without us.
var selfReference = regexp.MustCompile(`(?m)^pg_dump: (warning: there are circular foreign-key constraints on this table:|detail: lead_bookings|hint: .*)\n`)

// dump dumps LAD's schema as a role of LAD's. The lines that psql runs no
// others between have a random key in recent versions.
func (c connections) dump(role string, flags ...string) string {
	c.t.Helper()
	args := append([]string{"--schema=" + pgx.Identifier{schema}.Sanitize(), "--dbname=" + c.database.URL(role, "secret")}, flags...)
	return restricted.ReplaceAllString(program(c.t, "pg_dump", "", args...), "")
}

var restricted = regexp.MustCompile(`(?m)^\\(un)?restrict .*\n`)

func restore(t *testing.T, url, dump string) {
	t.Helper()
	program(t, "psql", dump, "-Xq", "-v", "ON_ERROR_STOP=1", "--single-transaction", "--output=/dev/null", "--dbname="+url)
}

func TestDump(t *testing.T) {
	t.Parallel()
	for _, point := range dumped() {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			c := open(t, point)
			before := map[string]string{}
			for _, role := range ladRoles {
				before[role] = c.dump(role, "--data-only", "--inserts", "--exclude-table=*.lead_bookings")
				c.dump(role)
			}
			runners[0].up(t, c.as("lad_owner"), c)
			for _, role := range ladRoles {
				if diff := cmp.Diff(before[role], c.dump(role, "--data-only", "--inserts", "--exclude-table=*.lead_bookings")); diff != "" {
					t.Errorf("%s dumps other data of the tables that we leave alone: %s", role, diff)
				}
			}
			// Nobody sees less than the owner does.
			if diff := cmp.Diff(c.dump("lad_owner"), c.dump("lad_service")); diff != "" {
				t.Errorf("-owner +service:\n%s", diff)
			}
		})
	}
}

// casts are written otherwise when a check is read from the catalogue and made again, as after a restore.
var casts = regexp.MustCompile(`[][()]|::character varying|::text`)

// After the rollback a dump is what it was.
func TestDump_after_down(t *testing.T) {
	t.Parallel()
	for _, point := range dumped() {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			c := open(t, point)
			text := func() string {
				return casts.ReplaceAllString(c.dump("lad_owner", "--exclude-table-data=*.lead_bookings"), "")
			}
			owner, before := c.as("lad_owner"), text()
			rows := checksum(t, owner, point.ladColumns)
			runners[0].up(t, owner, c)
			runners[0].down(t, owner, c)
			if diff := cmp.Diff(before, text()); diff != "" {
				t.Errorf("-before +after down:\n%s", diff)
			}
			if checksum(t, owner, point.ladColumns) != rows {
				t.Error("LAD's rows have changed")
			}
		})
	}
}

// A dump that LAD took before we came can be restored when we are there.
func TestDump_restored_later(t *testing.T) {
	t.Parallel()
	for _, point := range dumped() {
		for _, role := range ladRoles {
			t.Run(point.name+", "+role, func(t *testing.T) {
				t.Parallel()
				c := open(t, point)
				before := checksum(t, c.as(role), point.ladColumns)
				dump := c.dump(role, "--data-only")
				runners[0].up(t, c.as("lad_owner"), c)
				conn := c.as(role)
				mustExec(t, conn, "DELETE FROM lead_bookings; DELETE FROM lead_notes; DELETE FROM leads; DELETE FROM users")
				restore(t, c.database.URL(role, "secret"), dump)
				if after := checksum(t, conn, point.ladColumns); after != before {
					t.Errorf("restored: %s, was %s", after, before)
				}
			})
		}
	}
}

// dumpedSQL is what a dump must carry of the views, the indexes and the columns:
// rights, the barrier, and the comments that tell the rollback what is ours.
const dumpedSQL = `
SELECT string_agg(line, E'\n' ORDER BY line) FROM (
	SELECT concat_ws(' ', c.relkind, c.relname, c.relowner::regrole, c.reloptions, c.relacl, i.indisvalid, i.indisunique) AS line
	FROM pg_class c LEFT JOIN pg_index i ON i.indexrelid = c.oid WHERE c.relnamespace = quote_ident(current_schema())::regnamespace
	UNION ALL
	SELECT concat_ws(' ', proname, proowner::regrole, prosecdef, proconfig, proacl) FROM pg_proc WHERE pronamespace = quote_ident(current_schema())::regnamespace
	UNION ALL
	SELECT concat_ws(' ', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attacl, col_description(c.oid, a.attnum))
	FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid
	WHERE c.relnamespace = quote_ident(current_schema())::regnamespace AND c.relkind IN ('r', 'v') AND a.attnum > 0 AND NOT a.attisdropped
) AS lines`

// plans are of questions of the sweep's, each of which an index of its own
// answers if its words are still those of the views' columns.
func plans(t *testing.T, conn *pgx.Conn) string {
	t.Helper()
	mustExec(t, conn, "SET enable_seqscan = off")
	var all strings.Builder
	for _, where := range []string{
		"task_status = 'pending' AND call_at IS NOT NULL AND booking_kind = 'followup' AND live AND wanted_at < now()",
		"task_status = 'pending' AND (call_at_wall IS DISTINCT FROM wall_at OR call_at_zone IS DISTINCT FROM timezone) AND booking_kind = 'followup' AND rough_at < now()",
		"task_status = 'scheduled' AND live AND checked_at < now()",
		"task_status = 'in_progress' AND checked_at < now()",
		`live AND task_status <> 'pending' AND task_reason IS DISTINCT FROM 'outcome_unknown'
			AND ((call_at_wall IS DISTINCT FROM wall_at OR call_at_zone IS DISTINCT FROM timezone) OR task_reason = 'booking_cancelled') AND rough_at < now()`,
		`call_at_rule IS NOT NULL AND (task_status IN ('pending', 'scheduled') OR task_status IS NULL
			OR task_reason IN ('not_started', 'unknown_timezone')) AND call_at_rule < 3`,
		"lead_id = '" + ada + "' AND claimed_at > now()",
	} {
		found, err := conn.Query(t.Context(), "EXPLAIN (COSTS OFF) SELECT id FROM followup_bookings WHERE tenant_id = '"+tenantA+"' AND "+where)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(found, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		all.WriteString(strings.Join(lines, "\n") + "\n")
	}
	return all.String()
}

// eachIndex says whether the plans use the seven indexes that the views' words are made for.
func eachIndex(plans string) bool {
	for _, name := range []string{"pending", "untimed", "waiting", "in_progress", "changed", "rule", "calls"} {
		if !strings.Contains(plans, "followup_"+name+"_idx") {
			return false
		}
	}
	return true
}

// A migrated schema is worth as much after a dump and a restore. PostgreSQL does
// not write "x IN (…)" back in the words in which it was made; the views' words
// and the indexes' must change alike.
func TestDump_of_a_migrated_schema(t *testing.T) {
	t.Parallel()
	for _, point := range append(dumped(), ours) {
		for _, role := range ladRoles {
			t.Run(point.name+", "+role, func(t *testing.T) {
				t.Parallel()
				c := open(t, point)
				runners[0].up(t, c.as("lad_owner"), c)
				copied := connections{t, postgrestest.NewDatabase(t, postgrestest.Template{Key: "empty"})}
				restore(t, copied.database.AdminURL, c.dump(role))

				was, is := c.as("lad_owner"), copied.as("lad_owner")
				for _, columns := range []string{point.ladColumns, "id, task_status, task_reason, task_revision, planned_for"} {
					if before, after := checksum(t, was, columns), checksum(t, is, columns); before != after {
						t.Errorf("%s: restored as %s, was %s", columns, after, before)
					}
				}
				if diff := cmp.Diff(scan[string](t, was, dumpedSQL), scan[string](t, is, dumpedSQL)); diff != "" {
					t.Errorf("-dumped +restored:\n%s", diff)
				}
				mustExec(t, was, "ANALYZE lead_bookings")
				mustExec(t, is, "ANALYZE lead_bookings")
				before, after := plans(t, was), plans(t, is)
				if diff := cmp.Diff(before, after); diff != "" || !eachIndex(after) {
					t.Errorf("plans (-dumped +restored):\n%s\n%s", diff, after)
				}
				want := scan[int](t, is, "SELECT count(*)::int FROM lead_bookings WHERE tenant_id = $1::uuid", tenantA)
				if got := scan[int](t, copied.functions(tenantA), "SELECT count(*)::int FROM followup_bookings"); got != want || got == 0 {
					t.Errorf("the functions see %d rows, want their tenant's %d", got, want)
				}
				runners[0].up(t, is, copied) // finds nothing to do
				if diff := cmp.Diff(scan[string](t, was, dumpedSQL), scan[string](t, is, dumpedSQL)); diff != "" {
					t.Errorf("-dumped +restored and migrated again:\n%s", diff)
				}
				if again := plans(t, is); !eachIndex(again) {
					t.Errorf("plans once restored and migrated again:\n%s", again)
				}
			})
		}
	}
}
