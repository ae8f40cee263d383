package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"lad.internal/followup/pkg/followup"
)

// A booking's time that is infinite is none. Columns that LAD may leave NULL are
// read and compared as the value that followup takes NULL for: of a time that is
// Go's zero, 1 January of the year 1, so that a row which holds that very time
// can be updated, too.
//
// The types of what is read do not depend on the schema: LAD's columns may be
// varchar(50) here and text there, timestamptz or timestamptz(6), and a prepared
// statement that serves both may not change its result's (a CASE has no
// precision).
const (
	bookingColumns = `
	id, tenant_id, lead_id, assigned_user_id,
	COALESCE(booking_type::text, ''),
	CASE WHEN isfinite(scheduled_at) THEN scheduled_at END,
	CASE WHEN isfinite(created_at) THEN created_at END,
	COALESCE(status::text, ''), COALESCE(is_deleted, false), COALESCE(agent_id, ''),
	COALESCE(task_status::text, 'pending'), COALESCE(task_reason::text, ''), COALESCE(task_name::text, ''),
	CASE WHEN isfinite(task_scheduled_at) THEN task_scheduled_at END, task_revision, planned_for,
	COALESCE(execution_attempts, 0)::integer,
	claimed_at, CASE WHEN isfinite(executed_at) THEN executed_at END, COALESCE(call_id, ''), COALESCE(last_execution_error::text, ''),
	COALESCE(idempotency_key::text, '')`

	selectBookingSQL = `SELECT clock_timestamp(),` + bookingColumns + `
FROM followup_bookings
WHERE tenant_id = $1 AND id = $2`

	// The lock does not conflict with the key-share locks of foreign keys, so
	// LAD can go on inserting rows that refer to this one.
	lockBookingSQL = `SELECT clock_timestamp(),` + bookingColumns + `
FROM followup_bookings
WHERE tenant_id = $1 AND id = $2
FOR NO KEY UPDATE`

	// clock_timestamp above may have been read before the lock was waited for.
	clockSQL = `SELECT clock_timestamp()`

	// LAD bounds none of these texts. A note may hold a picture; after the claim is
	// no time to run out of memory.
	selectLeadSQL = `SELECT COALESCE(left(first_name::text, 200), ''), COALESCE(left(last_name::text, 200), ''),
	COALESCE(left(phone::text, 200), ''), COALESCE(left(latest_note::text, 16384), '')
FROM followup_leads
WHERE tenant_id = $1 AND id = $2`

	// updateTaskSQL stores a task state if the row is still as it was read: the
	// guard is all that the decision depended on.
	updateTaskSQL = `UPDATE followup_bookings SET
	task_status = $3, task_reason = NULLIF($4, ''), task_name = NULLIF($5, ''),
	task_scheduled_at = $6, task_revision = $7, planned_for = $8, execution_attempts = $9,
	claimed_at = $10, executed_at = $11, call_id = NULLIF($12, ''),
	last_execution_error = NULLIF($13, ''), idempotency_key = NULLIF($14, '')
WHERE tenant_id = $1 AND id = $2
	AND COALESCE(CASE WHEN isfinite(scheduled_at) THEN scheduled_at END, '0001-01-01 00:00:00+00') = $15
	AND COALESCE(status::text, '') = $16
	AND COALESCE(is_deleted, false) = $17
	AND COALESCE(idempotency_key::text, '') = $18
	AND COALESCE(task_status::text, 'pending') = $19
	AND COALESCE(task_reason::text, '') = $20
	AND task_revision = $21
	AND COALESCE(execution_attempts, 0) = $22`

	// finishSQL records an outcome for the very claim that dialled: revision and
	// attempts name it, and its time tells it from a claim that took the same
	// number because this one's commit was lost. The key is the row's no longer once
	// somebody has settled it for another time. Who writes 'pending' or
	// 'scheduled' over the status leaves the claim, which is still this one's to
	// end. $8: late truth, an accepted call whose claim has meanwhile been held as
	// outcome_unknown, or ended by somebody who did not know of the call.
	finishSQL = `UPDATE followup_bookings SET
	task_status = $6, task_reason = NULLIF($7, ''), executed_at = $9, call_id = NULLIF($10, ''),
	last_execution_error = NULLIF($11, '')
WHERE tenant_id = $1 AND id = $2
	AND task_revision = $3 AND execution_attempts = $4 AND claimed_at = $5
	AND COALESCE(idempotency_key::text, '') = $12
	AND (task_status IN ('in_progress', 'pending', 'scheduled') OR task_status IS NULL
		OR ($8 AND task_status <> 'executed'))`
)

// Booking reads a booking and the database's clock. The booking is nil if the
// tenant has none of this id.
func (db *DB) Booking(ctx context.Context, ref followup.Ref) (b *followup.Booking, now time.Time, err error) {
	err = db.inTenant(ctx, ref.TenantID, func(tx pgx.Tx) error {
		b, now, err = queryBooking(ctx, tx, selectBookingSQL, ref)
		now = db.clock(now)
		return err
	})
	if errors.Is(err, errUnknownTenant) {
		return nil, time.Time{}, nil
	}
	if err != nil {
		return nil, time.Time{}, fmt.Errorf("read booking %s: %w", ref, err)
	}
	return b, now, nil
}

// Update stores next as the task state of seen, and reports false if the row is
// no longer as it was seen. A row that another process has brought to the very
// same state counts as moved, too: reading it again finds nothing left to do.
func (db *DB) Update(ctx context.Context, seen followup.Booking, next followup.Task) (stored bool, err error) {
	err = db.inTenant(ctx, seen.TenantID, func(tx pgx.Tx) error {
		stored, err = updateTask(ctx, tx, seen, next)
		return err
	})
	if errors.Is(err, errUnknownTenant) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("update booking %s: %w", seen.Ref, err)
	}
	return stored, nil
}

// Admission is what Admit found and did.
type Admission struct {
	Decision followup.Decision
	// Booking is the row as it was before the decision; nil if there is none.
	Booking *followup.Booking
	Lead    followup.Lead
}

// Admit locks the booking, asks decide about it and, if the answer is an Update
// or a Dial, stores it before the lock is given up. decide may be asked again
// by nobody else meanwhile; it must not do any I/O.
//
// If the error is ErrUnclear the admission is returned all the same: the claim
// may hold, and nobody may dial on it.
func (db *DB) Admit(ctx context.Context, ref followup.Ref, decide func(*followup.Booking, followup.Lead, time.Time) followup.Decision) (Admission, error) {
	var a Admission
	err := db.inTenant(ctx, ref.TenantID, func(tx pgx.Tx) error {
		b, now, lead, err := lockBooking(ctx, tx, ref)
		if err != nil {
			return err
		}
		a = Admission{Decision: decide(b, lead, db.clock(now)), Booking: b, Lead: lead}
		switch a.Decision.Effect {
		case followup.Update, followup.Dial:
			if b == nil {
				return fmt.Errorf("asked to %s a booking that is not there", a.Decision.Effect)
			}
			stored, err := updateTask(ctx, tx, *b, a.Decision.Next)
			if err == nil && !stored {
				err = errors.New("the locked row has moved")
			}
			return err
		default:
			return nil
		}
	})
	if errors.Is(err, errUnknownTenant) {
		return Admission{Decision: decide(nil, followup.Lead{}, time.Time{})}, nil
	}
	if err != nil {
		return a, fmt.Errorf("admit booking %s: %w", ref, err)
	}
	return a, nil
}

// Finish records next as the outcome of the claim that the row carried when it
// was admitted, and reports false if the claim no longer holds.
func (db *DB) Finish(ctx context.Context, ref followup.Ref, claimed, next followup.Task) (stored bool, err error) {
	err = db.inTenant(ctx, ref.TenantID, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, finishSQL,
			ref.TenantID, ref.BookingID, claimed.Revision, claimed.Attempts, claimed.ClaimedAt,
			string(next.Status), string(next.Reason), next.Status == followup.Executed,
			nullTime(next.ExecutedAt), next.CallID, next.LastError, claimed.Key)
		stored = tag.RowsAffected() == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("finish booking %s: %w", ref, err)
	}
	return stored, nil
}

func lockBooking(ctx context.Context, tx pgx.Tx, ref followup.Ref) (*followup.Booking, time.Time, followup.Lead, error) {
	var lead followup.Lead
	b, now, err := queryBooking(ctx, tx, lockBookingSQL, ref)
	if err != nil || b == nil {
		return nil, now, lead, err
	}
	if err := tx.QueryRow(ctx, clockSQL).Scan(&now); err != nil {
		return nil, now, lead, fmt.Errorf("read clock: %w", err)
	}
	err = tx.QueryRow(ctx, selectLeadSQL, ref.TenantID, b.LeadID).
		Scan(&lead.FirstName, &lead.LastName, &lead.Phone, &lead.LatestNote)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return nil, now, lead, fmt.Errorf("read lead: %w", err)
	}
	return b, now, lead, nil
}

func queryBooking(ctx context.Context, tx pgx.Tx, sql string, ref followup.Ref) (*followup.Booking, time.Time, error) {
	var now time.Time
	rows, err := tx.Query(ctx, sql, ref.TenantID, ref.BookingID)
	if err != nil {
		return nil, now, err
	}
	b, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (followup.Booking, error) {
		return scanBooking(row, &now)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, now, nil
	case err != nil:
		return nil, now, err
	}
	return &b, now, nil
}

func updateTask(ctx context.Context, tx pgx.Tx, seen followup.Booking, next followup.Task) (bool, error) {
	tag, err := tx.Exec(ctx, updateTaskSQL,
		seen.TenantID, seen.BookingID,
		string(next.Status), string(next.Reason), next.Name,
		nullTime(next.DueAt), next.Revision, nullTime(next.PlannedFor), next.Attempts,
		nullTime(next.ClaimedAt), nullTime(next.ExecutedAt), next.CallID,
		next.LastError, next.Key,
		seen.ScheduledAt, string(seen.Status), seen.Deleted, seen.Task.Key,
		string(seen.Task.Status), string(seen.Task.Reason), seen.Task.Revision, seen.Task.Attempts)
	if err != nil {
		return false, fmt.Errorf("store task state: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

func scanBooking(row pgx.CollectableRow, now *time.Time) (followup.Booking, error) {
	var b followup.Booking
	var scheduled, created, due, planned, claimed, executed pgtype.Timestamptz
	err := row.Scan(now,
		&b.BookingID, &b.TenantID, &b.LeadID, &b.AssignedUserID,
		&b.Type, &scheduled, &created, &b.Status, &b.Deleted, &b.AgentID,
		&b.Task.Status, &b.Task.Reason, &b.Task.Name,
		&due, &b.Task.Revision, &planned, &b.Task.Attempts,
		&claimed, &executed, &b.Task.CallID, &b.Task.LastError, &b.Task.Key)
	b.ScheduledAt, b.CreatedAt = finite(scheduled), finite(created)
	b.Task.DueAt, b.Task.PlannedFor = finite(due), finite(planned)
	b.Task.ClaimedAt, b.Task.ExecutedAt = finite(claimed), finite(executed)
	return b, err
}

// finite is t in UTC, or zero for NULL and for the infinities.
func finite(t pgtype.Timestamptz) time.Time {
	if !t.Valid || t.InfinityModifier != pgtype.Finite {
		return time.Time{}
	}
	return t.Time.UTC()
}

func nullTime(t time.Time) pgtype.Timestamptz {
	return pgtype.Timestamptz{Time: t, Valid: !t.IsZero()}
}
