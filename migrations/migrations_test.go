package migrations_test

import (
	"context"
	"io/fs"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	pgquery "github.com/wasilibs/go-pgquery"

	"lad.internal/followup/migrations"
)

func TestStatements(t *testing.T) {
	t.Parallel()
	files, err := fs.Glob(migrations.Files, "*.sql")
	if err != nil || len(files) != 2*len(migrations.Names()) {
		t.Fatalf("files = %v, %v", files, err)
	}
	first := map[string]string{}
	for _, file := range files {
		content, err := migrations.Files.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		statements := migrations.Statements(string(content))
		_, first[file], _ = strings.Cut(statements[0], "DO $followup$")
		for number, statement := range statements {
			tree, err := pgquery.Parse(statement)
			if err != nil {
				t.Errorf("%s, statement %d: %v", file, number+1, err)
				continue
			}
			if len(tree.GetStmts()) != 1 {
				t.Errorf("%s, statement %d: %d statements:\n%s", file, number+1, len(tree.GetStmts()), statement)
			}
			if strings.Contains(tree.String(), "schemaname:") {
				t.Errorf("%s, statement %d names a schema:\n%s", file, number+1, statement)
			}
		}
		if whole, err := pgquery.Parse(string(content)); err != nil || len(whole.GetStmts()) != len(statements) {
			t.Errorf("%s: %d statements by the parser, %d by blank lines, %v", file, len(whole.GetStmts()), len(statements), err)
		}
	}
	if diff := cmp.Diff(first[migrations.Columns+".sql"], first[migrations.Safety+".sql"]); diff != "" {
		t.Errorf("the two migrations begin with different checks:\n%s", diff)
	}
}

func states(t *testing.T, c connections) []string {
	t.Helper()
	statuses, err := migrations.Status(t.Context(), c.as("lad_owner"), schema)
	if err != nil {
		t.Fatal(err)
	}
	var states []string
	for _, status := range statuses {
		states = append(states, status.State())
		if status.State() == "partial" {
			t.Logf("%s lacks %v", status.Name, status.Missing)
		}
	}
	return states
}

// catalogue is all that a migration may change, in words. Casts are left out: a check that is read from
// the catalogue and made again has others, as after pg_dump.
const catalogue = `
SELECT string_agg(line, E'\n' ORDER BY line) FROM (
    SELECT 'column ' || attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull::text || COALESCE(' ' || pg_get_expr(adbin, adrelid), '') AS line
    FROM pg_attribute LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
    WHERE attrelid = 'lead_bookings'::regclass AND attnum > 0 AND NOT attisdropped
    UNION ALL
    SELECT 'constraint ' || conname || ' ' || regexp_replace(pg_get_constraintdef(oid), '[][()]|::character varying|::text', '', 'g') || ' ' || convalidated FROM pg_constraint WHERE conrelid = 'lead_bookings'::regclass
    UNION ALL
    SELECT 'index ' || pg_get_indexdef(indexrelid) || ' ' || indisvalid FROM pg_index WHERE indrelid = 'lead_bookings'::regclass
    UNION ALL
    SELECT 'trigger ' || pg_get_triggerdef(oid) FROM pg_trigger WHERE tgrelid = 'lead_bookings'::regclass AND NOT tgisinternal
    UNION ALL
    SELECT 'relation ' || relname || ' ' || relkind::text || ' ' || COALESCE(relacl::text, '') || ' ' || relrowsecurity FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND relkind IN ('r', 'v')
    UNION ALL
    SELECT 'view ' || relname || ' ' || pg_get_viewdef(oid) FROM pg_class WHERE relnamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema()) AND relkind = 'v'
    UNION ALL
    SELECT 'function ' || proname || ' ' || prosrc || ' ' || prosecdef || COALESCE(proconfig::text, '') || COALESCE(proacl::text, '')
    FROM pg_proc WHERE pronamespace = (SELECT oid FROM pg_namespace WHERE nspname = current_schema())
    UNION ALL
    SELECT 'comment ' || attname || ' ' || description FROM pg_description JOIN pg_attribute ON attrelid = objoid AND attnum = objsubid WHERE objoid = 'lead_bookings'::regclass
) AS lines`

func TestUpDownUp(t *testing.T) {
	t.Parallel()
	for _, point := range startingPoints {
		for _, by := range runners {
			t.Run(point.name+" by "+by.name, func(t *testing.T) {
				t.Parallel()
				c := open(t, point)
				owner := c.as("lad_owner")
				if got := states(t, c)[1] == "applied"; got != point.ours {
					t.Fatalf("002 applied at the start: %v", got)
				}
				before := checksum(t, owner, point.ladColumns)
				untouched := scan[string](t, owner, catalogue)

				by.up(t, owner, c)
				first := scan[string](t, owner, catalogue)
				by.up(t, owner, c)
				if diff := cmp.Diff(first, scan[string](t, owner, catalogue)); diff != "" {
					t.Errorf("a second up changes the schema:\n%s", diff)
				}
				if diff := cmp.Diff([]string{"applied", "applied"}, states(t, c)); diff != "" {
					t.Errorf("after up:\n%s", diff)
				}
				if got := checksum(t, owner, point.ladColumns); got != before {
					t.Error("up has changed what LAD had stored")
				}

				by.down(t, owner, c)
				by.down(t, owner, c)
				if got := checksum(t, owner, point.ladColumns); got != before {
					t.Error("down has changed what LAD had stored")
				}
				if diff := cmp.Diff(untouched, scan[string](t, owner, catalogue)); diff != "" && !point.ours {
					t.Errorf("down does not restore LAD's schema:\n%s", diff)
				}

				by.up(t, owner, c)
				if got := checksum(t, owner, point.ladColumns); got != before {
					t.Error("the second up has changed what LAD had stored")
				}
				if diff := cmp.Diff(first, scan[string](t, owner, catalogue)); diff != "" {
					t.Errorf("the second up does not give what the first gave:\n%s", diff)
				}
			})
		}
	}
}

func TestUniqueIndex(t *testing.T) {
	t.Parallel()
	for _, by := range runners {
		t.Run(by.name, func(t *testing.T) {
			t.Parallel()
			c := open(t, with001)
			owner := c.as("lad_owner")
			by.up(t, owner, c)
			names := scan[[]string](t, owner, `SELECT array_agg(indexrelid::regclass::text) FROM pg_index
				WHERE indrelid = 'lead_bookings'::regclass AND indisunique AND NOT indisprimary AND indexrelid <> 'idx_lead_bookings_no_duplicates'::regclass`)
			if diff := cmp.Diff([]string{"idx_lead_bookings_idempotency_key"}, names); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestNarrowKey(t *testing.T) {
	t.Parallel()
	c := open(t, dump)
	owner := c.as("lad_owner")
	mustExec(t, owner, "ALTER TABLE lead_bookings ADD COLUMN idempotency_key varchar(100)")
	runners[0].up(t, owner, c)
	mustExec(t, owner, "UPDATE lead_bookings SET idempotency_key = repeat('k', 107) WHERE id = (SELECT id FROM lead_bookings LIMIT 1)")
}

func TestRollback(t *testing.T) {
	t.Parallel()
	for _, point := range startingPoints {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			c := open(t, point)
			owner := c.as("lad_owner")
			runners[0].up(t, owner, c)
			id := scan[string](t, owner, "SELECT id::text FROM lead_bookings LIMIT 1")
			mustExec(t, owner, `UPDATE lead_bookings SET task_status = 'in_progress', execution_attempts = 2,
				claimed_at = '2026-06-01 10:00:03+00', call_id = 'call-9', last_execution_error = 'refused once' WHERE id::text = $1`, id)

			content, err := migrations.Files.ReadFile(migrations.Safety + "_rollback.sql")
			if err != nil {
				t.Fatal(err)
			}
			mustExec(t, owner, string(content))
			row := scan[string](t, owner, "SELECT task_status || ': ' || last_execution_error FROM lead_bookings WHERE id::text = $1", id)
			for _, words := range []string{"failed: ", "attempt 2", "2026-06-01 10:00:03", "call-9", "refused once"} {
				if !strings.Contains(row, words) {
					t.Errorf("after the rollback the row says %q, want %q in it", row, words)
				}
			}
			if _, err := owner.Exec(t.Context(), "UPDATE lead_bookings SET task_status = 'in_progress'"); err == nil {
				t.Error("the narrow check is not back")
			}
			if !scan[bool](t, owner, "SELECT convalidated FROM pg_constraint WHERE conname = 'chk_task_status'") {
				t.Error("the narrow check is not validated")
			}
		})
	}
}

func TestConnection(t *testing.T) {
	t.Parallel()
	c := open(t, dump)
	owner := c.as("lad_owner")
	mustExec(t, owner, "RESET search_path")
	const settings = `SELECT current_setting('search_path') || current_setting('lock_timeout') || current_setting('statement_timeout')
		|| (SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid())`
	before := scan[string](t, owner, settings)
	if err := migrations.Up(t.Context(), owner, schema, migrations.Options{}); err != nil {
		t.Fatal(err)
	}
	if got := scan[string](t, owner, settings); got != before {
		t.Errorf("settings = %s, want %s", got, before)
	}
}

func TestConcurrentRuns(t *testing.T) {
	t.Parallel()
	c := open(t, dump)
	var wait sync.WaitGroup
	for range 4 {
		owner := c.as("lad_owner")
		wait.Go(func() {
			if err := migrations.Up(t.Context(), owner, schema, migrations.Options{}); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if diff := cmp.Diff([]string{"applied", "applied"}, states(t, c)); diff != "" {
		t.Error(diff)
	}
}

// messages collects what is logged.
type messages struct {
	slog.Handler
	seen chan string
}

func (m messages) Enabled(context.Context, slog.Level) bool { return true }

func (m messages) Handle(_ context.Context, r slog.Record) error {
	select {
	case m.seen <- r.Message:
	default:
	}
	return nil
}

func TestLockedTable_released(t *testing.T) {
	t.Parallel()
	c := open(t, dump)
	reader, owner := c.as("lad_service"), c.as("lad_owner")
	mustExec(t, reader, "BEGIN")
	mustExec(t, reader, "SELECT FROM lead_bookings LIMIT 1")

	log := messages{seen: make(chan string, 1000)}
	done := make(chan error, 1)
	go func() {
		done <- migrations.Up(t.Context(), owner, schema, migrations.Options{Logger: slog.New(log), LockTimeout: 20 * time.Millisecond})
	}()
	for message := range log.seen {
		if message == "stepping back from a lock" {
			break
		}
	}
	mustExec(t, reader, "COMMIT")
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestLockedTable_never_released(t *testing.T) {
	t.Parallel()
	c := open(t, dump)
	reader, owner := c.as("lad_service"), c.as("lad_owner")
	mustExec(t, reader, "BEGIN")
	mustExec(t, reader, "SELECT FROM lead_bookings LIMIT 1")
	err := migrations.Up(t.Context(), owner, schema, migrations.Options{LockTimeout: 10 * time.Millisecond, Patience: 50 * time.Millisecond})
	if err == nil || !strings.Contains(err.Error(), "somebody has held a lock") {
		t.Errorf("error = %v", err)
	}
}

func TestInvalidIndex(t *testing.T) {
	t.Parallel()
	c := open(t, ours)
	owner, admin := c.as("lad_owner"), adminOf(t, c)
	mustExec(t, admin, `UPDATE pg_index SET indisvalid = false WHERE indexrelid::regclass::text LIKE '%followup_pending_idx'`)
	statuses, err := migrations.Status(t.Context(), owner, schema)
	if err != nil || !slices.Contains(statuses[1].Missing, "index followup_pending_idx") {
		t.Errorf("status = %v, %v", statuses, err)
	}
	runners[0].up(t, owner, c)
	if diff := cmp.Diff([]string{"applied", "applied"}, states(t, c)); diff != "" {
		t.Error(diff)
	}
}
