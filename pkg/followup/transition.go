package followup

import "time"

// LeaseOverError is stored when a claim ended without an outcome.
const LeaseOverError = "the attempt ended before its outcome was recorded; the call may have been made"

// keep leaves everything as it is.
func (s snapshot) keep(rule Rule) Decision { return Decision{Effect: None, Rule: rule} }

// end moves the row to an end that holds for the booking's present time, and
// drops its task.
func (s snapshot) end(rule Rule, status TaskStatus, reason Reason) Decision {
	next := s.b.Task
	next.Status, next.Reason = status, reason
	next.Key, next.PlannedFor = s.key, s.b.ScheduledAt
	drop := next.Name
	next.Name, next.DueAt = "", time.Time{}
	return Decision{Effect: Update, Rule: rule, Next: next, Drop: drop}
}

func (s snapshot) markCalled(rule Rule) Decision {
	if s.b.Task.Status == Executed && s.same() {
		return s.keep(rule)
	}
	d := s.end(rule, Executed, "")
	d.Next.ClaimedAt = d.Next.ExecutedAt // which is what proves it
	return d
}

// withdraw cancels a call that LAD no longer means, if it is still to be made, or
// waits for a time that can be read: LAD reviving the booking brings either back.
func (s snapshot) withdraw(rule Rule) Decision {
	if t := s.b.Task; !t.open() && !t.is(Failed, UnknownTimezone) {
		return s.keep(rule)
	}
	return s.end(rule, Cancelled, BookingCancelled)
}

func (s snapshot) expire(rule Rule) Decision { return s.end(rule, Failed, Expired) }

// noZone ends a follow-up whose time cannot be read. LAD correcting the zone, or
// FOLLOWUP_DEFAULT_TIMEZONE, brings it back.
func (s snapshot) noZone(rule Rule) Decision {
	if t := s.b.Task; !t.open() && !t.is(Cancelled, BookingCancelled) { // which LAD has revived
		return s.keep(rule)
	}
	d := s.end(rule, Failed, UnknownTimezone)
	d.Next.LastError = "the booking's timezone cannot be read, so nobody knows when to call"
	return d
}

// refresh has a row that stays as it is written once all the same, if LAD has
// written over it, or if the sweep finds it by a time that it no longer has. A
// claim at work is its finish's to write. A booking that is not live is found by
// its old time once LAD revives it.
func (s snapshot) refresh(d Decision) Decision {
	ours := d.Rule != RuleNoFollowUp && d.Rule != RuleClaimed
	if d.Effect == None && ours && (s.overwritten || s.b.Stale && d.Rule != RuleHeld && d.Rule != RuleNotLive) {
		d.Effect, d.Next = Update, s.b.Task
	}
	return d
}

// pin writes down for which time the end that the row has holds.
func (s snapshot) pin(rule Rule) Decision { return s.end(rule, s.b.Task.Status, s.b.Task.Reason) }

// hold keeps the key of the attempt that is in doubt: the person who resolves
// it, and the late answer that may still come, mean that attempt.
func (s snapshot) hold(rule Rule) Decision {
	next := s.b.Task
	next.Status, next.Reason, next.LastError = Failed, OutcomeUnknown, LeaseOverError
	return Decision{Effect: Update, Rule: rule, Next: next}
}

// arm gives the row a task for its time: unless that is too long ago, or too
// far ahead, in which case a sweep will arm it.
func (s snapshot) arm(rule Rule) Decision {
	switch {
	case s.ask(RuleExpired, s.late()):
		return s.expire(RuleExpired)
	case s.ask(RuleBackdated, s.backdated()):
		return s.end(RuleBackdated, Failed, Backdated)
	case s.ask(RuleBeyond, s.beyondHorizon()):
		return s.park()
	}
	s.ask(RuleArm, true)
	next := s.b.Task
	next.Status, next.Reason = Scheduled, ""
	next.Revision++
	next.DueAt = later(s.now, s.b.ScheduledAt.Add(-s.rules.LeadTime))
	if !s.same() {
		next.Attempts, next.LastError = 0, ""
	}
	next.Key, next.PlannedFor = s.key, s.b.ScheduledAt
	next.Name = "" // whoever creates the task fills it in
	next.ClaimedAt = time.Time{}
	return Decision{Effect: Arm, Rule: rule, Next: next, Drop: s.b.Task.Name}
}

// putOff arms the row for a later moment than its time.
func (s snapshot) putOff(rule Rule, reason Reason, until time.Time) Decision {
	d := s.arm(rule)
	if d.Effect == Arm {
		d.Next.Reason, d.Next.DueAt = reason, until
	}
	return d
}

// Defer puts a call off that the voice service refused for now: b is the row as
// its finish has left it. A call that would be too late by then ends as expired.
func (r Rules) Defer(b Booking, reason Reason, until, now time.Time) Decision {
	if s := r.look(b, until); s.late() {
		return s.expire(RuleExpired)
	}
	return r.look(b, now).putOff(RuleDeferred, reason, until)
}

// Duplicates ends a follow-up that cannot be armed because LAD's index keeps its
// minute for another booking of the lead.
func (r Rules) Duplicates(b Booking) Decision {
	return r.look(b, time.Time{}).end(RuleDuplicate, Cancelled, Duplicate)
}

// above makes a task that is armed newer than the one that has just fired: its
// name is taken, even while the row has not heard of it.
func (d Decision) above(t Ticket) Decision {
	if d.Effect == Arm {
		d.Next.Revision = max(d.Next.Revision, t.Revision+1)
	}
	return d
}

func (s snapshot) park() Decision {
	if s.b.Task.Status == Pending {
		return s.keep(RuleBeyond)
	}
	next := s.b.Task
	next.Status, next.Reason = Pending, ""
	next.Revision++
	drop := next.Name
	next.Name, next.DueAt, next.ClaimedAt = "", time.Time{}, time.Time{}
	return Decision{Effect: Update, Rule: RuleBeyond, Next: next, Drop: drop}
}

// wait leaves everything, and has the same task come again.
func (s snapshot) wait(rule Rule) Decision { return Decision{Effect: Wait, Rule: rule} }

// claim makes the row in_progress for the ticket. A ticket newer than the row
// belongs to a task that fired before its enqueue was recorded, so the claim
// records it.
func (s snapshot) claim() Decision {
	next := s.record(s.ticket)
	next.Status, next.Reason = InProgress, ""
	next.Attempts++
	next.ClaimedAt = s.now
	return Decision{Effect: Dial, Rule: RuleAdmitted, Next: next}
}

// queueUp gives the call a slot. It costs no attempt. A call that was tried before
// stays failed/not_started: LAD's index may keep it from being scheduled again.
func (s snapshot) queueUp(rule Rule) Decision {
	next := s.record(s.ticket)
	if !next.is(Failed, NotStarted) {
		next.Status, next.Reason = Scheduled, Paced
	}
	next.DueAt, next.ClaimedAt = s.slot(), time.Time{}
	return Decision{Effect: Queue, Rule: rule, Next: next}
}

// record is the row with this ticket's task as its task.
func (s snapshot) record(t Ticket) Task {
	next := s.b.Task
	if t.Revision > next.Revision || !s.same() {
		next.DueAt = s.now // the row's was another task's, or for another time
	}
	// Attempts start over with a new revision only: the two are the fence of a
	// finish, and no two claims may share it.
	if t.Revision > next.Revision && !s.same() {
		next.Attempts, next.LastError = 0, ""
	}
	next.Key, next.PlannedFor = t.Key, s.b.ScheduledAt
	next.Revision, next.Name = t.Revision, t.TaskName
	return next
}
