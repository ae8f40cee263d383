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

// What the view shows of a row. Columns that LAD may leave NULL are read and
// compared as the value that followup takes NULL for. LAD bounds none of its
// texts, so each is cut. The types of what is read do not depend on the schema:
// LAD's columns may be varchar(50) here and text there, and a prepared statement
// that serves both may not change its result's (a CASE has no precision).
const (
	bookingColumns = `
	id, tenant_id, lead_id, assigned_user_id,
	left(COALESCE(booking_type::text, ''), 100),
	wall_at, timezone, booking_source, call_at, call_at_wall, call_at_zone, call_at_rule,
	CASE WHEN isfinite(created_at) THEN created_at END,
	left(COALESCE(status::text, ''), 100), COALESCE(is_deleted, false), metadata_agent, metadata_call, metadata_odd,
	left(COALESCE(task_status::text, 'pending'), 100), COALESCE(task_reason::text, ''), left(COALESCE(task_name::text, ''), 1000),
	CASE WHEN isfinite(task_scheduled_at) THEN task_scheduled_at END, task_revision, planned_for,
	COALESCE(execution_attempts, 0)::integer,
	claimed_at, ` + executedAt + `, left(COALESCE(call_id, ''), 1000),
	left(COALESCE(last_execution_error::text, ''), 1000), left(COALESCE(idempotency_key::text, ''), 1000)`

	// called_at is this system's own; LAD may write executed_at over.
	executedAt = `COALESCE(called_at, CASE WHEN isfinite(executed_at) THEN executed_at END)`

	selectBookingSQL = `SELECT clock_timestamp(),` + bookingColumns + `
FROM followup_bookings
WHERE tenant_id = $1 AND id = $2`

	// The lock does not conflict with the key-share locks of foreign keys, so
	// LAD can go on inserting rows that refer to this one. It is not waited for:
	// LAD may hold hundreds of rows for a minute, and each would cost a connection.
	lockBookingSQL = `SELECT clock_timestamp(),` + bookingColumns + `
FROM followup_bookings
WHERE tenant_id = $1 AND id = $2
FOR NO KEY UPDATE NOWAIT`

	// clock_timestamp above may have been read before a lock was waited for.
	clockSQL = `SELECT clock_timestamp()`

	// updateTaskSQL stores a task state if the row is still as it was read: the
	// guard is all that the decision depended on. Of the task's columns it is those
	// that LAD does not know, and task_status, where LAD's word counts. With it goes what the sweep finds
	// the row by: the instant of its time, and what that was computed from.
	updateTaskSQL = `UPDATE followup_bookings SET
	task_status = $3, task_reason = NULLIF($4, ''), task_name = NULLIF($5, ''),
	task_scheduled_at = $6, task_revision = $7, planned_for = $8, execution_attempts = $9,
	claimed_at = $10, executed_at = $11, call_id = NULLIF($12, ''),
	last_execution_error = NULLIF($13, ''), idempotency_key = NULLIF($14, ''),
	call_at = $15, call_at_wall = $16, call_at_zone = $17, call_at_rule = $18, called_at = $11
WHERE tenant_id = $1 AND id = $2
	AND COALESCE(wall_at, '0001-01-01') = COALESCE($16, timestamp '0001-01-01') AND timezone = $17 AND booking_source = $19
	AND left(COALESCE(status::text, ''), 100) = $20
	AND COALESCE(is_deleted, false) = $21
	AND left(COALESCE(task_status::text, 'pending'), 100) = $22
	AND COALESCE(task_reason::text, '') = $23
	AND task_revision = $24
	AND claimed_at IS NOT DISTINCT FROM $25 AND planned_for IS NOT DISTINCT FROM $26
	AND COALESCE(` + executedAt + `, '0001-01-01 00:00:00+00') = COALESCE($27, timestamptz '0001-01-01 00:00:00+00')`

	// finishSQL records an outcome for the very claim that dialled, told by columns
	// that LAD does not know: the revision, the time of the claim, and the time that
	// it was for. The claim is at work while it has no reason and no call; whatever
	// LAD has written over meanwhile is written anew. $13: late truth, an accepted
	// call whose claim has meanwhile been held as outcome_unknown, or ended by
	// somebody who did not know of the call. $14: the claim has recorded that the
	// call was accepted, and has learnt more since. $15: nobody knows whether the lead
	// was called. Where a row that is for that very time knows of no claim as late, the
	// database has lost it (restored, or a replica promoted), and an accepted call
	// settles it all the same, one in doubt unless the row has been planned anew.
	finishSQL = `UPDATE followup_bookings SET
	task_status = $6, task_reason = NULLIF($7, ''), executed_at = $8, called_at = $8, call_id = NULLIF($9, ''),
	last_execution_error = NULLIF($10, ''), idempotency_key = NULLIF($11, ''), execution_attempts = $12,
	task_revision = GREATEST(task_revision, $3), claimed_at = $4
WHERE tenant_id = $1 AND id = $2 AND planned_for = $5
	AND (task_revision = $3 AND claimed_at = $4
			AND (task_reason IS NULL AND (called_at IS DISTINCT FROM claimed_at OR $14) OR $13 AND task_reason IS NOT NULL)
		OR ($13 OR $15 AND task_revision <= $3) AND COALESCE(claimed_at, '-infinity') < $4 AND COALESCE(called_at, '-infinity') < $4)`

	// recallSQL is for a row that was restored to before it was planned for the time
	// of the call: whatever it waits for stays, and the call counts (RuleCalled).
	recallSQL = `UPDATE followup_bookings SET executed_at = $4, called_at = $4, call_id = NULLIF($5, '')
WHERE tenant_id = $1 AND id = $2 AND task_revision <= $3
	AND COALESCE(claimed_at, '-infinity') < $4 AND COALESCE(called_at, '-infinity') < $4`
)

// Booking reads a booking and the database's clock. The booking is nil if the
// tenant has none of this id.
func (db *DB) Booking(ctx context.Context, ref followup.Ref) (b *followup.Booking, now time.Time, err error) {
	err = db.inTenant(ctx, ref.TenantID, func(tx transaction) error {
		b, now, err = db.queryBooking(ctx, tx, selectBookingSQL, ref)
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

// briefly is the lock_timeout of what may as well be done a minute later.
const briefly = "100ms"

// Update stores next as the task state of seen, and reports false if the row is
// no longer as it was seen. A row that another process has brought to the very
// same state counts as moved, too: reading it again finds nothing left to do. A
// row that is locked is not waited for: whoever plans it comes again.
func (db *DB) Update(ctx context.Context, seen followup.Booking, next followup.Task) (stored bool, err error) {
	err = db.inTenantWaiting(ctx, seen.TenantID, briefly, func(tx transaction) error {
		stored, err = db.updateTask(ctx, tx, seen, next)
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

// Finish records next as the outcome of the claim that the row carried when it
// was admitted, and reports false if the claim no longer holds. claimed is the row
// as the claim left it, or as an earlier Finish did that recorded an accepted call.
// A row that has lost the claim learns of a call all the same, so that nobody is
// called again; unless a later claim, or a newer plan for another time, stands there.
// It is recorded on any time line: it is what the database must not forget.
func (db *DB) Finish(ctx context.Context, ref followup.Ref, claimed, next followup.Task) (stored bool, err error) {
	accepted := next.Status == followup.Executed
	err = db.On(0).inTenant(ctx, ref.TenantID, func(tx transaction) error {
		tag, err := tx.Exec(ctx, finishSQL,
			ref.TenantID, ref.BookingID, claimed.Revision, claimed.ClaimedAt, claimed.PlannedFor,
			string(next.Status), string(next.Reason), nullTime(next.ExecutedAt), next.CallID, next.LastError,
			next.Key, next.Attempts, accepted, claimed.Status == followup.Executed, next.Reason == followup.OutcomeUnknown)
		if err == nil && tag.RowsAffected() == 0 && accepted {
			tag, err = tx.Exec(ctx, recallSQL, ref.TenantID, ref.BookingID, claimed.Revision, next.ExecutedAt, next.CallID)
		}
		stored = tag.RowsAffected() == 1
		return err
	})
	if err != nil {
		return false, fmt.Errorf("finish booking %s: %w", ref, err)
	}
	return stored, nil
}

func (db *DB) queryBooking(ctx context.Context, tx transaction, sql query, ref followup.Ref) (*followup.Booking, time.Time, error) {
	var now time.Time
	rows, err := tx.Query(ctx, sql, ref.TenantID, ref.BookingID)
	if err != nil {
		return nil, now, err
	}
	b, err := pgx.CollectExactlyOneRow(rows, func(row pgx.CollectableRow) (followup.Booking, error) {
		return db.scanBooking(row, &now)
	})
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return nil, now, nil
	case err != nil:
		return nil, now, err
	}
	return &b, now, nil
}

func (db *DB) updateTask(ctx context.Context, tx transaction, seen followup.Booking, next followup.Task) (bool, error) {
	tag, err := tx.Exec(ctx, updateTaskSQL,
		seen.TenantID, seen.BookingID,
		string(next.Status), string(next.Reason), next.Name,
		nullTime(next.DueAt), next.Revision, nullTime(next.PlannedFor), next.Attempts,
		nullTime(next.ClaimedAt), nullTime(next.ExecutedAt), next.CallID,
		next.LastError, next.Key,
		nullTime(seen.ScheduledAt), nullClock(seen.When.Wall), seen.When.Zone, db.times.Rule(), seen.When.Source,
		string(seen.Status), seen.Deleted,
		string(seen.Task.Status), string(seen.Task.Reason), seen.Task.Revision,
		nullTime(seen.Task.ClaimedAt), nullTime(seen.Task.PlannedFor), nullTime(seen.Task.ExecutedAt))
	if err != nil {
		return false, fmt.Errorf("store task state: %w", err)
	}
	return tag.RowsAffected() == 1, nil
}

func (db *DB) scanBooking(row pgx.CollectableRow, now *time.Time) (followup.Booking, error) {
	var b followup.Booking
	var computed, created, due, planned, claimed, executed pgtype.Timestamptz
	var wall, computedWall pgtype.Timestamp
	var computedZone, agent, call, odd *string
	var rule *int32
	err := row.Scan(now,
		&b.BookingID, &b.TenantID, &b.LeadID, &b.AssignedUserID, &b.Type,
		&wall, &b.When.Zone, &b.When.Source, &computed, &computedWall, &computedZone, &rule,
		&created, &b.Status, &b.Deleted, &agent, &call, &odd,
		&b.Task.Status, &b.Task.Reason, &b.Task.Name,
		&due, &b.Task.Revision, &planned, &b.Task.Attempts,
		&claimed, &executed, &b.Task.CallID, &b.Task.LastError, &b.Task.Key)
	if err != nil {
		return b, err
	}
	b.When.Wall = wall.Time
	b.ScheduledAt, b.CreatedAt = db.times.Instant(b.When).At, finite(created)
	b.Stale = computedZone == nil || *computedZone != b.When.Zone || !computedWall.Time.Equal(wall.Time) ||
		rule == nil || *rule != db.times.Rule() || !finite(computed).Equal(b.ScheduledAt)
	b.AgentID, b.CallRef = metadata(agent, call, odd)
	b.Task.DueAt, b.Task.PlannedFor = finite(due), finite(planned)
	b.Task.ClaimedAt, b.Task.ExecutedAt = finite(claimed), finite(executed)
	return b, nil
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

func nullClock(t time.Time) pgtype.Timestamp {
	return pgtype.Timestamp{Time: t, Valid: !t.IsZero()}
}
