package property_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// onPost is told of each start-call before it is answered: a lead may only be
// rung for a booking that LAD means at this moment, at the time that it has now.
func (r *run) onPost(p post, misbehaves bool) {
	r.mu.Lock()
	b := r.find(p.booking)
	if b == nil {
		r.mu.Unlock()
		r.fail("a call was made for %q, which this run has not booked", p.booking)
		return
	}
	if misbehaves {
		b.disturbed = true
	}
	do := b.inCall
	b.inCall = nil
	seen := *b
	r.mu.Unlock()
	defer func() {
		r.readNow(b) // LAD may read a row in mid-call, too
		if do != nil {
			do()
		}
	}()
	if !seen.meant() {
		r.fail("%s is rung although LAD no longer means it (%s, deleted: %v)", seen.name, seen.status, seen.deleted)
	}
	if p.key != seen.key() {
		r.fail("%s is rung for %s, a time that it no longer has", seen.name, keyTime(p.key))
	}
	if early := seen.at.Sub(p.at); early > followup.Earliness {
		r.fail("%s is rung %v before its time", seen.name, early)
	}
	if late := p.at.Sub(later(seen.at, seen.created)); late > r.rules.MaxLateness {
		r.fail("%s is rung %v after its time", seen.name, late)
	}
	if r.rules.AgentIdempotent {
		return // what the last call came to was not known, and the key may be another by now
	}
	for _, earlier := range r.agent.seen() {
		if earlier.booking == p.booking && earlier != p && r.rungAt(&seen, earlier.at) && !seen.at.After(earlier.at.Add(followup.Earliness)) {
			r.fail("%s is rung at %v, and was at %v, which was not before its time", seen.name, p.at, earlier.at)
		}
	}
}

// rungAt: the voice agent has rung the lead on the claim of that moment.
func (r *run) rungAt(b *booking, claimed time.Time) bool {
	for _, p := range r.agent.seen() {
		if p.booking == b.BookingID.String() && p.at.Equal(claimed) && r.rung(b, p.key) > 0 {
			return true
		}
	}
	return false
}

// rung is how often the lead was rung for this key.
func (r *run) rung(b *booking, key string) (n int) {
	for _, call := range r.agent.calls(b.BookingID.String()) {
		if call.IdempotencyKey == key {
			n++
		}
	}
	return n
}

// check looks at every booking after every act.
func (r *run) check() {
	for _, b := range r.bookings {
		for _, call := range r.agent.calls(b.BookingID.String()) {
			if n := r.rung(b, call.IdempotencyKey); n > 1 {
				r.fail("the lead of %s was rung %d times for %s", b.name, n, keyTime(call.IdempotencyKey))
			}
		}
	}
	for _, row := range r.rows() {
		b := r.find(row.BookingID.String())
		r.checkRow(b, row.Task)
		b.revision = max(b.revision, row.Task.Revision)
	}
	r.report()
}

var (
	// ofAgent are reasons that only the voice agent's answers give, or a lost claim.
	ofAgent = []followup.Reason{
		followup.OutcomeUnknown, followup.NotStarted, followup.Rejected, followup.RateLimited, followup.OutsideHours, followup.Misconfigured,
	}
	// never: each lead has one booking, may be rung, and there is no limit.
	never = []followup.Reason{
		followup.LeadDeleted, followup.LeadArchived, followup.DoNotCall, followup.Duplicate, followup.CallLimit, followup.Paced,
	}
)

func (r *run) checkRow(b *booking, task followup.Task) {
	if task.Revision < b.revision {
		r.fail("the revision of %s went back from %d to %d", b.name, b.revision, task.Revision)
	}
	switch {
	case task.Status == followup.InProgress && !b.disturbed && !b.overwritten:
		r.fail("%s is being called, and nobody is at work", b.name)
	case task.Status == followup.Executed && !r.rungAt(b, task.ExecutedAt):
		r.fail("%s counts as called at %v, and nobody was rung", b.name, task.ExecutedAt)
	case slices.Contains(ofAgent, task.Reason) && !b.disturbed:
		r.fail("%s is %s/%s, and nothing has disturbed its call", b.name, task.Status, task.Reason)
	case slices.Contains(never, task.Reason):
		r.fail("%s is %s/%s, for which nothing has given a reason", b.name, task.Status, task.Reason)
	case task.Reason == followup.ByOperator && !b.operated:
		r.fail("%s was cancelled by an operator, and there was none", b.name)
	case task.Reason == followup.Expired && !r.now().After(later(b.at, b.created).Add(r.rules.MaxLateness)) && task.Key == b.key():
		r.fail("%s expired before its time", b.name)
	}
}

// end stops the faults and lets time go by fairly: every booking whose time comes
// has an end, with a reason, a lease, a grace and two sweeps later. All of a task's
// retries lie within that.
func (r *run) end() {
	r.t.Helper()
	r.agent.behave()
	r.copies.Store(1)
	last := r.now()
	for _, b := range r.bookings {
		last = later(last, b.at)
	}
	const sweepEvery = minute
	r.say("the faults are over")
	r.pass(last.Sub(r.now()) + r.rules.Lease + r.rules.Grace + time.Second)
	r.sweep()
	r.settle()
	rest := time.Duration(0)
	for _, row := range r.rows() {
		switch {
		case row.Task.Reason == followup.OutsideHours:
			rest = 24 * time.Hour // by then business hours have begun
		case open(row.Task):
			rest = max(rest, sweepEvery)
		}
	}
	if rest > 0 {
		r.pass(rest)
		r.sweep()
		r.settle()
	}
	r.check()
	for _, row := range r.rows() {
		r.checkEnd(r.find(row.BookingID.String()), row.Task)
	}
	r.report()
}

// meaning is the status that a row has by the columns that LAD cannot write over.
func meaning(t followup.Task, called time.Time) followup.TaskStatus {
	switch {
	case t.Reason == followup.BookingCancelled || t.Reason == followup.ByOperator:
		return followup.Cancelled
	case slices.Contains([]followup.Reason{followup.Paced, followup.RateLimited, followup.OutsideHours}, t.Reason):
		return followup.Scheduled
	case t.Reason != "":
		return followup.Failed
	case t.Revision == 0 || t.ClaimedAt.IsZero() && t.Status == followup.Pending:
		return t.Status
	case t.ClaimedAt.IsZero():
		return followup.Scheduled
	case t.ClaimedAt.Equal(called):
		return followup.Executed
	default:
		return followup.InProgress
	}
}

// open: the follow-up has no end yet.
func open(t followup.Task) bool {
	switch t.Status {
	case followup.Executed, followup.Cancelled:
		return false
	default:
		return t.Status != followup.Failed || t.Reason == followup.NotStarted
	}
}

func (r *run) checkEnd(b *booking, task followup.Task) {
	rang := len(r.agent.calls(b.BookingID.String())) > 0
	expired := r.now().After(later(b.at, b.created).Add(r.rules.MaxLateness))
	switch {
	case task.Status == followup.Executed && task.Reason == "":
	case task.Status == followup.Cancelled && task.Reason == followup.BookingCancelled:
		if b.meant() {
			r.fail("%s ends as cancelled by LAD, which it is not", b.name)
		}
	case task.Status == followup.Failed && task.Reason == followup.Expired:
		if !expired && b.meant() {
			r.fail("%s ends as expired, %v after its time", b.name, r.now().Sub(b.at))
		}
	case task.Status == followup.Failed && task.Reason == followup.UnknownTimezone:
		if b.meant() && !b.at.IsZero() {
			r.fail("%s ends without a timezone, which it has: %s", b.name, b.time())
		}
	case task.Status == followup.Failed && slices.Contains([]followup.Reason{followup.OutcomeUnknown, followup.Rejected, followup.Misconfigured}, task.Reason),
		task.Status == followup.Cancelled && task.Reason == followup.ByOperator: // checkRow says whether that may be
	default:
		r.fail("%s has no end: it is %s/%s", b.name, task.Status, task.Reason)
	}
	if b.disturbed || b.operated || expired {
		return
	}
	switch {
	case b.meant() && b.at.IsZero() && task.Reason != followup.UnknownTimezone && !rang:
		r.fail("nobody knows when to call %s, and it ends as %s/%s", b.name, task.Status, task.Reason)
	case b.meant() && !b.at.IsZero() && task.Status != followup.Executed:
		r.fail("nothing has disturbed %s, and it ends as %s/%s", b.name, task.Status, task.Reason)
	case !b.meant() && task.Status != followup.Cancelled && task.Reason != followup.UnknownTimezone && !rang:
		r.fail("LAD has withdrawn %s, and it ends as %s/%s", b.name, task.Status, task.Reason)
	}
}

// rows are all bookings as they stand.
func (r *run) rows() []followup.Booking {
	r.t.Helper()
	rows, err := r.Owner.Query(context.Background(), `SELECT tenant_id, id, COALESCE(task_status::text, 'pending'), COALESCE(task_reason::text, ''),
		task_revision, COALESCE(execution_attempts, 0)::int, claimed_at, called_at, COALESCE(idempotency_key::text, ''), `+ladColumns+`
		FROM `+tenantdbtest.SharedSchema+`.lead_bookings`)
	r.must(err)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (followup.Booking, error) {
		var b followup.Booking
		var c columns
		var claimed, called pgtype.Timestamptz
		err := row.Scan(append([]any{&b.TenantID, &b.BookingID, &b.Task.Status, &b.Task.Reason, &b.Task.Revision, &b.Task.Attempts,
			&claimed, &called, &b.Task.Key}, c.scanned()...)...)
		b.Task.ClaimedAt, b.Task.ExecutedAt = claimed.Time, called.Time
		b.Task.Status = meaning(b.Task, called.Time)
		if of := r.find(b.BookingID.String()); of != nil {
			r.seen(of, c)
			if called.Valid && !r.rungAt(of, called.Time) {
				r.fail("a call of %s is on record at %v, and nobody was rung", of.name, called.Time)
			}
		}
		return b, err
	})
	r.must(err)
	if len(all) != len(r.bookings) {
		r.t.Fatalf("the test itself: %d rows of %d bookings", len(all), len(r.bookings))
	}
	return all
}

// report ends the run if a promise was broken.
func (r *run) report() {
	r.t.Helper()
	r.mu.Lock()
	problems := append([]string(nil), r.problems...)
	r.mu.Unlock()
	if len(problems) == 0 {
		return
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", strings.Join(problems, "\n"))
	for _, row := range r.rows() {
		of := r.find(row.BookingID.String())
		task := row.Task
		fmt.Fprintf(&b, "%s: %s/%s r%d a%d, claimed %s, key of %s; %d calls\n", of.name, task.Status, task.Reason, task.Revision, task.Attempts,
			task.ClaimedAt.Format("02 15:04:05"), keyTime(task.Key), len(r.agent.calls(row.BookingID.String())))
		b.WriteString(r.log.of(row.BookingID.String()))
	}
	r.t.Fatalf("%s", b.String())
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
