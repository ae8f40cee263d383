package examples_test

import (
	"strings"
	"testing"
	"time"

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

func TestTheCutOverLosesNoCallAndMakesNoneTwice(t *testing.T) {
	t.Parallel()
	w := newCutOver(t)
	lad := startOldLAD(t, w.Database, w.agent)
	// Deployed days before, beside LAD at work.
	w.deploy(never, true)
	w.queue.Resume()

	now := time.Now()
	done := w.book(now)
	var soon []followup.Booking
	for i := range 30 {
		soon = append(soon, w.book(now.Add(2*time.Second+time.Duration(i)*50*time.Millisecond)))
	}
	far, moved := w.book(now.Add(time.Hour)), w.book(now.Add(time.Hour))
	years := w.book(now.Add(400 * 24 * time.Hour))
	withdrawn, dropped := w.book(now.Add(time.Hour)), w.book(now.Add(time.Hour))
	for _, b := range append([]followup.Booking{far, moved, withdrawn, dropped}, soon...) {
		functiontest.Eventually(t, "LAD has scheduled it", func() bool { return w.state(b) != "pending" })
	}
	w.awaitState(done, "executed")
	// LAD rang, and died before it could say so.
	doubt := w.book(now.Add(-time.Second))
	functiontest.Eventually(t, "LAD has rung", func() bool { return w.rang(doubt) == 1 && w.state(doubt) == "executed" })
	w.Change(doubt.Ref, "task_status = 'scheduled', executed_at = NULL, execution_attempts = 0")
	// LAD died before it rang.
	silent := w.book(now.Add(time.Hour))
	functiontest.Eventually(t, "LAD has scheduled it", func() bool { return w.state(silent) == "scheduled" })
	lad.forget(silent)
	silent.ScheduledAt = now
	w.Change(silent.Ref, "scheduled_at = $1, task_scheduled_at = $1, idempotency_key = $2", now, silent.Key())
	w.Change(dropped.Ref, "task_status = 'cancelled'") // as LAD's cancelFollowUpCall does
	w.sweep()
	if state := w.state(far); state != "scheduled" {
		t.Errorf("the deployed functions have made a booking %s", state)
	}

	var unannounced followup.Booking
	since := w.switchOver(lad, func() {
		unannounced = w.book(time.Now())
		w.Change(moved.Ref, "scheduled_at = now() + interval '2 hours'")
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
		functiontest.Eventually(t, "the call is made, or held for a person", func() bool {
			state := w.state(b)
			return state == "executed" || state == "executed ours" || state == "failed outcome_unknown"
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
	for _, b := range []followup.Booking{doubt, silent} {
		if held := w.command("list-held", person(b)); !strings.Contains(held, b.BookingID.String()) {
			t.Errorf("%s is not listed as held: %s", b.BookingID, held)
		}
	}
	w.command("resolve-called", person(doubt), "--yes")
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
		"rung by a LAD that died":          {doubt, "executed", 1},
		"given up by a LAD that died":      {silent, "executed ours", 1},
		"inserted between the two systems": {unannounced, "executed ours", 1},
	} {
		if state, rang := w.state(want.booking), w.rang(want.booking); state != want.state || rang != want.rang {
			t.Errorf("%s: %s, rung %d times; want %s, %d", what, state, rang, want.state, want.rang)
		}
	}
}

// This is why the document takes LAD's tasks away instead of letting them run
// out: the rules leave LAD's rows alone, but for a while only.
func TestWhatLADHasScheduledIsLeftAloneUntilItsGraceIsOver(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		due    time.Duration
		status followup.TaskStatus
		edit   string
		want   string
	}{
		{time.Hour, followup.Scheduled, "", "scheduled"},
		{-4 * time.Minute, followup.Scheduled, "", "scheduled"},
		{-6 * time.Minute, followup.Scheduled, "", "scheduled ours"}, // and LAD's task may still come
		{time.Hour, followup.Scheduled, "scheduled_at = scheduled_at + interval '1 hour'", "scheduled ours"},
		{time.Hour, followup.Scheduled, "status = 'cancelled'", "cancelled booking_cancelled ours"},
		{-6 * time.Minute, followup.Failed, "", "failed"},
		{-6 * time.Minute, followup.Executed, "executed_at = scheduled_at", "executed"},
		{time.Hour, followup.Cancelled, "", "cancelled"},
	} {
		w := newCutOver(t)
		at := time.Now().Add(tc.due)
		b := w.Insert(functiontest.Seed{Tenant: functiontest.TenantB, At: at,
			Task: followup.Task{Status: tc.status, Key: functiontest.CurrentKey, DueAt: at, Name: "projects/p/locations/l/queues/lad/tasks/x"}})
		w.Change(b.Ref, "planned_for = NULL") // LAD does not know the column
		if tc.edit != "" {
			w.Change(b.Ref, tc.edit)
		}
		w.deploy(time.Now().Add(-24*time.Hour), false)
		w.sweep()
		if got := w.state(b); got != tc.want {
			t.Errorf("LAD's %s row, due in %v, changed by %q, is now %q, want %q", tc.status, tc.due, tc.edit, got, tc.want)
		}
	}
}

// And this: a leftover task of LAD's does not know that its booking has moved to
// this system, and writes failed into the row.
func TestALeftoverTaskOfLADsSpoilsABookingThatHasMoved(t *testing.T) {
	t.Parallel()
	w := newCutOver(t)
	lad := startOldLAD(t, w.Database, w.agent)
	b := w.book(time.Now().Add(time.Hour))
	w.awaitState(b, "scheduled")
	w.one("trigger-off")
	lad.stopListener()
	w.deploy(time.Now().Add(-time.Hour), false)
	w.Change(b.Ref, "scheduled_at = scheduled_at + interval '1 hour'")
	w.sweep()
	w.awaitState(b, "scheduled ours")
	if err := lad.execute(t.Context(), oldTask{booking: b.BookingID, key: b.Key()}); err == nil {
		t.Error("LAD's leftover task was executed")
	}
	w.sweep()
	if got := w.state(b); got != "failed ours" {
		t.Errorf("the booking is %s", got)
	}
}

func TestDeployedAheadTheFunctionsChangeNothing(t *testing.T) {
	t.Parallel()
	w := newCutOver(t)
	for _, due := range []time.Duration{-time.Hour, 0, time.Hour, 40 * 24 * time.Hour} {
		for _, status := range []followup.TaskStatus{followup.Pending, followup.Scheduled, followup.Failed, followup.Executed, followup.Cancelled} {
			at := time.Now().Add(due)
			w.Insert(functiontest.Seed{Tenant: functiontest.TenantB, At: at, Task: followup.Task{Status: status, Key: functiontest.CurrentKey, DueAt: at}})
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

func TestTheChecksBeforeTheCutOverFindWhatTheyLookFor(t *testing.T) {
	t.Parallel()
	w := newCutOver(t)
	at := time.Now().Add(24 * time.Hour)
	shifted := w.Insert(functiontest.Seed{Tenant: functiontest.TenantB, At: at, Created: time.Now(), Task: followup.Task{Status: followup.Scheduled, Key: functiontest.CurrentKey, DueAt: at}})
	w.Change(shifted.Ref, "planned_for = NULL, task_name = 'x', timezone = 'GST', task_scheduled_at = scheduled_at - interval '4 hours'")
	straight := w.Insert(functiontest.Seed{Tenant: functiontest.TenantB, At: at, Created: time.Now(), Task: followup.Task{Status: followup.Scheduled, Key: functiontest.CurrentKey, DueAt: at}})
	w.Change(straight.Ref, "planned_for = NULL, task_name = 'y', timezone = 'UTC'")
	if rows := w.sql("time-zones", nil); len(rows) != 1 || rows[0][0] != "GST" || rows[0][1] != "-4" || rows[0][2] != "1" {
		t.Errorf("the check of time zones found %q", rows)
	}

	missed := w.Insert(functiontest.Seed{Tenant: functiontest.TenantB, At: time.Now().Add(-time.Hour)})
	old := w.Insert(functiontest.Seed{Tenant: functiontest.TenantB, At: time.Now().Add(-48 * time.Hour)})
	rows := w.sql("missed", map[string]string{"active_since": time.Now().Format(time.RFC3339)})
	if len(rows) != 1 || rows[0][0] != missed.BookingID.String() {
		t.Errorf("missed are %q, want %s and not %s", rows, missed.BookingID, old.BookingID)
	}
}

func TestACallUnderWayIsSeen(t *testing.T) {
	t.Parallel()
	w := newCutOver(t)
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
