package tenantdb_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"pgregory.net/rapid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// armed is a task on its way to a booking at the time.
func armed(at time.Time) followup.Task {
	return followup.Task{
		Status: followup.Scheduled, Reason: followup.Expired, Name: "projects/p/tasks/t", DueAt: at, Revision: 3,
		PlannedFor: at, Attempts: 1, LastError: "busy", Key: "followup:stored",
	}
}

func TestAnUpdateIsStoredWhenNothingHasMoved(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	at := micro(time.Now())
	ref := f.Insert(t, tenantdbtest.Row{ScheduledAt: at, Task: armed(at)})
	seen, _ := f.Read(t, ref)
	next := followup.Task{Status: followup.Failed, Reason: followup.Expired, Revision: 4}
	if stored, err := f.DB.Update(t.Context(), seen, next); err != nil || !stored {
		t.Fatalf("stored %v, error %v", stored, err)
	}
	got, _ := f.Read(t, ref)
	if diff := cmp.Diff(next, got.Task); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// What was seen is no longer so.
	if stored, err := f.DB.Update(t.Context(), seen, next); err != nil || stored {
		t.Errorf("the second time: stored %v, error %v", stored, err)
	}
}

func TestAnUpdateIsRefusedWhenAnyGuardedColumnHasMoved(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	f.Loosen(t, tenantdbtest.TenantA, "scheduled_at", "status", "task_status")
	at := micro(time.Now())
	for _, move := range []string{
		`timezone = 'GST'`, `timezone = NULL`, `booking_source = 'web'`,
		`scheduled_at = scheduled_at + interval '1 microsecond'`, `scheduled_at = NULL`, `scheduled_at = 'infinity'`,
		`status = 'confirmed'`, `status = NULL`,
		`is_deleted = true`,
		`task_status = 'executed'`, `task_status = 'in_progress'`,
		`task_reason = 'rejected'`, `task_reason = NULL`,
		`task_revision = 4`,
		`claimed_at = now()`, `planned_for = now()`, `called_at = now()`,
	} {
		ref := f.Insert(t, tenantdbtest.Row{ScheduledAt: at, Task: armed(at)})
		seen, _ := f.Read(t, ref)
		if hit := f.LAD(t, ref.TenantID, `UPDATE lead_bookings SET `+move+` WHERE id = $1`, ref.BookingID); hit != 1 {
			t.Fatalf("%s hit %d rows", move, hit)
		}
		before := wholeRow(t, f, ref)
		stored, err := f.DB.Update(t.Context(), seen, followup.Task{Status: followup.Cancelled})
		if err != nil || stored {
			t.Errorf("%s: stored %v, error %v", move, stored, err)
		}
		if after := wholeRow(t, f, ref); after != before {
			t.Errorf("%s: the row has become %s", move, after)
		}
		f.LAD(t, ref.TenantID, `DELETE FROM lead_bookings`)
	}
}

// A guard that holds too much would let nothing be done while LAD works on a row.
func TestWhatNoDecisionDependsOnMayMove(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	at := micro(time.Now())
	for _, move := range []string{
		`notes = 'changed'`, `updated_at = now()`, `call_result = 'x'`, `retry_count = 9`, `metadata = '{}'`,
		// What LAD knows of the task, but for its word that it is over.
		`idempotency_key = 'another'`, `execution_attempts = 2`, `task_name = 'x'`,
		`is_deleted = NULL`, // false and NULL are one
	} {
		ref := f.Insert(t, tenantdbtest.Row{ScheduledAt: at, Task: followup.Task{Status: followup.Scheduled, Revision: 1}})
		seen, _ := f.Read(t, ref)
		f.LAD(t, ref.TenantID, `UPDATE lead_bookings SET `+move+` WHERE id = $1`, ref.BookingID)
		if stored, err := f.DB.Update(t.Context(), seen, followup.Task{Status: followup.Cancelled}); err != nil || !stored {
			t.Errorf("%s: stored %v, error %v", move, stored, err)
		}
	}
}

func TestAnUpdateTouchesNoColumnOfLADs(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	at := micro(time.Now())
	ref := f.Insert(t, tenantdbtest.Row{ScheduledAt: at, AgentID: "7", Task: armed(at), Columns: map[string]any{
		"notes": "LAD's", "updated_at": at.Add(-time.Hour), "buffer_until": at, "call_result": "x", "retry_count": 3, "created_by": uuid.New(),
	}})
	before := ladColumns(t, f, ref)
	seen, _ := f.Read(t, ref)
	if stored, err := f.DB.Update(t.Context(), seen, followup.Task{Status: followup.Executed, ExecutedAt: at, CallID: "c", Revision: 9}); err != nil || !stored {
		t.Fatalf("stored %v, error %v", stored, err)
	}
	if diff := cmp.Diff(before, ladColumns(t, f, ref)); diff != "" {
		t.Errorf("-before +after:\n%s", diff)
	}
}

func TestEveryTaskIsReadBackExactlyAsItWasStored(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	refs := []followup.Ref{
		f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA}),
		f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantB}),
	}
	rapid.Check(t, func(r *rapid.T) {
		want := drawTask(r)
		for _, ref := range refs {
			seen, _ := f.Read(t, ref)
			if stored, err := f.DB.Update(t.Context(), seen, want); err != nil || !stored {
				r.Fatalf("stored %v, error %v", stored, err)
			}
			got, _ := f.Read(t, ref)
			if diff := cmp.Diff(want, got.Task); diff != "" {
				r.Fatalf("-want +got:\n%s", diff)
			}
		}
	})
}

// drawTask draws any task that the columns can hold.
func drawTask(r *rapid.T) followup.Task {
	// PostgreSQL cannot hold a NUL in a text.
	text := rapid.Custom(func(r *rapid.T) string { return strings.ReplaceAll(rapid.String().Draw(r, "text"), "\x00", "") })
	long := rapid.Map(rapid.SliceOfN(rapid.RuneFrom([]rune("aß漢😀'\"\\%$ \n")), 0, followup.MaxErrorLength),
		func(runes []rune) string { return string(runes) })
	moment := rapid.Custom(func(r *rapid.T) time.Time {
		if rapid.IntRange(0, 3).Draw(r, "no time") == 0 {
			return time.Time{}
		}
		return time.UnixMicro(rapid.Int64Range(-50_000_000_000_000_000, 250_000_000_000_000_000).Draw(r, "µs")).UTC()
	})
	count := rapid.IntRange(0, 1<<31-1)
	return followup.Task{
		Status: rapid.SampledFrom([]followup.TaskStatus{followup.Pending, followup.Scheduled, followup.InProgress, followup.Executed,
			followup.Cancelled, followup.Failed}).Draw(r, "status"),
		Reason: rapid.SampledFrom([]followup.Reason{"", followup.NotStarted, followup.Rejected, followup.OutcomeUnknown, followup.Expired,
			followup.BookingCancelled, followup.ByOperator}).Draw(r, "reason"),
		Name:       text.Draw(r, "name"),
		DueAt:      moment.Draw(r, "due at"),
		Revision:   count.Draw(r, "revision"),
		PlannedFor: moment.Draw(r, "planned for"),
		Attempts:   count.Draw(r, "attempts"),
		ClaimedAt:  moment.Draw(r, "claimed at"),
		ExecutedAt: moment.Draw(r, "executed at"),
		CallID:     text.Draw(r, "call id"),
		LastError:  long.Draw(r, "last error"),
		Key:        rapid.StringN(0, 60, 250).Filter(func(s string) bool { return !strings.Contains(s, "\x00") }).Draw(r, "key"),
	}
}

// wholeRow is the row with the transaction that wrote it: equal, and nobody has
// written to it.
func wholeRow(t *testing.T, f *tenantdbtest.Fixture, ref followup.Ref) string {
	t.Helper()
	return queryText(t, f, `SELECT xmin || ' ' || to_jsonb(b)::text FROM `+bookings(f, ref)+` AS b WHERE id = $1`, ref.BookingID)
}

func ladColumns(t *testing.T, f *tenantdbtest.Fixture, ref followup.Ref) string {
	t.Helper()
	return queryText(t, f, `SELECT (to_jsonb(b) - ARRAY['task_status', 'task_reason', 'task_name', 'task_scheduled_at', 'task_revision',
		'planned_for', 'execution_attempts', 'claimed_at', 'executed_at', 'call_id', 'last_execution_error', 'idempotency_key',
		'called_at', 'call_at', 'call_at_wall', 'call_at_zone', 'call_at_rule'])::text
		FROM `+bookings(f, ref)+` AS b WHERE id = $1`, ref.BookingID)
}

func bookings(f *tenantdbtest.Fixture, ref followup.Ref) string {
	return pgx.Identifier{f.Schema(ref.TenantID), "lead_bookings"}.Sanitize()
}

func queryText(t *testing.T, f *tenantdbtest.Fixture, sql string, args ...any) string {
	t.Helper()
	var text string
	if err := f.Owner.QueryRow(t.Context(), sql, args...).Scan(&text); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return text
}
