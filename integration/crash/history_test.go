package crash_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// keepHistory has the database write down every committed version of every
// booking. Whoever changes a row holds its lock until he commits, so that the
// numbers are in the order of the commits, and what is rolled back has none.
func (w *world) keepHistory(t testing.TB) {
	t.Helper()
	for _, sql := range []string{
		`CREATE TABLE crash_history (n bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, b lead_bookings)`,
		`CREATE INDEX ON crash_history (((b).id))`,
		`CREATE FUNCTION keep_history() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
		BEGIN
			INSERT INTO crash_history (b) VALUES (NEW);
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
	CalledAt time.Time // of which LAD does not know
}

// claims: this version is the claim, and not one that has kept it. It is told by
// columns of which LAD does not know: it may write all others over.
func (v version) claims(before version) bool {
	return v.atWork() && (!before.atWork() || !v.Task.ClaimedAt.Equal(before.Task.ClaimedAt))
}

// atWork: there is a claim, and no outcome of it.
func (v version) atWork() bool {
	return !v.Task.ClaimedAt.IsZero() && v.Task.Reason == "" && !v.CalledAt.Equal(v.Task.ClaimedAt)
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
	rows, err := w.Owner.Query(context.WithoutCancel(t.Context()), `SELECT (b).scheduled_at, (b).timezone, (b).status, (b).is_deleted,
			COALESCE((b).task_status, 'pending'), COALESCE((b).task_reason, ''), (b).task_revision, COALESCE((b).execution_attempts, 0),
			(b).claimed_at, (b).executed_at, (b).called_at, COALESCE((b).call_id, ''), COALESCE((b).idempotency_key, '')
		FROM `+w.Schema(ref.TenantID)+`.crash_history WHERE (b).id = $1 ORDER BY n`, ref.BookingID)
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (version, error) {
		var v version
		v.Ref = ref
		var claimed, executed, called pgtype.Timestamptz
		err := row.Scan(&v.When.Wall, &v.When.Zone, &v.Status, &v.Deleted,
			&v.Task.Status, &v.Task.Reason, &v.Task.Revision, &v.Task.Attempts,
			&claimed, &executed, &called, &v.Task.CallID, &v.Task.Key)
		v.ScheduledAt = w.Config.Times.Instant(v.When).At
		v.Task.ClaimedAt, v.Task.ExecutedAt, v.CalledAt = claimed.Time, executed.Time, called.Time
		return v, err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}
