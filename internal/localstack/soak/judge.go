package soak

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/internal/promise"
	"lad.internal/followup/pkg/followup"
)

// row is what the judge reads of a booking.
type row struct {
	id          uuid.UUID
	scheduledAt time.Time
	end         end
	key         string
	claimedAt   time.Time
	calledAt    time.Time // of the call that is on record
	callID      string
}

// judge holds each row against what is known from outside. It is fed once with
// every row, and then asked for what is missing.
type judge struct {
	plan    plan
	changes map[uuid.UUID]changed
	// calls are those that the voice agent has dialled, by booking; posts counts
	// what it has read.
	calls map[string][]voiceagent.Call
	posts func(booking string) int
	// broke reports whether the process that made this claim was killed with it.
	broke func(booking uuid.UUID, claimed time.Time) bool

	seen   []bool // by number
	lags   []time.Duration
	report Report
}

func newJudge(p plan, changes map[uuid.UUID]changed, calls []voiceagent.Call, posts func(string) int, broke func(uuid.UUID, time.Time) bool) *judge {
	j := &judge{
		plan: p, changes: changes, calls: map[string][]voiceagent.Call{}, posts: posts, broke: broke,
		seen:   make([]bool, p.bookings),
		report: Report{Seed: p.seed, Bookings: p.bookings, Tenants: len(p.tenants), Calls: len(calls), Ends: map[string]int{}},
	}
	for _, c := range calls {
		j.calls[c.BookingID] = append(j.calls[c.BookingID], c)
	}
	for _, c := range changes {
		if c.change == cancel {
			j.report.Cancelled++
		} else {
			j.report.Moved++
		}
	}
	return j
}

// look judges a row that stands in the tenant's tables under its name.
func (j *judge) look(tenant uuid.UUID, r row) {
	n, s, ok := j.plan.find(r.id)
	ref := followup.Ref{TenantID: tenant, BookingID: r.id}
	switch {
	case !ok:
		j.violated(ref, Stranger, "nobody has made this booking")
		return
	case s.ref.TenantID != tenant:
		j.violated(ref, promise.ForeignTenant, "the booking is tenant %s's", s.ref.TenantID)
		return
	case j.seen[n]:
		j.violated(ref, Stranger, "the booking is there twice")
		return
	}
	j.seen[n] = true
	for _, v := range j.trace(s, r).Check() {
		j.violated(ref, v.Kind, "%s", v.Detail)
	}
	delete(j.calls, r.id.String())
	j.report.Ends[r.end.String()]++
	if r.end == executed {
		j.lags = append(j.lags, r.claimedAt.Sub(r.scheduledAt))
	}
}

// verdict is the report, once every row has been looked at.
func (j *judge) verdict() *Report {
	for n, seen := range j.seen {
		if !seen {
			j.violated(j.plan.booking(n).ref, LostRow, "the booking is not in its tenant's tables")
		}
	}
	for _, calls := range j.calls {
		for _, c := range calls {
			j.violated(followup.Ref{}, Stranger, "the voice agent was asked to call for tenant %q's booking %q, which has no row", c.TenantID, c.BookingID)
		}
	}
	slices.Sort(j.lags)
	j.report.Lag = percentiles(j.lags)
	slices.SortFunc(j.report.Violations, func(a, b Violation) int { return cmp.Compare(a.Booking.String(), b.Booking.String()) })
	return &j.report
}

func (j *judge) violated(ref followup.Ref, kind promise.Kind, format string, args ...any) {
	j.report.Violated++
	if len(j.report.Violations) < maxViolations {
		j.report.Violations = append(j.report.Violations, Violation{Kind: kind, Booking: ref, Detail: fmt.Sprintf(format, args...)})
	}
}

const rowsSQL = `
SELECT id, ` + dueSQL + `, task_status, COALESCE(task_reason, ''), COALESCE(idempotency_key, ''),
	COALESCE(claimed_at, '0001-01-01 00:00:00Z'), COALESCE(called_at, '0001-01-01 00:00:00Z'), COALESCE(call_id, '')
FROM %s.lead_bookings WHERE tenant_id = $1`

// judge streams all rows past the judge.
func (r *run) judge(ctx context.Context) (*Report, error) {
	r.faults.mu.Lock()
	defer r.faults.mu.Unlock()
	j := newJudge(r.plan, r.changes, r.stack.Agent.Calls(""), r.stack.Agent.PostsRead, r.faults.broke)
	for _, tenant := range r.plan.tenants {
		rows, err := r.pool.Query(ctx, fmt.Sprintf(rowsSQL, r.schemas[tenant]), tenant)
		if err != nil {
			return nil, fmt.Errorf("read tenant %s's bookings: %w", tenant, err)
		}
		var b row
		_, err = pgx.ForEachRow(rows, []any{
			&b.id, &b.scheduledAt, &b.end.status, &b.end.reason, &b.key, &b.claimedAt, &b.calledAt, &b.callID,
		}, func() error { j.look(tenant, b); return nil })
		if err != nil {
			return nil, fmt.Errorf("read tenant %s's bookings: %w", tenant, err)
		}
	}
	report := j.verdict()
	report.Kills = KillCount{Schedule: r.faults.killed[schedule], Execute: r.faults.killed[execute]}
	report.Deliveries = FaultCount{
		LostTasks: int(r.faults.lostTasks.Load()), DoubledTasks: int(r.faults.doubledTasks.Load()),
		LostEvents: int(r.faults.lostEvents.Load()), DoubledEvents: int(r.faults.doubledEvents.Load()),
		WrittenBack: int(r.faults.writtenBack.Load()), Locked: int(r.faults.locked.Load()),
	}
	return report, nil
}
