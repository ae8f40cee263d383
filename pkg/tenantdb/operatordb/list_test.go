package operatordb_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/operatordb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// listing is a database whose bookings have names.
type listing struct {
	*tenantdbtest.Fixture
	names map[uuid.UUID]string
}

func newListing(t *testing.T, options ...tenantdbtest.Option) *listing {
	return &listing{Fixture: tenantdbtest.New(t, options...), names: map[uuid.UUID]string{}}
}

func (l *listing) add(t *testing.T, name string, row tenantdbtest.Row) followup.Ref {
	t.Helper()
	ref := l.Insert(t, row)
	l.names[ref.BookingID] = name
	return ref
}

// list pages through everything that the filter shows.
func (l *listing) list(t *testing.T, tenant uuid.UUID, f operatordb.Filter, rules followup.Rules, page int) []string {
	t.Helper()
	names := []string{}
	var after operatordb.Cursor
	for {
		bookings, end, err := open(l.DB).List(t.Context(), tenant, f, rules, after, page)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range bookings {
			names = append(names, l.names[b.BookingID])
		}
		if len(bookings) < page {
			return names
		}
		after = end
	}
}

func TestAListShowsWhatItsFilterSaysInTheOrderOfTheCalls(t *testing.T) {
	t.Parallel()
	l := newListing(t)
	now := micro(time.Now())
	row := func(name string, due time.Duration, task followup.Task) {
		l.add(t, name, tenantdbtest.Row{ScheduledAt: now.Add(due), CreatedAt: now.Add(-2 * time.Hour), Task: task})
	}
	row("new", 3*time.Hour, followup.Task{})
	row("late", -time.Hour, followup.Task{})
	row("scheduled", time.Hour, followup.Task{Status: followup.Scheduled, Revision: 1})
	row("lost", -50*time.Minute, followup.Task{Status: followup.Scheduled, Revision: 1})
	row("ringing", -40*time.Minute, followup.Task{Status: followup.InProgress, Revision: 1, ClaimedAt: now})
	row("stuck", -30*time.Minute, followup.Task{Status: followup.InProgress, Revision: 1, ClaimedAt: now.Add(-10 * time.Minute)})
	row("made", -20*time.Minute, followup.Task{Status: followup.Executed, Revision: 1, ClaimedAt: now.Add(-20 * time.Minute)})
	row("busy", -10*time.Minute, followup.Task{Status: followup.Failed, Reason: followup.NotStarted, Revision: 1, ClaimedAt: now.Add(-9 * time.Minute)})
	row("in doubt", -9*time.Minute, followup.Task{Status: followup.Failed, Reason: followup.OutcomeUnknown, Revision: 1, ClaimedAt: now.Add(-8 * time.Minute)})
	row("stopped", 2*time.Hour, followup.Task{Status: followup.Cancelled, Reason: followup.ByOperator})

	all := []string{"late", "lost", "ringing", "stuck", "made", "busy", "in doubt", "scheduled", "stopped", "new"}
	withLead := rules()
	withLead.LeadTime = 2*time.Hour + 30*time.Minute
	for name, c := range map[string]struct {
		filter operatordb.Filter
		rules  followup.Rules
		want   []string
	}{
		"everything":               {operatordb.Filter{}, rules(), all},
		"a status":                 {operatordb.Filter{Statuses: []followup.TaskStatus{followup.Pending}}, rules(), []string{"late", "new"}},
		"two statuses":             {operatordb.Filter{Statuses: []followup.TaskStatus{followup.Executed, followup.Cancelled}}, rules(), []string{"made", "stopped"}},
		"a reason":                 {operatordb.Filter{Reasons: []followup.Reason{followup.OutcomeUnknown}}, rules(), []string{"in doubt"}},
		"two reasons":              {operatordb.Filter{Reasons: []followup.Reason{followup.NotStarted, followup.ByOperator}}, rules(), []string{"busy", "stopped"}},
		"both":                     {operatordb.Filter{Statuses: []followup.TaskStatus{followup.Failed}, Reasons: []followup.Reason{followup.ByOperator}}, rules(), []string{}},
		"due from":                 {operatordb.Filter{DueFrom: now.Add(2 * time.Hour)}, rules(), []string{"stopped", "new"}},
		"due before":               {operatordb.Filter{DueBefore: now.Add(-40 * time.Minute)}, rules(), []string{"late", "lost"}},
		"due with a lead time":     {operatordb.Filter{DueFrom: now, DueBefore: now.Add(31 * time.Minute)}, withLead, []string{"new"}},
		"claimed":                  {operatordb.Filter{ClaimedFrom: now.Add(-10 * time.Minute), ClaimedBefore: now.Add(-8 * time.Minute)}, rules(), []string{"stuck", "busy"}},
		"open":                     {operatordb.Filter{Open: true}, rules(), []string{"late", "lost", "busy", "scheduled", "new"}},
		"overdue":                  {operatordb.Filter{Overdue: true}, rules(), []string{"late", "lost", "stuck", "busy"}},
		"overdue with a lead time": {operatordb.Filter{Overdue: true}, withLead, []string{"late", "lost", "stuck", "busy", "scheduled"}},
	} {
		for _, page := range []int{1, 2, 100} {
			if diff := cmp.Diff(c.want, l.list(t, tenantdbtest.TenantA, c.filter, c.rules, page)); diff != "" {
				t.Errorf("%s, by %d (-want +got):\n%s", name, page, diff)
			}
		}
	}
}

func TestAListShowsFollowUpsOnly(t *testing.T) {
	t.Parallel()
	l := newListing(t)
	l.Fixture.Loosen(t, tenantdbtest.TenantA, "booking_type")
	old := time.Now().Add(-48 * time.Hour)
	l.add(t, "another spelling", tenantdbtest.Row{Type: "Follow-Up"})
	l.add(t, "a meeting", tenantdbtest.Row{Type: "meeting"})
	l.add(t, "a meeting that was armed", tenantdbtest.Row{Type: "meeting", Task: followup.Task{Status: followup.Scheduled, Revision: 1}})
	l.add(t, "from before this system", tenantdbtest.Row{ScheduledAt: old, CreatedAt: old})
	l.add(t, "old, but armed", tenantdbtest.Row{ScheduledAt: old, CreatedAt: old, Task: followup.Task{Status: followup.Executed, Revision: 2}})
	l.add(t, "deleted", tenantdbtest.Row{Deleted: true})
	l.add(t, "without a type", tenantdbtest.Row{Columns: map[string]any{"booking_type": nil}})
	got := l.list(t, tenantdbtest.TenantA, operatordb.Filter{}, rules(), 100)
	slices.Sort(got)
	if diff := cmp.Diff([]string{"a meeting that was armed", "another spelling", "deleted", "old, but armed"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

// Times that are no moments come last, and a page may end with any of them.
func TestAListPagesThroughRowsWithEqualAndOddTimes(t *testing.T) {
	t.Parallel()
	l := newListing(t)
	l.Fixture.Loosen(t, tenantdbtest.TenantA, "scheduled_at")
	at := micro(time.Now())
	want := map[string]bool{}
	for _, odd := range []any{at, at, at, at, nil, nil, "infinity", "-infinity", "0001-01-01 00:00:00+00", "20000-01-01 00:00:00+00", "0044-03-15 12:00:00+00 BC"} {
		ref := l.Insert(t, tenantdbtest.Row{Columns: map[string]any{"scheduled_at": odd}})
		l.names[ref.BookingID] = ref.BookingID.String()
		want[ref.BookingID.String()] = true
	}
	for _, page := range []int{1, 3, len(want), len(want) + 1} {
		got := l.list(t, tenantdbtest.TenantA, operatordb.Filter{}, rules(), page)
		seen := map[string]bool{}
		for _, name := range got {
			seen[name] = true
		}
		if len(got) != len(want) || !cmp.Equal(seen, want) {
			t.Errorf("by %d: %d rows, %d of them different, want %d", page, len(got), len(seen), len(want))
		}
	}
	if got := l.list(t, tenantdbtest.TenantA, operatordb.Filter{DueFrom: at}, rules(), 100); len(got) != 5 {
		t.Errorf("due from then: %d rows, want the four and that of the year 20000", len(got))
	}
	if got := l.list(t, tenantdbtest.TenantA, operatordb.Filter{DueBefore: at.Add(time.Microsecond)}, rules(), 100); len(got) != 6 {
		t.Errorf("due by then: %d rows, want the four and those of the years 1 and 44 BC", len(got))
	}
}

func TestATenantListsItsOwnBookingsOnly(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]tenantdbtest.Option{"shared": nil, "registry": {tenantdbtest.WithRegistry()}} {
		l := newListing(t, options...)
		l.add(t, "A's", tenantdbtest.Row{Tenant: tenantdbtest.TenantA})
		ofB := l.add(t, "B's", tenantdbtest.Row{Tenant: tenantdbtest.TenantB})
		if name == "registry" { // where LAD's own column may be NULL
			l.Fixture.Loosen(t, tenantdbtest.TenantB, "task_status")
			l.LAD(t, tenantdbtest.TenantB, `UPDATE lead_bookings SET task_status = NULL WHERE id = $1`, ofB.BookingID)
		}
		for tenant, want := range map[uuid.UUID][]string{
			tenantdbtest.TenantA: {"A's"}, tenantdbtest.TenantB: {"B's"}, uuid.New(): {}, uuid.Nil: {},
		} {
			if diff := cmp.Diff(want, l.list(t, tenant, operatordb.Filter{Statuses: []followup.TaskStatus{followup.Pending}}, rules(), 100)); diff != "" {
				t.Errorf("%s: tenant %s (-want +got):\n%s", name, tenant, diff)
			}
		}
	}
}

func TestAStatusThatDoesNotExistIsRefusedAndAReasonIsOnlyAValue(t *testing.T) {
	t.Parallel()
	l := newListing(t)
	l.add(t, "new", tenantdbtest.Row{})
	f := operatordb.Filter{Statuses: []followup.TaskStatus{"pending') OR true --"}}
	if _, _, err := open(l.DB).List(t.Context(), tenantdbtest.TenantA, f, rules(), operatordb.Cursor{}, 10); err == nil {
		t.Error("accepted")
	}
	f = operatordb.Filter{Reasons: []followup.Reason{"x') OR true --"}}
	if got := l.list(t, tenantdbtest.TenantA, f, rules(), 10); len(got) != 0 {
		t.Errorf("listed %v", got)
	}
}

func TestALeadIsReadForItsOwnTenantOnly(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	ada := tenantdbtest.Lead{FirstName: "Ada", LastName: "Lovelace", Phone: "+4915112345678", Note: "call after six"}
	b, _ := f.Read(t, f.Insert(t, tenantdbtest.Row{Lead: ada}))
	lead, err := f.DB.Lead(t.Context(), b)
	if want := (followup.Lead{FirstName: "Ada", LastName: "Lovelace", Number: "+4915112345678", LatestNote: "call after six"}); err != nil || lead != want {
		t.Errorf("lead %+v, error %v", lead, err)
	}
	b.TenantID = tenantdbtest.TenantB
	if lead, err := f.DB.Lead(t.Context(), b); err != nil || lead != (followup.Lead{NumberProblem: "there is no such lead"}) {
		t.Errorf("a foreign lead is %+v, error %v", lead, err)
	}
}
