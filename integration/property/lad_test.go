package property_test

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"pgregory.net/rapid"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// columnNames are the task columns that LAD knows. Its generic update may write any
// of them back, as it read them at any time before, and no other.
var columnNames = []string{
	"task_status", "task_name", "task_scheduled_at", "executed_at", "execution_attempts", "last_execution_error", "idempotency_key",
}

// columns are their values at one moment, as text; "" is NULL.
type columns [7]string

// String is what matters of them.
func (c columns) String() string {
	return fmt.Sprintf("%s, %s attempts, key of %q", c[0], c[4], keyTime(c[6]))
}

// ladColumns selects them.
var ladColumns = func() string {
	var texts []string
	for _, name := range columnNames {
		texts = append(texts, `COALESCE(`+name+`::text, '')`)
	}
	return strings.Join(texts, ", ")
}()

// scanned are the columns' places in a row.
func (c *columns) scanned() []any {
	places := make([]any, len(c))
	for i := range c {
		places[i] = &c[i]
	}
	return places
}

// seen notes what LAD could have read of a booking.
func (r *run) seen(b *booking, c columns) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(b.read, c) {
		b.read = append(b.read, c)
	}
}

// readNow notes what LAD can read of a booking now. It may be called on any
// goroutine.
func (r *run) readNow(b *booking) {
	var c columns
	err := r.Owner.QueryRow(context.Background(), `SELECT `+ladColumns+` FROM `+tenantdbtest.SharedSchema+`.lead_bookings
		WHERE tenant_id = $1 AND id = $2`, b.TenantID, b.BookingID).Scan(c.scanned()...)
	if err != nil {
		r.fail("the test itself: %v", err)
		return
	}
	r.seen(b, c)
}

// writeBack has LAD write what it once read. It may be called on any goroutine.
func (r *run) writeBack(b *booking, c columns) {
	set, args := make([]string, 0, len(c)), []any{b.TenantID, b.BookingID}
	for i, name := range columnNames {
		kind := map[string]string{"task_scheduled_at": "timestamptz", "executed_at": "timestamptz", "execution_attempts": "integer"}[name]
		args = append(args, c[i])
		set = append(set, fmt.Sprintf("%s = NULLIF($%d, '')::%s", name, len(args), cmp.Or(kind, "text")))
	}
	r.mu.Lock()
	b.overwritten = true
	r.mu.Unlock()
	_, err := r.Owner.Exec(context.Background(), `UPDATE `+tenantdbtest.SharedSchema+`.lead_bookings SET `+strings.Join(set, ", ")+
		` WHERE tenant_id = $1 AND id = $2`, args...)
	if err != nil {
		r.fail("the test itself: %v", err)
	}
}

// actOverwrite has LAD write all task columns that it knows back as it read them
// once: now, or while the next call is under way.
func (r *run) actOverwrite(t *rapid.T) {
	b := r.one(t, func(b *booking) bool { return len(b.read) > 1 })
	once := rapid.SampledFrom(b.read).Draw(t, "read")
	f := fates.Draw(t, "event")
	if rapid.IntRange(0, 2).Draw(t, "in mid-call") > 0 {
		r.say("LAD writes %s back as it was: %s; the event is %s", b.name, once, f)
		r.writeBack(b, once)
		r.publish(b, functiontest.Updated, f)
		return
	}
	r.say("while the next call of %s is under way LAD writes it back as it was: %s; the event is %s", b.name, once, f)
	r.inCall(b, func() {
		r.writeBack(b, once)
		if f != lost {
			event(functiontest.Updated, b.Ref).To(r.Schedule)
		}
	})
}

// inCall has something done while the booking's next call is under way.
func (r *run) inCall(b *booking, do func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b.inCall = do
}

// lockedOut is what comes by while LAD holds a booking's lock.
var lockedOut = rapid.SampledFrom([]string{"a task", "a task", "a task", "a task", "time", "time", "the call itself", "an event", "a sweep"})

// actLock has LAD hold a booking's lock for a while, as its bulk updates do.
func (r *run) actLock(t *rapid.T) {
	b := r.one(t, anyOne)
	meets := lockedOut.Draw(t, "meets")
	if meets == "the call itself" {
		r.say("LAD locks %s while its next call is under way", b.name)
		r.inCall(b, func() {
			release := r.lock(b)
			r.beside.Go(func() {
				time.Sleep(10 * time.Millisecond) // so that the finish has to wait for it
				release()
			})
		})
		return
	}
	r.say("LAD locks %s, and %s comes by", b.name, meets)
	release := r.lock(b)
	defer release()
	before := len(b.attempts)
	switch meets {
	case "a task":
		d := r.oneTask(t)
		status := d.To(r.Execute)
		if d.ref == b.Ref && status != http.StatusConflict {
			r.fail("the task of a locked booking was answered %d, want 409", status)
		}
		r.taskAnswered(d, status)
	case "time":
		r.pass(steps.Draw(t, "time"))
	case "an event":
		event(functiontest.Updated, b.Ref).To(r.Schedule) // Pub/Sub sends it again, if it must
	case "a sweep":
		r.sweep()
	}
	if len(b.attempts) > before {
		r.fail("%s was called while LAD held its lock", b.name)
	}
}

// lock locks a booking's row until release is called. It may be called on any
// goroutine.
func (r *run) lock(b *booking) (release func()) {
	ctx := context.Background()
	tx, err := r.Owner.Begin(ctx)
	if err == nil {
		_, err = tx.Exec(ctx, `SELECT FROM `+tenantdbtest.SharedSchema+`.lead_bookings WHERE tenant_id = $1 AND id = $2 FOR UPDATE`, b.TenantID, b.BookingID)
	}
	if err != nil {
		r.fail("the test itself: %v", err)
		return func() {}
	}
	return func() { _ = tx.Rollback(ctx) } // nothing was changed
}

// actRezone has LAD change a booking's timezone alone, which moves it, or leaves it
// without a time that anybody knows.
func (r *run) actRezone(t *rapid.T) {
	b := r.one(t, anyOne)
	zone, f := zones.Draw(t, "zone"), fates.Draw(t, "event")
	r.say("LAD writes %q as the timezone of %s; the event is %s", zone, b.name, f)
	r.change(b, functiontest.Updated, f, func(b *booking) {
		b.when.Zone = zone
		b.settleTime()
	})
}
