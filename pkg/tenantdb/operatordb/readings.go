package operatordb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// Reading is what one writer of LAD's has put into the bookings that are still to
// come: whether its times are wall clocks or instants is for a person to say.
type Reading struct {
	Source string
	Zone   string
	Count  int
	Walls  []time.Time // the next three clock readings, as if they were UTC
}

// readingsSQL looks a day back: the wall clock is up to a day from its instant.
const readingsSQL = `SELECT booking_source, timezone, count(*), (array_agg(wall_at ORDER BY wall_at))[1:3]
FROM followup_bookings
WHERE tenant_id = @tenant AND booking_kind = ANY (@kinds) AND live
	AND (task_status IN ('pending', 'scheduled') OR task_status IS NULL)
	AND rough_at >= @now::timestamptz - interval '1 day'
GROUP BY booking_source, timezone ORDER BY count(*) DESC, booking_source, timezone LIMIT 100`

// Readings lists, by source and zone, the tenant's follow-ups that are still to
// come, however their times are read.
func (db DB) Readings(ctx context.Context, tenant uuid.UUID, rules followup.Rules) ([]Reading, error) {
	var readings []Reading
	err := db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		var now time.Time
		if err := tx.QueryRow(ctx, clockSQL).Scan(&now); err != nil {
			return fmt.Errorf("read clock: %w", err)
		}
		rows, err := tx.Query(ctx, readingsSQL, pgx.NamedArgs{"tenant": tenant, "kinds": rules.Kinds(), "now": db.At(now)})
		if err != nil {
			return err
		}
		readings, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Reading])
		return err
	})
	if errors.Is(err, tenantdb.ErrUnknownTenant) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the readings of tenant %s: %w", tenant, err)
	}
	return readings, nil
}

// Lookalike is a booking type that is probably a misspelt follow-up, and how many
// bookings of it are still to come: they are not called.
type Lookalike struct {
	Type  string `json:"type"`
	Count int    `json:"count"`
}

const typesSQL = `SELECT left(min(booking_type::text), 100), count(*)
FROM followup_bookings
WHERE tenant_id = @tenant AND live AND booking_kind <> ALL (@kinds) AND rough_at >= @now::timestamptz
GROUP BY booking_kind ORDER BY count(*) DESC, booking_kind LIMIT 1000`

// Lookalikes lists the types of the tenant's bookings to come that are no
// follow-ups, and all but spelt like one.
func (db DB) Lookalikes(ctx context.Context, tenant uuid.UUID, rules followup.Rules) ([]Lookalike, error) {
	var types []Lookalike
	err := db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		var now time.Time
		if err := tx.QueryRow(ctx, clockSQL).Scan(&now); err != nil {
			return fmt.Errorf("read clock: %w", err)
		}
		rows, err := tx.Query(ctx, typesSQL, pgx.NamedArgs{"tenant": tenant, "kinds": rules.Kinds(), "now": db.At(now)})
		if err != nil {
			return err
		}
		types, err = pgx.CollectRows(rows, pgx.RowToStructByPos[Lookalike])
		return err
	})
	if errors.Is(err, tenantdb.ErrUnknownTenant) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list the booking types of tenant %s: %w", tenant, err)
	}
	return slices.DeleteFunc(types, func(l Lookalike) bool { return !rules.Resembles(l.Type) }), nil
}
