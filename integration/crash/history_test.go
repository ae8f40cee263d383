package crash_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// keepHistory has the database write down every committed version of every
// booking. Whoever changes a row holds its lock until he commits, so that the
// numbers are in the order of the commits, and what is rolled back has none.
func (w *world) keepHistory(t testing.TB) {
	t.Helper()
	for _, sql := range []string{
		`CREATE TABLE crash_history (
			n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, booking uuid, LIKE lead_bookings)`,
		`CREATE INDEX ON crash_history (booking)`,
		`CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
		BEGIN
			INSERT INTO crash_history (booking, `+kept+`) SELECT NEW.id, `+kept+` FROM (SELECT NEW.*) AS new;
			RETURN NULL;
		END $$`,
		`CREATE TRIGGER keep_history AFTER INSERT OR UPDATE ON lead_bookings FOR EACH ROW EXECUTE FUNCTION keep_history()`,
	} {
		w.LAD(t, tenantdbtest.TenantA, sql)
	}
}

// version is a booking as it once stood.
type version struct {
	followup.Booking
}

// claims: this version is the claim, and not one that has kept it.
func (v version) claims(before version) bool {
	return v.Task.Status == followup.InProgress &&
		(before.Task.Status != followup.InProgress || v.Task.Revision != before.Task.Revision || v.Task.Attempts != before.Task.Attempts)
}

// meant: LAD meant the booking to take place.
func (v version) meant() bool {
	return (v.Status == followup.BookingScheduled || v.Status == followup.BookingConfirmed) && !v.Deleted
}

func (v version) String() string {
	state := string(v.Task.Status)
	if v.Task.Reason != "" {
		state += "/" + string(v.Task.Reason)
	}
	return fmt.Sprintf("%s r%d a%d (LAD: %s at %s; key of %s)", state, v.Task.Revision, v.Task.Attempts,
		v.Status, v.ScheduledAt.Format(time.TimeOnly), keyTime(v.Task.Key))
}

// keyTime is the time of day that a key is for.
func keyTime(key string) string {
	_, at, _ := strings.Cut(key, "T")
	return at
}

// history is all that the booking ever was, oldest first.
func (w *world) history(t testing.TB, ref followup.Ref) []version {
	t.Helper()
	rows, err := w.Owner.Query(context.WithoutCancel(t.Context()), `SELECT scheduled_at, status, is_deleted, task_status, COALESCE(task_reason, ''),
			task_revision, COALESCE(execution_attempts, 0), claimed_at, executed_at, COALESCE(idempotency_key, '')
		FROM `+w.Schema(ref.TenantID)+`.crash_history WHERE booking = $1 ORDER BY n`, ref.BookingID)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (version, error) {
		var v version
		v.Ref = ref
		var claimed, executed *time.Time
		err := row.Scan(&v.ScheduledAt, &v.Status, &v.Deleted, &v.Task.Status, &v.Task.Reason,
			&v.Task.Revision, &v.Task.Attempts, &claimed, &executed, &v.Task.Key)
		if claimed != nil {
			v.Task.ClaimedAt = *claimed
		}
		if executed != nil {
			v.Task.ExecutedAt = *executed
		}
		return v, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
