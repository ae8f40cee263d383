package examples_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

// LAD's keys take a booking's wall clock for UTC. Calls that LAD has armed under
// such keys are neither lost in the cut-over nor made twice, whoever has written the
// booking.
func TestOldKeys(t *testing.T) {
	t.Parallel()
	for column, tenant := range tenants {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			testOldKeys(t, tenant)
		})
	}
}

// oldKeyCase is what a booking is before the cut-over, and what it is to be after it:
// as history, and once this system has looked at it.
type oldKeyCase struct {
	what           string
	booking        followup.Booking
	before, looked string
	rang           int
	history        bool // to the first look, which has changed nothing about it
}

func testOldKeys(t *testing.T, tenant uuid.UUID) {
	w := newCutOver(t, tenant)
	lad := startOldLAD(w)
	w.deploy(never, true)
	var cases []*oldKeyCase
	add := func(what string, b followup.Booking, before, looked string, rang int) {
		cases = append(cases, &oldKeyCase{what: what, booking: b, before: before, looked: looked, rang: rang})
	}
	for writer, book := range map[string]func(time.Time) followup.Booking{
		"voice service": w.book,
		"booking page":  func(at time.Time) followup.Booking { return lad.book(at, "GST") },
	} {
		add(writer+": still to come", book(time.Now().Add(time.Hour)), "scheduled", "scheduled ours", 0)
		add(writer+": called", book(time.Now().Add(time.Second)), "executed", "executed ours", 1)
		unsaid := book(time.Now().Add(time.Second))
		w.awaitState(unsaid, "executed")
		w.Change(unsaid.Ref, "executed_at = NULL") // by a write of LAD's of what it had read before
		add(writer+": called, and it is not said when", unsaid, "executed", "executed", 1)
	}
	// The listener's task was due at once, and the endpoint came after it.
	again := w.book(time.Now())
	w.awaitState(again, "executed")
	if err := lad.schedule(again.Ref, again.When.Wall, ""); err != nil {
		t.Fatal(err)
	}
	add("booking page: called before the endpoint scheduled it", again, "scheduled", "executed ours", 1)
	// In EST the endpoint's task comes before the listener's, five hours early.
	for what, executedAt := range map[string]string{"executed_at": "now()", "no executed_at": "NULL"} {
		early := lad.book(time.Now().Add(5*time.Hour), "EST")
		w.awaitState(early, "scheduled")
		if err := lad.execute(t.Context(), oldTask{booking: early.Ref, key: oldKey(early.Ref, early.When.Wall)}); err != nil {
			t.Fatal(err)
		}
		w.Change(early.Ref, "executed_at = "+executedAt)
		add("booking page: called too early, "+what, early, "executed", "executed", 1)
	}
	for _, c := range cases {
		functiontest.Eventually(t, c.what+": "+c.before, func() bool { return w.state(c.booking) == c.before })
		if key := w.Row(c.booking.Ref).Task.Key; key != oldKey(c.booking.Ref, c.booking.When.Wall) || key == c.booking.Key() {
			t.Errorf("%s: LAD's key is %s", c.what, key)
		}
	}
	w.sweep()

	since := w.switchOverAtOnce(lad)
	w.wantOldKeys(cases, since)
	// And if what LAD has called is no history.
	since = since.Add(-48 * time.Hour)
	w.deploy(since, false)
	w.sweep()
	w.wantOldKeys(cases, since)
}

// wantOldKeys checks what has become of bookings that LAD had armed. What is armed
// has its task at the booking's own time, under its own key.
func (w *cutOver) wantOldKeys(cases []*oldKeyCase, since time.Time) {
	w.t.Helper()
	for _, c := range cases {
		row, want := w.Row(c.booking.Ref), c.looked
		if row.CreatedAt.Before(since) && row.ScheduledAt.Before(since) {
			want, c.history = c.before, true
		}
		state, n := w.state(c.booking), w.rang(c.booking)
		if c.history && want == "executed ours" && state == c.before {
			want = state // it was looked at before, and is not again within its grace
		}
		if state != want || n != c.rang {
			w.t.Errorf("%s: %s, rung %d times; want %s, %d", c.what, state, n, want, c.rang)
		}
		if want != "scheduled ours" {
			continue
		}
		task := w.queue.Named(row.Task.Name)
		if row.Task.Key != c.booking.Key() || !row.Task.DueAt.Equal(c.booking.ScheduledAt) || task == nil {
			w.t.Errorf("%s: armed as %+v, task %v; want it at %s", c.what, row.Task, task, c.booking.ScheduledAt)
		} else if at := task.GetScheduleTime().AsTime(); at.Before(c.booking.ScheduledAt) || at.After(c.booking.ScheduledAt.Add(time.Second)) {
			w.t.Errorf("%s: its task is due at %s, want %s", c.what, at, c.booking.ScheduledAt)
		}
	}
}

// Whichever of LAD's two tasks may have rung, by a LAD that died then.
func TestInDoubt(t *testing.T) {
	t.Parallel()
	for column, tenant := range tenants {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			w := newCutOver(t, tenant)
			w.one("trigger-off")
			now := time.Now()
			for _, c := range []struct {
				what    string
				due     time.Duration // the instant of the booking
				zone    string
				task    time.Duration // task_scheduled_at
				doubted bool
			}{
				{"GST, by the listener", -time.Hour, "GST", -time.Hour, true},
				{"GST, the endpoint was last", -time.Hour, "GST", 3 * time.Hour, true},
				{"GST, yesterday", -27 * time.Hour, "GST", -27 * time.Hour, false},
				{"GST, to come", time.Hour, "GST", time.Hour, false},
				{"GST, to come, the endpoint was last", time.Hour, "GST", 5 * time.Hour, false},
				{"EST, the endpoint was last", time.Hour, "EST", -4 * time.Hour, true},
				{"EST, the endpoint was first", time.Hour, "EST", time.Hour, true},
				{"EST, to come", 6 * time.Hour, "EST", 6 * time.Hour, false},
				{"a zone that LAD does not know", time.Hour, "Asia/Dubai", 5 * time.Hour, false},
				{"such a zone, in the west", time.Hour, "CST", -5 * time.Hour, true},
			} {
				b := w.insert(now.Add(c.due), c.zone, "user_ui")
				w.Change(b.Ref, "task_status = 'scheduled', idempotency_key = $1, task_scheduled_at = $2", oldKey(b.Ref, b.When.Wall), now.Add(c.task))
				doubted := false
				for _, row := range w.sql("in-doubt", map[string]string{"paused_at": now.Format(time.RFC3339Nano)}) {
					doubted = doubted || row[0] == b.BookingID.String()
				}
				if doubted != c.doubted {
					t.Errorf("%s: in doubt is %t", c.what, doubted)
				}
			}
			paused := map[string]string{"paused_at": now.Format(time.RFC3339Nano)}
			doubted := w.sql("in-doubt", paused)
			w.sql("hand-over", paused)
			if held := w.sql("held", nil); len(held) != len(doubted) {
				t.Errorf("%d were in doubt, %d are held", len(doubted), len(held))
			}
		})
	}
}
