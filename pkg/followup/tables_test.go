package followup

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// The tables are decided by the first line that fits, so a line that could be
// taken out, or change places with its neighbour, without any case noticing
// would be a line that nobody tests. The tests below do both to every line.

func planBy(lines []line, r Rules, b *Booking, now time.Time) Decision {
	if b == nil {
		return Decision{Effect: None, Rule: RuleAbsent}
	}
	s := r.look(*b, now)
	for _, l := range lines {
		if l.fits(s) {
			return s.refresh(l.answer(s, l.rule))
		}
	}
	if s.planned() {
		return s.refresh(s.arm(RuleOverdue))
	}
	return s.refresh(s.arm(RuleArm))
}

func admitBy(lines []line, c admitCase) Decision {
	if c.row == nil {
		return Decision{Effect: None, Rule: RuleAbsent}
	}
	s := c.rules.look(*c.row, noon)
	s.ticket, s.facts = c.ticket, c.facts
	for _, l := range lines {
		if l.fits(s) {
			return l.answer(s, l.rule)
		}
	}
	return s.claim()
}

func planNotices(lines []line) bool {
	return slices.ContainsFunc(planCases(), func(c planCase) bool {
		return !cmp.Equal(planBy(lines, c.rules, c.row, noon), c.rules.Plan(c.row, noon))
	})
}

func admitNotices(lines []line) bool {
	return slices.ContainsFunc(admitCases(), func(c admitCase) bool {
		return !cmp.Equal(admitBy(lines, c), c.rules.Admit(c.row, c.facts, c.ticket, noon))
	})
}

func without[L any](lines []L, i int) []L { return slices.Delete(slices.Clone(lines), i, i+1) }

func swapped[L any](lines []L, i int) []L {
	lines = slices.Clone(lines)
	lines[i], lines[i+1] = lines[i+1], lines[i]
	return lines
}

// exclusive are neighbours that never fit the same row, so that their order
// says nothing; TestNeighboursThatMayChangePlacesNeverFitTheSameRow proves it.
var (
	exclusiveInPlan  = map[[2]Rule]bool{{RuleLeaseOver, RuleHeld}: true, {RuleCalled, RuleNoZone}: true, {RuleSettled, RuleOnItsWay}: true, {RuleSettled, RuleSettled}: true}
	exclusiveInAdmit = map[[2]Rule]bool{
		{RuleLeaseOver, RuleHeld}:    true, // two statuses
		{RulePremature, RuleSettled}: true, // above the row's revision, and equal to it
		{RuleTooEarly, RuleExpired}:  true, // before its time, and long after it
	}
)

func TestTheCasesMeanTheTablesThatAreUsed(t *testing.T) {
	t.Parallel()
	if planNotices(planTable) || admitNotices(admitTable) {
		t.Fatal("this file walks the tables otherwise than Plan and Admit do")
	}
}

func TestNoLineOfPlanCanBeTakenOutUnnoticed(t *testing.T) {
	t.Parallel()
	for i, l := range planTable {
		if !planNotices(without(planTable, i)) {
			t.Errorf("no case needs the line %s", l.rule)
		}
	}
}

func TestNoLineOfAdmitCanBeTakenOutUnnoticed(t *testing.T) {
	t.Parallel()
	for i, l := range admitTable {
		if !admitNotices(without(admitTable, i)) {
			t.Errorf("no case needs the line %s", l.rule)
		}
	}
}

func TestNoTwoLinesOfPlanCanChangePlacesUnnoticed(t *testing.T) {
	t.Parallel()
	for i := range len(planTable) - 1 {
		pair := [2]Rule{planTable[i].rule, planTable[i+1].rule}
		if noticed := planNotices(swapped(planTable, i)); noticed == exclusiveInPlan[pair] {
			t.Errorf("%v changed places: noticed is %v", pair, noticed)
		}
	}
}

func TestNoTwoLinesOfAdmitCanChangePlacesUnnoticed(t *testing.T) {
	t.Parallel()
	for i := range len(admitTable) - 1 {
		pair := [2]Rule{admitTable[i].rule, admitTable[i+1].rule}
		if noticed := admitNotices(swapped(admitTable, i)); noticed == exclusiveInAdmit[pair] {
			t.Errorf("%v changed places: noticed is %v", pair, noticed)
		}
	}
}

func TestNeighboursThatMayChangePlacesNeverFitTheSameRow(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		s := w.rules.look(w.row, w.now)
		s.ticket, s.facts = w.ticket, w.facts
		for i := range len(planTable) - 1 {
			a, b := planTable[i], planTable[i+1]
			if exclusiveInPlan[[2]Rule{a.rule, b.rule}] && a.fits(s) && b.fits(s) {
				t.Fatalf("Plan: %s and %s both fit", a.rule, b.rule)
			}
		}
		for i := range len(admitTable) - 1 {
			a, b := admitTable[i], admitTable[i+1]
			if exclusiveInAdmit[[2]Rule{a.rule, b.rule}] && a.fits(s) && b.fits(s) {
				t.Fatalf("Admit: %s and %s both fit", a.rule, b.rule)
			}
		}
		return true
	})
}
