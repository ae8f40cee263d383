package tenantdb_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// candidates walks all pages of a concern.
func candidates(t *testing.T, db *tenantdb.DB, tenant uuid.UUID, c tenantdb.Concern, r followup.Rules, page int) []followup.Ref {
	t.Helper()
	var all []followup.Ref
	var after tenantdb.Cursor
	for {
		refs, end, err := db.Candidates(t.Context(), tenant, c, r, after, page)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, refs...)
		if len(refs) < page {
			return all
		}
		after = end
	}
}

// kindOfRow is a row and the concerns that it gives rise to.
type kindOfRow struct {
	name     string
	row      tenantdbtest.Row
	concerns []tenantdb.Concern
}

func kindsOfRows(r followup.Rules) []kindOfRow {
	now := micro(time.Now())
	historic := r.ActiveSince.Add(-time.Minute)
	live := func(at time.Time, task followup.Task) tenantdbtest.Row {
		return tenantdbtest.Row{ScheduledAt: micro(at), Task: task}
	}
	cancelled := func(row tenantdbtest.Row) tenantdbtest.Row { row.Status = "cancelled"; return row }
	old := func(row tenantdbtest.Row) tenantdbtest.Row {
		row.ScheduledAt, row.CreatedAt = micro(historic), micro(historic.Add(-time.Hour))
		return row
	}
	meeting := func(row tenantdbtest.Row) tenantdbtest.Row { row.Type = "meeting"; return row }
	with := func(row tenantdbtest.Row, column string, value any) tenantdbtest.Row {
		row.Columns = map[string]any{column: value}
		return row
	}
	state := func(status followup.TaskStatus, reason followup.Reason, due, planned time.Time) followup.Task {
		return followup.Task{Status: status, Reason: reason, DueAt: micro(due), PlannedFor: micro(planned), Revision: 1}
	}
	at := now.Add(time.Hour)
	waiting := state(followup.Scheduled, "", at, at)
	overdue := state(followup.Scheduled, "", now.Add(-r.Grace-time.Minute), now)
	refused := state(followup.Failed, followup.NotStarted, now.Add(-time.Hour), now)
	refused.ClaimedAt = now.Add(-r.Grace - time.Minute)
	refusedJustNow := refused
	refusedJustNow.ClaimedAt = now
	working := state(followup.InProgress, "", now, now)
	working.ClaimedAt = now.Add(-r.Lease + time.Minute)
	lapsed := working
	lapsed.ClaimedAt = now.Add(-r.Lease - time.Second)
	early := lapsed // claimed before its task was due, as far as the row says
	early.DueAt = at
	timeless := working
	timeless.ClaimedAt, timeless.DueAt = time.Time{}, at
	lads := followup.Task{Status: followup.Scheduled, DueAt: micro(historic)}

	made := state(followup.Executed, "", now, now)
	made.ClaimedAt, made.ExecutedAt = made.DueAt, made.DueAt
	timed := followup.Task{Status: followup.Pending}
	timedFor := func(at time.Time) followup.Task { return followup.Task{Status: followup.Pending, PlannedFor: at} }
	is := func(c ...tenantdb.Concern) []tenantdb.Concern { return c }
	return []kindOfRow{
		{"new", live(at, followup.Task{}), is(tenantdb.Untimed)},
		{"timed", live(at, timed), is(tenantdb.Due)},
		{"new, in LAD's own spelling", tenantdbtest.Row{Type: "Follow-Up"}, is(tenantdb.Untimed)},
		{"timed, in LAD's own spelling", tenantdbtest.Row{Type: "Follow-Up", Task: timed}, is(tenantdb.Due)},
		{"new, and long past", live(r.ActiveSince.Add(time.Minute), timed), is(tenantdb.Due)},
		{"new, at the horizon", live(now.Add(r.Horizon-time.Minute), timed), is(tenantdb.Due)},
		{"beyond the horizon", live(now.Add(r.Horizon+time.Hour), timed), nil},
		{"new, and beyond the horizon", live(now.Add(r.Horizon+time.Hour), followup.Task{}), is(tenantdb.Untimed)},
		{"timed, and moved", live(at.Add(time.Hour), timedFor(at)), is(tenantdb.Due, tenantdb.Untimed)},
		{"timed, and its zone changed", with(live(at, timed), "timezone", "GST"), is(tenantdb.Due, tenantdb.Untimed)},
		{"timed by other settings", with(live(at, waiting), "call_at_rule", 1), is(tenantdb.Reread)},
		{"parked", live(at, followup.Task{Status: followup.Pending, Revision: 4}), is(tenantdb.Due)},
		{"booked by a clock that is ahead", with(live(at, timed), "created_at", now.Add(90*24*time.Hour)), is(tenantdb.Due)},
		{"the same, and beyond the horizon", with(live(now.Add(r.Horizon+time.Hour), timed), "created_at", now.Add(90*24*time.Hour)), nil},
		{"past, but booked after the start", with(live(historic, timed), "created_at", now), is(tenantdb.Due)},
		{"no follow-up", meeting(live(at, followup.Task{})), nil},
		{"of no type", with(live(at, followup.Task{}), "booking_type", nil), nil},
		{"historic", old(live(at, timed)), nil},
		{"historic by less than a zone, not timed", old(live(at, followup.Task{})), is(tenantdb.Untimed)},
		{"historic and cancelled", old(cancelled(live(at, timed))), nil},
		{"withdrawn", cancelled(live(at, timed)), is(tenantdb.Withdrawn)},
		{"withdrawn, never timed", cancelled(live(at, followup.Task{})), is(tenantdb.Untimed)},
		{"withdrawn by deletion", with(live(at, timed), "is_deleted", true), is(tenantdb.Withdrawn)},
		{"without a time", with(live(at, followup.Task{}), "scheduled_at", nil), is(tenantdb.Untimed)},
		{"withdrawn, no follow-up", meeting(cancelled(live(at, followup.Task{}))), nil},
		{"on its way", live(at, waiting), nil},
		{"on its way, moved", live(at.Add(time.Microsecond), waiting), is(tenantdb.Changed)},
		{"on its way, not live", cancelled(live(at, waiting)), is(tenantdb.NotLive)},
		{"overdue", live(now, overdue), is(tenantdb.Overdue)},
		{"overdue, armed, and moved before the start", old(live(now, overdue)), is(tenantdb.Overdue, tenantdb.Changed)},
		{"never checked", live(now, state(followup.Scheduled, "", time.Time{}, now)), is(tenantdb.Overdue)},
		{"refused a while ago", live(now, refused), is(tenantdb.Overdue)},
		{"refused just now", live(now, refusedJustNow), nil},
		{"refused, not live", cancelled(live(now, refused)), is(tenantdb.NotLive)},
		{"LAD's own, historic", old(live(now, lads)), nil},
		{"LAD's own, historic, cancelled", old(cancelled(live(now, lads))), nil},
		{"at work", live(now, working), nil},
		{"at work, moved", live(at, working), is(tenantdb.Changed)},
		{"lease over", live(now, lapsed), is(tenantdb.LeaseOver)},
		{"lease over, not live", cancelled(live(now, lapsed)), is(tenantdb.LeaseOver)},
		{"lease over, due later", live(now, early), is(tenantdb.LeaseOver)},
		{"claimed by nobody", live(now, timeless), is(tenantdb.LeaseOver)},
		{"held", live(at, state(followup.Failed, followup.OutcomeUnknown, now, now)), nil},
		{"executed", live(now, made), nil},
		{"executed, moved", live(at, made), is(tenantdb.Changed)},
		{"executed, moved, not live", cancelled(live(at, made)), nil},
		{"executed by LAD, historic", old(live(now, followup.Task{Status: followup.Executed})), nil},
		{"rejected, moved", live(at, state(followup.Failed, followup.Rejected, now, now)), is(tenantdb.Changed)},
		{"expired", live(now, state(followup.Failed, followup.Expired, now, now)), nil},
		{"cancelled, revived", live(at, state(followup.Cancelled, followup.BookingCancelled, at, at)), is(tenantdb.Changed)},
		{"cancelled", cancelled(live(at, state(followup.Cancelled, followup.BookingCancelled, at, at))), nil},
		{"stopped by an operator", live(at, state(followup.Cancelled, followup.ByOperator, at, at)), nil},
		{"stopped by an operator, moved", live(at, state(followup.Cancelled, followup.ByOperator, now, now)), is(tenantdb.Changed)},
	}
}

func TestEachConcernFindsItsRowsAndNoOthers(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	f.Loosen(t, tenantdbtest.TenantA, "scheduled_at", "booking_type")
	r := rules()
	names := map[followup.Ref]string{}
	want, got := map[string][]tenantdb.Concern{}, map[string][]tenantdb.Concern{}
	for _, kind := range kindsOfRows(r) {
		names[f.Insert(t, kind.row)] = kind.name
		kind.row.Tenant = tenantdbtest.TenantB // whose rows are nobody else's concern
		f.Insert(t, kind.row)
		want[kind.name] = kind.concerns
	}
	for _, c := range tenantdb.Concerns {
		for _, ref := range candidates(t, f.DB, tenantdbtest.TenantA, c, r, 4) {
			name, mine := names[ref]
			if !mine {
				t.Errorf("%s finds %s", c, ref)
			}
			got[name] = append(got[name], c)
		}
	}
	for name := range want {
		if !slices.Equal(want[name], got[name]) {
			t.Errorf("%q is found by %v, want %v", name, got[name], want[name])
		}
	}
}

// LAD's own form of migration 001 leaves task_status NULL where it was never set.
func TestARowWithoutATaskStatusIsPending(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	f.Loosen(t, tenantdbtest.TenantB, "task_status")
	none := map[string]any{"task_status": nil}
	timed := followup.Task{Status: followup.Pending}
	due := f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantB, Task: timed, Columns: none})
	withdrawn := f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantB, Task: timed, Status: "cancelled", Columns: none})
	for c, want := range map[tenantdb.Concern]followup.Ref{tenantdb.Due: due, tenantdb.Withdrawn: withdrawn} {
		if got := candidates(t, f.DB, tenantdbtest.TenantB, c, rules(), 10); !slices.Equal(got, []followup.Ref{want}) {
			t.Errorf("%s finds %v", c, got)
		}
	}
}

// Each concern has pages of three, of rows that share their time by fours.
func TestPagesVisitEachRowOnceEvenWhileRowsLeave(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	r := rules()
	for _, c := range tenantdb.Concerns {
		i := slices.IndexFunc(kindsOfRows(r), func(k kindOfRow) bool { return slices.Contains(k.concerns, c) })
		prototype := kindsOfRows(r)[i].row
		want := map[followup.Ref]bool{}
		for n := range 20 {
			row := prototype
			if !row.Task.DueAt.IsZero() { // else the row is new
				row.Task.DueAt = row.Task.DueAt.Add(-time.Duration(n/4) * time.Second)
			}
			row.ScheduledAt = row.ScheduledAt.Add(time.Duration(n/4) * time.Second)
			want[f.Insert(t, row)] = true
		}
		visited := map[followup.Ref]int{}
		var after tenantdb.Cursor
		for {
			refs, end, err := f.DB.Candidates(t.Context(), tenantdbtest.TenantA, c, r, after, 3)
			if err != nil {
				t.Fatal(err)
			}
			for i, ref := range refs {
				visited[ref]++
				if i != 1 { // the sweep has settled it, or LAD has removed it
					f.LAD(t, ref.TenantID, `DELETE FROM lead_bookings WHERE id = $1`, ref.BookingID)
				}
			}
			if len(refs) < 3 {
				break
			}
			after = end
		}
		for ref := range want {
			if visited[ref] != 1 {
				t.Errorf("%s visits a row %d times", c, visited[ref])
			}
		}
		if len(visited) != len(want) {
			t.Errorf("%s visits %d rows, want %d", c, len(visited), len(want))
		}
		f.LAD(t, tenantdbtest.TenantA, `DELETE FROM lead_bookings`)
	}
}

// A type taken out of FOLLOWUP_BOOKING_TYPES, or out of the booking, is a reason
// to cancel once, and none to look again every minute.
func TestABookingCancelledForItsTypeIsNotTakenForRevived(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	row := dueNow()
	row.Task.Status, row.Task.Reason, row.Task.Revision = followup.Cancelled, followup.BookingCancelled, 1
	ref := f.Insert(t, row)
	changed := func() int { return len(candidates(t, f.DB, ref.TenantID, tenantdb.Changed, rules(), 10)) }
	if n := changed(); n != 1 {
		t.Errorf("revived, it gives rise to %d", n)
	}
	f.LAD(t, ref.TenantID, `UPDATE lead_bookings SET booking_type = 'meeting'`)
	if n := changed(); n != 0 {
		t.Errorf("as a meeting it gives rise to %d", n)
	}
	f.LAD(t, ref.TenantID, `UPDATE lead_bookings SET booking_type = 'Follow-Up'`)
	if n := changed(); n != 1 {
		t.Errorf("as a follow-up again it gives rise to %d", n)
	}
}

func TestAnUnknownTenantGivesRiseToNoConcern(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	refs, _, err := f.DB.Candidates(t.Context(), uuid.New(), tenantdb.Due, rules(), tenantdb.Cursor{}, 10)
	if err != nil || len(refs) != 0 {
		t.Errorf("%v, error %v", refs, err)
	}
	if _, _, err := f.DB.Candidates(t.Context(), tenantdbtest.TenantA, "worry", rules(), tenantdb.Cursor{}, 10); err == nil {
		t.Error("a concern that does not exist is answered")
	}
	if concerns, err := f.DB.Concerned(t.Context(), uuid.New(), rules()); err != nil || len(concerns) != 0 {
		t.Errorf("%v, error %v", concerns, err)
	}
}

// The indexes are those of migration 002.
func TestEachConcernIsAnsweredFromItsIndex(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	f.LAD(t, tenantdbtest.TenantA, `INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at, task_status, call_at, call_at_wall, call_at_zone, call_at_rule)
		SELECT $1, $2, (ARRAY['meeting', 'demo', 'follow_up'])[1 + n % 3], 'x', now() - n * interval '1 hour',
			CASE WHEN n % 3 < 2 THEN 'pending' ELSE (ARRAY['pending', 'scheduled', 'in_progress', 'failed'])[1 + n / 3 % 4] END,
			now() - n * interval '1 hour', CASE WHEN n % 100 > 0 THEN now() - n * interval '1 hour' END, 'GST', $3
		FROM generate_series(1, 20000) AS n`, tenantdbtest.TenantA, f.NewLead(t, tenantdbtest.TenantA), followup.Times{}.Rule())
	f.LAD(t, tenantdbtest.TenantA, `ANALYZE lead_bookings`)
	for c, index := range map[tenantdb.Concern]string{
		tenantdb.Due: "followup_pending_idx", tenantdb.Withdrawn: "followup_pending_idx",
		tenantdb.Overdue: "followup_waiting_idx", tenantdb.NotLive: "followup_waiting_idx",
		tenantdb.LeaseOver: "followup_in_progress_idx", tenantdb.Changed: "followup_changed_idx",
		tenantdb.Untimed: "followup_untimed_idx", tenantdb.Reread: "followup_rule_idx",
	} {
		plan := explain(t, f, c)
		if !strings.Contains(plan, `"Index Name": "`+index+`"`) || strings.Contains(plan, "Seq Scan") {
			t.Errorf("%s: %s", c, plan)
		}
	}
	if len(tenantdb.ConcernSQL) != len(tenantdb.Concerns) {
		t.Errorf("%d concerns, asked for %v", len(tenantdb.ConcernSQL), slices.Collect(maps.Keys(tenantdb.ConcernSQL)))
	}
}

// explain asks as the functions do.
func explain(t *testing.T, f *tenantdbtest.Fixture, c tenantdb.Concern) string {
	t.Helper()
	var plan json.RawMessage
	err := pgx.BeginFunc(t.Context(), f.DB.Pool(), func(tx pgx.Tx) error {
		_, err := tx.Exec(t.Context(), `SELECT set_config('search_path', $1, true), set_config('app.tenant_id', $2, true)`,
			f.Schema(tenantdbtest.TenantA), tenantdbtest.TenantA.String())
		if err != nil {
			return err
		}
		r, now := rules(), time.Now()
		args := pgx.NamedArgs{
			"tenant": tenantdbtest.TenantA, "at": "-infinity", "id": uuid.Nil, "limit": 100, "kinds": r.Kinds(),
			"since": r.ActiveSince, "since_roughly": r.ActiveSince.Add(-24 * time.Hour), "rule": followup.Times{}.Rule(), "horizon": now.Add(r.Horizon), "overdue": now.Add(-r.Grace), "lapsed": now.Add(-r.Lease),
		}
		return tx.QueryRow(t.Context(), "EXPLAIN (FORMAT JSON) "+tenantdb.ConcernSQL[c], args).Scan(&plan)
	})
	if err != nil {
		t.Fatalf("explain %s: %v", c, err)
	}
	return string(plan)
}
