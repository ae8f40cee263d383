package followup

import "time"

const (
	tooLate       = "it is too late to ring: move the booking to a new time instead, since an old promise must not ring at night"
	alreadyCalled = "the call for this time has been made: for another one, move the booking to a later time"
	notMeant      = "LAD no longer means the booking (by its status, type or time, or it is deleted)"
	noZone        = "its timezone cannot be read: correct it in LAD, or set FOLLOWUP_DEFAULT_TIMEZONE, and its call is planned by itself"
)

// Advice says how a booking's follow-up stands and what a person can do about
// it: one clause, for show, and for whoever asked for something else.
func (r Rules) Advice(b Booking, now time.Time) string {
	plan := r.Plan(&b, now)
	s := r.look(b, now)
	t := s.b.Task // as it is proven
	switch {
	case plan.Rule == RuleNoFollowUp:
		return "it is no follow-up: its type is none of FOLLOWUP_BOOKING_TYPES, so no call will be made"
	case plan.Rule == RuleHistoric:
		return "it was made and due before FOLLOWUP_ACTIVE_SINCE, " + FormatTime(r.ActiveSince) + ", so no call will be made"
	case s.unfinished() && s.leaseOver():
		return "its claim has ended without an outcome: the next sweep settles it"
	case s.unfinished():
		return "its call is under way: wait for the lease, which is over at " + FormatTime(t.ClaimedAt.Add(r.Lease))
	case t.is(Failed, OutcomeUnknown):
		return "it may have rung: find out whether it has, then resolve it as called or not called"
	case plan.Rule == RuleCalled:
		return alreadyCalled
	case t.open():
		return s.adviceWhileOpen(plan)
	case plan.Effect == Arm, plan.Rule == RuleBeyond:
		return "the booking was moved or revived: the next sweep plans its call anew"
	case plan.Rule == RuleNotLive && t.Status != Executed && t.Reason != BookingCancelled:
		return notMeant + ": no call will be made as it stands"
	default:
		return adviceAtTheEnd(t)
	}
}

func (s snapshot) adviceWhileOpen(plan Decision) string {
	switch {
	case plan.Rule == RuleNotLive:
		return notMeant + ": the next sweep cancels its call"
	case plan.Rule == RuleNoZone:
		return noZone
	case plan.Rule == RuleExpired:
		return tooLate
	case s.b.Task.Status == Failed:
		return "it has certainly not rung and is tried again by itself: wait, retry it now, or cancel it"
	case s.b.Task.Reason == Paced:
		return "it waits for its turn under VOICE_AGENT_LIMIT: wait for it, or cancel it"
	case s.b.Task.Reason == RateLimited:
		return "the voice service's limit was reached, and all calls wait: wait for it, or cancel it"
	case s.b.Task.Reason == OutsideHours:
		return "it waits for business hours: wait for it, or cancel it"
	default:
		return "its call is still to come: wait for it, or cancel it"
	}
}

func adviceAtTheEnd(t Task) string {
	switch {
	case t.is(Failed, Rejected):
		return "the call was refused for good: put right what its error says, then retry it"
	case t.is(Failed, Misconfigured):
		return "the voice service refused the credentials, or the tenant lacks the feature: correct that, then retry it"
	case t.is(Failed, UnknownTimezone):
		return noZone
	case t.is(Failed, Backdated):
		return "it was booked for a time that had long passed: retry it if it should be called all the same, or move the booking to a new time"
	case t.is(Failed, Expired):
		return tooLate
	case t.Status == Executed:
		return "its call has been made: for another one, move the booking to a later time"
	case t.is(Cancelled, ByOperator):
		return "an operator has cancelled it: retry it, or move the booking to another time"
	case t.is(Cancelled, LeadDeleted):
		return "LAD has deleted the lead: restore the lead in LAD, then retry the call"
	case t.is(Cancelled, LeadArchived):
		return "LAD has archived the lead: restore the lead in LAD, then retry the call"
	case t.is(Cancelled, DoNotCall):
		return "the lead is marked not to be called: if that is wrong, correct it in LAD, then retry the call"
	case t.is(Cancelled, Duplicate):
		return "another booking of the lead is called for the same minute: if it was not called, retry this one, or move it to another time"
	case t.is(Cancelled, CallLimit):
		return "the lead has had FOLLOWUP_MAX_CALLS_PER_LEAD: retry the call when the period is over, or move the booking to a later time"
	case t.is(Cancelled, BookingCancelled):
		return notMeant + ": revive it in LAD, and its call is planned by itself"
	default:
		return "something outside this system has ended it: move the booking to another time, and its call is planned by itself"
	}
}
