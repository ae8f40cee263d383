package followup

import (
	"testing"
	"time"
)

// The scenarios in which a guard is missed; small, so that the trace is short.
var (
	oneAct    = modelScenario{name: "one act, one fault", times: dueNow, from: 1, to: 3, workers: 2, desks: 1, acts: 1, faults: 1, persons: true}
	twoMoves  = modelScenario{name: "two moves, one fault", times: dueNow, from: 1, to: 4, workers: 1, desks: 1, acts: 2, faults: 1, onlyMoves: true}
	threeActs = modelScenario{name: "three acts", times: dueNow, from: 1, to: 1, workers: 1, desks: 2, acts: 3, persons: true}
	pastLate  = modelScenario{name: "until it is too late", times: dueNow, from: 1, to: 4, workers: 1, desks: 1, faults: 1}
	written   = modelScenario{name: "a status written over", times: dueNow, from: 1, to: 3, workers: 2, desks: 1, acts: 1, overwrites: true}
	forgotten = modelScenario{name: "a claim forgotten", times: dueNow, from: 1, to: 3, workers: 1, desks: 1, faults: 1, forgets: true}
	rivals    = modelScenario{name: "rivals", times: dueNow, from: 1, to: 3, workers: 2, desks: 1, faults: 2}
	dedupes   = modelScenario{name: "an idempotent agent", times: dueNow, from: 1, to: 3, workers: 2, desks: 1, faults: 1, idempotent: true}
	before    = modelScenario{name: "a booking from before", times: dueNow, since: 2, from: 2, to: 4, targets: []modelSlot{2}, workers: 1, desks: 1, acts: 1}
	foreign   = modelScenario{name: "no follow-up", times: dueNow, from: 1, to: 3, foreign: true, workers: 1, desks: 1}
	elsewhere = modelScenario{name: "cancelled elsewhere", times: dueNow, from: 1, to: 3, elsewhere: true, workers: 1, desks: 1}
	paused    = modelScenario{name: "paused", times: dueNow, from: 1, to: 3, paused: true, workers: 1, desks: 1}
)

// missed is a guard that the system does not work without, and an invariant that
// is broken then. Others may be broken in fewer steps.
type missed struct {
	guards modelGuards
	in     modelScenario
	wrong  string
}

func withoutRule[L any](table []L, ruleOf func(L) Rule, rules ...Rule) []L {
	var left []L
	for _, l := range table {
		out := false
		for _, r := range rules {
			out = out || ruleOf(l) == r
		}
		if !out {
			left = append(left, l)
		}
	}
	return left
}

func withoutInPlan(rules ...Rule) []line {
	return withoutRule(planTable, func(l line) Rule { return l.rule }, rules...)
}

func withoutInAdmit(rules ...Rule) []line {
	return withoutRule(admitTable, func(l line) Rule { return l.rule }, rules...)
}

// theGuards are those by which the design stands, by their names there.
var theGuards = []missed{
	{modelGuards{name: "revision: stale tasks are not told apart", admit: withoutInAdmit(RuleStale)}, oneAct, wrongStopped},
	{modelGuards{name: "revision: not part of a task's name", flags: modelNamesWithoutRevision}, oneAct, wrongNeverEnds},
	{modelGuards{name: "revision: a name that is used up is not passed over", flags: modelTakesUsedNames}, oneAct, wrongNeverEnds},
	{modelGuards{name: "fence: a finish does not say of which claim", unfenced: colClaimedAt}, rivals, wrongTwice},
	{modelGuards{name: "fence: a plan does not look at the claim", unchecked: colClaimedAt | colTaskStatus}, oneAct, wrongSettled},
	{modelGuards{name: "fence: a finish does not look at the reason", unfenced: colTaskReason}, oneAct, wrongStopped},
	{modelGuards{name: "lease: a claim is not respected", plan: withoutInPlan(RuleClaimed, RuleLeaseOver), admit: withoutInAdmit(RuleClaimed, RuleLeaseOver)}, rivals, wrongTwice},
	{modelGuards{name: "lease: it never runs out", rules: func(r *Rules) { r.Lease = 1000 * time.Hour }}, oneAct, wrongNeverEnds},
	{modelGuards{name: "no retry on ambiguous: the rules think that the agent deduplicates, and it does not", rules: func(r *Rules) { r.AgentIdempotent = true }}, rivals, wrongTwice},
	{modelGuards{name: "lease: a status that was written over is believed", flags: modelBelievesStatus}, written, wrongTwice},
	{modelGuards{name: "fence: a finish is lost with its claim", flags: modelDropsForgotten}, forgotten, wrongTwice},
	{modelGuards{name: "no dialling on an unclear COMMIT", flags: modelDialsInDoubt}, rivals, wrongTwice},
	{modelGuards{name: "same key: a task for another time may dial", admit: withoutInAdmit(RuleOtherCall)}, oneAct, wrongMoved},
	{modelGuards{name: "same key: an end does not hold for its time", plan: withoutInPlan(RuleSettled)}, oneAct, wrongStopped},
	{modelGuards{name: "same key: each attempt has a key of its own", flags: modelKeyPerAttempt}, dedupes, wrongTwice},
	{modelGuards{name: "sweep: there is none", unswept: everyConcern}, oneAct, wrongNeverEnds},
	{modelGuards{name: "live check", plan: withoutInPlan(RuleNotLive), admit: withoutInAdmit(RuleNotLive)}, oneAct, wrongWithdrawn},
	{modelGuards{name: "historic rule", plan: withoutInPlan(RuleHistoric)}, before, wrongHistoric},
}

// everyLine takes each rule of both tables out alone.
var everyLine = []missed{
	{modelGuards{plan: withoutInPlan(RuleNoFollowUp), name: "Plan without no_follow_up"}, foreign, wrongForeign},
	{modelGuards{plan: withoutInPlan(RuleHistoric), name: "Plan without historic"}, before, wrongHistoric},
	{modelGuards{plan: withoutInPlan(RuleClaimed), name: "Plan without claimed"}, oneAct, wrongSettled},
	{modelGuards{plan: withoutInPlan(RuleLeaseOver), name: "Plan without lease_over"}, oneAct, wrongNeverEnds},
	{modelGuards{plan: withoutInPlan(RuleHeld), name: "Plan without held"}, oneAct, wrongNeverEnds},
	{modelGuards{plan: withoutInPlan(RuleCalled), name: "Plan without called"}, threeActs, wrongUncalled},
	{modelGuards{plan: withoutInPlan(RuleNotLive), name: "Plan without not_live"}, oneAct, wrongUnwanted},
	{modelGuards{plan: withoutInPlan(RuleSettled), name: "Plan without settled"}, elsewhere, wrongStopped},
	{modelGuards{plan: withoutInPlan(RuleOnItsWay), name: "Plan without on_its_way"}, oneAct, wrongReplaced},

	{modelGuards{admit: withoutInAdmit(RuleOtherCall), name: "Admit without other_call"}, oneAct, wrongMoved},
	{modelGuards{admit: withoutInAdmit(RuleStale), name: "Admit without stale"}, oneAct, wrongStopped},
	{modelGuards{admit: withoutInAdmit(RuleClaimed), name: "Admit without claimed"}, oneAct, wrongSettled},
	{modelGuards{admit: withoutInAdmit(RuleLeaseOver), name: "Admit without lease_over"}, oneAct, wrongTwice},
	{modelGuards{admit: withoutInAdmit(RuleHeld), name: "Admit without held"}, twoMoves, wrongDoubt},
	{modelGuards{admit: withoutInAdmit(RuleCalled), name: "Admit without called"}, twoMoves, wrongUncalled},
	{modelGuards{admit: withoutInAdmit(RuleNotLive), name: "Admit without not_live"}, oneAct, wrongWithdrawn},
	{modelGuards{admit: withoutInAdmit(RulePremature), name: "Admit without premature"}, oneAct, wrongStopped},
	{modelGuards{admit: withoutInAdmit(RuleSettled), name: "Admit without settled"}, oneAct, wrongStopped},
	{modelGuards{admit: withoutInAdmit(RuleTooEarly), name: "Admit without too_early"}, oneAct, wrongEarly},
	{modelGuards{admit: withoutInAdmit(RuleExpired), name: "Admit without expired"}, pastLate, wrongLate},
	{modelGuards{admit: withoutInAdmit(RulePaused), name: "Admit without paused"}, paused, wrongPaused},
	admitsAgainst(RuleExcluded), admitsAgainst(RuleDuplicate), admitsAgainst(RuleCallLimit),
	admitsAgainst(RuleNoPhone), admitsAgainst(RuleNoAgent), admitsAgainst(RulePaced),
}

// admitsAgainst takes out a rule about the lead, the agent or the pace.
func admitsAgainst(rule Rule) missed {
	scenario := modelScenario{name: string(rule), times: dueNow, from: 1, to: 3, against: rule, workers: 1, desks: 1}
	return missed{modelGuards{admit: withoutInAdmit(rule), name: "Admit without " + string(rule)}, scenario, wrongAgainst}
}

// everyColumn and everyConcernAlone take out what is SQL in tenantdb. Some
// comparisons are not missed while the others are there, and stay as a second
// line: task_status, task_revision, called_at and planned_for in the UPDATE, and
// task_revision and planned_for in a finish.
var everyColumn = []missed{
	{modelGuards{unchecked: colScheduledAt, name: "UPDATE without scheduled_at"}, threeActs, wrongStopped},
	{modelGuards{unchecked: colStatus, name: "UPDATE without status"}, threeActs, wrongCancelled},
	{modelGuards{unchecked: colDeleted, name: "UPDATE without is_deleted"}, threeActs, wrongCancelled},
	{modelGuards{unchecked: colTaskReason, name: "UPDATE without task_reason"}, threeActs, wrongStopped},
	{modelGuards{unchecked: colClaimedAt, name: "UPDATE without claimed_at"}, written, wrongTwice},
}

var everyConcernAlone = []missed{
	{modelGuards{unswept: concernDue, name: "sweep without due"}, oneAct, wrongNeverEnds},
	{modelGuards{unswept: concernWithdrawn, name: "sweep without withdrawn"}, oneAct, wrongNeverEnds},
	{modelGuards{unswept: concernOverdue, name: "sweep without overdue"}, oneAct, wrongNeverEnds},
	{modelGuards{unswept: concernNotLive, name: "sweep without not_live"}, oneAct, wrongNeverEnds},
	{modelGuards{unswept: concernLeaseOver, name: "sweep without lease_over"}, oneAct, wrongNeverEnds},
	{modelGuards{unswept: concernChanged, name: "sweep without changed"}, oneAct, wrongNeverEnds},
}

func TestModel_guards(t *testing.T) {
	t.Parallel()
	missesAll(t, theGuards)
}

func TestModel_rules(t *testing.T) {
	t.Parallel()
	missesAll(t, everyLine)
	rules := map[Rule]bool{}
	for _, l := range planTable {
		rules[l.rule] = true
	}
	n := len(rules) + len(admitTable) - 1 // no_zone: the model's times can all be read
	if len(everyLine) != n {
		t.Errorf("the tables have %d rules, and %d are taken out", n, len(everyLine))
	}
}

func TestModel_columns(t *testing.T) {
	t.Parallel()
	missesAll(t, everyColumn)
	missesAll(t, everyConcernAlone)
}

func missesAll(t *testing.T, guards []missed) {
	t.Helper()
	for _, g := range guards {
		m := newModel(g.in, g.guards)
		m.only = g.wrong
		f, err := m.search(modelLimit)
		switch {
		case err != nil:
			t.Error(err)
		case f.wrong == "":
			t.Errorf("%s: of %v none is where %s", g.guards.name, f, g.wrong)
		default:
			t.Logf("%s (%d states):%s", g.guards.name, f.states, f.story())
		}
	}
}
