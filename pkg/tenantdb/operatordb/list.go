package operatordb

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// Filter says which of a tenant's follow-ups to list. Its zero value lists all
// of them; what is set narrows it.
type Filter struct {
	Statuses []followup.TaskStatus // any of these
	Reasons  []followup.Reason     // any of these

	// A call is due at the booking's time less the lead time. From is
	// inclusive, Before is not; zero is no bound.
	DueFrom, DueBefore time.Time
	// The same for the last claim.
	ClaimedFrom, ClaimedBefore time.Time

	// Open: still waits for a call that has certainly not been made.
	Open bool
	// Overdue: should have been called by now, with some grace, and was not. A
	// call that is just being made is not overdue.
	Overdue bool
}

// Cursor is where a page ended. Its zero value is the beginning.
type Cursor struct {
	at pgtype.Timestamptz
	id uuid.UUID
}

// listedAt is what a list is sorted by: the booking's time, and those that have
// none at the end. It is finite, since a page ends with it.
const listedAt = `LEAST(COALESCE(scheduled_at, 'infinity'), '9999-12-31 00:00:00+00')`

// listSQL shows what the rules look after, in Plan's words: a row that was
// armed once, or else a follow-up that is not historic. The conditions of a
// filter come in between.
const (
	listSQL = `SELECT ` + listedAt + `,` + bookingColumns + `
FROM followup_bookings
WHERE tenant_id = @tenant
	AND (task_revision > 0 OR booking_kind = ANY (@kinds) AND wanted_at >= @since)
	AND (` + listedAt + `, id) > (@at, @id)`

	listOrderSQL = `
ORDER BY ` + listedAt + `, id LIMIT @limit`

	openSQL = `(task_status IN ('pending', 'scheduled') OR task_status IS NULL
		OR task_status = 'failed' AND task_reason = 'not_started')`

	overdueSQL = `live
	AND GREATEST(scheduled_at - @lead::interval, created_at) < now() - @grace::interval
	AND (` + openSQL + ` OR task_status = 'in_progress' AND COALESCE(claimed_at, '-infinity') < now() - @lease::interval)`
)

// statusSQL says each status in the words of the partial indexes.
var statusSQL = map[followup.TaskStatus]string{
	followup.Pending:    `(task_status = 'pending' OR task_status IS NULL)`,
	followup.Scheduled:  `task_status = 'scheduled'`,
	followup.InProgress: `task_status = 'in_progress'`,
	followup.Executed:   `task_status = 'executed'`,
	followup.Cancelled:  `task_status = 'cancelled'`,
	followup.Failed:     `task_status = 'failed'`,
}

// List lists the next page of at most limit of a tenant's follow-ups, by their
// time and then their id, and where the page ended. Bookings of other types and
// those older than this system are not follow-ups to look after, and not listed.
func (db DB) List(ctx context.Context, tenant uuid.UUID, f Filter, rules followup.Rules, after Cursor, limit int) ([]followup.Booking, Cursor, error) {
	conditions, err := f.conditions()
	if err != nil {
		return nil, after, fmt.Errorf("list bookings: %w", err)
	}
	if !after.at.Valid {
		after.at = pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	}
	args := pgx.NamedArgs{
		"tenant": tenant, "at": after.at, "id": after.id, "limit": limit,
		"kinds": rules.Kinds(), "since": rules.ActiveSince,
		"lead": rules.LeadTime, "grace": rules.Grace, "lease": rules.Lease,
		"reasons": f.Reasons, "due_from": f.DueFrom, "due_before": f.DueBefore,
		"claimed_from": f.ClaimedFrom, "claimed_before": f.ClaimedBefore,
	}
	var page []followup.Booking
	err = db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, listSQL+conditions+listOrderSQL, args)
		if err != nil {
			return err
		}
		page, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (followup.Booking, error) {
			var at time.Time
			b, err := db.ScanBooking(row, &at)
			after = Cursor{at: pgtype.Timestamptz{Time: at, Valid: true}, id: b.BookingID}
			return b, err
		})
		return err
	})
	if errors.Is(err, tenantdb.ErrUnknownTenant) {
		return nil, after, nil
	}
	if err != nil {
		return nil, after, fmt.Errorf("list bookings of tenant %s: %w", tenant, err)
	}
	return page, after, nil
}

// conditions are the filter's, made of this file's words alone: values travel
// as arguments.
func (f Filter) conditions() (string, error) {
	var all []string
	var statuses []string
	for _, s := range f.Statuses {
		sql, ok := statusSQL[s]
		if !ok {
			return "", fmt.Errorf("no such status %q", s)
		}
		statuses = append(statuses, sql)
	}
	if statuses != nil {
		all = append(all, "("+strings.Join(statuses, " OR ")+")")
	}
	for _, c := range []struct {
		set bool
		sql string
	}{
		{len(f.Reasons) > 0, `task_reason::text = ANY (@reasons)`},
		{!f.DueFrom.IsZero(), `isfinite(scheduled_at) AND scheduled_at >= @due_from::timestamptz + @lead::interval`},
		{!f.DueBefore.IsZero(), `isfinite(scheduled_at) AND scheduled_at < @due_before::timestamptz + @lead::interval`},
		{!f.ClaimedFrom.IsZero(), `claimed_at >= @claimed_from`},
		{!f.ClaimedBefore.IsZero(), `claimed_at < @claimed_before`},
		{f.Open, openSQL},
		{f.Overdue, overdueSQL},
	} {
		if c.set {
			all = append(all, c.sql)
		}
	}
	var sql strings.Builder
	for _, c := range all {
		sql.WriteString("\n\tAND (" + c + ")")
	}
	return sql.String(), nil
}
