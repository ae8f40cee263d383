package followup

// The invariants. They are said in the model's own words and ask none of the
// functions under test, but for the fair end of a row, which carries out what
// they say.

// The invariants' names: what a search says when one is broken.
const (
	wrongTwice      = "the lead is rung twice for one time"
	wrongMoved      = "a call is claimed for a time that no longer holds"
	wrongWithdrawn  = "a call is claimed that LAD has cancelled"
	wrongStopped    = "a call is claimed that a person has cancelled"
	wrongEarly      = "a call is claimed before its time"
	wrongLate       = "a call is claimed when it is too late"
	wrongHistoric   = "a call is claimed that was due before this system went live"
	wrongSettled    = "a claim is settled by somebody else before its lease is over"
	wrongExecuted   = "the row says that a call was made, but none was"
	wrongUncalled   = "the row says that no call was made, but one was"
	wrongCancelled  = "the row says that LAD cancelled, but it did not"
	wrongExpired    = "the row says that it is too late, but it is not"
	wrongPaused     = "a call is claimed although dialling is paused"
	wrongAgainst    = "a call is claimed although the lead, the agent or the pace speaks against it"
	wrongDoubt      = "a call in doubt is settled by nobody who knows"
	wrongForgotten  = "the row forgets a call that was made"
	wrongUnwanted   = "a task is created for a call that LAD does not mean"
	wrongReplaced   = "a task is replaced although it may still be on its way"
	wrongForeign    = "a row that is no follow-up is changed"
	wrongNeverEnds  = "faults have stopped, and the row reaches no end in time"
	modelLateSteps  = 2 // steps by which a call may be late
	modelFairSteps  = 3 // lease, grace and two sweeps a minute apart: 9 minutes
	modelGraceSteps = 2 // until a task is overdue
	modelFairRounds = 5 // in which a sweep's plans come to rest
)

// wrongToClaim looks at a claim as it commits: nothing else has moved since the
// row was locked.
func (m *model) wrongToClaim(s *modelState, w modelWorker) string {
	due := m.times[w.key-1]
	switch at := w.claimed.at(); {
	case m.paused:
		return wrongPaused
	case m.against != "":
		return wrongAgainst
	case w.key != s.row.slot:
		return wrongMoved
	case s.row.withdrawn != 0:
		return wrongWithdrawn
	case s.stopped:
		return wrongStopped
	case at < due:
		return wrongEarly
	case at > due+modelLateSteps:
		return wrongLate
	case due < m.since:
		return wrongHistoric
	default:
		return ""
	}
}

// wrongToSettle looks at a row that is about to be changed by somebody other
// than who claimed it. kind is that of the desk at which it was decided.
func (m *model) wrongToSettle(s *modelState, kind uint8) string {
	person := kind == modelResolvesCalled || kind == modelResolvesNotCalled
	switch {
	case s.row.state == modelInProgress && s.now <= s.row.claimed.at():
		return wrongSettled
	case s.row.state == modelHeld && !person:
		return wrongDoubt
	default:
		return ""
	}
}

// wrongToCreate looks at a plan whose task is about to be created: neither may
// a call that is not meant have one, nor may tasks pile up while a queue is slow.
func (m *model) wrongToCreate(d modelDesk) string {
	waits := d.seen.state == modelScheduled || d.seen.state == modelNotStarted
	switch {
	case d.seen.withdrawn != 0:
		return wrongUnwanted
	case d.kind == modelPlans && waits && d.seen.key == d.seen.slot && d.at < max(d.seen.due, d.seen.claimed.at())+modelGraceSteps:
		return wrongReplaced
	default:
		return ""
	}
}

// wrongWith looks at what a step has made of the row.
func (m *model) wrongWith(from, to *modelState) string {
	row := to.row
	if row == from.row {
		return ""
	}
	if m.foreign && (row.state != modelPending || row.key != 0) {
		return wrongForeign
	}
	if row.state == modelExecuted && to.answers>>row.executed.number()&1 == 0 {
		return wrongExecuted
	}
	if row.state == from.row.state {
		return ""
	}
	if from.row.state == modelExecuted && row.key == from.row.key {
		return wrongForgotten
	}
	switch row.state {
	case modelBookingCancelled:
		if row.withdrawn == 0 {
			return wrongCancelled
		}
	case modelExpired:
		if to.now <= m.times[row.slot-1]+modelLateSteps {
			return wrongExpired
		}
	case modelNotStarted, modelRejected, modelByOperator:
	default:
		return ""
	}
	// An idempotent agent has rung in an attempt that is to be made again.
	if !m.idempotent && to.word == 0 && row.key != 0 && to.rung[row.key-1] > 0 {
		return wrongUncalled
	}
	return ""
}

// modelRest is what is left when everybody in flight has died and every task
// was lost: the row, the time, and the names of tasks that are used up.
type modelRest struct {
	row   modelRow
	now   modelTime
	tasks [modelSlots]uint8
}

// wrongAtRest lets everybody in flight die and loses every task, as the last
// fault; from then on sweeps come, tasks fire once and in time, and the voice
// agent answers. The row must reach an end within lease, grace and two sweeps.
// A name that the row would use next, but that whoever died has created a task
// under which was then lost, too, is passed over.
//
// It is asked in every state, so in those, too, in which whoever was in flight
// has done his next step, or a lost task has fired after all.
func (m *model) wrongAtRest(s *modelState) string {
	rest := modelRest{row: s.row, now: s.now, tasks: s.tasks}
	ended, asked := m.ended[rest]
	if !asked {
		ended = m.ends(rest)
		m.ended[rest] = ended
	}
	if !ended {
		return wrongNeverEnds
	}
	return ""
}

func (m *model) ends(rest modelRest) bool {
	if m.paused {
		return true // nothing has to end meanwhile
	}
	deadline := max(rest.now, m.times[rest.row.slot-1]) + modelFairSteps
	var task modelDesk // the one that is there: what it was created for
	for row, now := rest.row, rest.now; ; now++ {
		for range modelFairRounds {
			plan := m.ask(modelQuestion{kind: modelPlans, row: row, now: now})
			if plan.effect == None || !m.swept(row, now) {
				break
			}
			row = plan.next
			if plan.effect != Arm {
				continue
			}
			created, wrong := m.create(&rest.tasks, row)
			for !created && wrong == "" && m.without.flags&(modelNamesWithoutRevision|modelTakesUsedNames) == 0 {
				row.revision++ // the name is used up
				created, wrong = m.create(&rest.tasks, row)
			}
			if wrong == outOfBounds {
				m.beyond++
				return true
			}
			if created {
				task = modelDesk{created: 1, seen: row}
			}
		}
		if task.created > 0 && task.seen.due <= now {
			row, task = m.delivered(row, task, now)
		}
		if m.isAtItsEnd(row, now) {
			return true
		}
		if now >= deadline {
			return false
		}
	}
}

// delivered is the row after its task has fired and the agent has answered.
func (m *model) delivered(row modelRow, task modelDesk, now modelTime) (modelRow, modelDesk) {
	a := m.ask(modelQuestion{kind: modelAdmits, row: row, now: now, key: task.seen.key, ticket: task.seen.revision})
	switch a.effect {
	case Wait:
		return row, task
	case Update, Arm:
		return a.next, modelDesk{}
	case Dial:
		w := modelWorker{phase: modelAccepted, claimed: a.next.claimed}
		return m.finished(w, a.next), modelDesk{}
	default:
		return row, modelDesk{}
	}
}

// isAtItsEnd: the row says how it ended, and the rules leave it there.
func (m *model) isAtItsEnd(row modelRow, now modelTime) bool {
	if m.foreign || m.times[row.slot-1] < m.since && row.revision == 0 {
		return true // none of this system's business
	}
	plan := m.ask(modelQuestion{kind: modelPlans, row: row, now: now})
	switch row.state {
	case modelPending, modelScheduled, modelInProgress, modelNotStarted:
		return false
	default:
		return plan.effect == None || row.withdrawn != 0
	}
}
