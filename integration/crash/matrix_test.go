package crash_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// beyond is how many steps a run may take more than an undisturbed one: a plan
// made anew, a request repeated, an outcome recorded at the second try.
const beyond = 6

// stride: without FOLLOWUP_CRASH=all every so-many-th case of a scenario is run,
// by its place in the enumeration. A prime, so that no fault, rival or step
// falls through.
const stride = 199

func TestMatrix(t *testing.T) {
	m := &matrix{root: t, every: stride, idle: map[bool][]*world{}}
	if exhaustive() {
		m.every = 1
	}
	started := time.Now()
	t.Cleanup(func() {
		said := fmt.Sprintf("%d cases in %v: %d spoiled steps, %d of them with a rival; %d undisturbed; besides, %d runs that ended too early for their fault or rival",
			m.spoiled.Load()+m.calm.Load(), time.Since(started).Round(time.Second), m.spoiled.Load(), m.rivalled.Load(), m.calm.Load(), m.missed.Load())
		t.Log(said)
		if exhaustive() {
			fmt.Fprintln(os.Stderr, "crash matrix: "+said)
		}
	})
	for _, plan := range scenarios {
		t.Run(plan.name, func(t *testing.T) {
			t.Parallel()
			m.scenario(t, plan)
		})
	}
}

// matrix runs cases in worlds that it keeps.
type matrix struct {
	every                           int
	spoiled, rivalled, calm, missed atomic.Int64

	mu   sync.Mutex
	idle map[bool][]*world // by whether the voice agent deduplicates
	root testing.TB
}

// scenario runs a scenario's part of the matrix. One undisturbed run says how
// many steps there are.
func (m *matrix) scenario(t *testing.T, plan scenario) {
	undisturbed := m.play(t, plan, spoiled{fault: none, rival: nobody})
	m.calm.Add(1)
	steps := undisturbed.steps
	all := groups(plan, steps)
	n := 0
	for _, group := range all {
		n += len(group)
	}
	t.Logf("%d steps, %d cases: %s", len(steps), n, strings.Join(steps, ", "))
	i := 0
	for _, group := range all {
		var chosen []spoiled
		for _, c := range group {
			if i%m.every == 0 {
				chosen = append(chosen, c)
			}
			i++
		}
		if len(chosen) == 0 {
			continue
		}
		t.Run(chosen[0].group(), func(t *testing.T) {
			t.Parallel()
			m.group(t, plan, chosen)
		})
	}
}

// group runs the cases of one rival at one step, in the order of the steps that
// are spoiled. Behind a step that is not reached there is none that is.
func (m *matrix) group(t *testing.T, plan scenario, cases []spoiled) {
	over := false
	for _, c := range cases {
		if over {
			return
		}
		t.Run(c.String(), func(t *testing.T) {
			r := m.play(t, plan, c)
			over = c.fault != none && !r.reached
			m.count(r)
		})
	}
}

// count counts a case for what it was: only one that went as it was meant to go
// is a case of the matrix.
func (m *matrix) count(r *run) {
	switch {
	case r.what.fault != none && !r.reached, r.what.rival != nobody && !r.acted:
		m.missed.Add(1)
	case r.what.fault == none:
		m.calm.Add(1)
	case r.what.rival == nobody:
		m.spoiled.Add(1)
	default:
		m.spoiled.Add(1)
		m.rivalled.Add(1)
	}
}

// play runs a case in a world that is idle.
func (m *matrix) play(t *testing.T, plan scenario, c spoiled) *run {
	t.Helper()
	w := m.take(t, plan.idempotent)
	r := w.play(t, plan, c)
	if len(r.problems) > 0 {
		t.Error(r.report())
	}
	w.forget(t, r.ref)
	m.mu.Lock() // a world that a test has left in the middle does not come back
	defer m.mu.Unlock()
	m.idle[plan.idempotent] = append(m.idle[plan.idempotent], w)
	return r
}

func (m *matrix) take(t *testing.T, idempotent bool) *world {
	t.Helper()
	m.mu.Lock()
	idle := m.idle[idempotent]
	if n := len(idle); n > 0 {
		w := idle[n-1]
		m.idle[idempotent] = idle[:n-1]
		m.mu.Unlock()
		return w
	}
	m.mu.Unlock()
	return newWorld(m.root, setup{idempotent: idempotent, deduplicates: idempotent})
}

// groups enumerates a scenario's cases: each group is a rival and the step at
// which it arrives. steps are those of an undisturbed run.
func groups(plan scenario, steps []string) [][]spoiled {
	first, last := 1, len(steps)+beyond
	if plan.narrow {
		first, last = slices.Index(steps, "read booking")-1, lastIndex(steps, "update")+2
	}
	all := [][]spoiled{column(plan, len(steps), nobody, 0)}
	for _, kind := range rivals {
		if kind == again && plan.isTick() {
			continue // that is the rival sweep
		}
		for at := first; at <= last; at++ {
			all = append(all, column(plan, len(steps), kind, at))
		}
		if !plan.isTick() {
			all = append(all, column(plan, len(steps), kind, atTheEnd))
		}
	}
	return all
}

// column enumerates the steps to be spoiled, and how, under one rival. A run
// takes more steps than an undisturbed one only when a rival has made it plan
// anew, or when it deals with a fault; a dead victim does neither.
func column(plan scenario, steps int, kind rival, at int) []spoiled {
	var cases []spoiled
	if kind != nobody && at <= steps {
		cases = append(cases, spoiled{fault: none, rival: kind, arrives: at})
	}
	for step := 1; step <= steps+beyond; step++ {
		for _, f := range faults {
			alone := (kind == nobody || at == atTheEnd) && step <= steps
			together := step == at && at <= steps
			before := at > 0 && at < step && at <= steps && f != stall
			dealing := step < at && step <= steps && at <= step+beyond && f != stall && !f.crash()
			if alone || together || plan.pairs && (before || dealing) {
				cases = append(cases, spoiled{fault: f, step: step, rival: kind, arrives: at})
			}
		}
	}
	return cases
}

func lastIndex(steps []string, step string) int {
	for i := len(steps) - 1; i >= 0; i-- {
		if steps[i] == step {
			return i
		}
	}
	return -1
}
