package operatordb_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/operatordb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// dialled is a follow-up that was due ago, and dialled lag after that.
func dialled(ago, lag time.Duration, status followup.TaskStatus, reason followup.Reason) tenantdbtest.Row {
	due := micro(time.Now().Add(-ago))
	return tenantdbtest.Row{ScheduledAt: due, Timezone: "GST", CreatedAt: due.Add(-time.Hour), Task: followup.Task{
		Status: status, Reason: reason, Revision: 1, Attempts: 1, PlannedFor: due, ClaimedAt: due.Add(lag), Key: uuid.NewString()}}
}

// undialled is the same of one that was not.
func undialled(ago time.Duration, task followup.Task) tenantdbtest.Row {
	due := micro(time.Now().Add(-ago))
	return tenantdbtest.Row{ScheduledAt: due, Timezone: "GST", CreatedAt: due.Add(-time.Hour), Task: task}
}

func report(t *testing.T, db *tenantdb.DB, tenant uuid.UUID, r followup.Rules) operatordb.Report {
	t.Helper()
	got, err := open(db).Report(t.Context(), tenant, r, 12*time.Hour, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestAReportCountsWhatWasDueInTheWindowAndHowItFared(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]tenantdbtest.Option{"shared": nil, "registry": {tenantdbtest.WithRegistry()}} {
		f := tenantdbtest.New(t, options...)
		if got := report(t, f.DB, tenantdbtest.TenantA, rules()); !cmp.Equal(got, operatordb.Report{}) {
			t.Errorf("%s: a tenant without bookings is reported as %+v", name, got)
		}
		scheduled := followup.Task{Status: followup.Scheduled, Revision: 1}
		rows := []tenantdbtest.Row{
			dialled(2*time.Hour, time.Second, followup.Executed, ""),
			dialled(2*time.Hour, 3*time.Second, followup.Executed, ""),
			dialled(2*time.Hour, time.Minute, followup.Executed, ""), // just on time
			dialled(3*time.Hour, 2*time.Minute, followup.Failed, followup.OutcomeUnknown),
			undialled(2*time.Hour, followup.Task{Status: followup.Failed, Reason: followup.Expired, Revision: 1}),  // missed
			undialled(2*time.Hour, scheduled),                                                                      // missed
			undialled(30*time.Second, scheduled),                                                                   // still in time
			undialled(2*time.Hour, followup.Task{Status: followup.Cancelled, Reason: followup.ByOperator}),         // meant
			undialled(2*time.Hour, followup.Task{Status: followup.Failed, Reason: followup.Rejected, Revision: 1}), // no number
			undialled(2*time.Hour, followup.Task{Status: followup.Cancelled, Reason: followup.CallLimit, Revision: 1}),
			undialled(2*time.Hour, followup.Task{Status: followup.Scheduled, Reason: followup.Paced, Revision: 1, DueAt: time.Now().Add(time.Minute)}),
			undialled(2*time.Hour, followup.Task{Status: followup.Failed, Reason: followup.NotStarted, Revision: 1, DueAt: time.Now().Add(time.Minute)}), // has a slot as well
			undialled(2*time.Hour, followup.Task{Status: followup.Scheduled, Reason: followup.Paced, Revision: 1, DueAt: time.Now().Add(-time.Hour)}),    // missed its slot
			// And what is not looked at at all:
			undialled(-time.Hour, scheduled),   // not due yet
			undialled(13*time.Hour, scheduled), // due before the window
			{Type: "meeting", ScheduledAt: time.Now().Add(-time.Hour)},
			{Tenant: tenantdbtest.TenantB, ScheduledAt: time.Now().Add(-time.Hour), CreatedAt: time.Now().Add(-2 * time.Hour)},
			{ScheduledAt: time.Now().Add(-50 * time.Hour), CreatedAt: time.Now().Add(-60 * time.Hour)}, // historic
			{Columns: map[string]any{"scheduled_at": "infinity"}},
		}
		for _, row := range rows {
			f.Insert(t, row)
		}
		want := operatordb.Report{
			Due: 13, Dialled: 4, OnTime: 3, Missed: 3, Late: 2, Waiting: 2, NotCalled: 3,
			Lag: operatordb.Percentiles{P50: 3 * time.Second, P95: 2 * time.Minute, P99: 2 * time.Minute, Max: 2 * time.Minute},
			Outcomes: []operatordb.Outcome{
				{Status: followup.Cancelled, Reason: followup.ByOperator, Count: 1},
				{Status: followup.Cancelled, Reason: followup.CallLimit, Count: 1},
				{Status: followup.Executed, Count: 3},
				{Status: followup.Failed, Reason: followup.Expired, Count: 1},
				{Status: followup.Failed, Reason: followup.NotStarted, Count: 1},
				{Status: followup.Failed, Reason: followup.OutcomeUnknown, Count: 1},
				{Status: followup.Failed, Reason: followup.Rejected, Count: 1},
				{Status: followup.Scheduled, Count: 2},
				{Status: followup.Scheduled, Reason: followup.Paced, Count: 2},
			},
		}
		if diff := cmp.Diff(want, report(t, f.DB, tenantdbtest.TenantA, rules())); diff != "" {
			t.Errorf("%s: -want +got:\n%s", name, diff)
		}
		if got := report(t, f.DB, tenantdbtest.TenantB, rules()); got.Due != 1 || got.Missed != 1 || got.Dialled != 0 {
			t.Errorf("%s: the other tenant is reported as %+v", name, got)
		}
		if got := report(t, f.DB, uuid.New(), rules()); !cmp.Equal(got, operatordb.Report{}) {
			t.Errorf("%s: an unknown tenant is reported as %+v", name, got)
		}
	}
}

func TestACallIsDueAtItsTimeLessTheLeadTimeAndNotBeforeItWasBooked(t *testing.T) {
	t.Parallel()
	r := rules()
	r.LeadTime = 10 * time.Minute
	now := time.Now()
	for name, c := range map[string]struct {
		scheduled, created, planned, claimed time.Duration // from now
		lag                                  time.Duration
	}{
		"ahead of its time":          {-50 * time.Minute, -3 * time.Hour, -50 * time.Minute, -59 * time.Minute, time.Minute},
		"booked for at once":         {-2 * time.Hour, -time.Hour, -2 * time.Hour, -59 * time.Minute, time.Minute},
		"moved since, uncalled then": {time.Hour, -3 * time.Hour, -50 * time.Minute, -57 * time.Minute, 3 * time.Minute},
	} {
		f := tenantdbtest.New(t)
		at := func(d time.Duration) time.Time { return micro(now.Add(d)) }
		f.Insert(t, tenantdbtest.Row{ScheduledAt: at(c.scheduled), CreatedAt: at(c.created), Task: followup.Task{
			Status: followup.Executed, Revision: 1, Attempts: 1, PlannedFor: at(c.planned), ClaimedAt: at(c.claimed)}})
		if got := report(t, f.DB, tenantdbtest.TenantA, r); got.Dialled != 1 || got.Lag.P50 != c.lag {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A claim of an earlier time of the booking is none of the present one's.
func TestABookingThatWasMovedAndWaitsAgainCountsAsNotDialled(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	row := dialled(2*time.Hour, time.Second, followup.Scheduled, "")
	row.Task.ClaimedAt = time.Time{} // as arming for a new time leaves it
	f.Insert(t, row)
	if got := report(t, f.DB, tenantdbtest.TenantA, rules()); got.Due != 1 || got.Dialled != 0 || got.Missed != 1 {
		t.Errorf("%+v", got)
	}
}
