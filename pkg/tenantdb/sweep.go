package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"

	"lad.internal/followup/pkg/followup"
)

// Concern is a reason why a sweep should look at a row.
type Concern string

// The concerns of a sweep. Each is answered from a partial index of migration
// 002, so that it costs what there is to do and not what is stored.
const (
	Due       Concern = "due"        // pending, and inside the horizon
	Overdue   Concern = "overdue"    // its task should have come by now
	LeaseOver Concern = "lease_over" // claimed, and nothing heard since
	NotLive   Concern = "not_live"   // waits for a call that LAD no longer means
	Withdrawn Concern = "withdrawn"  // the same, before it ever had a task
	Changed   Concern = "changed"    // moved to another time, or revived
	Untimed   Concern = "untimed"    // pending, and its time not yet read, or read before it moved
	Reread    Concern = "reread"     // its time was read by other settings than today's
)

// Concerns lists all of them, the most urgent first: calls in doubt, then calls to
// be made, then what Admit would refuse in any case.
var Concerns = []Concern{LeaseOver, Due, Untimed, Overdue, Changed, Reread, NotLive, Withdrawn}

// concernSQL finds the rows of a concern, a page at a time, oldest first. The
// conditions are in the words of the views' columns, which are those of the
// indexes. All operators on columns are leakproof, or the planner could not use
// them below the views' security barrier.
//
// What is historic is said as Plan says it: a row that has been armed is seen to
// its end, however old. Where since bounds wanted_at alone, so that the index
// can skip what is older (Due, Withdrawn, Changed), armed rows that LAD has
// moved to before it are left to their events.
var concernSQL = map[Concern]query{
	// A task_status of NULL, which LAD's own form of migration 001 allows, is
	// pending.
	// Two questions: wanted_at is no use where created_at is ahead of the clock.
	Due: `(SELECT wanted_at, id FROM followup_bookings
WHERE tenant_id = @tenant AND (task_status = 'pending' OR task_status IS NULL) AND call_at IS NOT NULL
	AND booking_kind = ANY (@kinds) AND live
	AND wanted_at >= @since AND wanted_at <= @horizon
	AND (wanted_at, id) > (@at, @id)
ORDER BY wanted_at, id LIMIT @limit)
UNION ALL
(SELECT wanted_at, id FROM followup_bookings
WHERE tenant_id = @tenant AND (task_status = 'pending' OR task_status IS NULL) AND created_at > call_at
	AND booking_kind = ANY (@kinds) AND live
	AND wanted_at > @horizon AND call_at <= @horizon
	AND (wanted_at, id) > (@at, @id)
ORDER BY wanted_at, id LIMIT @limit)
ORDER BY 1, 2 LIMIT @limit`,

	// The wall clock is up to a day from the instant that it means, so this one
	// begins a day before since. What it finds is timed once, and not found again.
	Untimed: `SELECT rough_at, id FROM followup_bookings
WHERE tenant_id = @tenant AND (task_status = 'pending' OR task_status IS NULL) AND booking_kind = ANY (@kinds)
	AND (call_at_wall IS DISTINCT FROM wall_at OR call_at_zone IS DISTINCT FROM timezone)
	AND rough_at >= @since_roughly
	AND (rough_at, id) > (@at, @id)
ORDER BY rough_at, id LIMIT @limit`,

	Withdrawn: `SELECT wanted_at, id FROM followup_bookings
WHERE tenant_id = @tenant AND (task_status = 'pending' OR task_status IS NULL) AND call_at IS NOT NULL
	AND booking_kind = ANY (@kinds) AND NOT live
	AND wanted_at >= @since
	AND (wanted_at, id) > (@at, @id)
ORDER BY wanted_at, id LIMIT @limit`,

	Overdue: `SELECT checked_at, id FROM followup_bookings
WHERE tenant_id = @tenant AND (task_status = 'scheduled' OR task_status <> 'pending' AND (task_reason = 'not_started' OR task_revision > 0 AND claimed_at IS NULL AND (task_reason IS NULL OR task_reason IN ('paced', 'rate_limited', 'outside_hours')))) AND live
	AND checked_at < @overdue
	AND (task_revision > 0 OR wanted_at >= @since OR rough_at >= @since)
	AND (checked_at, id) > (@at, @id)
ORDER BY checked_at, id LIMIT @limit`,

	NotLive: `SELECT checked_at, id FROM followup_bookings
WHERE tenant_id = @tenant AND (task_status = 'scheduled' OR task_status <> 'pending' AND (task_reason = 'not_started' OR task_revision > 0 AND claimed_at IS NULL AND (task_reason IS NULL OR task_reason IN ('paced', 'rate_limited', 'outside_hours')))) AND NOT live
	AND (task_revision > 0 OR wanted_at >= @since OR rough_at >= @since)
	AND (checked_at, id) > (@at, @id)
ORDER BY checked_at, id LIMIT @limit`,

	// A claim is at work by the columns that LAD does not know, whatever it has
	// written over. The lease runs from the claim alone, which may be earlier than
	// checked_at. The index holds only what is being called right now, so that
	// reading it to the end is cheap.
	LeaseOver: `SELECT checked_at, id FROM followup_bookings
WHERE tenant_id = @tenant AND (task_status = 'in_progress' OR claimed_at IS NOT NULL AND task_reason IS NULL AND called_at IS DISTINCT FROM claimed_at)
	AND COALESCE(claimed_at, '-infinity') < @lapsed
	AND (task_revision > 0 OR wanted_at >= @since OR rough_at >= @since)
	AND (checked_at, id) > (@at, @id)
ORDER BY checked_at, id LIMIT @limit`,

	// The condition is the index's own, but for the last: a booking that became
	// another type was cancelled for that, and is not revived as long as it is one.
	Changed: `SELECT rough_at, id FROM followup_bookings
WHERE tenant_id = @tenant AND live
	AND task_reason IS DISTINCT FROM 'outcome_unknown'
	AND (task_status <> 'pending' AND (call_at_wall IS DISTINCT FROM wall_at OR call_at_zone IS DISTINCT FROM timezone)
		OR task_reason = 'booking_cancelled')
	AND rough_at >= @since_roughly
	AND (wanted_at >= @since OR task_revision > 0 OR call_at_wall IS DISTINCT FROM wall_at OR call_at_zone IS DISTINCT FROM timezone)
	AND (booking_kind = ANY (@kinds) OR task_revision > 0)
	AND (booking_kind = ANY (@kinds) OR task_reason IS DISTINCT FROM 'booking_cancelled')
	AND (rough_at, id) > (@at, @id)
ORDER BY rough_at, id LIMIT @limit`,

	// Two questions, since neither "unequal" nor OR finds the index's ranges. What it
	// finds is read anew, and has today's rule afterwards.
	Reread: `(` + rereadSQL + ` AND call_at_rule < @rule ORDER BY rough_at, id LIMIT @limit)
UNION ALL
(` + rereadSQL + ` AND call_at_rule > @rule ORDER BY rough_at, id LIMIT @limit)
ORDER BY 1, 2 LIMIT @limit`,
}

const rereadSQL = `SELECT rough_at, id FROM followup_bookings
WHERE tenant_id = @tenant AND call_at_rule IS NOT NULL
	AND (task_status IN ('pending', 'scheduled') OR task_status IS NULL
		OR task_reason IN ('not_started', 'unknown_timezone'))
	AND (booking_kind = ANY (@kinds) OR task_revision > 0)
	AND (rough_at, id) > (@at, @id)`

// Cursor is where a page ended. Its zero value is the beginning.
type Cursor struct {
	at pgtype.Timestamptz
	id uuid.UUID
}

// Concerned lists the concerns to which some booking of a tenant gives rise, in
// the order of Concerns. It asks about all of them in one transaction: most
// tenants have nothing to do in most minutes, and should cost next to nothing.
func (db *DB) Concerned(ctx context.Context, tenant uuid.UUID, rules followup.Rules) ([]Concern, error) {
	var found []Concern
	err := db.inTenant(ctx, tenant, func(tx transaction) error {
		args, err := db.sweepArgs(ctx, tx, tenant, rules, Cursor{}, 1)
		if err != nil {
			return err
		}
		found = nil
		questions := &batch{}
		for _, c := range Concerns {
			questions.Queue(concernSQL[c], args).Exec(func(rows pgconn.CommandTag) error {
				if rows.RowsAffected() > 0 {
					found = append(found, c)
				}
				return nil
			})
		}
		return tx.SendBatch(ctx, &questions.Batch).Close()
	})
	if errors.Is(err, errUnknownTenant) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("ask what concerns tenant %s: %w", tenant, err)
	}
	return found, nil
}

// Candidates lists the next page of at most limit bookings of a tenant that
// give rise to a concern, in a stable order, and where the page ended: a row
// that a sweep leaves as it is does not keep the sweep from those behind it.
func (db *DB) Candidates(ctx context.Context, tenant uuid.UUID, c Concern, rules followup.Rules, after Cursor, limit int) ([]followup.Ref, Cursor, error) {
	sql, ok := concernSQL[c]
	if !ok {
		return nil, after, fmt.Errorf("list candidates: no such concern %q", c)
	}
	var page []Cursor
	err := db.inTenant(ctx, tenant, func(tx transaction) error {
		args, err := db.sweepArgs(ctx, tx, tenant, rules, after, limit)
		if err != nil {
			return err
		}
		rows, err := tx.Query(ctx, sql, args)
		if err != nil {
			return err
		}
		page, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (Cursor, error) {
			var c Cursor
			err := row.Scan(&c.at, &c.id)
			return c, err
		})
		return err
	})
	if errors.Is(err, errUnknownTenant) {
		return nil, after, nil
	}
	if err != nil {
		return nil, after, fmt.Errorf("list candidates of tenant %s, concern %s: %w", tenant, c, err)
	}
	refs := make([]followup.Ref, 0, len(page))
	for _, row := range page {
		refs = append(refs, followup.Ref{TenantID: tenant, BookingID: row.id})
		after = row
	}
	return refs, after, nil
}

// sweepArgs are what the concerns' statements ask with, at the database's time.
func (db *DB) sweepArgs(ctx context.Context, tx transaction, tenant uuid.UUID, rules followup.Rules, after Cursor, limit int) (pgx.NamedArgs, error) {
	var now time.Time
	if err := tx.QueryRow(ctx, clockSQL).Scan(&now); err != nil {
		return nil, fmt.Errorf("read clock: %w", err)
	}
	now = db.clock(now)
	if !after.at.Valid {
		after.at = pgtype.Timestamptz{InfinityModifier: pgtype.NegativeInfinity, Valid: true}
	}
	return pgx.NamedArgs{
		"tenant": tenant, "at": after.at, "id": after.id, "limit": limit,
		"kinds": rules.Kinds(), "since": rules.ActiveSince, "since_roughly": rules.ActiveSince.Add(-24 * time.Hour),
		"rule":    db.times.Rule(),
		"horizon": now.Add(rules.Horizon), "overdue": now.Add(-rules.Grace), "lapsed": now.Add(-rules.Lease),
	}, nil
}
