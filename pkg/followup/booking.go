package followup

import (
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Ref names one booking of one tenant. Both halves travel together, so that no
// booking can be asked for without saying whose it is.
type Ref struct {
	TenantID  uuid.UUID
	BookingID uuid.UUID
}

// String is the form for logs and errors: tenant/booking.
func (r Ref) String() string { return r.TenantID.String() + "/" + r.BookingID.String() }

// ParseID reads a UUID in its canonical 36 character form, in either case.
// The braces, URN and undashed forms that uuid.Parse also accepts are refused:
// LAD never writes them, and one id must have one spelling. The nil UUID is
// refused too.
func ParseID(s string) (uuid.UUID, error) {
	const canonical = 36
	if len(s) != canonical {
		return uuid.Nil, fmt.Errorf("parse id: want a UUID of %d characters, got %d", canonical, len(s))
	}
	id, err := uuid.Parse(s)
	if err != nil {
		return uuid.Nil, fmt.Errorf("parse id: not a UUID: %w", err)
	}
	if id == uuid.Nil {
		return uuid.Nil, fmt.Errorf("parse id: the nil UUID names nothing")
	}
	return id, nil
}

// Booking is what the rules need to know of a row of lead_bookings.
type Booking struct {
	Ref
	LeadID         uuid.NullUUID
	AssignedUserID uuid.NullUUID
	Type           string // booking_type as LAD spells it
	When           When   // scheduled_at as LAD has written it
	// ScheduledAt is the instant that When means (Times.Instant). It is zero if
	// the row has no (finite) time, or a time in a zone that cannot be read.
	ScheduledAt time.Time
	CreatedAt   time.Time
	Status      BookingStatus
	Deleted     bool
	AgentID     string        // metadata.agent_id as LAD spells it, "" if there is none
	CallRef     uuid.NullUUID // metadata.call_id: the call log's row of the call that led to this booking
	// Stale: what the database has computed of the booking's time, for the sweep
	// to find it by, is not of When as it is now.
	Stale bool
	Task  Task
}

// Task is the state of a booking's follow-up: the columns that this system
// owns. Zero values stand for NULL.
type Task struct {
	Status     TaskStatus
	Reason     Reason
	Name       string    // full resource name of the live Cloud Task
	DueAt      time.Time // task_scheduled_at: when that task is due
	Revision   int       // bumped at every enqueue; fences stale tasks
	PlannedFor time.Time // the ScheduledAt that Key was made for
	Attempts   int       // claims made for Key; with Revision it fences stale finishes
	ClaimedAt  time.Time // when the last claim committed; zero while the row waits for a task anew
	ExecutedAt time.Time
	CallID     string
	LastError  string // for people, in our own words, at most MaxErrorLength characters
	Key        string // idempotency_key
}

// MaxErrorLength bounds Task.LastError, in characters.
const MaxErrorLength = 500

// BookingStatus is LAD's own status of a booking.
type BookingStatus string

// The statuses in which LAD still means a booking to take place. LAD has more
// (in_progress, completed, missed, failed, cancelled); none of them is live.
const (
	BookingPending   BookingStatus = "pending"
	BookingScheduled BookingStatus = "scheduled"
	BookingConfirmed BookingStatus = "confirmed"
)

// TaskStatus is the state of a booking's follow-up.
type TaskStatus string

// The vocabulary of task_status. A NULL column reads as Pending.
const (
	Pending    TaskStatus = "pending"     // no task; the sweep or an event will arm it
	Scheduled  TaskStatus = "scheduled"   // a Cloud Task is on the way
	InProgress TaskStatus = "in_progress" // claimed; a call may be under way
	Executed   TaskStatus = "executed"    // the call was made
	Cancelled  TaskStatus = "cancelled"   // no call will be made
	Failed     TaskStatus = "failed"      // see Reason
)

// Reason says why a follow-up failed or was cancelled.
type Reason string

// The vocabulary of task_reason.
const (
	NotStarted       Reason = "not_started"       // failed: proven not to have rung; tried again
	Rejected         Reason = "rejected"          // failed: refused for good
	OutcomeUnknown   Reason = "outcome_unknown"   // failed: it may have rung; a person decides
	Expired          Reason = "expired"           // failed: too late to ring
	BookingCancelled Reason = "booking_cancelled" // cancelled: LAD's booking is no longer live
	ByOperator       Reason = "by_operator"       // cancelled: a person stopped this call

	LeadDeleted  Reason = "lead_deleted"  // cancelled: LAD has deleted the lead
	LeadArchived Reason = "lead_archived" // cancelled: LAD has archived the lead
	DoNotCall    Reason = "do_not_call"   // cancelled: the lead is marked not to be called
	Duplicate    Reason = "duplicate"     // cancelled: another booking rings this lead for this minute
	CallLimit    Reason = "call_limit"    // cancelled: the lead has had FOLLOWUP_MAX_CALLS_PER_LEAD

	Backdated       Reason = "backdated"        // failed: booked for a time further back than FOLLOWUP_MAX_BACKDATE
	UnknownTimezone Reason = "unknown_timezone" // failed: the booking's timezone cannot be read
	Misconfigured   Reason = "misconfigured"    // failed: a credential was refused, or the tenant lacks the feature

	Paced        Reason = "paced"         // scheduled: waits for its turn under VOICE_AGENT_LIMIT
	RateLimited  Reason = "rate_limited"  // scheduled: the voice service's limit was hit, and all calls wait
	OutsideHours Reason = "outside_hours" // scheduled: waits for business hours
)

// is reports whether the task stands at status for reason.
func (t Task) is(status TaskStatus, reason Reason) bool {
	return t.Status == status && t.Reason == reason
}

// open reports whether the follow-up still waits for a call that has certainly
// not been made: pending, scheduled, or failed but proven not started.
func (t Task) open() bool {
	return t.Status == Pending || t.Status == Scheduled || t.is(Failed, NotStarted)
}

// Kind is the normal form of a booking type: lower case without '-', '_' and
// spaces, so that follow_up, follow-up and FollowUp are one kind. Only ASCII
// letters are lowered: the database's booking_kind column computes the same,
// whatever its locale.
func Kind(bookingType string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '-' || r == '_' || r == ' ':
			return -1
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		default:
			return r
		}
	}, bookingType)
}
