package followup

import (
	"os"
	"testing"
	"time"
)

// effort is how much is searched: a little under the race detector, more
// without it, most with FOLLOWUP_MODEL=long.
type effort int

const (
	always effort = iota
	withoutRace
	long
)

func modelEffort() effort {
	switch {
	case os.Getenv("FOLLOWUP_MODEL") == "long":
		return long
	case modelRaced || testing.Short():
		return always
	default:
		return withoutRace
	}
}

// modelLimit bounds the memory of one search: about 150 bytes a state.
const modelLimit = 20_000_000

var (
	dueNow   = []modelTime{1, 2} // A is due at once, B a step later
	dueLater = []modelTime{2, 3} // B is beyond nearHorizon at first
)

const nearHorizon = modelStep + modelStep/3

// modelScenarios are searched to the end. Each act is LAD's (any move, cancel,
// revival, deletion or restoration) or, with persons, a person's; a fault is any
// death of a worker after its claim, any unclear COMMIT, any answer of the voice
// agent but "accepted", any task that fires before its time. The rest happens
// as often as it can: see the top of model_state_test.go.
var modelScenarios = []struct {
	least effort
	modelScenario
}{
	{always, modelScenario{name: "two executions, two faults", times: dueNow, from: 1, to: 5, workers: 2, desks: 1, faults: 2}},
	{always, modelScenario{name: "two planners, three acts of LAD and persons", times: dueNow, from: 1, to: 1, workers: 1, desks: 2, acts: 3, persons: true}},
	{always, modelScenario{name: "an idempotent agent, one fault", times: dueNow, from: 1, to: 3, workers: 2, desks: 1, faults: 1, idempotent: true}},
	{always, modelScenario{name: "a booking from before", times: dueNow, since: 2, from: 2, to: 4, targets: []modelSlot{2}, workers: 1, desks: 1, acts: 1, faults: 1}},
	{always, modelScenario{name: "a booking that is no follow-up", times: dueNow, from: 1, to: 3, foreign: true, workers: 1, desks: 1, acts: 1, faults: 1}},
	{always, modelScenario{name: "a call that somebody else has cancelled", times: dueNow, from: 1, to: 3, elsewhere: true, workers: 1, desks: 1, acts: 1, faults: 1}},
	{always, modelScenario{name: "dialling is paused", times: dueNow, from: 1, to: 3, paused: true, workers: 1, desks: 1, acts: 1, faults: 1}},
	{always, modelScenario{name: "no phone number", times: dueNow, from: 1, to: 3, against: RuleNoPhone, workers: 1, desks: 1, acts: 1, faults: 1}},
	{always, modelScenario{name: "a status written over", times: dueNow, from: 1, to: 4, workers: 2, desks: 1, acts: 1, faults: 1, overwrites: true}},
	{withoutRace, modelScenario{name: "a status written over, and two acts more", times: dueNow, from: 1, to: 3, workers: 1, desks: 1, acts: 3, faults: 1, overwrites: true}},
	{always, modelScenario{name: "a claim forgotten", times: dueNow, from: 1, to: 3, workers: 1, desks: 2, faults: 1, forgets: true}},
	{always, modelScenario{name: "a used name", times: dueNow, from: 1, to: 3, workers: 1, desks: 1, acts: 1, faults: 1, spent: 1}},

	{withoutRace, modelScenario{name: "a used name, two planners", times: dueNow, from: 1, to: 2, workers: 1, desks: 2, acts: 1, faults: 1, spent: 1}},
	{withoutRace, modelScenario{name: "two used names, two executions", times: dueNow, from: 1, to: 3, workers: 2, desks: 1, faults: 1, spent: 2}},
	{withoutRace, modelScenario{name: "three acts of LAD and persons, lasting", times: dueNow, from: 1, to: 2, workers: 1, desks: 2, acts: 3, persons: true}},
	{withoutRace, modelScenario{name: "two planners, two executions", times: dueNow, from: 1, to: 3, workers: 2, desks: 2, acts: 1, faults: 1}},
	{withoutRace, modelScenario{name: "two acts of LAD and persons, two faults", times: dueNow, from: 1, to: 2, workers: 2, desks: 1, acts: 2, faults: 2, persons: true}},
	{withoutRace, modelScenario{name: "three times, two acts of LAD", times: []modelTime{1, 2, 3}, from: 1, to: 2, workers: 1, desks: 1, acts: 2, faults: 1}},
	{withoutRace, modelScenario{name: "beyond the horizon at first", times: dueLater, from: 1, to: 6, horizon: nearHorizon, workers: 1, desks: 1, acts: 1, faults: 1, persons: true}},

	{long, modelScenario{name: "beyond the horizon at first, two executions", times: dueLater, from: 1, to: 6, horizon: nearHorizon, workers: 2, desks: 1, acts: 1, faults: 1, persons: true}},
	{long, modelScenario{name: "three times, two executions", times: []modelTime{1, 2, 3}, from: 1, to: 3, workers: 2, desks: 1, acts: 2, faults: 1}},
	{long, modelScenario{name: "two acts of LAD and persons, two faults, lasting", times: dueNow, from: 1, to: 3, workers: 2, desks: 1, acts: 2, faults: 2, persons: true}},
	{long, modelScenario{name: "two acts of LAD, lasting", times: dueNow, from: 1, to: 4, workers: 2, desks: 1, acts: 2, faults: 1}},
	{long, modelScenario{name: "a used name, two planners, two executions", times: dueNow, from: 1, to: 3, workers: 2, desks: 2, acts: 1, faults: 1, spent: 1}},
	{long, modelScenario{name: "an idempotent agent and a used name", times: dueNow, from: 1, to: 3, workers: 2, desks: 1, acts: 1, faults: 1, spent: 1, idempotent: true}},
	{long, modelScenario{name: "an idempotent agent, one act, one fault", times: dueNow, from: 1, to: 4, workers: 2, desks: 1, acts: 1, faults: 1, idempotent: true}},
	{long, modelScenario{name: "an idempotent agent, one act, two faults", times: dueNow, from: 1, to: 3, workers: 2, desks: 1, acts: 1, faults: 2, idempotent: true}},
}

// Not parallel, for the sake of memory: one search at a time.
func TestModel(t *testing.T) {
	var states, transitions int
	var took time.Duration
	for _, s := range modelScenarios {
		if s.least > modelEffort() {
			continue
		}
		f, err := newModel(s.modelScenario, modelGuards{}).search(modelLimit)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %s", s.name, f)
		if f.wrong != "" {
			t.Errorf("%s: %s%s", s.name, f.wrong, f.story())
		}
		if f.beyond > 0 {
			t.Errorf("%s: %d steps are too many claims or revisions for the model, so it is not exhaustive", s.name, f.beyond)
		}
		states, transitions, took = states+f.states, transitions+f.transitions, took+f.took
	}
	t.Logf("in all %d states, %d transitions, %v", states, transitions, took.Round(time.Millisecond))
	if modelEffort() > always && states < 1_000_000 {
		t.Errorf("%d states are less than a million", states)
	}
}
