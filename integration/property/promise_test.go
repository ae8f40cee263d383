package property_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/internal/promise"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// onPost is told of each start-call before it is answered: what LAD means at this
// moment says whether it may be made.
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
	attempt := promise.Attempt{At: p.at, Key: p.key, Words: []promise.Word{r.word(b)}}
	violations := r.trace(b).Attempted(attempt)
	b.attempts = append(b.attempts, attempt)
	r.mu.Unlock()
	r.broken(b, violations)
	r.readNow(b) // LAD may read a row in mid-call, too
	if do != nil {
		do()
	}
}

func (r *run) broken(b *booking, violations []promise.Violation) {
	for _, v := range violations {
		r.fail("%s: %s", b.name, v)
	}
}

// word is what LAD means by a booking now.
func (r *run) word(b *booking) promise.Word {
	return promise.Means(b.Ref, b.meant(), b.at, later(b.at, b.created).Add(r.rules.MaxLateness))
}

// trace is what is known of a booking, but for its row.
func (r *run) trace(b *booking) promise.Trace {
	return promise.Trace{
		Ref: b.Ref, Attempts: b.attempts, Calls: voiceagent.Seen(r.agent.calls(b.BookingID.String())), Latest: b.latest, Now: r.now(),
		Idempotent: r.rules.AgentIdempotent, Undisturbed: !b.disturbed && !b.operated,
		Permits: func(row promise.Row) bool {
			switch row.Reason {
			case "":
				return row.Status == followup.Executed || b.disturbed || b.overwritten // a claim may be left
			case followup.Expired, followup.UnknownTimezone:
				return true // before LAD moved or corrected what it no longer means
			case followup.ByOperator:
				return b.operated
			case followup.OutcomeUnknown, followup.NotStarted, followup.Rejected, followup.RateLimited, followup.OutsideHours, followup.Misconfigured:
				return b.disturbed
			default: // each lead has one booking, may be rung, and there is no limit
				return false
			}
		},
	}
}

// check looks at every booking after every act.
func (r *run) check() { r.checkAll(false) }

func (r *run) checkAll(ended bool) {
	r.t.Helper()
	for _, s := range r.rows() {
		t := r.trace(s.of)
		t.Rows, t.Ended = []promise.Row{s.of.last, s.Row}, ended
		r.broken(s.of, t.Check())
		s.of.last = s.Row
	}
	r.report()
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
	for _, s := range r.rows() {
		switch {
		case s.Reason == followup.OutsideHours:
			rest = 24 * time.Hour // by then business hours have begun
		case !promise.Over(s.Task):
			rest = max(rest, sweepEvery)
		}
	}
	if rest > 0 {
		r.pass(rest)
		r.sweep()
		r.settle()
	}
	r.check()
	r.checkAll(true)
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

// stand is how a booking stands.
type stand struct {
	of *booking
	promise.Row
}

// rows are all bookings as they stand.
func (r *run) rows() []stand {
	r.t.Helper()
	rows, err := r.Owner.Query(context.Background(), `SELECT id::text, COALESCE(task_status::text, 'pending'), COALESCE(task_reason::text, ''),
		task_revision, COALESCE(execution_attempts, 0)::int, claimed_at, called_at, COALESCE(call_id, ''), COALESCE(idempotency_key::text, ''), planned_for, `+ladColumns+`
		FROM `+tenantdbtest.SharedSchema+`.lead_bookings`)
	r.must(err)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s stand, err error) {
		var id string
		var c columns
		var claimed, called, planned pgtype.Timestamptz
		err = row.Scan(append([]any{&id, &s.Status, &s.Reason, &s.Revision, &s.Attempts, &claimed, &called, &s.CallID, &s.Key, &planned}, c.scanned()...)...)
		if s.of = r.find(id); err != nil || s.of == nil {
			return s, fmt.Errorf("read row %s: %w", id, err)
		}
		s.ClaimedAt, s.ExecutedAt, s.CalledAt, s.Word = claimed.Time, called.Time, called.Time, r.word(s.of)
		s.Status = meaning(s.Task, called.Time)
		if planned.Valid { // LAD may have written over the key
			s.Key = followup.Booking{Ref: s.of.Ref, ScheduledAt: planned.Time}.Key()
		}
		r.seen(s.of, c)
		return s, nil
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
	for _, s := range r.rows() {
		id := s.of.BookingID.String()
		fmt.Fprintf(&b, "%s: %s/%s r%d a%d, claimed %s, key of %s; %d calls\n", s.of.name, s.Status, s.Reason, s.Revision, s.Attempts,
			s.ClaimedAt.Format("02 15:04:05"), keyTime(s.Key), len(r.agent.calls(id)))
		b.WriteString(r.log.Brief(id))
	}
	r.t.Fatalf("%s", b.String())
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
