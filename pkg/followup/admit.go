package followup

import (
	"regexp"
	"strings"
	"time"
)

// Ticket is what a task that has fired claims to be.
type Ticket struct {
	Key      string // the payload's idempotency key
	Revision int    // the payload's revision, 1 or more
	TaskName string // the full resource name of the task that fired
}

// Lead is what a call needs to know of the person to ring. It never enters a
// task, a log line or an error column.
type Lead struct {
	FirstName  string
	LastName   string
	Phone      string
	LatestNote string
}

// Name is the lead's name as a person would write it, "" if there is none.
func (l Lead) Name() string {
	return strings.TrimSpace(strings.TrimSpace(l.FirstName) + " " + strings.TrimSpace(l.LastName))
}

// Number is the lead's phone number in E.164 (ITU-T E.164: '+', then up to 15
// digits, the first not 0), or "" if there is no usable one. The separators
// that people type are taken out, and so is the "(0)" that is only dialled
// within a country (ITU-T E.123); a missing country code is not guessed.
func (l Lead) Number() string {
	number := separators.Replace(strings.TrimSpace(l.Phone))
	if !e164.MatchString(number) {
		return ""
	}
	return number
}

var (
	separators = strings.NewReplacer("(0)", "", " ", "", "-", "", ".", "", "(", "", ")", "", "/", "", "\u00a0", "")
	e164       = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
)

// Admit decides whether the task that has just fired may dial now. It is asked
// under the row's lock; b is nil for a booking that does not exist or is another
// tenant's.
//
// As in Plan the first line that fits decides, and the order matters.
func (r Rules) Admit(b *Booking, lead Lead, t Ticket, now time.Time) Decision {
	return r.admit(b, lead, t, now, nil)
}

// admit also tells asked, unless it is nil, of each rule that it asks.
func (r Rules) admit(b *Booking, lead Lead, t Ticket, now time.Time, asked func(Rule, bool)) Decision {
	s := sight{asked: asked}
	if s.ask(RuleAbsent, b == nil) {
		return Decision{Effect: None, Rule: RuleAbsent}
	}
	s = r.look(*b, now)
	s.asked = asked
	for _, l := range admitTable {
		if s.ask(l.rule, l.fits(s, t, lead)) {
			return l.answer(s).above(t)
		}
	}
	s.ask(RuleAdmitted, true)
	return s.claim(t)
}

// admitLine is a line of Admit's table: it may also ask for ticket and lead.
type admitLine struct {
	rule   Rule
	fits   func(sight, Ticket, Lead) bool
	answer func(sight) Decision
}

// admitTable ends in claim.
var admitTable = []admitLine{
	{RuleOtherCall,
		func(s sight, t Ticket, _ Lead) bool { return t.Key != s.key || s.key == "" },
		func(s sight) Decision { return s.keep(RuleOtherCall) }},
	{RuleStale,
		func(s sight, t Ticket, _ Lead) bool { return t.Revision < max(1, s.b.Task.Revision) },
		func(s sight) Decision { return s.keep(RuleStale) }},
	{RuleClaimed,
		func(s sight, _ Ticket, _ Lead) bool { return s.unfinished() && !s.leaseOver() },
		func(s sight) Decision { return Decision{Effect: Wait, Rule: RuleClaimed} }},
	{RuleLeaseOver,
		func(s sight, _ Ticket, _ Lead) bool { return s.unfinished() && !s.retryable() },
		sight.hold},
	{RuleHeld,
		func(s sight, _ Ticket, _ Lead) bool { return s.b.Task.is(Failed, OutcomeUnknown) },
		func(s sight) Decision { return s.keep(RuleHeld) }},
	{RuleCalled,
		func(s sight, _ Ticket, _ Lead) bool { return s.called() },
		sight.markCalled},
	{RuleNotLive,
		func(s sight, _ Ticket, _ Lead) bool { return !s.live() },
		sight.withdraw},
	{RulePremature,
		func(s sight, t Ticket, _ Lead) bool {
			return t.Revision > s.b.Task.Revision && s.rules.Plan(&s.b, s.now).Effect != Arm
		},
		func(s sight) Decision { return s.keep(RulePremature) }},
	{RuleSettled,
		func(s sight, t Ticket, _ Lead) bool {
			final := s.b.Task.Status == Cancelled || s.finalForKey()
			return t.Revision == s.b.Task.Revision && final
		},
		func(s sight) Decision { return s.keep(RuleSettled) }},
	{RuleTooEarly,
		func(s sight, _ Ticket, _ Lead) bool { return s.tooEarly() },
		func(s sight) Decision { return s.arm(RuleTooEarly) }},
	{RuleExpired,
		func(s sight, _ Ticket, _ Lead) bool { return s.late() },
		sight.expire},
	{RulePaused,
		func(s sight, _ Ticket, _ Lead) bool { return s.rules.Paused.Covers(s.b.TenantID) },
		func(s sight) Decision { return Decision{Effect: Wait, Rule: RulePaused} }},
	{RuleNoPhone,
		func(_ sight, _ Ticket, lead Lead) bool { return lead.Number() == "" },
		func(s sight) Decision {
			d := s.end(RuleNoPhone, Failed, Rejected)
			d.Next.LastError = "the lead has no phone number in E.164 form, as +4915112345678"
			return d
		}},
}
