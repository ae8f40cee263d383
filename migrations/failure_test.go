package migrations_test

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lad.internal/followup/migrations"
)

// Requirements are checked before anything is changed, by either file.
func TestRequirements(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ prepare, want string }{
		"date":               {"ALTER TABLE lead_bookings ALTER COLUMN created_at TYPE date", "lead_bookings.created_at is date, but follow-up calls need timestamp without time zone or timestamp with time zone"},
		"json":               {"ALTER TABLE lead_bookings ALTER COLUMN metadata TYPE json", "lead_bookings.metadata is json, but follow-up calls need jsonb"},
		"no timezone":        {"ALTER TABLE lead_bookings DROP COLUMN timezone", "lead_bookings.timezone is missing, but follow-up calls need character varying or text"},
		"text tenant":        {"ALTER TABLE voice_agents ALTER COLUMN tenant_id TYPE text", "voice_agents.tenant_id is text, but follow-up calls need uuid"},
		"column of ours":     {"ALTER TABLE lead_bookings ADD COLUMN call_at timestamp", "lead_bookings.call_at is timestamp without time zone, but"},
		"enum":               {"CREATE TYPE state AS ENUM ('scheduled'); ALTER TABLE lead_bookings ALTER COLUMN status DROP DEFAULT, ALTER COLUMN status TYPE state USING 'scheduled'", "lead_bookings.status is state"},
		"several are listed": {"ALTER TABLE lead_bookings ALTER COLUMN created_at TYPE date; ALTER TABLE leads DROP COLUMN phone", "leads.phone is missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := open(t, dump)
			owner := c.as("lad_owner")
			mustExec(t, owner, test.prepare)
			before := scan[string](t, owner, catalogue)
			err := migrations.Up(t.Context(), owner, schema, migrations.Options{})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want %q in it", err, test.want)
			}
			owner = c.as("lad_owner")
			for _, file := range upFiles {
				content, err := migrations.Files.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				first := migrations.Statements(string(content))[0]
				if _, err := owner.Exec(t.Context(), first); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("%s: error = %v, want %q in it", file, err, test.want)
				}
			}
			if diff := cmp.Diff(before, scan[string](t, owner, catalogue)); diff != "" {
				t.Errorf("something was changed:\n%s", diff)
			}
		})
	}
	t.Run("no such schema", func(t *testing.T) {
		t.Parallel()
		err := migrations.Up(t.Context(), open(t, dump).as("lad_owner"), "nowhere", migrations.Options{})
		if want := "no table lead_bookings, leads, lead_notes there"; err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error = %v, want %q in it", err, want)
		}
	})
}

// inTheWay makes the last statements of 002 fail.
const inTheWay = "CREATE TABLE followup_call_log (id int)"

// A failure leaves nothing half applied.
func TestFailure(t *testing.T) {
	t.Parallel()
	for _, point := range variants {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			c := open(t, point)
			owner := c.as("lad_owner")
			mustExec(t, owner, inTheWay)
			before, rows := scan[string](t, owner, catalogue), checksum(t, owner, point.ladColumns)
			err := migrations.Up(t.Context(), owner, schema, migrations.Options{})
			if err == nil || !strings.Contains(err.Error(), `"followup_call_log" is not a view`) || !strings.Contains(err.Error(), "rolled back: 002_followup_safety_rollback.sql") {
				t.Errorf("error = %v", err)
			}
			owner = c.as("lad_owner")
			if diff := cmp.Diff(before, scan[string](t, owner, catalogue)); diff != "" {
				t.Errorf("what is left:\n%s", diff)
			}
			if checksum(t, owner, point.ladColumns) != rows {
				t.Error("LAD's rows have changed")
			}
		})
	}
}

// What was there before a failed run stays.
func TestFailure_of_a_second_run(t *testing.T) {
	t.Parallel()
	c := open(t, ours)
	owner := c.as("lad_owner")
	mustExec(t, owner, "DROP VIEW followup_call_log; "+inTheWay)
	before := scan[string](t, owner, catalogue)
	err := migrations.Up(t.Context(), owner, schema, migrations.Options{})
	if err == nil || strings.Contains(err.Error(), "rolled back") {
		t.Errorf("error = %v", err)
	}
	if diff := cmp.Diff(before, scan[string](t, c.as("lad_owner"), catalogue)); diff != "" {
		t.Error(diff)
	}
}

// canceller ends a run at one of its statements.
type canceller struct {
	slog.Handler
	cancel context.CancelFunc
}

func (c canceller) Enabled(context.Context, slog.Level) bool { return true }

func (c canceller) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		if strings.Contains(a.Value.String(), "followup_changed_idx") {
			c.cancel()
		}
		return true
	})
	return nil
}

// An interrupted run loses its connection, and cleans up by another one, in the role that the caller
// had become.
func TestFailure_by_cancelling(t *testing.T) {
	t.Parallel()
	c := open(t, dump)
	admin := adminOf(t, c)
	mustExec(t, admin, "SET ROLE lad_owner")
	owner := c.as("lad_owner")
	before := scan[string](t, owner, catalogue)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	err := migrations.Up(ctx, admin, schema, migrations.Options{Logger: slog.New(canceller{cancel: cancel})})
	if err == nil || !strings.Contains(err.Error(), "rolled back: 002_followup_safety_rollback.sql, 001_add_followup_task_columns_rollback.sql") {
		t.Errorf("error = %v", err)
	}
	if diff := cmp.Diff(before, scan[string](t, owner, catalogue)); diff != "" {
		t.Errorf("what is left:\n%s", diff)
	}
}

func TestOptional(t *testing.T) {
	t.Parallel()
	all := []string{"column leads.is_deleted", "column leads.is_archived", "column leads.country_code", "column leads.base_number",
		"column lead_notes.is_deleted", "table voice_agents", "table voice_agent_numbers", "table voice_call_logs"}
	for _, point := range startingPoints {
		t.Run(point.name, func(t *testing.T) {
			t.Parallel()
			want := all[4:5]
			switch point.name {
			case "minimal":
				want = all
			case "ours":
				want = []string{}
			}
			got, err := migrations.Optional(t.Context(), open(t, point).as("lad_owner"), schema)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A table that LAD gets later is found by the status, and by another run.
func TestOptional_later(t *testing.T) {
	t.Parallel()
	c := open(t, startingPoints[4])
	owner := c.as("lad_owner")
	runners[0].up(t, owner, c)
	functions := c.functions(tenantA)
	const agentSQL, numbersSQL = "SELECT COALESCE(id, 'unknown') FROM followup_agents", "SELECT (SELECT count(*) FROM followup_numbers) + (SELECT count(*) FROM followup_call_log)"
	if got := scan[string](t, functions, agentSQL); got != "unknown" {
		t.Errorf("agents = %s", got)
	}
	if got := scan[int](t, functions, numbersSQL); got != 0 {
		t.Errorf("%d numbers and calls", got)
	}
	mustExec(t, owner, "CREATE TABLE voice_agents (id bigint, tenant_id uuid); INSERT INTO voice_agents VALUES (5, NULL)")
	if got := states(t, c)[1]; got != "partial" {
		t.Errorf("status = %s", got)
	}
	runners[0].up(t, owner, c)
	if got := states(t, c)[1]; got != "applied" {
		t.Errorf("status = %s", got)
	}
	if got := scan[string](t, functions, agentSQL); got != "5" {
		t.Errorf("agents = %s", got)
	}
}
