package followup

import "fmt"

// modelVerb is a kind of step.
type modelVerb uint8

const (
	verbTime modelVerb = iota
	verbMove
	verbCancel
	verbDelete
	verbOverwrite
	verbForget
	verbRead
	verbCreate
	verbStore
	verbMoved
	verbGone
	verbFire
	verbCommit
	verbRollback
	verbApplied
	verbDoubtApplied
	verbDoubtLost
	verbDoubtOpen
	verbDieClaimed
	verbRing
	verbRingUnheard
	verbSilentUnheard
	verbBusy
	verbRefuse
	verbLapse
	verbDie
	verbDieRinging
	verbFinish
	verbFinishDoubt
	verbSuperseded
)

var modelDeskWords = map[uint8]string{
	modelPlans: "A planner", modelPutsOff: "The execution that puts its task off", modelRetries: "The person who retries",
	modelResolvesCalled: "The person who resolves as called", modelResolvesNotCalled: "The person who resolves as not called",
	modelCancels: "The person who cancels",
}

// modelWorkerWords are what a worker does; %s is its task.
var modelWorkerWords = map[modelVerb]string{
	verbCommit:        "The execution of %s commits its claim",
	verbRollback:      "The execution of %s is rolled back, and nothing is stored",
	verbApplied:       "The COMMIT that was given up on takes effect (task %s)",
	verbDoubtApplied:  "The execution of %s commits its claim, but sees an error",
	verbDoubtLost:     "The execution of %s sees an error from its COMMIT, which is lost",
	verbDoubtOpen:     "The execution of %s gives up waiting for its COMMIT, which is still under way, and cannot give the claim back",
	verbDieClaimed:    "The execution of %s commits its claim and dies",
	verbRing:          "The execution of %s calls the voice agent, which accepts",
	verbRingUnheard:   "The execution of %s calls the voice agent, which rings, but no answer comes",
	verbSilentUnheard: "The execution of %s calls the voice agent, which does not ring, and no answer comes",
	verbBusy:          "The execution of %s calls the voice agent, which is proven not to have rung",
	verbRefuse:        "The execution of %s calls the voice agent, which refuses for good",
	verbLapse:         "The execution of %s finds its claim too old to ring",
	verbDie:           "The execution of %s dies",
	verbDieRinging:    "The execution of %s calls the voice agent, which rings, and dies",
	verbFinish:        "The execution of %s records its outcome",
	verbFinishDoubt:   "The execution of %s records its outcome, but sees an error and will try again",
	verbSuperseded:    "The execution of %s finds that its claim no longer holds",
}

// tell says a step in words, with the row if it has changed.
func (m *model) tell(from, to modelState, step modelStepName) string {
	words := m.tellStep(from, step)
	if from.row.state != to.row.state || from.row.revision != to.row.revision || from.row.attempts != to.row.attempts {
		words += ": the row is " + to.row.String()
	}
	return words + "."
}

func (m *model) tellStep(from modelState, step modelStepName) string {
	task := fmt.Sprintf("%s-r%d", step.slot, step.number)
	if words, ok := modelWorkerWords[step.verb]; ok {
		return fmt.Sprintf(words, task)
	}
	desk := modelDeskWords[step.kind]
	switch step.verb {
	case verbTime:
		return m.tellTime(from.now + 1)
	case verbMove:
		return "LAD moves the booking to " + step.slot.String()
	case verbCancel:
		if step.number == 0 {
			return "LAD revives the booking"
		}
		return "LAD cancels the booking"
	case verbDelete:
		if step.number == 0 {
			return "LAD restores the booking"
		}
		return "LAD deletes the booking"
	case verbOverwrite:
		return "LAD writes the task status over as " + string(modelStates[step.number].Status)
	case verbForget:
		return "The database forgets the claim"
	case verbRead:
		a := m.ask(modelQuestion{kind: step.kind, row: from.row, now: from.now})
		if a.effect == Arm {
			return fmt.Sprintf("%s reads the row and decides to arm it (%s)", desk, a.rule)
		}
		return fmt.Sprintf("%s reads the row and decides that it becomes %s (%s)", desk, a.next, a.rule)
	case verbCreate:
		return fmt.Sprintf("%s creates the task %s", desk, task)
	case verbStore:
		return desk + " stores what was decided"
	case verbMoved:
		return desk + " finds that the row has moved"
	case verbGone:
		return desk + " dies"
	default:
		a := m.ask(modelQuestion{kind: modelAdmits, row: from.row, now: from.now, key: step.slot, ticket: step.number})
		return fmt.Sprintf("The task %s fires, and the answer is to %s (%s)", task, a.effect, a.rule)
	}
}

func (m *model) tellTime(now modelTime) string {
	words := fmt.Sprintf("Time passes: it is %d minutes past noon", int(now.time().Sub(noon).Minutes()))
	for i, at := range m.times {
		if at == now {
			words += ", the time " + modelSlot(i+1).String()
		}
	}
	return words
}
