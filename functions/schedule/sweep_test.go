package schedule_test

import (
	"context"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// planned is a task state for the booking's own time.
func planned(status followup.TaskStatus, reason followup.Reason, more ...func(*followup.Task)) followup.Task {
	t := followup.Task{Status: status, Reason: reason, Revision: 1, Key: functiontest.CurrentKey, DueAt: time.Now()}
	for _, m := range more {
		m(&t)
	}
	return t
}

func hourOld(t *followup.Task) { t.DueAt = time.Now().Add(-time.Hour) }

func claimed(t *followup.Task) { t.ClaimedAt, t.Attempts = time.Now().Add(-time.Hour), 1 }

// changed is the count of a rule in a line of sweep_done.
func changed(line map[string]any, rule string) int {
	group, _ := line["changed"].(map[string]any)
	n, _ := group[rule].(float64)
	return int(n)
}

func TestASweepFindsWhatEventsHaveMissed(t *testing.T) {
	t.Parallel()
	hourAgo, inAnHour := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	pending := followup.Task{Status: followup.Pending, Key: functiontest.CurrentKey} // with the instant of its time
	for _, tc := range []struct {
		name     string
		concern  tenantdb.Concern
		seed     functiontest.Seed
		set      string // what LAD does afterwards
		rule     string
		status   followup.TaskStatus
		reason   followup.Reason
		revision int
		tasks    int
	}{
		{"new", tenantdb.Untimed, functiontest.Seed{At: inAnHour}, "", "arm", "scheduled", "", 1, 1},
		{"new, beyond the horizon", tenantdb.Untimed, functiontest.Seed{At: time.Now().Add(30 * 24 * time.Hour)}, "", "beyond_horizon", "pending", "", 0, 0},
		{"new, in a zone that cannot be read", tenantdb.Untimed, functiontest.Seed{At: inAnHour, Timezone: "Mars"}, "", "no_zone", "failed", "unknown_timezone", 0, 0},
		{"pending and due", tenantdb.Due, functiontest.Seed{At: inAnHour, Task: pending}, "", "arm", "scheduled", "", 1, 1},
		{"pending and too late", tenantdb.Due, functiontest.Seed{At: time.Now().Add(-30 * time.Hour), Task: pending}, "", "expired", "failed", "expired", 0, 0},
		{"pending and moved", tenantdb.Untimed, functiontest.Seed{At: inAnHour, Task: pending}, "scheduled_at = scheduled_at + interval '1 hour'", "arm", "scheduled", "", 1, 1},
		{"its task should have come", tenantdb.Overdue, functiontest.Seed{At: hourAgo, Task: planned("scheduled", "", hourOld)}, "", "overdue", "scheduled", "", 2, 1},
		{"not started, and not tried again", tenantdb.Overdue, functiontest.Seed{At: hourAgo, Task: planned("failed", "not_started", hourOld, claimed)}, "", "overdue", "scheduled", "", 2, 1},
		{"written over while it was called", tenantdb.Overdue, functiontest.Seed{At: hourAgo, Task: planned("scheduled", "", hourOld, claimed)}, "", "lease_over", "failed", "outcome_unknown", 1, 0},
		{"its claim ended without an outcome", tenantdb.LeaseOver, functiontest.Seed{At: hourAgo, Task: planned("in_progress", "", hourOld, claimed)}, "", "lease_over", "failed", "outcome_unknown", 1, 0},
		{"cancelled behind its task's back", tenantdb.NotLive, functiontest.Seed{At: inAnHour, Task: planned("scheduled", "")}, "status = 'cancelled'", "not_live", "cancelled", "booking_cancelled", 1, 0},
		{"cancelled before it was seen", tenantdb.Untimed, functiontest.Seed{At: inAnHour, Status: "cancelled"}, "", "not_live", "cancelled", "booking_cancelled", 0, 0},
		{"cancelled before it had a task", tenantdb.Withdrawn, functiontest.Seed{At: inAnHour, Status: "cancelled", Task: pending}, "", "not_live", "cancelled", "booking_cancelled", 0, 0},
		{"its zone is another", tenantdb.Changed, functiontest.Seed{At: inAnHour, Task: planned("scheduled", "")}, "timezone = 'PST'", "arm", "scheduled", "", 2, 1},
		{"its zone can be read now", tenantdb.Changed, functiontest.Seed{At: inAnHour, Timezone: "Mars", Task: planned("failed", "unknown_timezone")}, "timezone = 'UTC'", "arm", "scheduled", "", 2, 1},
		{"its time was read by other settings", tenantdb.Reread, functiontest.Seed{At: inAnHour, Task: planned("scheduled", "")}, "call_at_rule = call_at_rule + 1", "on_its_way", "scheduled", "", 1, 0},
		{"moved", tenantdb.Changed, functiontest.Seed{At: inAnHour, Task: planned("scheduled", "")}, "scheduled_at = scheduled_at + interval '1 hour'", "arm", "scheduled", "", 2, 1},
		{"moved after its call", tenantdb.Changed, functiontest.Seed{At: hourAgo, Task: planned("executed", "", func(t *followup.Task) { t.ExecutedAt = hourAgo })},
			"scheduled_at = scheduled_at + interval '1 day'", "arm", "scheduled", "", 2, 1},
		{"revived", tenantdb.Changed, functiontest.Seed{At: inAnHour, Task: planned("cancelled", "booking_cancelled")}, "", "arm", "scheduled", "", 2, 1},
	} {
		t.Run(string(tc.concern)+": "+tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			url := w.serve()
			b := w.Insert(tc.seed)
			if tc.set != "" {
				w.Change(b.Ref, tc.set)
			}
			got, line := w.tick(url, time.Now())
			if got.status != 200 || got.Result != "swept" {
				t.Fatalf("answered %s", got)
			}
			after := w.Row(b.Ref)
			if after.Task.Status != tc.status || after.Task.Reason != tc.reason || after.Task.Revision != tc.revision || len(w.queue.List()) != tc.tasks {
				t.Errorf("%d tasks, the row is %+v", len(w.queue.List()), after.Task)
			}
			if changed(line, tc.rule) != 1 || line["bookings_looked_at"] != 1.0 || line["tenants"] != 2.0 || line["tenants_broken"] != 0.0 || line["bookings_failed"] != 0.0 {
				t.Errorf("the sweep says %v", line)
			}
			_, line = w.tick(url, time.Now())
			if w.Row(b.Ref) != after || changed(line, tc.rule) != 0 {
				t.Errorf("the next sweep says %v, the row is %+v", line, w.Row(b.Ref).Task)
			}
		})
	}
}

func TestASweepGoesThroughAllPagesOfAllTenants(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve()
	const each = 130 // more than a page
	for _, tenant := range []uuid.UUID{functiontest.TenantA, functiontest.TenantB} {
		lead := w.Insert(functiontest.Seed{Tenant: tenant, Type: "meeting"}).LeadID
		w.LAD(t, tenant, `INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at, timezone, status)
			SELECT $1, $2, 'follow_up', 'system', now() AT TIME ZONE 'UTC' + interval '1 minute' * n, 'UTC', 'scheduled' FROM generate_series(1, $3) n`, tenant, lead, each)
	}
	_, line := w.tick(url, time.Now())
	if line["bookings_looked_at"] != 2.0*each || changed(line, "arm") != 2*each {
		t.Errorf("the sweep says %v", line)
	}
	if n := len(w.queue.List()); n != 2*each {
		t.Errorf("there are %d tasks", n)
	}
}

func TestABrokenTenantDoesNotKeepTheSweepFromTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve()
	broken := uuid.MustParse("00000000-0000-4000-8000-000000000001") // the first in order
	w.Register(t, broken, "not_migrated")
	a, b := w.Insert(functiontest.Seed{}), w.Insert(functiontest.Seed{Tenant: functiontest.TenantB})
	got, line := w.tick(url, time.Now())
	if got.status != 200 || got.Result != "swept" {
		t.Errorf("answered %s", got)
	}
	if line["tenants"] != 3.0 || line["tenants_broken"] != 1.0 || changed(line, "arm") != 2 {
		t.Errorf("the sweep says %v", line)
	}
	for _, booking := range []followup.Booking{a, b} {
		if after := w.Row(booking.Ref); after.Task.Status != followup.Scheduled {
			t.Errorf("the row is %+v", after.Task)
		}
	}
	if lines := w.log.Events("sweep_tenant_failed"); len(lines) != 1 || lines[0]["tenant_id"] != broken.String() || lines[0]["severity"] != "ERROR" {
		t.Errorf("logged %v", lines)
	}
}

func TestABookingThatCannotBePlannedDoesNotKeepTheSweepFromTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	bad := w.Insert(functiontest.Seed{At: time.Now().Add(-2 * time.Hour)}) // the first in order
	good := w.Insert(functiontest.Seed{At: time.Now().Add(-time.Hour)})
	url := w.serve(func(p *parts) { p.queue = &pickyQueue{Queue: w.queue.Client, refused: bad.BookingID} })
	_, line := w.tick(url, time.Now())
	if line["bookings_failed"] != 1.0 || line["tenants_broken"] != 0.0 || changed(line, "arm") != 1 {
		t.Errorf("the sweep says %v", line)
	}
	if w.Row(bad.Ref).Task.Status != followup.Pending || w.Row(good.Ref).Task.Status != followup.Scheduled {
		t.Error("the wrong booking was armed")
	}
}

func TestAnOldTickIsDroppedAndAFreshOneSweeps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve()
	for name, tc := range map[string]struct {
		published time.Time
		want      string
	}{
		"fresh":              {time.Now(), "swept"},
		"a minute old":       {time.Now().Add(-time.Minute), "swept"},
		"three minutes old":  {time.Now().Add(-3 * time.Minute), "dropped"},
		"of a clock ahead":   {time.Now().Add(time.Hour), "swept"},
		"of a day before it": {time.Now().Add(-24 * time.Hour), "dropped"},
	} {
		t.Run(name, func(t *testing.T) {
			got, line := w.tick(url, tc.published)
			if got.status != 200 || got.Result != tc.want || (line != nil) != (tc.want == "swept") {
				t.Errorf("answered %s and logged %v", got, line)
			}
		})
	}
	for _, f := range forms { // without a time it cannot be old
		body := map[string]any{"message": map[string]any{"data": []byte(`{"type":"followup.sweep"}`)}}
		if got := w.send(f.request(url, body)); got.Result != "swept" {
			t.Errorf("%s: answered %s", f, got)
		}
	}
}

func TestSweepsAndEventsAtOnceMakeOneTask(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve()
	b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour)})
	done := make(chan error)
	for i := range 12 {
		data := []byte(`{"type":"followup.sweep"}`)
		if i%3 == 0 {
			data = []byte(`{"type":"booking.updated","tenantId":"` + b.TenantID.String() + `","bookingId":"` + b.BookingID.String() + `"}`)
		}
		r := binary.request(url, envelope(data, time.Now()))
		go func() {
			_, err := try(r)
			done <- err
		}()
	}
	for range 12 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	after := w.Row(b.Ref)
	if all := w.queue.List(); len(all) != 1 || after.Task.Revision != 1 || all[0].GetName() != after.Task.Name {
		t.Errorf("%d tasks, the row is %+v", len(all), after.Task)
	}
}

// pickyQueue refuses one booking.
type pickyQueue struct {
	reconcile.Queue
	refused uuid.UUID
}

func (q *pickyQueue) CreateScheduledHTTPTask(ctx context.Context, b followup.Booking, next followup.Task) (string, error) {
	if b.BookingID == q.refused {
		return "", errAway
	}
	return q.Queue.CreateScheduledHTTPTask(ctx, b, next)
}
