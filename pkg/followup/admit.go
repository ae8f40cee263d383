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
	s := snapshot{asked: asked}
	if s.ask(RuleAbsent, b == nil) {
		return Decision{Effect: None, Rule: RuleAbsent}
	}
	s = r.look(*b, now)
	s.asked, s.ticket, s.facts = asked, t, f
	for _, l := range admitTable {
		if s.ask(l.rule, l.fits(s)) {
			return l.answer(s, l.rule).above(t)
		}
	}
	s.ask(RuleAdmitted, true)
	return s.claim()
}

// admitTable ends in claim.
var admitTable = []line{
	{RuleOtherCall, func(s snapshot) bool { return s.ticket.Key != s.key || s.key == "" }, snapshot.keep},
	{RuleStale, func(s snapshot) bool { return s.ticket.Revision < max(1, s.b.Task.Revision) }, snapshot.keep},
	{RuleClaimed, snapshot.claimed, snapshot.wait},
	{RuleLeaseOver, func(s snapshot) bool { return s.unfinished() && !s.retryable() }, snapshot.hold},
	{RuleHeld, snapshot.held, snapshot.keep},
	{RuleCalled, snapshot.called, snapshot.markCalled},
	{RuleNotLive, func(s snapshot) bool { return !s.live() }, snapshot.withdraw},
	{RulePremature,
		func(s snapshot) bool {
			return s.ticket.Revision > s.b.Task.Revision && s.rules.Plan(&s.b, s.now).Effect != Arm
		},
		snapshot.keep},
	{RuleSettled,
		func(s snapshot) bool {
			final := s.b.Task.Status == Cancelled || s.finalForKey()
			return s.ticket.Revision == s.b.Task.Revision && final
		},
		snapshot.keep},
	{RuleTooEarly, snapshot.tooEarly, snapshot.arm},
	{RuleExpired, snapshot.late, snapshot.expire},
	{RulePaused, func(s snapshot) bool { return s.rules.Paused.Covers(s.b.TenantID) }, snapshot.wait},
	{RuleExcluded, func(s snapshot) bool { return s.facts.Lead.Excluded != "" },
		func(s snapshot, rule Rule) Decision { return s.end(rule, Cancelled, s.facts.Lead.Excluded) }},
	{RuleDuplicate, func(s snapshot) bool { return s.facts.Lead.Twin },
		func(s snapshot, rule Rule) Decision { return s.end(rule, Cancelled, Duplicate) }},
	{RuleCallLimit, func(s snapshot) bool { return s.rules.MaxCalls.reached(s.facts.Lead.Calls) },
		func(s snapshot, rule Rule) Decision { return s.end(rule, Cancelled, CallLimit) }},
	{RuleNoPhone, func(s snapshot) bool { return s.facts.Lead.Number == "" },
		func(s snapshot, rule Rule) Decision { return s.reject(rule, s.facts.Lead.NumberProblem) }},
	{RuleNoAgent, func(s snapshot) bool { return s.agent().ID == 0 },
		func(s snapshot, rule Rule) Decision { return s.reject(rule, s.agent().Problem) }},
	{RulePaced, func(s snapshot) bool { return !s.slot().IsZero() }, snapshot.queueUp},
}

func (s snapshot) agent() Choice { return s.rules.Agent(s.b, s.facts.Agents) }

func (s snapshot) slot() time.Time { return s.rules.Limit.slot(s.b, s.facts.Ledger, s.now) }

// reject ends a follow-up that cannot be called as it stands, and says why.
func (s snapshot) reject(rule Rule, why string) Decision {
	d := s.end(rule, Failed, Rejected)
	d.Next.LastError = why
	return d
}
