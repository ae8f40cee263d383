package lifecycle_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// TestZone checks that a booking is called when the clock of its timezone says so,
// in a column without time zone (tenant A's) and with one (tenant B's).
func TestZone(t *testing.T) {
	t.Parallel()
	inZone := func(w *world, zone string, d time.Duration) (refs []followup.Ref) {
		for _, tenant := range []uuid.UUID{tenantdbtest.TenantA, tenantdbtest.TenantB} {
			refs = append(refs, w.Insert(w.t, tenantdbtest.Row{
				Tenant: tenant, Timezone: zone, ScheduledAt: w.clock.Now().Add(d), CreatedAt: w.clock.Now(),
			}))
		}
		return refs
	}
	all := func(w *world, refs []followup.Ref, status followup.TaskStatus, reason followup.Reason, calls int) {
		w.t.Helper()
		for _, ref := range refs {
			w.want(ref, status, reason, calls)
		}
	}
	t.Run("its_own", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, inRegistryMode)
		var refs []followup.Ref
		for _, zone := range []string{"GST", "asia/kolkata", "PST", "-03:30"} {
			refs = append(refs, inZone(w, zone, time.Hour)...)
		}
		w.pass(59*time.Minute, 10*time.Minute)
		all(w, refs, followup.Scheduled, "", 0)
		w.pass(2*time.Minute, time.Minute)
		all(w, refs, followup.Executed, "", 1)
	})
	t.Run("changed", func(t *testing.T) {
		t.Parallel()
		for _, heard := range []bool{true, false} {
			w := newWorld(t, inRegistryMode)
			refs := inZone(w, "GST", 2*time.Hour)
			w.pass(time.Minute, time.Minute)
			for _, ref := range refs {
				w.lad(ref, `timezone = 'UTC'`) // four hours later
				if heard {
					w.event(ref)
				}
			}
			w.pass(5*time.Hour+57*time.Minute, 10*time.Minute)
			all(w, refs, followup.Scheduled, "", 0)
			w.pass(3*time.Minute, time.Minute)
			all(w, refs, followup.Executed, "", 1)
		}
	})
	t.Run("unreadable", func(t *testing.T) {
		t.Parallel()
		for _, heard := range []bool{true, false} {
			w := newWorld(t, inRegistryMode)
			refs := inZone(w, "GST", 2*time.Hour)
			w.pass(time.Minute, time.Minute)
			change := func(set string) {
				for _, ref := range refs {
					w.lad(ref, set)
					if heard {
						w.event(ref)
					}
				}
			}
			change(`timezone = 'Dubai time'`)
			w.pass(4*time.Hour, 10*time.Minute)
			all(w, refs, followup.Failed, followup.UnknownTimezone, 0)
			if queued := w.queued(); len(queued) != 0 {
				t.Errorf("tasks are left: %v", queued)
			}
			change(`timezone = 'gst'`)
			w.pass(2*time.Minute, time.Minute)
			all(w, refs, followup.Executed, "", 1)
		}
	})
	t.Run("changed_after_the_call", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, inRegistryMode)
		refs := inZone(w, "UTC", time.Minute)
		w.pass(2*time.Minute, time.Minute)
		all(w, refs, followup.Executed, "", 1)
		for _, ref := range refs {
			w.lad(ref, `timezone = 'GST'`) // four hours earlier, which the call has settled
		}
		w.pass(6*time.Hour, 10*time.Minute)
		all(w, refs, followup.Executed, "", 1)
	})
}

// LAD cancels a booking that nobody knows when to call, revives it without an event, and
// writes back the status that its row had before.
func TestZone_revived(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ref := w.Insert(t, tenantdbtest.Row{ScheduledAt: w.clock.Now().Add(time.Hour), CreatedAt: w.clock.Now(), Timezone: "Mars"})
	w.event(ref)
	w.want(ref, followup.Failed, followup.UnknownTimezone, 0)
	w.lad(ref, `status = 'cancelled'`)
	w.event(ref)
	w.want(ref, followup.Cancelled, followup.BookingCancelled, 0)
	w.lad(ref, `status = 'scheduled', task_status = 'pending'`)
	w.sweep()
	w.want(ref, followup.Failed, followup.UnknownTimezone, 0)
}
