package examples_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

// switchOver takes the steps of docs/cut-over.md, in their order, up to the start
// of this system, and returns its FOLLOWUP_ACTIVE_SINCE.
func (w *cutOver) switchOver(lad *oldLAD, meanwhile func()) time.Time {
	w.t.Helper()
	since, err := time.Parse(time.RFC3339, w.one("trigger-off"))
	if err != nil {
		w.t.Fatal(err)
	}
	if rows := w.sql("listeners", nil); len(rows) != 1 {
		w.t.Errorf("LAD's listener is not seen: %q", rows)
	}
	lad.stopListener()
	functiontest.Eventually(w.t, "LAD's listener is gone", func() bool { return len(w.sql("listeners", nil)) == 0 })
	lad.pauseQueue()
	functiontest.Eventually(w.t, "LAD's calls have ended", func() bool { return len(w.sql("calls-under-way", nil)) == 0 })
	pausedAt := map[string]string{"paused_at": w.one("paused-at")}
	lad.purgeQueue()
	meanwhile()
	doubtful := w.sql("in-doubt", pausedAt)
	w.sql("hand-over", pausedAt)
	held := w.sql("held", nil)
	if len(held) != len(doubtful) {
		w.t.Errorf("%d bookings were in doubt, %d are held", len(doubtful), len(held))
	}
	return since
}

// switchOverAtOnce is switchOver and the start, with nothing between the systems.
func (w *cutOver) switchOverAtOnce(lad *oldLAD) (since time.Time) {
	w.t.Helper()
	since = w.switchOver(lad, func() {})
	w.deploy(since, false)
	w.queue.Resume()
	w.sweep()
	return since
}

// The cut-over loses no call and makes none twice.
func TestCutOver(t *testing.T) {
	t.Parallel()
	for column, tenant := range tenants {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			testCutOver(t, tenant)
		})
	}
}

func testCutOver(t *testing.T, tenant uuid.UUID) {
	w := newCutOver(t, tenant)
	lad := startOldLAD(w)
	// Deployed days before, beside LAD at work.
	w.deploy(never, true)
	w.queue.Resume()

	now := time.Now()
	done := w.book(now)
	far, moved := w.book(now.Add(time.Hour)), w.book(now.Add(time.Hour))
	years := w.book(now.Add(400 * 24 * time.Hour))
	withdrawn, dropped := w.book(now.Add(time.Hour)), lad.book(now.Add(time.Hour), "GST")
	w.awaitState(done, "executed")
	// LAD rang, and died before it could say so.
	doubt, doubtOfPage := w.book(now.Add(-time.Second)), lad.book(now.Add(time.Second), "GST")
	for _, b := range []followup.Booking{doubt, doubtOfPage} {
		functiontest.Eventually(t, "LAD has rung", func() bool { return w.ladCalled(b) })
		w.Change(b.Ref, "task_status = 'scheduled', executed_at = NULL, execution_attempts = 0")
	}
	// LAD died before it rang.
	silent := w.book(now.Add(time.Hour))
	for _, b := range []followup.Booking{far, moved, withdrawn, dropped, silent} {
		functiontest.Eventually(t, "LAD has scheduled it", func() bool { return w.state(b) == "scheduled" })
	}
	lad.forget(silent)
	silent = w.move(silent, now)
	w.Change(silent.Ref, "task_scheduled_at = $1, idempotency_key = $2", now, oldKey(silent.Ref, silent.When.Wall))
	w.Change(dropped.Ref, "task_status = 'cancelled'") // as LAD's cancelFollowUpCall does
	// These become due before, while and after the systems change.
	now = time.Now()
	var soon []followup.Booking
	for i := range 30 {
		at := now.Add(2*time.Second + time.Duration(i)*50*time.Millisecond)
		if i%2 == 0 {
			soon = append(soon, w.book(at))
		} else {
			soon = append(soon, lad.book(at, "GST"))
		}
	}
	for _, b := range soon {
		functiontest.Eventually(t, "LAD has scheduled it", func() bool { return w.state(b) != "pending" })
	}
	w.sweep()
	if state := w.state(far); state != "scheduled" {
		t.Errorf("the deployed functions have made a booking %s", state)
	}

	var unannounced followup.Booking
	since := w.switchOver(lad, func() {
		unannounced = w.book(time.Now())
		moved = w.move(moved, time.Now().Add(2*time.Hour))
		w.Change(withdrawn.Ref, "status = 'cancelled'")
	})
	w.deploy(since, true)
	w.sweep()
	if rows := w.sql("left-behind", map[string]string{"active_since": since.Format(time.RFC3339)}); len(rows) != 0 {
		t.Errorf("left behind: %q", rows)
	}
	w.command("drift", nil)
	w.deploy(since, false)

	for _, b := range append(soon, unannounced) {
		functiontest.Eventually(t, b.BookingID.String()+" of "+b.When.Source+": the call is made, or held for a person", func() bool {
			state := w.state(b)
			return state == "executed" || state == "executed ours" || state == "failed outcome_unknown" || w.ladCalled(b)
		})
		// Held is what was due in the moment of the pause; nobody can say more.
		if n := w.rang(b); n != 1 && !(n == 0 && w.state(b) == "failed outcome_unknown") {
			t.Errorf("the phone of %s rang %d times, and its booking is %s", b.BookingID, n, w.state(b))
		}
	}
	w.sweep()
	person := func(b followup.Booking) map[string]string {
		return map[string]string{"TENANT": b.TenantID.String(), "BOOKING": b.BookingID.String()}
	}
	for _, b := range []followup.Booking{doubt, doubtOfPage, silent} {
		if held := w.command("list-held", person(b)); !strings.Contains(held, b.BookingID.String()) {
			t.Errorf("%s is not listed as held: %s", b.BookingID, held)
		}
	}
	w.command("resolve-called", person(doubt), "--yes")
	w.command("resolve-called", person(doubtOfPage), "--yes")
	w.command("resolve-not-called", person(silent), "--yes")
	w.awaitState(silent, "executed ours")
	for what, want := range map[string]struct {
		booking followup.Booking
		state   string
		rang    int
	}{
		"called by LAD":                    {done, "executed", 1},
		"for an hour from now":             {far, "scheduled ours", 0},
		"moved between the systems":        {moved, "scheduled ours", 0},
		"years ahead":                      {years, "pending", 0},
		"cancelled between the systems":    {withdrawn, "cancelled booking_cancelled ours", 0},
		"cancelled by LAD before":          {dropped, "cancelled", 0},
		"rung by a LAD that died":          {doubt, "executed ours", 1},
		"rung so, from the booking page":   {doubtOfPage, "executed ours", 1},
		"given up by a LAD that died":      {silent, "executed ours", 1},
		"inserted between the two systems": {unannounced, "executed ours", 1},
	} {
		if state, rang := w.state(want.booking), w.rang(want.booking); state != want.state || rang != want.rang {
			t.Errorf("%s: %s, rung %d times; want %s, %d", what, state, rang, want.state, want.rang)
		}
	}
}

// This is why the document takes LAD's tasks away instead of letting them run
// out: the rules leave LAD's rows alone, but only in UTC, where LAD's keys are this
// system's, and for a while.
func TestRowOfLAD(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		zone   string
		due    time.Duration
		status followup.TaskStatus
		edit   string
		want   string
	}{
		{"UTC", time.Hour, followup.Scheduled, "", "scheduled"},
		{"UTC", -4 * time.Minute, followup.Scheduled, "", "scheduled"},
		{"UTC", -6 * time.Minute, followup.Scheduled, "", "scheduled ours"}, // and LAD's task may still come
		{"GST", time.Hour, followup.Scheduled, "", "scheduled ours"},        // which LAD's task then fails
		{"UTC", time.Hour, followup.Scheduled, "scheduled_at = scheduled_at + interval '1 hour'", "scheduled ours"},
		{"UTC", time.Hour, followup.Scheduled, "timezone = 'GST'", "scheduled ours"},
		{"UTC", time.Hour, followup.Scheduled, "status = 'cancelled'", "cancelled booking_cancelled ours"},
		{"UTC", -6 * time.Minute, followup.Failed, "", "failed"},
		{"GST", -6 * time.Minute, followup.Failed, "", "failed"},
		{"UTC", -6 * time.Minute, followup.Executed, "executed_at = now()", "executed"},
		{"GST", -6 * time.Minute, followup.Executed, "", "executed"},
		{"UTC", time.Hour, followup.Cancelled, "", "cancelled"},
		{"GST", time.Hour, followup.Cancelled, "", "cancelled"},
	} {
		t.Run(fmt.Sprint(tc.status, tc.due, tc.zone, tc.edit), func(t *testing.T) {
			t.Parallel()
			w := newCutOver(t, functiontest.TenantB)
			w.one("trigger-off")
			b := w.insert(time.Now().Add(tc.due), tc.zone, "user_ui")
			w.Change(b.Ref, "task_status = $1, idempotency_key = $2, task_scheduled_at = $3, task_name = 'projects/p/locations/l/queues/lad/tasks/x'",
				string(tc.status), oldKey(b.Ref, b.When.Wall), b.ScheduledAt)
			if tc.edit != "" {
				w.Change(b.Ref, tc.edit)
			}
			w.deploy(time.Now().Add(-24*time.Hour), false)
			w.sweep()
			if got := w.state(b); got != tc.want {
				t.Errorf("the row is now %q, want %q", got, tc.want)
			}
		})
	}
}

// And this: a leftover task of LAD's does not know that its booking is this
// system's, and writes failed into the row.
func TestLeftoverTask(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"UTC", "GST"} {
		t.Run(zone, func(t *testing.T) {
			t.Parallel()
			w := newCutOver(t, functiontest.TenantB)
			lad := startOldLAD(w)
			b := lad.book(time.Now().Add(time.Hour), zone)
			was := b
			w.one("trigger-off")
			lad.stopListener()
			w.deploy(time.Now().Add(-time.Hour), false)
			if zone == "UTC" { // in other zones the keys differ without that
				b = w.move(b, b.ScheduledAt.Add(time.Hour))
			}
			w.sweep()
			w.awaitState(b, "scheduled ours")
			if err := lad.execute(t.Context(), oldTask{booking: b.Ref, key: oldKey(was.Ref, was.When.Wall)}); !errors.Is(err, errKeyMismatch) {
				t.Errorf("LAD's leftover task: %v", err)
			}
			w.sweep()
			if got := w.state(b); got != "failed ours" {
				t.Errorf("the booking is %s", got)
			}
		})
	}
}

func TestDeployedAhead(t *testing.T) {
	t.Parallel()
	w := newCutOver(t, functiontest.TenantB)
	for _, due := range []time.Duration{-time.Hour, 0, time.Hour, 40 * 24 * time.Hour} {
		for _, status := range []followup.TaskStatus{followup.Pending, followup.Scheduled, followup.Failed, followup.Executed, followup.Cancelled} {
			b := w.insert(time.Now().Add(due), "GST", "voice_agent")
			w.Change(b.Ref, "task_status = $1, idempotency_key = $2, task_scheduled_at = $3", string(status), oldKey(b.Ref, b.When.Wall), b.ScheduledAt)
		}
	}
	w.deploy(never, true)
	before := w.Checksum()
	w.sweep()
	if w.Checksum() != before {
		t.Error("a booking was changed")
	}
	w.deploy(time.Now().Add(-24*time.Hour), true)
	w.sweep()
	if w.Checksum() == before {
		t.Error("nothing was changed by functions that should: this test proves nothing")
	}
}

func TestChecks(t *testing.T) {
	t.Parallel()
	for column, tenant := range tenants {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			w := newCutOver(t, tenant)
			now := time.Now()
			w.insert(now.Add(26*time.Hour), "GST", "voice_agent")
			next := w.insert(now.Add(25*time.Hour), "GST", "voice_agent")
			w.insert(now.Add(25*time.Hour), "UTC", "web")
			w.Change(w.insert(now.Add(24*time.Hour), "GST", "user_ui").Ref, "status = 'cancelled'")
			rows := w.sql("time-zones", nil)
			if len(rows) != 2 || strings.Join(rows[0][:3], " ") != "voice_agent GST 2" || strings.Join(rows[1][:3], " ") != "web UTC 1" {
				t.Errorf("the writers and zones are %q", rows)
			} else if wall := next.When.Wall.Format("2006-01-02 15:04:05"); !strings.HasPrefix(rows[0][3], wall) {
				t.Errorf("the next booking is at %s, want %s", rows[0][3], wall)
			}

			missed := w.insert(now.Add(-time.Hour), "GST", "voice_agent")
			for _, due := range []time.Duration{-25 * time.Hour, time.Hour} {
				w.insert(now.Add(due), "GST", "voice_agent")
			}
			rows = w.sql("missed", map[string]string{"active_since": now.Add(time.Minute).Format(time.RFC3339)})
			if len(rows) != 1 || rows[0][0] != missed.BookingID.String() {
				t.Errorf("missed are %q, want %s", rows, missed.BookingID)
			}
		})
	}
}

func TestCallUnderWay(t *testing.T) {
	t.Parallel()
	w := newCutOver(t, functiontest.TenantB)
	b := w.book(time.Now().Add(time.Hour))
	release := w.Lock(b.Ref)
	if rows := w.sql("calls-under-way", nil); len(rows) != 1 {
		t.Errorf("under way are %q", rows)
	}
	release()
	if rows := w.sql("calls-under-way", nil); len(rows) != 0 {
		t.Errorf("still under way are %q", rows)
	}
}
