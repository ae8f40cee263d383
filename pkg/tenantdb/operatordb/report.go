package operatordb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/migrations"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// Report is how those follow-ups of one tenant fared that were due in a window.
type Report struct {
	Due     int // follow-ups that were due
	Dialled int // of these, were dialled, whatever came of it
	OnTime  int // of these, were dialled in time
	Missed  int // should have been dialled by now, and were not
	Late    int // of these, still wait for their call; the others have expired
	// Waiting have a later slot: under the voice service's limit, or outside business
	// hours. NotCalled have ended without a call, for a reason of their own. Neither
	// is missed.
	Waiting, NotCalled int
	// Lag is from due to dialled; a retried call counts with its last attempt.
	Lag      Percentiles
	Outcomes []Outcome // what became of all that were due
}

// Percentiles are values that occurred; all are 0 if nothing did.
type Percentiles struct{ P50, P95, P99, Max time.Duration }

// Outcome is how many follow-ups stand at a status, for a reason.
type Outcome struct {
	Status followup.TaskStatus
	Reason followup.Reason
	Count  int
}

// reportSQL: a follow-up is due at its time less the lead time, or when it was
// booked if that was later. One that was dialled counts by the time that it was
// dialled for, the others by their present one. A claim is proof enough that it was
// dialled: what makes a row wait anew takes it away, and LAD does not know the
// column. A call that has a slot should be dialled then.
//
// It reads all of the tenant's bookings once: no index knows what was due, and
// none is worth its upkeep for a question asked by hand.
const reportSQL = `
WITH timed AS (
	SELECT COALESCE(task_status::text, 'pending') AS status, COALESCE(task_reason::text, '') AS reason, live,
		claimed_at, task_scheduled_at,
		GREATEST(created_at, CASE WHEN claimed_at IS NOT NULL THEN COALESCE(planned_for, scheduled_at) ELSE scheduled_at END
			- @lead::interval) AS due_at
	FROM followup_bookings
	WHERE tenant_id = @tenant AND scheduled_at IS NOT NULL
		AND (task_revision > 0 OR booking_kind = ANY (@kinds) AND wanted_at >= @since)
), due AS (
	SELECT status, reason, claimed_at - due_at AS lag,
		claimed_at IS NULL AND (status = 'failed' AND reason = 'expired'
			OR live AND (status IN ('pending', 'scheduled') OR status = 'failed' AND reason = 'not_started')) AS owed,
		CASE WHEN reason IN ('paced', 'rate_limited', 'outside_hours', 'not_started')
			THEN GREATEST(due_at, task_scheduled_at) ELSE due_at END <= @now::timestamptz - @tolerance::interval AS late
	FROM timed
	WHERE due_at > @now::timestamptz - @window::interval AND due_at <= @now
)
SELECT GROUPING(status) = 1, COALESCE(status, ''), COALESCE(reason, ''), count(*), count(lag),
	count(*) FILTER (WHERE lag <= @tolerance::interval),
	count(*) FILTER (WHERE owed AND late),
	count(*) FILTER (WHERE owed AND late AND reason <> 'expired'),
	count(*) FILTER (WHERE owed AND NOT late AND reason IN ('paced', 'rate_limited', 'outside_hours', 'not_started')),
	count(*) FILTER (WHERE lag IS NULL AND NOT owed AND status IN ('cancelled', 'failed')),
	percentile_disc(ARRAY[0.5, 0.95, 0.99, 1]) WITHIN GROUP (ORDER BY lag)
FROM due GROUP BY GROUPING SETS ((), (status, reason))
ORDER BY 1 DESC, 2, 3`

// Report looks at the follow-ups of a tenant that were due in the last window,
// by the database's clock. A call is on time if it was dialled at most
// tolerance after it was due. An unknown tenant has none.
func (db DB) Report(ctx context.Context, tenant uuid.UUID, rules followup.Rules, window, tolerance time.Duration) (Report, error) {
	var report Report
	err := db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		var now time.Time
		if err := tx.QueryRow(ctx, clockSQL).Scan(&now); err != nil {
			return fmt.Errorf("read clock: %w", err)
		}
		rows, err := tx.Query(ctx, reportSQL, pgx.NamedArgs{
			"tenant": tenant, "now": db.At(now), "kinds": rules.Kinds(), "since": rules.ActiveSince, "lead": rules.LeadTime,
			"window": window, "tolerance": tolerance})
		if err != nil {
			return err
		}
		var total bool
		var o Outcome
		var r Report
		var lags []*time.Duration
		report = Report{}
		_, err = pgx.ForEachRow(rows, []any{&total, &o.Status, &o.Reason, &o.Count, &r.Dialled, &r.OnTime, &r.Missed, &r.Late, &r.Waiting, &r.NotCalled, &lags}, func() error {
			if !total {
				report.Outcomes = append(report.Outcomes, o)
				return nil
			}
			report = r
			report.Due, report.Lag = o.Count, percentiles(lags)
			return nil
		})
		return err
	})
	if errors.Is(err, tenantdb.ErrUnknownTenant) {
		return Report{}, nil
	}
	if err != nil {
		return Report{}, fmt.Errorf("report on tenant %s: %w", tenant, err)
	}
	return report, nil
}

// percentiles takes the array of reportSQL, which is NULL without a value.
func percentiles(lags []*time.Duration) Percentiles {
	var p Percentiles
	for i, into := range []*time.Duration{&p.P50, &p.P95, &p.P99, &p.Max} {
		if i < len(lags) && lags[i] != nil {
			*into = *lags[i]
		}
	}
	return p
}

// Optional lists the tables and columns that a schema of LAD's lacks and need not
// have.
func (db DB) Optional(ctx context.Context, schema string) (missing []string, err error) {
	err = db.OnSession(ctx, func(conn *pgx.Conn) error {
		missing, err = migrations.Optional(ctx, conn, schema)
		return err
	})
	return missing, err
}
