package followup

import (
	"strings"
	"time"
)

// Ticket is what a task that has fired claims to be.
type Ticket struct {
	Key      string // the payload's idempotency key
	Revision int    // the payload's revision, 1 or more
	TaskName string // the full resource name of the task that fired
}

// Facts is what Admit needs to know beside the row. None of it enters a task, a
// log line or an error column.
type Facts struct {
	Lead   Lead
	Agents Agents
	Ledger Ledger
}

// Lead is whom to ring, and what speaks against it.
type Lead struct {
	FirstName     string
	LastName      string
	Number        Phone  // "" if there is none that is valid
	NumberProblem string // why there is none
	LatestNote    string
	Excluded      Reason // LeadDeleted, LeadArchived, DoNotCall or ""
	Twin          bool   // another booking has rung, or rings, the lead for this minute
	Calls         int    // calls for other bookings within Rules.MaxCalls.Per
}

// Name is the lead's name as a person would write it, "" if there is none.
func (l Lead) Name() string {
	return strings.TrimSpace(strings.TrimSpace(l.FirstName) + " " + strings.TrimSpace(l.LastName))
}

// Admit decides whether the task that has just fired may dial now. It is asked
// under the row's lock; b is nil for a booking that does not exist or is another
// tenant's.
//
// As in Plan the first line that fits decides, and the order matters.
func (r Rules) Admit(b *Booking, f Facts, t Ticket, now time.Time) Decision {
	return r.admit(b, f, t, now, nil)
}

// admit also tells asked, unless it is nil, of each rule that it asks.
func (r Rules) admit(b *Booking, f Facts, t Ticket, now time.Time, asked func(Rule, bool)) Decision {
	s := sight{asked: asked}
	if s.ask(RuleAbsent, b == nil) {
		return Decision{Effect: None, Rule: RuleAbsent}
	}
	s = r.look(*b, now)
	s.asked = asked
	for _, l := range admitTable {
		if s.ask(l.rule, l.fits(s, t, f)) {
			return l.answer(s, t, f).above(t)
		}
	}
	s.ask(RuleAdmitted, true)
	return s.claim(t)
}

// admitLine is a line of Admit's table: it may also ask for the ticket and the facts.
type admitLine struct {
	rule   Rule
	fits   func(sight, Ticket, Facts) bool
	answer func(sight, Ticket, Facts) Decision
}

// plain is an answer that needs neither.
func plain(answer func(sight) Decision) func(sight, Ticket, Facts) Decision {
	return func(s sight, _ Ticket, _ Facts) Decision { return answer(s) }
}

// admitTable ends in claim.
var admitTable = []admitLine{
	{RuleOtherCall,
		func(s sight, t Ticket, _ Facts) bool { return t.Key != s.key || s.key == "" },
		func(s sight, _ Ticket, _ Facts) Decision { return s.keep(RuleOtherCall) }},
	{RuleStale,
		func(s sight, t Ticket, _ Facts) bool { return t.Revision < max(1, s.b.Task.Revision) },
		func(s sight, _ Ticket, _ Facts) Decision { return s.keep(RuleStale) }},
	{RuleClaimed,
		func(s sight, _ Ticket, _ Facts) bool { return s.unfinished() && !s.leaseOver() },
		func(s sight, _ Ticket, _ Facts) Decision { return Decision{Effect: Wait, Rule: RuleClaimed} }},
	{RuleLeaseOver,
		func(s sight, _ Ticket, _ Facts) bool { return s.unfinished() && !s.retryable() },
		plain(sight.hold)},
	{RuleHeld,
		func(s sight, _ Ticket, _ Facts) bool { return s.b.Task.is(Failed, OutcomeUnknown) },
		func(s sight, _ Ticket, _ Facts) Decision { return s.keep(RuleHeld) }},
	{RuleCalled,
		func(s sight, _ Ticket, _ Facts) bool { return s.called() },
		plain(sight.markCalled)},
	{RuleNotLive,
		func(s sight, _ Ticket, _ Facts) bool { return !s.live() },
		plain(sight.withdraw)},
	{RulePremature,
		func(s sight, t Ticket, _ Facts) bool {
			return t.Revision > s.b.Task.Revision && s.rules.Plan(&s.b, s.now).Effect != Arm
		},
		func(s sight, _ Ticket, _ Facts) Decision { return s.keep(RulePremature) }},
	{RuleSettled,
		func(s sight, t Ticket, _ Facts) bool {
			final := s.b.Task.Status == Cancelled || s.finalForKey()
			return t.Revision == s.b.Task.Revision && final
		},
		func(s sight, _ Ticket, _ Facts) Decision { return s.keep(RuleSettled) }},
	{RuleTooEarly,
		func(s sight, _ Ticket, _ Facts) bool { return s.tooEarly() },
		func(s sight, _ Ticket, _ Facts) Decision { return s.arm(RuleTooEarly) }},
	{RuleExpired,
		func(s sight, _ Ticket, _ Facts) bool { return s.late() },
		plain(sight.expire)},
	{RulePaused,
		func(s sight, _ Ticket, _ Facts) bool { return s.rules.Paused.Covers(s.b.TenantID) },
		func(s sight, _ Ticket, _ Facts) Decision { return Decision{Effect: Wait, Rule: RulePaused} }},
	{RuleExcluded,
		func(_ sight, _ Ticket, f Facts) bool { return f.Lead.Excluded != "" },
		func(s sight, _ Ticket, f Facts) Decision { return s.end(RuleExcluded, Cancelled, f.Lead.Excluded) }},
	{RuleDuplicate,
		func(_ sight, _ Ticket, f Facts) bool { return f.Lead.Twin },
		func(s sight, _ Ticket, _ Facts) Decision { return s.end(RuleDuplicate, Cancelled, Duplicate) }},
	{RuleCallLimit,
		func(s sight, _ Ticket, f Facts) bool { return s.rules.MaxCalls.reached(f.Lead.Calls) },
		func(s sight, _ Ticket, _ Facts) Decision { return s.end(RuleCallLimit, Cancelled, CallLimit) }},
	{RuleNoPhone,
		func(_ sight, _ Ticket, f Facts) bool { return f.Lead.Number == "" },
		func(s sight, _ Ticket, f Facts) Decision { return s.reject(RuleNoPhone, f.Lead.NumberProblem) }},
	{RuleNoAgent,
		func(s sight, _ Ticket, f Facts) bool { return s.rules.Agent(s.b, f.Agents).ID == 0 },
		func(s sight, _ Ticket, f Facts) Decision {
			return s.reject(RuleNoAgent, s.rules.Agent(s.b, f.Agents).Problem)
		}},
	{RulePaced,
		func(s sight, _ Ticket, f Facts) bool { return !s.rules.Limit.slot(s.b, f.Ledger, s.now).IsZero() },
		func(s sight, t Ticket, f Facts) Decision {
			return s.queueUp(t, s.rules.Limit.slot(s.b, f.Ledger, s.now))
		}},
}

// reject ends a follow-up that cannot be called as it stands, and says why.
func (s sight) reject(rule Rule, why string) Decision {
	d := s.end(rule, Failed, Rejected)
	d.Next.LastError = why
	return d
}
