package followup

import (
	"fmt"
	"strings"
	"time"
)

// found is what a search has come to.
type found struct {
	states, transitions, depth int
	answers, rests             int // questions to the rules, and fair ends, that differ
	beyond                     int // steps that the model's integers could not hold
	took                       time.Duration
	wrong                      string // "" if every invariant holds in every state
	trace                      []string
}

func (f found) String() string {
	return fmt.Sprintf("%d states, %d transitions, depth %d, %d decisions, %d fair ends, %v",
		f.states, f.transitions, f.depth, f.answers, f.rests, f.took.Round(time.Millisecond))
}

// search visits every state that can be reached, nearest first, and stops at
// the first invariant that is broken: its trace is one of the shortest.
func (m *model) search(limit int) (f found, err error) {
	started := time.Now()
	start := m.start().canonical()
	order, parents := []modelState{start}, []uint32{0}
	seen := map[modelState]struct{}{start: {}}
	var edges []modelEdge
	endOfLevel := 1
	for i := 0; i < len(order); i++ {
		if i == endOfLevel {
			f.depth++
			endOfLevel = len(order)
		}
		s := order[i]
		if f.wrong = m.counted(m.wrongAtRest(&s)); f.wrong != "" {
			f.trace = m.trace(order, parents, i)
			break
		}
		edges = m.steps(s, edges)
		f.transitions += len(edges)
		for _, e := range edges {
			switch {
			case e.wrong == outOfBounds:
				f.beyond++
				continue
			case m.counted(e.wrong) != "":
				f.wrong = e.wrong
				f.trace = append(m.trace(order, parents, i), m.tell(s, e.to, e.step))
			}
			if f.wrong != "" {
				break
			}
			if _, old := seen[e.to]; !old {
				seen[e.to] = struct{}{}
				order, parents = append(order, e.to), append(parents, uint32(i))
			}
		}
		if f.wrong != "" {
			break
		}
		if len(order) > limit {
			return f, fmt.Errorf("more than %d states: make the scenario %q smaller", limit, m.name)
		}
	}
	f.beyond += m.beyond
	f.states, f.answers, f.rests, f.took = len(order), len(m.answers), len(m.ended), time.Since(started)
	return f, nil
}

func (m *model) counted(wrong string) string {
	if m.only != "" && wrong != m.only {
		return ""
	}
	return wrong
}

// trace tells the way to a state.
func (m *model) trace(order []modelState, parents []uint32, i int) []string {
	var path []int
	for ; i > 0; i = int(parents[i]) {
		path = append(path, i)
	}
	var words []string
	for n := len(path) - 1; n >= 0; n-- {
		from, to := order[parents[path[n]]], order[path[n]]
		for _, e := range m.steps(from, nil) {
			if e.to == to && m.counted(e.wrong) == "" && e.wrong != outOfBounds {
				words = append(words, m.tell(from, to, e.step))
				break
			}
		}
	}
	return words
}

// story is a trace as numbered lines.
func (f found) story() string {
	var b strings.Builder
	for i, words := range f.trace {
		fmt.Fprintf(&b, "\n%4d. %s", i+1, words)
	}
	fmt.Fprintf(&b, "\n      So %s.", f.wrong)
	return b.String()
}
