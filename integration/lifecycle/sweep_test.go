package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

func TestBookingsYearsAheadWaitAndAreCalledOnTheirDay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	year, weeks := w.book(400*24*time.Hour), w.book(40*24*time.Hour) // Cloud Tasks takes 30 days
	w.event(year)
	w.event(weeks)
	w.want(year, followup.Pending, "", 0)
	if queued := w.queued(); len(queued) != 0 {
		t.Fatalf("tasks for the far future: %v", queued)
	}
	w.pass(39*24*time.Hour, 6*time.Hour)
	w.want(weeks, followup.Scheduled, "", 0)
	w.want(year, followup.Pending, "", 0)
	w.pass(2*24*time.Hour, 6*time.Hour)
	w.want(weeks, followup.Executed, "", 1)
	w.pass(360*24*time.Hour, 24*time.Hour)
	w.want(year, followup.Executed, "", 1)
}

func TestBookingsWithNoEventAreCalledOnceEvenIfTheQueueIsPurged(t *testing.T) {
	t.Parallel()
	for _, mode := range []struct {
		name    string
		options []option
	}{{"in a shared schema", nil}, {"with a registry", []option{inRegistryMode}}} {
		t.Run(mode.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, mode.options...)
			var refs []followup.Ref
			for i := range 30 {
				tenant := tenantdbtest.TenantA
				if i%2 == 1 {
					tenant = tenantdbtest.TenantB
				}
				refs = append(refs, w.Insert(t, tenantdbtest.Row{
					Tenant: tenant, CreatedAt: w.clock.Now(),
					ScheduledAt: w.clock.Now().Add(time.Duration(i-5) * 10 * time.Minute),
				}))
			}
			w.pass(30*time.Minute, time.Minute)
			w.purge()
			w.pass(90*time.Minute, time.Minute)
			w.purge()
			w.pass(5*time.Hour, time.Minute)
			for _, ref := range refs {
				w.want(ref, followup.Executed, "", 1)
			}
		})
	}
}

func TestAClaimWhoseProcessDiedIsHeldOnceItsLeaseIsOver(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		idempotent bool
		status     followup.TaskStatus
		reason     followup.Reason
		calls      int
	}{
		{"for a person", false, followup.Failed, followup.OutcomeUnknown, 0},
		{"or tried again, if the agent deduplicates", true, followup.Executed, "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, func(r *followup.Rules, _ *[]tenantdbtest.Option) { r.AgentIdempotent = c.idempotent })
			ref := w.book(time.Minute)
			w.event(ref)
			task := w.row(ref).Task
			ticket := followup.Ticket{Key: task.Key, Revision: task.Revision, TaskName: task.Name}
			w.purge()
			w.clock.Advance(time.Minute)
			// A process claims the booking and is gone.
			a, err := w.DB.Admit(t.Context(), ref, w.rules, func(b *followup.Booking, facts followup.Facts, now time.Time) followup.Decision {
				return w.rules.Admit(b, facts, ticket, now)
			})
			if err != nil || a.Decision.Effect != followup.Dial {
				t.Fatalf("claim: %+v, %v", a.Decision, err)
			}
			w.pass(w.rules.Lease, time.Minute)
			w.want(ref, followup.InProgress, "", 0)
			w.pass(10*time.Minute, time.Minute)
			w.want(ref, c.status, c.reason, c.calls)
		})
	}
}

func TestHistoryIsNeverTouched(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	long := w.rules.ActiveSince.Add(-time.Hour)
	historic := w.Insert(t, tenantdbtest.Row{ScheduledAt: long, CreatedAt: long.Add(-time.Hour)})
	moved := w.Insert(t, tenantdbtest.Row{ScheduledAt: long, CreatedAt: long.Add(-time.Hour)})
	w.pass(time.Hour, 10*time.Minute)
	w.want(historic, followup.Pending, "", 0)
	w.moveTo(moved, w.clock.Now().Add(time.Hour))
	w.pass(2*time.Hour, 10*time.Minute)
	w.want(moved, followup.Executed, "", 1)
	w.want(historic, followup.Pending, "", 0)
}

func TestAPausedTenantIsNotCalledAndItsCallsAreMadeAtThePaceOfTheQueueWhenItGoesOn(t *testing.T) {
	t.Parallel()
	paused := followup.Pause{Tenants: []uuid.UUID{tenantdbtest.TenantA}}
	w := newWorld(t, func(r *followup.Rules, _ *[]tenantdbtest.Option) { r.Paused = paused })
	const bookings = 60
	var refs []followup.Ref
	for range bookings {
		refs = append(refs, w.book(time.Minute))
	}
	other := w.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantB, CreatedAt: w.clock.Now(), ScheduledAt: w.clock.Now().Add(time.Minute)})
	w.pass(20*time.Minute, time.Minute)
	w.want(other, followup.Executed, "", 1)
	for _, ref := range refs {
		w.want(ref, followup.Scheduled, "", 0)
	}
	if queued := len(w.queued()); queued != bookings {
		t.Errorf("%d tasks are kept, want %d", queued, bookings)
	}

	rules := w.rules
	rules.Paused = followup.Pause{}
	w.startFunctions(rules)
	w.clock.Advance(time.Second)
	w.settle()
	rung := 0
	for _, ref := range refs {
		rung += w.calls(ref)
	}
	if const10PerSecond := 25; rung > const10PerSecond {
		t.Errorf("%d of %d leads were rung in the first second; the queue allows 10 a second", rung, bookings)
	}
	w.pass(10*time.Minute, time.Minute)
	for _, ref := range refs {
		w.want(ref, followup.Executed, "", 1)
	}
}

// Two sweeps, the events and the executions at once, on 300 bookings.
func TestSweepsEventsAndExecutionsDoNotDisturbEachOther(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const bookings = 300
	rows := make([]tenantdbtest.Row, bookings)
	for i := range rows {
		rows[i] = tenantdbtest.Row{CreatedAt: w.clock.Now(), ScheduledAt: w.clock.Now().Add(time.Duration(i%60-10) * time.Second)}
	}
	refs := w.InsertAll(t, tenantdbtest.TenantA, rows)
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var rivals sync.WaitGroup
	for range 2 {
		rivals.Go(func() {
			for range 3 {
				w.schedule.Sweep(ctx)
			}
		})
	}
	rivals.Go(func() {
		for _, ref := range refs {
			_, err := w.reconciler.Booking(ctx, ref)
			for errors.Is(err, tenantdb.ErrLocked) { // its task is at it; Pub/Sub sends the event again
				_, err = w.reconciler.Booking(ctx, ref)
			}
			if err != nil {
				t.Error(err)
			}
		}
	})
	rivals.Go(func() {
		for range 120 {
			w.clock.Advance(time.Second)
		}
	})
	rivals.Wait()
	w.pass(15*time.Minute, time.Minute)
	for _, ref := range refs {
		w.want(ref, followup.Executed, "", 1)
	}
}

// A queue that is paused for an hour has lost nothing: each task is there and has its
// turn. To arm every overdue row anew would be a task for each in every grace.
func TestBacklog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	queue := w.config.QueuePath()
	if _, err := w.queue.PauseQueue(t.Context(), &cloudtaskspb.PauseQueueRequest{Name: queue}); err != nil {
		t.Fatal(err)
	}
	var refs []followup.Ref
	for range 20 {
		refs = append(refs, w.book(0))
	}
	w.sweep()
	before := w.queued()
	w.pass(time.Hour, time.Minute)
	if diff := cmp.Diff(slices.Sorted(slices.Values(before)), slices.Sorted(slices.Values(w.queued()))); diff != "" || len(before) != len(refs) {
		t.Errorf("%d tasks, an hour later (-want +got):\n%s", len(before), diff)
	}
	lost := w.row(refs[0])
	if err := w.tasks.Delete(t.Context(), lost.Task.Name); err != nil {
		t.Fatal(err)
	}
	w.pass(time.Minute, time.Minute)
	for i, ref := range refs {
		if revision := w.row(ref).Task.Revision; revision != 1 && i > 0 || revision != 2 && i == 0 {
			t.Errorf("booking %d is at revision %d", i, revision)
		}
	}
	if _, err := w.queue.ResumeQueue(t.Context(), &cloudtaskspb.ResumeQueueRequest{Name: queue}); err != nil {
		t.Fatal(err)
	}
	w.pass(10*time.Minute, time.Minute)
	for _, ref := range refs {
		w.want(ref, followup.Executed, "", 1)
	}
}
