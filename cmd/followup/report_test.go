package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

// calledAt is a booking that was due then, and dialled lag later.
func (d *desk) calledAt(due time.Time, lag time.Duration) followup.Booking {
	d.t.Helper()
	return d.Insert(functiontest.Seed{At: due, Task: followup.Task{Status: followup.Executed, Revision: 1, Attempts: 1,
		ClaimedAt: due.Add(lag), ExecutedAt: due.Add(lag), Key: functiontest.CurrentKey}})
}

func TestAReportSaysHowPunctualTheCallsWereAndHowTheyEnded(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	due := ago(3 * time.Hour)
	for range 2 {
		d.calledAt(due, 2*time.Second)
	}
	d.calledAt(due, 90*time.Second)
	d.calledAt(ago(30*time.Hour), time.Second) // before the window
	d.Insert(functiontest.Seed{At: due, Task: followup.Task{Status: followup.Failed, Reason: followup.Expired, Revision: 1}})
	d.Insert(functiontest.Seed{At: due, Task: followup.Task{Status: followup.Cancelled, Reason: followup.LeadDeleted, Revision: 1}})

	d.run("report", "--tenant", tenantA()).want(0,
		"DUE → DIAL p50", tenantA()+"  5    3        50 %     1       0     0        1           2s              1m30s  1m30s  3 executed, 1 cancelled/lead_deleted, 1 failed/expired",
		"due in the last 24h; on time: dialled within 1m", "insert → enqueue is left out")
	d.run("report", "--tenant", tenantA(), "--within", "2m", "--since", "40h").want(0, "6    4        80 %")
	d.run("report", "--tenant", tenantB()).want(0, tenantB()+"  0    0        -")
	misspelt := d.Insert(functiontest.Seed{At: ago(-time.Hour)})
	d.Change(misspelt.Ref, "booking_type = 'folow_up'")
	d.run("report", "--tenant", tenantA()).want(0, tenantA()+`: 1 booking to come of type "folow_up", which is no follow-up's: not called`)
	d.run("report", "--tenant", uuid.NewString()).want(0, "  0    0        -")

	var all []tenantReport
	s := d.run("report", "--all", "--json").want(0)
	s.json(&all)
	if len(all) != 2 {
		t.Fatalf("%d tenants: %s", len(all), s.out.String())
	}
	a, b := all[0], all[1]
	if a.TenantID != tenantA() || a.Due != 5 || a.NotCalled != 1 || a.Waiting != 0 || *a.Percent != 50 || a.DialLag.Count != 3 || a.DialLag.P50 != 2 || a.DialLag.Max != 90 || a.Enqueue != nil || len(a.Outcomes) != 3 {
		t.Errorf("%+v", a)
	}
	if b.TenantID != tenantB() || b.Due != 0 || b.Percent != nil || b.DialLag != nil {
		t.Errorf("%+v", b)
	}
	if !strings.Contains(s.out.String(), `"insertToEnqueueSeconds": null`) || !strings.Contains(s.out.String(), `"outcomes": []`) {
		t.Errorf("printed:\n%s", s.out.String())
	}
}

func TestInsertToEnqueueIsMeasuredFromTheFunctionsLog(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var log functiontest.Log
	now := time.Now()
	for _, seed := range []functiontest.Seed{
		{At: now.Add(time.Hour), Created: now.Add(-10 * time.Second)},
		{At: now.Add(2 * time.Hour), Created: now.Add(-20 * time.Second)},
		{At: now.Add(time.Hour), Created: now.Add(-30 * time.Hour)},          // before the window
		{At: now.Add(167 * time.Hour), Created: now.Add(-5 * time.Hour)},     // was meant to wait
		{At: now.Add(300 * time.Hour), Created: now.Add(-5 * time.Hour)},     // still waits
		{Tenant: functiontest.TenantB, At: now.Add(time.Hour), Created: now}, // another tenant's
	} {
		d.announce(&log, d.Insert(seed))
	}
	file := keep(t, log.String())
	var all []tenantReport
	d.run("report", "--tenant", tenantA(), "--log-file", file, "--json").want(0).json(&all)
	lag := all[0].Enqueue
	if lag == nil || lag.Count != 2 || lag.P50 < 10 || lag.P50 > 20 || lag.Max < 20 || lag.Max > 60 {
		t.Errorf("%+v", lag)
	}
	s := d.run("report", "--all", "--log-file", file).want(0, "INSERT → ENQUEUE p50")
	if strings.Contains(s.out.String(), "left out") {
		t.Errorf("printed:\n%s", s.out.String())
	}
	// A second task, after a move, is none of a booking's beginning.
	again := strings.ReplaceAll(log.String(), `"task_revision":1`, `"task_revision":2`)
	d.run("report", "--tenant", tenantA(), "--log-file", keep(t, again), "--json").want(0).json(&all)
	if all[0].Enqueue != nil {
		t.Errorf("%+v", all[0].Enqueue)
	}
}

func TestATenantThatCannotBeReportedOnDoesNotHideTheOthers(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.calledAt(ago(time.Hour), time.Second)
	d.LAD(t, functiontest.TenantB, `DROP VIEW followup_bookings`)
	d.run("report", "--all").want(cli.ExitFailed, tenantA()+"  1    1        100 %", "report on tenant "+tenantB(), "run `followup migrate up`")
}

func TestAReportNeedsToKnowWhose(t *testing.T) {
	t.Parallel()
	d := &desk{ctx: t.Context(), t: t}
	for _, words := range []string{
		"report", "report --all --tenant " + tenantA(), "report --tenant x", "report --all --since 0s", "report --all --within -1s", "report --all x",
		"drift", "drift --all --tenant " + tenantA(), "drift --tenant x", "drift --all x",
	} {
		d.run(strings.Fields(words)...).want(cli.ExitUsage)
	}
}

func TestPercentilesOfALogAreThoseOfTheDatabase(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, n := range []int{1, 2, 3, 19, 20, 21, 100} {
		var sorted []time.Duration
		rows := "(VALUES "
		for i := range n {
			sorted = append(sorted, time.Duration(i))
			rows += "(" + strconv.Itoa(i) + "),"
		}
		for _, p := range []int{50, 95, 99, 100} {
			var want int64
			err := d.Owner.QueryRow(t.Context(), "SELECT percentile_disc($1::int / 100.0) WITHIN GROUP (ORDER BY v) FROM "+
				strings.TrimSuffix(rows, ",")+") AS t (v)", p).Scan(&want)
			if err != nil {
				t.Fatal(err)
			}
			if got := percentile(sorted, p); int64(got) != want {
				t.Errorf("p%d of %d: %d, want %d", p, n, got, want)
			}
		}
	}
}
