package followup

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
)

// The world of the tables: it is noon, and the standard rules ring a lead ten
// minutes before the booking's time. So the call of a booking at onTime is due
// now.
var (
	noon   = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	onTime = noon.Add(leadTime)

	tenant  = uuid.MustParse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
	booking = uuid.MustParse("c9bf9e57-1685-4c89-bafb-ff5af830be8a")
)

const (
	tick     = time.Microsecond // what Postgres can tell apart
	leadTime = 10 * time.Minute
	lateness = 24 * time.Hour
	lease    = 2 * time.Minute
	grace    = 5 * time.Minute
	horizon  = 7 * 24 * time.Hour

	oldTask = "projects/p/locations/l/queues/q/tasks/old"
	newTask = "projects/p/locations/l/queues/q/tasks/new"
)

func standard() Rules {
	return Rules{
		ActiveSince:  noon.Add(-30 * 24 * time.Hour),
		BookingTypes: []string{"follow_up", "scheduled_call"},
		Horizon:      horizon,
		LeadTime:     leadTime,
		MaxLateness:  lateness,
		Lease:        lease,
		Grace:        grace,
		MaxCalls:     CallShare{N: 3, Per: 168 * time.Hour},
		Limit:        Limit{Rates: []Rate{{N: 4, Per: time.Minute}}, PerCall: 2},
	}
}

// idempotent is standard with a voice agent that deduplicates.
func idempotent() Rules {
	r := standard()
	r.AgentIdempotent = true
	return r
}

// keyFor spells a key out, on its own, for a time of our own era.
func keyFor(s time.Time) string {
	return "followup:6f9619ff-8b86-4d01-b42d-00cf4fc964ff:c9bf9e57-1685-4c89-bafb-ff5af830be8a:" +
		s.UTC().Format("2006-01-02T15:04:05.000Z")
}

// edit changes one thing about a booking.
type edit func(*Booking)

// booked is a live follow-up at s, booked an hour ago, whose task stands at t.
func booked(s time.Time, t Task, edits ...edit) *Booking {
	b := &Booking{
		Ref:         Ref{TenantID: tenant, BookingID: booking},
		Type:        "follow_up",
		ScheduledAt: s,
		CreatedAt:   noon.Add(-time.Hour),
		Status:      BookingScheduled,
		Task:        t,
	}
	for _, e := range edits {
		e(b)
	}
	return b
}

func movedTo(s time.Time) edit      { return func(b *Booking) { b.ScheduledAt = s } }
func createdAt(t time.Time) edit    { return func(b *Booking) { b.CreatedAt = t } }
func inStatus(s BookingStatus) edit { return func(b *Booking) { b.Status = s } }
func ofType(s string) edit          { return func(b *Booking) { b.Type = s } }
func executedAt(t time.Time) edit {
	return func(b *Booking) {
		if b.Task.ExecutedAt = t; b.Task.Status == Executed {
			b.Task.ClaimedAt = t
		}
	}
}
func claimedAt(t time.Time) edit    { return func(b *Booking) { b.Task.ClaimedAt = t } }
func dueAt(t time.Time) edit        { return func(b *Booking) { b.Task.DueAt = t } }
func atRevision(n int) edit         { return func(b *Booking) { b.Task.Revision = n } }
func byLAD(b *Booking)              { b.Task.Revision = 0 }
func deleted(b *Booking)            { b.Deleted = true }
func timeless(b *Booking)           { b.ScheduledAt = time.Time{} }
func unarmed(b *Booking)            { b.Task.Revision = 0 }
func withStatus(s TaskStatus) edit  { return func(b *Booking) { b.Task.Status = s } }
func withReason(reason Reason) edit { return func(b *Booking) { b.Task.Reason = reason } }
func withKeyOf(s time.Time) edit {
	return func(b *Booking) { b.Task.Key, b.Task.PlannedFor = keyFor(s), s }
}
func withoutKey(b *Booking)         { b.Task.Key, b.Task.PlannedFor = "", time.Time{} }
func at(t Task, edits ...edit) Task { return booked(noon, t, edits...).Task }

// fresh is a row that nothing has looked at yet.
func fresh() Task { return Task{Status: Pending} }

// scheduled is the third task of a row, tried once before without success, for
// a booking at s.
func scheduled(s time.Time) Task {
	return Task{
		Status:     Scheduled,
		Name:       oldTask,
		DueAt:      s.Add(-leadTime),
		Revision:   3,
		PlannedFor: s,
		Attempts:   1,
		LastError:  "the line was busy",
		Key:        keyFor(s),
	}
}

// state is that same row at another status and reason. What was executed was
// claimed on time.
func state(s time.Time, status TaskStatus, reason Reason) Task {
	t := at(scheduled(s), withStatus(status), withReason(reason))
	if status == Executed {
		t.ClaimedAt, t.ExecutedAt = t.DueAt, t.DueAt
	}
	return t
}

// claimed is that same row, claimed at t.
func claimed(s, t time.Time) Task {
	return at(scheduled(s), withStatus(InProgress), claimedAt(t))
}

// want spells out a decision, given the booking that it is about.
type want func(Booking) Decision

func nothing(rule Rule) want {
	return func(Booking) Decision { return Decision{Effect: None, Rule: rule} }
}

func waits(rule Rule) want {
	return func(Booking) Decision { return Decision{Effect: Wait, Rule: rule} }
}

// becomes: the row ends with its current key, and its task goes.
func becomes(rule Rule, status TaskStatus, reason Reason) want {
	return func(b Booking) Decision {
		next := b.Task
		next.Status, next.Reason = status, reason
		next.Name, next.DueAt = "", time.Time{}
		next.Key, next.PlannedFor = "", b.ScheduledAt
		if !b.ScheduledAt.IsZero() {
			next.Key = keyFor(b.ScheduledAt)
		}
		return Decision{Effect: Update, Rule: rule, Next: next, Drop: b.Task.Name}
	}
}

// isCalled: the call on record counts for the present time.
func isCalled(b Booking) Decision {
	d := becomes(RuleCalled, Executed, "")(b)
	d.Next.ClaimedAt = d.Next.ExecutedAt
	return d
}

// mended: the row says again what this system has written into it.
func mended(rule Rule, status TaskStatus) want {
	return func(b Booking) Decision {
		next := b.Task
		next.Status, next.Key = status, keyFor(next.PlannedFor)
		return Decision{Effect: Update, Rule: rule, Next: next}
	}
}

var (
	isCancelled = becomes(RuleNotLive, Cancelled, BookingCancelled)
	isExpired   = becomes(RuleExpired, Failed, Expired)
)

// isHeld: a person has to look; key, task and claim stay for the evidence.
func isHeld(b Booking) Decision {
	next := b.Task
	next.Status, next.Reason = Failed, OutcomeUnknown
	next.LastError = "the attempt ended before its outcome was recorded; the call may have been made"
	return Decision{Effect: Update, Rule: RuleLeaseOver, Next: next}
}

// isParked: the row waits without a task until its time is near.
func isParked(b Booking) Decision {
	next := b.Task
	next.Status, next.Reason = Pending, ""
	next.Name, next.DueAt, next.ClaimedAt = "", time.Time{}, time.Time{}
	next.Revision++
	return Decision{Effect: Update, Rule: RuleBeyond, Next: next, Drop: b.Task.Name}
}

// arms: a task for due, for the key that the row already has.
func arms(rule Rule, due time.Time) want {
	return func(b Booking) Decision {
		next := b.Task
		next.Status, next.Reason, next.Name = Scheduled, "", ""
		next.Revision++
		next.DueAt, next.ClaimedAt = due, time.Time{}
		next.Key, next.PlannedFor = keyFor(b.ScheduledAt), b.ScheduledAt
		return Decision{Effect: Arm, Rule: rule, Next: next, Drop: b.Task.Name}
	}
}

// armsAnew is arms for a key that is new, so that attempts start over.
func armsAnew(rule Rule, due time.Time) want {
	return func(b Booking) Decision {
		d := arms(rule, due)(b)
		d.Next.Attempts, d.Next.LastError = 0, ""
		return d
	}
}

func diff(t *testing.T, b *Booking, want want, got Decision) {
	t.Helper()
	var row Booking
	if b != nil {
		row = *b
	}
	if d := cmp.Diff(want(row), got); d != "" {
		t.Errorf("decision (-want +got):\n%s", d)
	}
}
