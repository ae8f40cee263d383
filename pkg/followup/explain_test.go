package followup

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func asked(no []Rule, yes ...Rule) []Asked {
	var all []Asked
	for _, rule := range no {
		all = append(all, Asked{Rule: rule})
	}
	for _, rule := range yes {
		all = append(all, Asked{Rule: rule, Fits: true})
	}
	return all
}

func TestAnExplanationListsTheRulesInTheirOrderUpToTheOneThatFits(t *testing.T) {
	t.Parallel()
	plan := func(b *Booking) Explanation { return standard().ExplainPlan(b, noon) }
	admit := func(b *Booking, ticket Ticket) Explanation {
		return standard().ExplainAdmit(b, reachable, ticket, noon)
	}
	early := onTime.Add(2 * Earliness)
	upToLive := []Rule{RuleAbsent, RuleNoFollowUp, RuleHistoric, RuleClaimed, RuleLeaseOver, RuleHeld, RuleCalled, RuleNoZone, RuleNotLive}
	for name, c := range map[string]struct {
		got  Explanation
		want []Asked
		rule Rule
	}{
		"no booking": {plan(nil), asked(nil, RuleAbsent), RuleAbsent},
		"a meeting":  {plan(booked(onTime, fresh(), ofType("meeting"))), asked([]Rule{RuleAbsent}, RuleNoFollowUp), RuleNoFollowUp},
		"a call on its way": {plan(booked(onTime, scheduled(onTime))),
			asked(append(slices.Clone(upToLive), RuleSettled), RuleOnItsWay), RuleOnItsWay},
		"a new booking": {plan(booked(onTime, fresh())),
			asked(append(slices.Clone(upToLive), RuleSettled, RuleOnItsWay, RuleOverdue, RuleExpired, RuleBackdated, RuleBeyond), RuleArm), RuleArm},
		"one far ahead": {plan(booked(noon.Add(2*horizon), fresh())),
			asked(append(slices.Clone(upToLive), RuleSettled, RuleOnItsWay, RuleOverdue, RuleExpired, RuleBackdated), RuleBeyond), RuleBeyond},
		// Two lines of the table are one rule; the first fits.
		"a foreign cancel": {plan(booked(onTime, Task{Status: Cancelled})),
			asked(upToLive, RuleSettled), RuleSettled},

		"a task of no booking": {admit(nil, ticketFor(onTime)), asked(nil, RuleAbsent), RuleAbsent},
		"a task that may dial": {admit(booked(onTime, scheduled(onTime)), ticketFor(onTime)),
			asked([]Rule{RuleAbsent, RuleOtherCall, RuleStale, RuleClaimed, RuleLeaseOver, RuleHeld, RuleCalled, RuleNotLive,
				RulePremature, RuleSettled, RuleTooEarly, RuleExpired, RulePaused,
				RuleExcluded, RuleDuplicate, RuleCallLimit, RuleNoPhone, RuleNoAgent, RulePaced}, RuleAdmitted), RuleAdmitted},
		"a task for another time": {admit(booked(early, scheduled(early)), ticketFor(onTime)),
			asked([]Rule{RuleAbsent}, RuleOtherCall), RuleOtherCall},
	} {
		if diff := cmp.Diff(c.want, c.got.Asked); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if c.got.Decision.Rule != c.rule {
			t.Errorf("%s: decided by %s", name, c.got.Decision.Rule)
		}
	}
}

// What explains must be what decides.
func TestAnExplanationDecidesAsTheRulesDo(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		plan, admit := w.rules.ExplainPlan(&w.row, w.now), w.rules.ExplainAdmit(&w.row, w.facts, w.ticket, w.now)
		if diff := cmp.Diff(w.rules.Plan(&w.row, w.now), plan.Decision); diff != "" {
			t.Fatalf("Plan (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(w.rules.Admit(&w.row, w.facts, w.ticket, w.now), admit.Decision); diff != "" {
			t.Fatalf("Admit (-want +got):\n%s", diff)
		}
		return true
	})
}

// A person reads down to the first yes, or the last one if that arms, and finds
// the rule that decided.
func TestTheRuleThatDecidedIsAmongTheAskedAndFits(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		for _, e := range []Explanation{w.rules.ExplainPlan(&w.row, w.now), w.rules.ExplainAdmit(&w.row, w.facts, w.ticket, w.now)} {
			if !slices.Contains(e.Asked, Asked{Rule: e.Decision.Rule, Fits: true}) {
				t.Fatalf("%s decided, asked were %v", e.Decision.Rule, e.Asked)
			}
			if last := e.Asked[len(e.Asked)-1]; !last.Fits {
				t.Fatalf("ends with no: %v", e.Asked)
			}
			for i, a := range e.Asked {
				if a.Rule.Question() == "" || slices.ContainsFunc(e.Asked[:i], func(b Asked) bool { return b.Rule == a.Rule }) {
					t.Fatalf("%s has no question, or is asked twice: %v", a.Rule, e.Asked)
				}
			}
		}
		return true
	})
}

func TestATaskIsTheRowsOwnIfTheRowNamesIt(t *testing.T) {
	t.Parallel()
	ticket, ok := scheduled(onTime).Ticket()
	if diff := cmp.Diff(ticketFor(onTime), ticket); diff != "" || !ok {
		t.Errorf("found %v (-want +got):\n%s", ok, diff)
	}
	if _, ok := fresh().Ticket(); ok {
		t.Error("a row without a task has one")
	}
}
