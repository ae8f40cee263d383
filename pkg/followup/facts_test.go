package followup

import "time"

// factsAgainst are the facts for which each rule about them stands, with nothing
// else that speaks against the call.
var factsAgainst = map[Rule]Facts{
	RuleExcluded:  lead(func(l *Lead) { l.Excluded = DoNotCall }),
	RuleDuplicate: lead(func(l *Lead) { l.Twin = true }),
	RuleCallLimit: lead(func(l *Lead) { l.Calls = 3 }),
	RuleNoPhone:   unreachable,
	RuleNoAgent:   {Lead: reachable.Lead},
	RulePaced: {Lead: reachable.Lead, Agents: reachable.Agents, Ledger: Ledger{
		BlockedUntil: noon.Add(time.Hour)}},
}

func lead(edit func(*Lead)) Facts {
	f := reachable
	edit(&f.Lead)
	return f
}

// both are facts for which two rules stand.
func both(a, b Rule) Facts {
	f, g := factsAgainst[a], factsAgainst[b]
	f.Lead.Twin = f.Lead.Twin || g.Lead.Twin
	f.Lead.Calls = max(f.Lead.Calls, g.Lead.Calls)
	switch b {
	case RuleNoPhone:
		f.Lead.Number, f.Lead.NumberProblem = "", unreachable.Lead.NumberProblem
	case RuleNoAgent:
		f.Agents = g.Agents
	case RulePaced:
		f.Ledger = g.Ledger
	}
	return f
}

// factCases: what speaks against the call beside the row.
func factCases() []admitCase {
	row := booked(onTime, scheduled(onTime))
	slot := noon.Add(time.Hour + 30*time.Second)
	wants := map[Rule]want{
		RuleExcluded:  becomes(RuleExcluded, Cancelled, DoNotCall),
		RuleDuplicate: becomes(RuleDuplicate, Cancelled, Duplicate),
		RuleCallLimit: becomes(RuleCallLimit, Cancelled, CallLimit),
		RuleNoPhone:   isUnreachable,
		RuleNoAgent: func(b Booking) Decision {
			d := becomes(RuleNoAgent, Failed, Rejected)(b)
			d.Next.LastError = "no voice agent for this tenant"
			return d
		},
		RulePaced: queues(ticketFor(onTime), slot),
	}
	order := []Rule{RuleExcluded, RuleDuplicate, RuleCallLimit, RuleNoPhone, RuleNoAgent, RulePaced}
	paused := standard()
	paused.Paused = Pause{All: true}
	cases := []admitCase{{"paused before excluded", paused, row, factsAgainst[RuleExcluded], ticketFor(onTime), waits(RulePaused)}}
	for i, rule := range order {
		cases = append(cases, admitCase{string(rule), standard(), row, factsAgainst[rule], ticketFor(onTime), wants[rule]})
		if i+1 < len(order) {
			cases = append(cases, admitCase{string(rule) + " before " + string(order[i+1]), standard(), row,
				both(rule, order[i+1]), ticketFor(onTime), wants[rule]})
		}
	}
	return append(cases,
		admitCase{"a call tried before keeps its state while it waits", standard(),
			booked(onTime, state(onTime, Failed, NotStarted)), factsAgainst[RulePaced], ticketFor(onTime),
			func(b Booking) Decision {
				d := queues(ticketFor(onTime), slot)(b)
				d.Next.Status, d.Next.Reason = Failed, NotStarted
				return d
			}},
		admitCase{"two calls are below the share", standard(), row, lead(func(l *Lead) { l.Calls = 2 }),
			ticketFor(onTime), admits(ticketFor(onTime))})
}

// queues is a slot for the call, at no attempt.
func queues(t Ticket, slot time.Time) want {
	return func(b Booking) Decision {
		next := b.Task
		next.Status, next.Reason, next.DueAt, next.ClaimedAt = Scheduled, Paced, slot, time.Time{}
		next.Revision, next.Name = t.Revision, t.TaskName
		return Decision{Effect: Queue, Rule: RulePaced, Next: next}
	}
}
