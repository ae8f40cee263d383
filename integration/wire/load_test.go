package wire_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/internal/promise"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

const (
	// bookings are those of one case, due one after another.
	bookings = 36
	pace     = 40 * time.Millisecond
)

// load is what LAD does in a case.
type load struct {
	*world
	t         *testing.T
	refs      []followup.Ref
	withdrawn map[followup.Ref]time.Time // when LAD's cancel had the row, on the clock that counts
	events    sync.WaitGroup
}

// load begins a case.
func (w *world) load(t *testing.T) *load {
	t.Helper()
	return &load{world: w, t: t, withdrawn: map[followup.Ref]time.Time{}}
}

// book books n bookings, the first of them due now. Two of three have an event,
// which is delivered until it is taken.
func (l *load) book(n int) {
	l.t.Helper()
	now := l.clock.Now()
	for i := range n {
		ref := followup.Ref{TenantID: []uuid.UUID{tenantdbtest.TenantA, tenantdbtest.TenantB}[i%2], BookingID: uuid.New()}
		zone := []string{"GST", "UTC", "America/New_York"}[i%3]
		due := followup.Times{}.Wall(now.Add(time.Duration(i)*pace).Truncate(time.Millisecond), zone)
		lead, user := uuid.New(), tenantdbtest.User(ref.TenantID)
		for _, statement := range []struct {
			sql  string
			args []any
		}{
			{`INSERT INTO ` + l.schema + `.users (id, tenant_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, []any{user, ref.TenantID}},
			{`INSERT INTO ` + l.schema + `.leads (id, tenant_id, first_name, phone, assigned_user_id) VALUES ($1, $2, 'Ada', '+4915112345678', $3)`, []any{lead, ref.TenantID, user}},
			{`INSERT INTO ` + l.schema + `.lead_bookings (id, tenant_id, lead_id, booking_type, booking_source, scheduled_at, timezone, created_at, status)
				VALUES ($1, $2, $3, 'follow_up', 'voice_agent', $4, $5, $6, 'scheduled')`,
				[]any{ref.BookingID, ref.TenantID, lead, due, zone, now}},
		} {
			eventually(l.t, "book", func() error {
				_, err := l.owner.Exec(context.Background(), statement.sql, statement.args...)
				return err
			})
		}
		l.refs = append(l.refs, ref)
		if i%3 != 0 { // the others are the sweep's
			l.events.Go(func() { l.publish(ref) })
		}
	}
}

// publish delivers an event until it is taken, as Pub/Sub does.
func (l *load) publish(ref followup.Ref) {
	for deadline := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		status := functiontest.Event(functiontest.Created, ref).To(l.world.schedule)
		if status == http.StatusOK {
			return
		}
		if time.Now().After(deadline) {
			l.t.Errorf("the event of %s is not taken: %d", ref, status)
			return
		}
	}
}

// withdraw has LAD cancel every sixth booking, with no event. Whoever claims a
// booking holds its row, so the time is one after the cancel had it.
func (l *load) withdraw() {
	l.t.Helper()
	for i := 5; i < len(l.refs); i += 6 {
		ref := l.refs[i]
		eventually(l.t, "cancel", func() error {
			var at time.Time
			err := l.owner.QueryRow(context.Background(), `UPDATE `+l.schema+`.lead_bookings SET status = 'cancelled'
				WHERE tenant_id = $1 AND id = $2 RETURNING clock_timestamp()`, ref.TenantID, ref.BookingID).Scan(&at)
			if err == nil {
				l.withdrawn[ref] = at.Add(time.Until(l.clock.Now()))
			}
			return err
		})
	}
}

// finish waits for the end of every booking, and a sweep longer.
func (l *load) finish() []followup.Booking {
	l.t.Helper()
	l.events.Wait()
	var rows []followup.Booking
	eventually(l.t, "every booking comes to an end", func() error {
		rows = l.rows(l.t, l.refs)
		for _, b := range rows {
			if !l.over(b) {
				return fmt.Errorf("%s is %s/%s r%d a%d, claimed %v: %s", b.Ref, b.Task.Status, b.Task.Reason, b.Task.Revision, b.Task.Attempts, b.Task.ClaimedAt, b.Task.LastError)
			}
		}
		return nil
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := l.queue.WaitIdle(ctx); err != nil {
		l.t.Error(err)
	}
	l.world.schedule.Sweep(ctx)
	again := l.rows(l.t, l.refs)
	for i := range rows {
		if rows[i].Task != again[i].Task {
			l.t.Errorf("the end of %s did not last: %+v became %+v", rows[i].Ref, rows[i].Task, again[i].Task)
		}
	}
	return again
}

// over: the row is at an end, and the rules want no other.
func (l *load) over(b followup.Booking) bool {
	return promise.Over(b.Task) && l.rules.Plan(&b, l.clock.Now()).Effect == followup.None
}

// result is how the bookings of a case ended.
type result struct{ called, withdrawn, unknown, unknownRung int }

// check holds the ends against the promises. What the wire does may leave a call in
// doubt.
func (l *load) check(rows []followup.Booking) (r result) {
	l.t.Helper()
	for _, b := range rows {
		t := promise.Trace{
			Ref: b.Ref, Calls: voiceagent.Seen(l.agent.Calls(b.BookingID.String())), Ended: true,
			Permits: func(row promise.Row) bool {
				return row.Status == followup.Executed || row.Reason == followup.OutcomeUnknown
			},
		}
		at, withdrawn := l.withdrawn[b.Ref]
		t.Rows = []promise.Row{{Task: b.Task, Word: promise.Means(b.Ref, !withdrawn, b.ScheduledAt, time.Time{})}}
		if claimed := b.Task.ClaimedAt; !claimed.IsZero() {
			word := promise.Means(b.Ref, !withdrawn || !claimed.After(at), b.ScheduledAt, time.Time{})
			t.Attempts = []promise.Attempt{{At: claimed, Key: b.Task.Key, Words: []promise.Word{word}}}
		}
		for _, v := range t.Check() {
			l.t.Errorf("%s: %s (%s)", b.Ref, v, b.Task.LastError)
		}
		switch {
		case b.Task.Status == followup.Executed:
			r.called++
		case b.Task.Status == followup.Cancelled:
			r.withdrawn++
		case b.Task.Reason == followup.OutcomeUnknown:
			r.unknown++
			r.unknownRung += len(t.Calls)
		}
	}
	return r
}

func (r result) String() string {
	return fmt.Sprintf("%d called, %d withdrawn, %d unknown (%d of them were rung)", r.called, r.withdrawn, r.unknown, r.unknownRung)
}

// await waits until some of the bookings have been rung, so that a fault meets
// the system at work.
func (l *load) await(calls int) {
	l.t.Helper()
	eventually(l.t, "the first calls", func() error {
		if len(l.agent.Calls("")) < calls {
			return errors.New("too few")
		}
		return nil
	})
}
