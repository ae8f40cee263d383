package examples_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/functiontest"
	agentserver "lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
)

// switchBack takes the steps of the way back, in the document's order.
func (w *cutOver) switchBack(since time.Time, start func()) {
	w.t.Helper()
	w.deploy(since, true)
	functiontest.Eventually(w.t, "our calls have ended", func() bool { return len(w.sql("our-calls-under-way", nil)) == 0 })
	w.sql("shut-out", nil)
	start()
	w.sql("hand-back", nil)
}

// The way back loses no call and makes none twice.
func TestWayBack(t *testing.T) {
	t.Parallel()
	for column, tenant := range tenants {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			testWayBack(t, tenant)
		})
	}
}

func testWayBack(t *testing.T, tenant uuid.UUID) {
	w := newCutOver(t, tenant)
	since := time.Now().Add(-time.Hour)
	w.sql("trigger-off", nil)
	w.deploy(since, false)
	w.queue.Resume()

	now := time.Now()
	done, far, years := w.book(now), w.book(now.Add(time.Hour)), w.book(now.Add(400*24*time.Hour))
	unknown, refused, limited, dropped := w.book(now), w.book(now), w.book(now), w.book(now.Add(time.Hour))
	second := 1
	for b, behaviour := range map[followup.Ref]agentserver.Behaviour{
		unknown.Ref: {Kind: agentserver.HangUp, Dialled: true},
		refused.Ref: {Kind: agentserver.Status, Status: 503, RetryAfter: &second},
		limited.Ref: {Kind: agentserver.Status, Status: 429},
	} {
		behaviour.BookingID = b.BookingID.String()
		w.agent.Must(behaviour)
	}
	w.Change(dropped.Ref, "status = 'cancelled'")
	var soon []followup.Booking
	for i := range 30 {
		soon = append(soon, w.book(now.Add(1500*time.Millisecond+time.Duration(i)*50*time.Millisecond)))
	}
	w.sweep()
	for b, want := range map[followup.Ref]string{
		done.Ref: "executed ours", unknown.Ref: "failed outcome_unknown ours",
		refused.Ref: "failed not_started ours", limited.Ref: "scheduled rate_limited ours",
	} {
		w.awaitState(followup.Booking{Ref: b}, want)
	}

	var lad *oldLAD
	var between followup.Booking
	w.switchBack(since, func() {
		between = w.book(time.Now())
		w.agent.Reset()
		lad = startOldLAD(w)
	})
	after := w.book(time.Now())
	for _, b := range append(soon, refused, limited, between, after) {
		functiontest.Eventually(t, "the call is made", func() bool { return strings.HasPrefix(w.state(b), "executed") })
		if n := w.rang(b); n != 1 {
			t.Errorf("the phone of %s rang %d times", b.BookingID, n)
		}
	}
	for what, want := range map[string]struct {
		booking followup.Booking
		state   string
		rang    int
	}{
		"called by us":               {done, "executed ours", 1},
		"for an hour from now":       {far, "scheduled", 0}, // by LAD
		"years ahead":                {years, "pending", 0},
		"of an outcome nobody knows": {unknown, "failed outcome_unknown ours", 1},
		"cancelled":                  {dropped, "cancelled booking_cancelled ours", 0},
	} {
		if state, rang := w.state(want.booking), w.rang(want.booking); state != want.state || rang != want.rang {
			t.Errorf("%s: %s, rung %d times; want %s, %d", what, state, rang, want.state, want.rang)
		}
	}

	// And over again, with rows that have been ours before.
	w.migrate("up")
	again := w.switchOver(lad, func() { far = w.move(far, time.Now()) })
	w.deploy(again, false)
	w.sweep()
	w.awaitState(far, "executed ours")
	if n := w.rang(far); n != 1 {
		t.Errorf("the phone rang %d times", n)
	}
}

// Whatever still comes, an event, a tick or a task: the database says no.
func TestShutOut(t *testing.T) {
	t.Parallel()
	w := newCutOver(t, functiontest.TenantB)
	w.deploy(time.Now().Add(-time.Hour), false)
	b := w.book(time.Now())
	w.sweep()
	w.awaitState(b, "scheduled ours")
	w.sql("shut-out", nil)
	row := func() (text string) {
		if err := w.Owner.QueryRow(t.Context(), `SELECT l::text FROM `+w.Schema(w.tenant)+`.lead_bookings l`).Scan(&text); err != nil {
			t.Fatal(err)
		}
		return text
	}
	was := row()
	w.queue.Resume()
	functiontest.Eventually(t, "the task was tried", func() bool { return len(w.log.Events("admission_failed")) > 0 })
	if swept := w.schedule.Sweep(t.Context()); swept.Broken == 0 {
		t.Errorf("a sweep went well: %+v", swept)
	}
	if w.rang(b) != 0 || row() != was {
		t.Errorf("rang %d times, and the row is %s", w.rang(b), row())
	}
}

// While hand-back runs, others insert: each booking is announced once.
func TestHandBack(t *testing.T) {
	t.Parallel()
	w := newCutOver(t, functiontest.TenantB)
	w.one("trigger-off")
	listener := w.ladSession()
	if _, err := listener.Exec(t.Context(), "LISTEN booking_followup_created"); err != nil {
		t.Fatal(err)
	}
	// Each writer inserts some bookings before hand-back begins, some after it has
	// ended, and goes on meanwhile.
	const writers, some = 4, 20
	var inserting, begun sync.WaitGroup
	var inserted atomic.Int64
	ended := make(chan struct{})
	for range writers {
		conn := w.ladSession()
		insert := func() {
			if _, err := insert(t.Context(), conn, w.tenant, time.Now().Add(time.Hour), "GST", "voice_agent"); err != nil {
				t.Error(err)
			}
			inserted.Add(1)
		}
		begun.Add(1)
		inserting.Go(func() {
			for range some {
				insert()
			}
			begun.Done()
			for meanwhile := true; meanwhile; {
				select {
				case <-ended:
					meanwhile = false
				default:
					insert()
				}
			}
			for range some {
				insert()
			}
		})
	}
	begun.Wait()
	announced := w.sql("hand-back", nil)
	close(ended)
	inserting.Wait()
	all := int(inserted.Load())

	times := map[string]int{}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for total := 0; total < all; total++ {
		n, err := listener.WaitForNotification(ctx)
		if err != nil {
			t.Fatalf("%d of %d bookings were announced: %v", total, all, err)
		}
		times[n.Payload]++
	}
	if len(times) != all {
		t.Errorf("%d bookings were announced more than once", all-len(times))
	}
	if fmt.Sprint(announced) == "[[0]]" || fmt.Sprint(announced) == fmt.Sprintf("[[%d]]", all) {
		t.Errorf("hand-back announced %s of %d: nobody inserted meanwhile", announced, all)
	}
	t.Logf("announced by hand-back: %s of %d", announced, all)
}
