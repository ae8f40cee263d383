package followup

import "time"

// Effect is the kind of thing a decision asks for.
type Effect string

// What a decision may ask for.
const (
	// None: leave the row and its task as they are.
	None Effect = "none"
	// Update: store Decision.Next, if the row is still as it was read.
	Update Effect = "update"
	// Arm: create a Cloud Task for Decision.Next, then store Next with the
	// task's name, if the row is still as it was read.
	Arm Effect = "arm"
	// Dial: store Decision.Next under the row's lock and, once that is
	// committed, place the call. Admit alone answers so.
	Dial Effect = "dial"
	// Wait: leave everything; the same task is to come again later. Admit alone
	// answers so.
	Wait Effect = "wait"
	// Queue: store Decision.Next under the row's lock; the same task is to come
	// again at Next.DueAt, its slot. Admit alone answers so.
	Queue Effect = "queue"
)

// Decision is what should be done about a row, and which rule says so.
type Decision struct {
	Effect Effect
	Rule   Rule
	// Next is the row's task state after an Update, Arm, Queue or Dial.
	Next Task
	// Drop is the name of the Cloud Task that has become superfluous, to be
	// deleted after the row is stored, best effort: if it fires it does nothing.
	Drop string
}

// Rule names a line of the tables of Plan and Admit. The names are stable: logs,
// metrics and explain use them.
type Rule string

// The rules, in no particular order; Plan and Admit have an order each.
const (
	RuleAbsent      Rule = "absent"         // no such booking for this tenant
	RuleNoFollowUp  Rule = "no_follow_up"   // the booking's type is none of ours
	RuleHistoric    Rule = "historic"       // made and due before ActiveSince
	RuleClaimed     Rule = "claimed"        // a claim is at work
	RuleLeaseOver   Rule = "lease_over"     // a claim ended without an outcome
	RuleHeld        Rule = "held"           // outcome unknown: a person decides
	RuleCalled      Rule = "called"         // the call for this time was made
	RuleNotLive     Rule = "not_live"       // LAD no longer means the booking
	RuleSettled     Rule = "settled"        // an end that holds for this time
	RuleOnItsWay    Rule = "on_its_way"     // its task is on the way
	RuleOverdue     Rule = "overdue"        // its task should have come by now
	RuleExpired     Rule = "expired"        // too late to ring
	RuleBackdated   Rule = "backdated"      // booked for a time that was long over
	RuleBeyond      Rule = "beyond_horizon" // too far ahead for a task
	RuleArm         Rule = "arm"            // it needs a task
	RuleOtherCall   Rule = "other_call"     // the task is for another time
	RuleStale       Rule = "stale"          // the task is of an older revision
	RulePremature   Rule = "premature"      // the task is newer than a row that wants none
	RuleTooEarly    Rule = "too_early"      // the task fired before its time
	RulePaused      Rule = "paused"         // dialling is paused for this tenant
	RuleNoZone      Rule = "no_zone"        // the booking's timezone cannot be read
	RuleExcluded    Rule = "excluded"       // the lead is deleted, archived or not to be called
	RuleDuplicate   Rule = "duplicate"      // another booking rings the lead for this minute
	RuleCallLimit   Rule = "call_limit"     // the lead has had its share of calls
	RuleNoPhone     Rule = "no_phone"       // the lead has no usable number
	RuleNoAgent     Rule = "no_agent"       // the tenant has no voice agent for the call
	RulePaced       Rule = "paced"          // the voice service's limit is used up
	RuleDeferred    Rule = "deferred"       // the voice service asked to wait
	RuleAdmitted    Rule = "admitted"       // it may dial
	RuleClaimLapsed Rule = "claim_lapsed"   // the claim grew old before it dialled
)

// snapshot is a row as it is seen at one moment, with the questions that the
// tables ask of it.
type snapshot struct {
	rules Rules
	now   time.Time
	b     Booking
	key   string
	asked func(Rule, bool) // told of each rule that is asked; may be nil
	// ticket and facts are Admit's alone.
	ticket Ticket
	facts  Facts
	// overwritten: the row does not say what this system has written into it.
	overwritten bool
}

func (r Rules) look(b Booking, now time.Time) snapshot {
	if b.Task.Status == "" { // NULL
		b.Task.Status = Pending
	}
	read := b.Task
	b.Task = b.proven()
	overwritten := b.Task.Status != read.Status || b.Task.Key != read.Key
	return snapshot{rules: r, now: now, b: b, key: b.Key(), overwritten: overwritten}
}

// proven is the task's state as the columns say it that LAD does not know: Reason,
// Revision, ClaimedAt, ExecutedAt and PlannedFor. LAD's services may write all the
// others back at any time, as they read them at any time before. What LAD says
// holds only until this system has taken the row on, and to tell pending from
// scheduled.
func (b Booking) proven() Task {
	t := b.Task
	switch status, known := statusOf[t.Reason]; {
	case known:
		t.Status = status
	case t.Reason != "" || t.Revision == 0 && t.ClaimedAt.IsZero():
		return t
	case t.ClaimedAt.IsZero():
		if t.Status != Pending {
			t.Status = Scheduled
		}
	case t.ExecutedAt.Equal(t.ClaimedAt):
		t.Status = Executed
	default:
		t.Status = InProgress
	}
	if key := b.keyFor(t.PlannedFor); key != "" {
		t.Key = key
	}
	return t
}

// statusOf is the status that goes with a reason.
var statusOf = map[Reason]TaskStatus{
	NotStarted: Failed, Rejected: Failed, OutcomeUnknown: Failed, Expired: Failed,
	UnknownTimezone: Failed, Misconfigured: Failed, Backdated: Failed,
	BookingCancelled: Cancelled, ByOperator: Cancelled, LeadDeleted: Cancelled, LeadArchived: Cancelled,
	DoNotCall: Cancelled, Duplicate: Cancelled, CallLimit: Cancelled,
	Paced: Scheduled, RateLimited: Scheduled, OutsideHours: Scheduled,
}

// meant reports whether LAD still wants this follow-up, at whatever time.
func (s snapshot) meant() bool {
	switch s.b.Status {
	case BookingPending, BookingScheduled, BookingConfirmed:
		return !s.b.Deleted && s.rules.isFollowUp(s.b)
	default:
		return false
	}
}

// live reports whether LAD still wants this follow-up, at a time that can be read.
func (s snapshot) live() bool { return s.meant() && !s.b.ScheduledAt.IsZero() }

// zoneless reports whether LAD wants this follow-up at a time that cannot be read.
func (s snapshot) zoneless() bool {
	return s.meant() && s.b.ScheduledAt.IsZero() && !s.b.When.Wall.IsZero()
}

// untouched: this system has never armed the row. Only then may its type or age
// make it none of our business; a row that was taken on is seen to its end.
func (s snapshot) untouched() bool { return s.b.Task.Revision == 0 }

func (s snapshot) historic() bool {
	since, at := s.rules.ActiveSince, s.b.ScheduledAt
	if at.IsZero() {
		at = s.b.When.Wall
	}
	return at.Before(since) && s.b.CreatedAt.Before(since)
}

// same: the stored key is the one of the row's present time.
func (s snapshot) same() bool { return s.b.Task.Key == s.key }

// ofLAD: LAD's own scheduler ended this follow-up, under a key that takes the
// wall clock for UTC (FACTS: its endpoint never shifted it).
func (s snapshot) ofLAD() bool {
	return s.untouched() && s.b.Task.Key != "" && s.b.Task.Key == s.b.keyFor(s.b.When.Wall)
}

// called: the call for this time, or for a later one, has been made.
func (s snapshot) called() bool {
	t := s.b.Task
	return !t.ExecutedAt.IsZero() && !s.b.ScheduledAt.IsZero() &&
		!s.b.ScheduledAt.After(t.ExecutedAt.Add(s.rules.LeadTime+Earliness))
}

// leaseOver: whoever claimed the row has had its time. A claim without a time
// was not written by this system, and nobody can be waiting for it.
func (s snapshot) leaseOver() bool {
	c := s.b.Task.ClaimedAt
	return c.IsZero() || s.now.After(c.Add(s.rules.Lease))
}

// claimed reports whether a claim is at work.
func (s snapshot) claimed() bool { return s.unfinished() && !s.leaseOver() }

// held reports whether a person has to say what became of the call.
func (s snapshot) held() bool { return s.b.Task.is(Failed, OutcomeUnknown) }

// unfinished: whoever claimed the row has not said what came of it.
func (s snapshot) unfinished() bool { return s.b.Task.Status == InProgress }

// planned: this system has made, or is about to make, a task for the row's time.
func (s snapshot) planned() bool {
	t := s.b.Task
	return (t.Status == Scheduled || t.is(Failed, NotStarted)) && s.same()
}

// overdue: the task should have fired, or come again, by now.
func (s snapshot) overdue() bool {
	return s.now.After(later(s.b.Task.DueAt, s.b.Task.ClaimedAt).Add(s.rules.Grace))
}

// late: the promise is too old to keep.
func (s snapshot) late() bool {
	from := s.b.ScheduledAt
	if made := s.b.CreatedAt; !made.After(s.now) { // else its clock is ahead, and says nothing
		from = later(from, made)
	}
	return s.now.After(from.Add(s.rules.MaxLateness))
}

// backdated: when the booking was made, its time had long passed.
func (s snapshot) backdated() bool {
	return s.rules.MaxBackdate > 0 && s.untouched() && !s.b.CreatedAt.After(s.now) && s.b.CreatedAt.Sub(s.b.ScheduledAt) > s.rules.MaxBackdate
}

func (s snapshot) beyondHorizon() bool {
	return s.b.ScheduledAt.After(s.now.Add(s.rules.Horizon))
}

func (s snapshot) tooEarly() bool {
	return s.now.Before(s.b.ScheduledAt.Add(-s.rules.LeadTime - Earliness))
}

// retryable: the attempt whose outcome is unknown may simply be made again,
// because the agent deduplicates. Once the call would be late nothing may be
// made again, and what happened is still unknown.
func (s snapshot) retryable() bool {
	return s.rules.AgentIdempotent && s.live() && !s.late()
}

// finalForKey: the row has an end that is never left by itself while the
// booking keeps its time. Reasons that nobody here has written count as final.
func (s snapshot) finalForKey() bool {
	switch t := s.b.Task; t.Status {
	case Executed:
		return true
	case Failed:
		return t.Reason != NotStarted
	case Cancelled:
		return t.Reason != BookingCancelled
	default:
		return false
	}
}

// unkeyed: somebody else ended the follow-up without saying for which time, so
// it is taken for the time at which this system first sees it.
func (s snapshot) unkeyed() bool {
	t := s.b.Task
	return t.Key == "" && !s.same() && (t.Status == Cancelled && t.Reason != BookingCancelled ||
		t.Status == Executed && t.ExecutedAt.IsZero())
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
