package followup

import "time"

// Asked is one rule that a decision has asked, and whether it fitted.
type Asked struct {
	Rule Rule
	Fits bool
}

// Explanation is a decision with the rules that were asked for it, in their
// order.
type Explanation struct {
	Asked    []Asked
	Decision Decision
}

// ExplainPlan is Plan with its reasons.
func (r Rules) ExplainPlan(b *Booking, now time.Time) Explanation {
	var e Explanation
	e.Decision = r.plan(b, now, e.note)
	return e
}

// ExplainAdmit is Admit with its reasons.
func (r Rules) ExplainAdmit(b *Booking, f Facts, t Ticket, now time.Time) Explanation {
	var e Explanation
	e.Decision = r.admit(b, f, t, now, e.note)
	return e
}

// note takes lines that share a rule for one: which of them fitted is no
// question that a person asks.
func (e *Explanation) note(rule Rule, fits bool) {
	if last := len(e.Asked) - 1; last >= 0 && e.Asked[last].Rule == rule {
		e.Asked[last].Fits = e.Asked[last].Fits || fits
		return
	}
	e.Asked = append(e.Asked, Asked{Rule: rule, Fits: fits})
}

// Ticket is what the row's own task carries when it fires, and false if the row
// has no task.
func (t Task) Ticket() (Ticket, bool) {
	return Ticket{Key: t.Key, Revision: t.Revision, TaskName: t.Name}, t.Name != ""
}

// ask tells whoever wants to know that a rule was asked.
func (s snapshot) ask(rule Rule, fits bool) bool {
	if s.asked != nil {
		s.asked(rule, fits)
	}
	return fits
}

// Question is the rule for people, as a question that yes or no answers. It is
// "" for a rule that the tables do not ask.
func (r Rule) Question() string { return questions[r] }

var questions = map[Rule]string{
	RuleAbsent:     "Is there no such booking for this tenant?",
	RuleNoFollowUp: "Is its type none of FOLLOWUP_BOOKING_TYPES, and has it never been armed?",
	RuleHistoric:   "Was it made and due before FOLLOWUP_ACTIVE_SINCE, and never armed?",
	RuleClaimed:    "Is a claim at work on it?",
	RuleLeaseOver:  "Has a claim ended without an outcome?",
	RuleHeld:       "Is the outcome of its call unknown?",
	RuleCalled:     "Has the call for this time, or a later one, been made?",
	RuleNotLive:    "Does LAD no longer mean it (status, deletion, time, type)?",
	RuleSettled:    "Has it an end that holds for its present time?",
	RuleOnItsWay:   "Is its task on the way, and not overdue?",
	RuleOverdue:    "Should its task have come by now?",
	RuleExpired:    "Is it past FOLLOWUP_MAX_LATENESS?",
	RuleBackdated:  "Was it booked for a time further back than FOLLOWUP_MAX_BACKDATE?",
	RuleBeyond:     "Is it beyond FOLLOWUP_HORIZON?",
	RuleArm:        "Does it need a task?",
	RuleOtherCall:  "Is the task for another time than the booking's?",
	RuleStale:      "Is the task of an older revision than the row?",
	RulePremature:  "Is the task newer than the row, and unwanted?",
	RuleTooEarly:   "Does the task fire before its time?",
	RulePaused:     "Is dialling paused for this tenant?",
	RuleNoZone:     "Is its timezone one that cannot be read?",
	RuleExcluded:   "Is the lead deleted, archived or marked not to be called?",
	RuleDuplicate:  "Does another booking ring this lead for this minute?",
	RuleCallLimit:  "Has the lead had FOLLOWUP_MAX_CALLS_PER_LEAD?",
	RuleNoPhone:    "Has the lead no valid phone number?",
	RuleNoAgent:    "Has the tenant no voice agent for this call?",
	RulePaced:      "Is VOICE_AGENT_LIMIT used up for now?",
	RuleAdmitted:   "May it dial?",
}
