package tenantdb_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// The sweep is what makes a lost event harmless, so it must look at every row
// that Plan would change.
func TestTheSweepFindsEveryRowThatPlanWouldChange(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	tenant := tenantdbtest.TenantB // where LAD's columns may be NULL
	f.Loosen(t, tenant, "task_status", "scheduled_at", "status", "booking_type")
	byRule := map[followup.Rule]int{}
	rapid.Check(t, func(r *rapid.T) {
		d := drawer{T: r, now: micro(time.Now()), tenant: tenant}
		d.rules = d.drawRules()
		rows := make([]tenantdbtest.Row, 30)
		for i := range rows {
			rows[i] = d.row()
		}
		refs := f.InsertAll(t, tenant, rows)
		defer f.LAD(t, tenant, `DELETE FROM lead_bookings`)
		f.LAD(t, tenant, writeKeys)
		found := map[followup.Ref][]tenantdb.Concern{}
		var some []tenantdb.Concern
		for _, c := range tenantdb.Concerns {
			refs := candidates(t, f.DB, tenant, c, d.rules, 100)
			if len(refs) > 0 {
				some = append(some, c)
			}
			for _, ref := range refs {
				found[ref] = append(found[ref], c)
			}
		}
		if concerned, err := f.DB.Concerned(t.Context(), tenant, d.rules); err != nil || !slices.Equal(concerned, some) {
			r.Fatalf("asked at once it is %v, one by one %v (%v)", concerned, some, err)
		}
		for _, ref := range refs {
			b, now := f.Read(t, ref)
			decision := d.rules.Plan(&b, now)
			switch {
			// (A time of infinity is later than any start, and is none.)
			case decision.Rule == followup.RuleHistoric && found[ref] != nil && !b.ScheduledAt.IsZero() && !b.Stale: // once, to read its time
				r.Fatalf("%v finds a historic row: %s", found[ref], show(b))
			case decision.Effect == followup.None:
			case found[ref] != nil:
				byRule[decision.Rule]++
			case excuse(d.rules, b, decision) == "":
				r.Fatalf("Plan asks to %s by %s, and no concern finds %s at %s", decision.Effect, decision.Rule, show(b), now)
			}
		}
	})
	// A property of rows that are never drawn holds for nothing.
	for _, rule := range []followup.Rule{followup.RuleLeaseOver, followup.RuleCalled, followup.RuleNotLive, followup.RuleSettled,
		followup.RuleExpired, followup.RuleBeyond, followup.RuleArm} {
		if byRule[rule] < 5 {
			t.Errorf("only %d rows that Plan would change by %s", byRule[rule], rule)
		}
	}
	t.Logf("rows found that Plan would change: %v", byRule)
}

// writeKeys gives each row the key of the time that it was planned for, or, as
// LAD's own scheduler does, that of its present time without saying so.
const writeKeys = `UPDATE lead_bookings SET idempotency_key = 'followup:' || tenant_id || ':' || id || ':' ||
	to_char(date_trunc('milliseconds', COALESCE(planned_for, scheduled_at)) AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
WHERE planned_for IS NOT NULL OR isfinite(scheduled_at) AND mod(hashtext(id::text), 2) = 0`

// excuse says why the sweep need not look at a row that Plan would change, or
// "". Each is a row that its event still brings to Plan.
func excuse(r followup.Rules, b followup.Booking, d followup.Decision) string {
	ended := b.Task.Reason != "" && b.Task.Reason != followup.NotStarted
	made := !b.Task.ClaimedAt.IsZero() && b.Task.ClaimedAt.Equal(b.Task.ExecutedAt)
	closed := ended || made || b.Task.Status == followup.Executed || b.Task.Status == followup.Cancelled || b.Task.Status == followup.Failed && b.Task.Reason == ""
	armed := b.Task.Revision > 0
	switch {
	case armed && !slices.Contains(r.Kinds(), followup.Kind(b.Type)):
		return "its type was changed after it had been armed"
	case armed && b.ScheduledAt.Before(r.ActiveSince) && b.CreatedAt.Before(r.ActiveSince):
		return "it was armed, and then moved to before the start"
	case d.Rule == followup.RuleCalled && closed, d.Rule == followup.RuleSettled && ended:
		return "it is over: only what is written of it would change"
	case mends(d.Next, b.Task):
		return "LAD has written over it: only what is written of it would change"
	case d.Rule == followup.RuleBeyond && b.Task.Status == followup.Pending:
		return "LAD has written pending over an end: it is found inside the horizon"
	case d.Next == b.Task, d.Rule == followup.RuleHistoric:
		return "only the reading of its time would be stored"
	default:
		return ""
	}
}

// mends: the two differ only in what LAD knows of a task.
func mends(next, read followup.Task) bool {
	next.Status, next.Key = read.Status, read.Key
	return next == read
}

func show(b followup.Booking) string {
	return fmt.Sprintf("%s %s, deleted %v, at %s, created %s, task %+v", b.Type, b.Status, b.Deleted, b.ScheduledAt, b.CreatedAt, b.Task)
}

// drawer draws rows as this system, LAD's services and LAD's own scheduler leave
// them: the key is always the one of planned_for, and nobody has planned a call
// that was made already. Times keep away from the rules' borders, since the
// clock goes on.
type drawer struct {
	*rapid.T
	rules  followup.Rules
	now    time.Time
	tenant uuid.UUID
}

func pick[V any](d drawer, label string, values ...V) V {
	return rapid.SampledFrom(values).Draw(d.T, label)
}

func (d drawer) drawRules() followup.Rules {
	r := rules()
	r.ActiveSince = micro(d.now.Add(pick(d, "active since", -time.Hour, -24*time.Hour, -30*24*time.Hour, -60*24*time.Hour)))
	r.LeadTime = pick(d, "lead time", 0, 10*time.Minute)
	r.AgentIdempotent = rapid.Bool().Draw(d.T, "idempotent")
	return r
}

// moment is around a border.
func (d drawer) moment(label string) time.Time {
	r := d.rules
	border := pick(d, label, 0, r.LeadTime, -r.Lease, -r.Grace, -r.MaxLateness, -2*r.MaxLateness, r.Horizon, -time.Hour, time.Hour, r.ActiveSince.Sub(d.now))
	return d.now.Add(border + pick(d, label+" side", -45*time.Second, 45*time.Second)).Truncate(time.Microsecond)
}

func (d drawer) momentOrNone(label string) time.Time {
	if rapid.Bool().Draw(d.T, label+" is none") {
		return time.Time{}
	}
	return d.moment(label)
}

func (d drawer) pastOrNone(label string) time.Time {
	at := d.momentOrNone(label)
	if at.After(d.now) {
		at = d.now.Add(-at.Sub(d.now))
	}
	return at
}

func (d drawer) row() tenantdbtest.Row {
	row := tenantdbtest.Row{
		Tenant:      d.tenant,
		Type:        pick(d, "type", "follow_up", "Follow-Up", "scheduled call", "meeting"),
		ScheduledAt: d.moment("scheduled at"),
		CreatedAt:   d.now.Add(-pick(d, "age", time.Minute, 2*time.Hour, 40*24*time.Hour, -time.Hour, -300*24*time.Hour)),
		Status:      pick(d, "booking status", followup.BookingScheduled, followup.BookingPending, followup.BookingConfirmed, "cancelled", "completed"),
		Task:        d.task(),
		Columns:     map[string]any{},
	}
	if row.Task.PlannedFor.Equal(d.now) { // a mark: the row is where it was planned
		row.Task.PlannedFor = row.ScheduledAt
	}
	if row.Task.PlannedFor.Equal(row.ScheduledAt) && row.Task.Status != followup.Executed {
		row.Task.ExecutedAt = time.Time{}
	}
	// What has no plan of this system's was never timed by it.
	if row.Task.PlannedFor.IsZero() && row.Task.Status != followup.Pending {
		for _, c := range []string{"call_at", "call_at_wall", "call_at_zone", "call_at_rule"} {
			row.Columns[c] = nil
		}
	}
	d.deface(row)
	return row
}

func (d drawer) task() followup.Task {
	return followup.Task{
		Status: pick(d, "status", followup.Pending, followup.Scheduled, followup.InProgress, followup.Executed, followup.Cancelled, followup.Failed),
		Reason: pick(d, "reason", "", followup.NotStarted, followup.Rejected, followup.OutcomeUnknown, followup.Expired,
			followup.BookingCancelled, followup.ByOperator),
		DueAt:      d.momentOrNone("due at"),
		Revision:   pick(d, "revision", 0, 1, 3),
		PlannedFor: pick(d, "planned for", time.Time{}, d.now, d.moment("planned at")),
		ClaimedAt:  d.pastOrNone("claimed at"),
		ExecutedAt: d.pastOrNone("executed at"),
	}
}

// deface puts in what only LAD writes.
func (d drawer) deface(row tenantdbtest.Row) {
	for _, c := range []struct {
		column string
		odd    []any
	}{
		{"scheduled_at", []any{nil, "infinity", "-infinity"}},
		{"created_at", []any{nil, "-infinity"}},
		{"status", []any{nil}},
		{"is_deleted", []any{nil, true}},
		{"booking_type", []any{nil}},
	} {
		if rapid.IntRange(0, 15).Draw(d.T, c.column+" is odd") == 0 {
			row.Columns[c.column] = pick(d, c.column, c.odd...)
		}
	}
	if row.Task.Status == followup.Pending && rapid.Bool().Draw(d.T, "no status") {
		row.Columns["task_status"] = nil
	}
}
