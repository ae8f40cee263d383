package tenantdb_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// claimedRow is a row at work, and its claim.
func claimedRow() (tenantdbtest.Row, followup.Task) {
	at := micro(time.Now())
	task := followup.Task{
		Status: followup.InProgress, Name: "t", DueAt: at, Revision: 3, PlannedFor: at, Attempts: 2,
		ClaimedAt: at.Add(time.Microsecond), LastError: "the attempt before was refused", Key: uuid.NewString(),
	}
	return tenantdbtest.Row{ScheduledAt: at, Task: task}, task
}

var reports = map[string]followup.Report{
	"accepted":    {Outcome: followup.CallAccepted, CallID: "call-1"},
	"not started": {Outcome: followup.CallNotStarted, Detail: "refused"},
	"rejected":    {Outcome: followup.CallRejected, Detail: "no credits"},
	"unknown":     {Outcome: followup.CallUnknown, Detail: "reset"},
}

func TestFinishRecordsTheOutcomeOfItsClaim(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	for name, report := range reports {
		row, claimed := claimedRow()
		ref := f.Insert(t, row)
		next := rules().Finish(claimed, report)
		if stored, err := f.DB.Finish(t.Context(), ref, claimed, next); err != nil || !stored {
			t.Errorf("%s: stored %v, error %v", name, stored, err)
		}
		got, _ := f.Read(t, ref)
		if diff := cmp.Diff(next, got.Task); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestFinishingAgainChangesNothing(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	for name, report := range reports {
		row, claimed := claimedRow()
		ref := f.Insert(t, row)
		next := rules().Finish(claimed, report)
		if _, err := f.DB.Finish(t.Context(), ref, claimed, next); err != nil {
			t.Fatal(err)
		}
		before := wholeRow(t, f, ref)
		if stored, err := f.DB.Finish(t.Context(), ref, claimed, next); err != nil || stored {
			t.Errorf("%s: stored %v, error %v", name, stored, err)
		}
		if after := wholeRow(t, f, ref); after != before {
			t.Errorf("%s: the row has become %s", name, after)
		}
	}
}

func TestAClaimThatIsNoLongerTheRowsFinishesNothing(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	for name, change := range map[string]func(*followup.Task){
		"an earlier revision": func(c *followup.Task) { c.Revision-- },
		"a later revision":    func(c *followup.Task) { c.Revision++ },
		"an earlier moment":   func(c *followup.Task) { c.ClaimedAt = c.ClaimedAt.Add(-time.Microsecond) },
		"another time":        func(c *followup.Task) { c.PlannedFor = c.PlannedFor.Add(time.Hour) },
		"no moment":           func(c *followup.Task) { c.ClaimedAt = time.Time{} },
	} {
		row, claimed := claimedRow()
		ref := f.Insert(t, row)
		before := wholeRow(t, f, ref)
		change(&claimed)
		next := rules().Finish(claimed, reports["accepted"])
		if stored, err := f.DB.Finish(t.Context(), ref, claimed, next); err != nil || stored {
			t.Errorf("%s: stored %v, error %v", name, stored, err)
		}
		if after := wholeRow(t, f, ref); after != before {
			t.Errorf("%s: the row has become %s", name, after)
		}
	}
}

func TestFinishOfAnotherTenantsOrOfNoBookingFinishesNothing(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	row, claimed := claimedRow()
	ref := f.Insert(t, row)
	for _, other := range []followup.Ref{
		{TenantID: tenantdbtest.TenantB, BookingID: ref.BookingID},
		{TenantID: ref.TenantID, BookingID: uuid.New()},
	} {
		if stored, err := f.DB.Finish(t.Context(), other, claimed, claimed); err != nil || stored {
			t.Errorf("stored %v, error %v", stored, err)
		}
	}
}

// Late truth: the answer came after the claim had been given up, or its row had
// been written over, and the row still carries that very attempt.
func TestOnlyAnAcceptedCallSettlesWhatSomebodyElseHasEnded(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	for _, c := range []struct {
		status  followup.TaskStatus
		reason  followup.Reason
		report  string
		settles bool
	}{
		{followup.Failed, followup.OutcomeUnknown, "accepted", true},
		{followup.Failed, followup.OutcomeUnknown, "rejected", false},
		{followup.Failed, followup.OutcomeUnknown, "not started", false},
		{followup.Failed, followup.OutcomeUnknown, "unknown", false},
		{followup.Failed, followup.NotStarted, "accepted", true},
		{followup.Failed, "", "accepted", true},
		// LAD has written over the status of a claim at work.
		{followup.Failed, "", "rejected", true},
		{followup.Cancelled, "", "accepted", true},
		{followup.Cancelled, "", "not started", true},
		{followup.Pending, "", "accepted", true},
		{followup.Pending, "", "rejected", true},
		{followup.Scheduled, "", "not started", true},
		{followup.Scheduled, "", "unknown", true},
		{followup.Executed, "", "accepted", true},
		{followup.Executed, "", "rejected", true},
	} {
		row, claimed := claimedRow()
		row.Task.Status, row.Task.Reason, row.Task.LastError = c.status, c.reason, followup.LeaseOverError
		ref := f.Insert(t, row)
		next := rules().Finish(claimed, reports[c.report])
		stored, err := f.DB.Finish(t.Context(), ref, claimed, next)
		if err != nil || stored != c.settles {
			t.Errorf("%s/%s, %s: stored %v, error %v", c.status, c.reason, c.report, stored, err)
		}
		want := row.Task
		if c.settles {
			want = next
		}
		if got, _ := f.Read(t, ref); !cmp.Equal(got.Task, want) {
			t.Errorf("%s/%s, %s: %s", c.status, c.reason, c.report, cmp.Diff(want, got.Task))
		}
	}
}

func TestLateTruthOfAnotherAttemptSettlesNothing(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	row, claimed := claimedRow()
	row.Task.Status, row.Task.Reason = followup.Failed, followup.OutcomeUnknown
	ref := f.Insert(t, row)
	claimed.ClaimedAt = claimed.ClaimedAt.Add(-time.Second)
	if stored, err := f.DB.Finish(t.Context(), ref, claimed, rules().Finish(claimed, reports["accepted"])); err != nil || stored {
		t.Errorf("stored %v, error %v", stored, err)
	}
}

// The database was restored to a moment before the claim, or a replica that had not
// heard of it was promoted.
func TestFinishOfAClaimThatTheDatabaseHasLost(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	waits := func(c *followup.Task) { c.Status, c.ClaimedAt = followup.Scheduled, time.Time{} }
	for _, c := range []struct {
		name    string
		row     func(*followup.Task)
		settles []string // the reports that the row is settled by
		recalls bool     // it stays as it is, but for the call
	}{
		{"it waits", waits, []string{"accepted", "unknown"}, false},
		{"it waits, of an earlier revision", func(c *followup.Task) { waits(c); c.Revision-- }, []string{"accepted", "unknown"}, false},
		{"it was armed anew for the same time", func(c *followup.Task) { waits(c); c.Revision++ }, []string{"accepted"}, false},
		{"the attempt before was refused", func(c *followup.Task) {
			c.Status, c.Reason, c.ClaimedAt = followup.Failed, followup.NotStarted, c.ClaimedAt.Add(-time.Minute)
		}, []string{"accepted", "unknown"}, false},
		{"the attempt before is at work", func(c *followup.Task) { c.ClaimedAt = c.ClaimedAt.Add(-time.Microsecond) }, []string{"accepted", "unknown"}, false},
		{"a person has cancelled it since", func(c *followup.Task) { waits(c); c.Status, c.Reason = followup.Cancelled, followup.ByOperator }, []string{"accepted", "unknown"}, false},
		{"it was never armed", func(c *followup.Task) { *c = followup.Task{Status: followup.Pending} }, nil, true},
		{"it waits for another time, of before", func(c *followup.Task) { waits(c); c.Revision--; c.PlannedFor = c.PlannedFor.Add(time.Hour) }, nil, true},
		{"it was armed anew for another time", func(c *followup.Task) { waits(c); c.Revision++; c.PlannedFor = c.PlannedFor.Add(time.Hour) }, nil, false},
		{"a later claim is at work", func(c *followup.Task) { c.ClaimedAt = c.ClaimedAt.Add(time.Microsecond) }, nil, false},
		{"a later claim has called", func(c *followup.Task) {
			c.Status, c.ClaimedAt = followup.Executed, c.ClaimedAt.Add(time.Microsecond)
			c.ExecutedAt = c.ClaimedAt
		}, nil, false},
	} {
		for name, report := range reports {
			row, claimed := claimedRow()
			c.row(&row.Task)
			ref := f.Insert(t, row)
			next := rules().Finish(claimed, report)
			want, settles := row.Task, slices.Contains(c.settles, name)
			switch {
			case settles:
				want = next
				want.Revision = max(want.Revision, row.Task.Revision)
			case c.recalls && name == "accepted":
				want.ExecutedAt, want.CallID, settles = claimed.ClaimedAt, report.CallID, true
			}
			if stored, err := f.DB.Finish(t.Context(), ref, claimed, next); err != nil || stored != settles {
				t.Errorf("%s, %s: stored %v, error %v", c.name, name, stored, err)
			}
			got, _ := f.Read(t, ref)
			if diff := cmp.Diff(want, got.Task); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", c.name, name, diff)
			}
			if name != "accepted" || !settles {
				continue
			}
			// Whatever it waits for: nobody is called for this time again.
			got.ScheduledAt = claimed.PlannedFor
			if d := rules().Plan(&got, claimed.ClaimedAt.Add(time.Hour)); d.Rule != followup.RuleCalled && d.Rule != followup.RuleNoFollowUp {
				t.Errorf("%s: the plan is to %s (%s)", c.name, d.Effect, d.Rule)
			}
		}
	}
}

// What a claim moved meanwhile, LAD's columns among it, is not written back.
func TestFinishLeavesWhatMovedDuringTheCall(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	row, claimed := claimedRow()
	ref := f.Insert(t, row)
	moved := row.ScheduledAt.Add(time.Hour)
	f.LAD(t, ref.TenantID, `UPDATE lead_bookings SET scheduled_at = $1, status = 'confirmed', notes = 'moved' WHERE id = $2`, moved, ref.BookingID)
	before := ladColumns(t, f, ref)
	if stored, err := f.DB.Finish(t.Context(), ref, claimed, rules().Finish(claimed, reports["accepted"])); err != nil || !stored {
		t.Fatalf("stored %v, error %v", stored, err)
	}
	if after := ladColumns(t, f, ref); after != before {
		t.Errorf("LAD's columns have become %s", after)
	}
	if got, _ := f.Read(t, ref); got.Task.PlannedFor != row.ScheduledAt || got.Task.Key != row.Task.Key {
		t.Errorf("planned for %v, key %q", got.Task.PlannedFor, got.Task.Key)
	}
}
