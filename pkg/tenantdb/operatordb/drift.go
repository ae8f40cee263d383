package operatordb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// waitingSQL pages through the rows that count on a task, in the order of the
// index followup_waiting_idx: of what the rules look after, in Plan's words, which
// are a row that was armed once, or else a follow-up that is not historic.
const waitingSQL = `SELECT checked_at,` + bookingColumns + `
FROM followup_bookings
WHERE tenant_id = @tenant AND (task_status = 'scheduled' OR task_status <> 'pending' AND (task_reason = 'not_started' OR task_revision > 0 AND claimed_at IS NULL AND (task_reason IS NULL OR task_reason IN ('paced', 'rate_limited', 'outside_hours')))) AND live = @live
	AND (task_revision > 0 OR booking_kind = ANY (@kinds) AND wanted_at >= @since)
	AND (checked_at, id) > (@at, @id)
ORDER BY checked_at, id LIMIT @limit`

// waitingPage is how many rows are read at a time.
const waitingPage = 1000

// Waiting hands the tenant's bookings that count on a Cloud Task to yield:
// those that are scheduled, or have failed without being started. A booking
// that changes meanwhile may be handed over twice.
func (db DB) Waiting(ctx context.Context, tenant uuid.UUID, rules followup.Rules, yield func(followup.Booking)) error {
	for _, live := range []bool{true, false} {
		if err := db.waiting(ctx, tenant, rules, live, yield); err != nil {
			if errors.Is(err, tenantdb.ErrUnknownTenant) {
				return nil
			}
			return fmt.Errorf("list waiting bookings of tenant %s: %w", tenant, err)
		}
	}
	return nil
}

func (db DB) waiting(ctx context.Context, tenant uuid.UUID, rules followup.Rules, live bool, yield func(followup.Booking)) error {
	after := Cursor{at: pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}}
	for {
		n := 0
		err := db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
			var checkedAt time.Time // which is never infinite
			rows, err := tx.Query(ctx, waitingSQL, pgx.NamedArgs{
				"tenant": tenant, "live": live, "kinds": rules.Kinds(), "since": rules.ActiveSince,
				"at": after.at, "id": after.id, "limit": waitingPage})
			if err != nil {
				return err
			}
			page, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (followup.Booking, error) {
				return db.ScanBooking(row, &checkedAt)
			})
			for _, b := range page {
				after = Cursor{at: pgtype.Timestamptz{Time: checkedAt, Valid: true}, id: b.BookingID}
				yield(b)
			}
			n = len(page)
			return err
		})
		if err != nil || n < waitingPage {
			return err
		}
	}
}

const selectBookingsSQL = `SELECT clock_timestamp(),` + bookingColumns + `
FROM followup_bookings
WHERE tenant_id = $1 AND id = ANY ($2)`

// Bookings reads those of the bookings that the tenant has, in no particular
// order.
func (db DB) Bookings(ctx context.Context, tenant uuid.UUID, ids []uuid.UUID) ([]followup.Booking, error) {
	var found []followup.Booking
	for len(ids) > 0 {
		page := ids[:min(len(ids), waitingPage)]
		ids = ids[len(page):]
		err := db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
			rows, err := tx.Query(ctx, selectBookingsSQL, tenant, page)
			if err != nil {
				return err
			}
			read, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (followup.Booking, error) {
				var now time.Time
				return db.ScanBooking(row, &now)
			})
			found = append(found, read...)
			return err
		})
		if errors.Is(err, tenantdb.ErrUnknownTenant) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %d bookings of tenant %s: %w", len(page), tenant, err)
		}
	}
	return found, nil
}
