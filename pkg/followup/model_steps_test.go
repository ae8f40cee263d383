package followup

import "math/bits"

// modelEdge is a step out of a state: where it leads, what it was, and what is
// wrong with it, "" if nothing is.
type modelEdge struct {
	to    modelState
	step  modelStepName
	wrong string
}

// modelStepName says which step it was; explained in words by (*model).tell.
type modelStepName struct {
	verb   modelVerb
	who    uint8     // which worker or desk
	kind   uint8     // of a desk
	slot   modelSlot // of a task, or of the booking's new time
	number uint8     // a task's revision
}

// stepper collects the steps out of a state.
type stepper struct {
	*model
	from  modelState
	edges []modelEdge
}

// steps lists every step out of s, in edges' space.
func (m *model) steps(s modelState, edges []modelEdge) []modelEdge {
	out := stepper{model: m, from: s, edges: edges[:0]}
	if s.now < m.to {
		next := s
		next.now++
		out.add(next, modelStepName{verb: verbTime}, "")
	}
	if s.acts > 0 {
		if !s.locked() {
			out.lad()
		}
		if m.persons {
			out.persons()
		}
	}
	if m.forgets {
		out.forget()
	}
	out.read(modelPlans, s)
	for i := range m.desks {
		out.desk(i)
	}
	for i := range m.workers {
		out.worker(i)
	}
	return out.edges
}

func (out *stepper) add(to modelState, step modelStepName, wrong string) {
	if wrong == "" {
		wrong = out.wrongWith(&out.from, &to)
	}
	out.edges = append(out.edges, modelEdge{to: to.canonical(), step: step, wrong: wrong})
}

// persons look at the row and decide to change it. They say the truth: what the
// voice agent's records say of the attempt in doubt.
func (out *stepper) persons() {
	s := out.from
	s.acts--
	rang := s.answers>>s.row.claimed.number()&1 != 0
	out.read(modelRetries, s)
	out.read(modelCancels, s)
	if rang {
		out.read(modelResolvesCalled, s)
	} else {
		out.read(modelResolvesNotCalled, s)
	}
}

// read puts what the rules make of the row on a free desk.
func (out *stepper) read(kind uint8, s modelState) {
	i := out.freeDesk(&s)
	if i < 0 {
		return
	}
	a := out.ask(modelQuestion{kind: kind, row: s.row, now: s.now})
	if a.effect != Arm && a.effect != Update {
		return
	}
	s.desks[i] = modelDesk{kind: kind, at: s.now, seen: s.row}
	out.add(s, modelStepName{verb: verbRead, who: uint8(i), kind: kind}, "")
}

func (m *model) freeDesk(s *modelState) int {
	for i := range m.desks {
		if s.desks[i].kind == modelFree {
			return i
		}
	}
	return -1
}

// planOn is the decision that lies on a desk.
func (m *model) planOn(d modelDesk) modelAnswer {
	return m.ask(modelQuestion{kind: d.kind, row: d.seen, now: d.at, key: d.keyOfTicket(), ticket: d.ticket})
}

// keyOfTicket: only the task for the row's own time is ever put off.
func (d modelDesk) keyOfTicket() modelSlot {
	if d.kind == modelPutsOff {
		return d.seen.slot
	}
	return 0
}

// desk creates the task of its plan, then stores the plan if the row has not
// moved, and otherwise forgets it. A name that was ever used may be used up, and
// then the next revision's is tried.
func (out *stepper) desk(i int) {
	d := out.from.desks[i]
	if d.kind == modelFree {
		return
	}
	a := out.planOn(d)
	name := modelStepName{who: uint8(i), kind: d.kind}
	if a.effect == Arm && d.created == 0 {
		name.verb, name.slot = verbCreate, a.next.key
		for s := out.from; ; s.spent-- {
			from := s
			s.desks[i].created++
			name.number = a.next.revision
			created, wrong := out.create(&s.tasks, a.next)
			if wrong == "" {
				wrong = out.wrongToCreate(d)
			}
			out.add(s, name, wrong)
			if created || wrong != "" || from.spent == 0 {
				return
			}
			a.next.revision++
		}
	}
	if d.created > 0 {
		a.next.revision += d.created - 1
	}
	s := out.from
	s.desks[i] = modelDesk{}
	if !out.unmoved(d.seen, s.row) {
		name.verb = verbMoved
		out.add(s, name, "")
		return
	}
	if s.locked() {
		return
	}
	s.row = out.storedOver(s.row, a.next)
	switch d.kind {
	case modelResolvesNotCalled:
		s.word++
	case modelRetries:
		s.stopped = false
	case modelCancels:
		s.stopped = true
	}
	name.verb = verbStore
	out.add(s, name, out.wrongToSettle(&out.from, d.kind))
	gone := out.from
	gone.desks[i] = modelDesk{}
	name.verb = verbGone
	out.add(gone, name, "")
}

// storedOver is what an UPDATE leaves: the columns that are LAD's stay as they
// are by then.
func (m *model) storedOver(row, next modelRow) modelRow {
	next.slot, next.withdrawn = row.slot, row.withdrawn
	return next
}

// create makes a task for a plan, unless there is or was one of its name.
func (m *model) create(tasks *[modelSlots]uint8, next modelRow) (created bool, wrong string) {
	if next.revision > modelMaxRevision {
		return false, outOfBounds
	}
	named := &tasks[next.key-1]
	if *named>>next.revision&1 != 0 || *named != 0 && m.without.flags&modelNamesWithoutRevision != 0 {
		return false, ""
	}
	*named |= 1 << next.revision
	return true, ""
}

const modelMaxRevision = 7

// outOfBounds: the model's integers are too small for this step. It is no
// violation, but the search counts it.
const outOfBounds = "out of bounds"

// worker takes an execution a step further.
func (out *stepper) worker(i int) {
	w := out.from.workers[i]
	name := modelStepName{who: uint8(i), slot: w.key, number: w.revision}
	set := func(s modelState, verb modelVerb, phase uint8, wrong string) {
		s.workers[i].phase = phase
		if phase == modelIdle {
			s.workers[i] = modelWorker{}
		}
		name.verb = verb
		out.add(s, name, wrong)
	}
	s := out.from
	faulty := s
	if s.faults > 0 {
		faulty.faults--
	}
	switch w.phase {
	case modelIdle:
		out.fire(i)
	case modelLocked:
		a := out.claimOf(w, s.row)
		applied, doubtful := s, faulty
		applied.row, doubtful.row = a.next, a.next
		wrong := out.wrongToClaim(&s, w)
		applied.workers[i].attempts, doubtful.workers[i].attempts, faulty.workers[i].attempts = a.next.attempts, a.next.attempts, a.next.attempts
		set(applied, verbCommit, modelClaimed, wrong)
		rolledBack := s
		rolledBack.claims--
		set(rolledBack, verbRollback, modelIdle, "")
		if s.faults > 0 {
			after := modelUnstarted // it gives the claim back
			if out.without.flags&modelDialsInDoubt != 0 {
				after = modelClaimed
			}
			set(doubtful, verbDoubtApplied, after, wrong)
			set(faulty, verbDoubtLost, after, "")
			set(faulty, verbDoubtOpen, modelHangs, "")
			set(doubtful, verbDieClaimed, modelIdle, wrong)
		}
	case modelHangs:
		a := out.claimOf(w, s.row)
		applied := s
		applied.row = a.next
		set(applied, verbApplied, modelIdle, out.wrongToClaim(&s, w))
		s.claims--
		set(s, verbRollback, modelIdle, "")
	case modelClaimed:
		out.ring(i, set)
	default:
		out.finish(i, set)
	}
}

// claimOf is the decision that a worker took when it locked the row, which has
// not changed since; it carries the claim's own moment.
func (m *model) claimOf(w modelWorker, row modelRow) modelAnswer {
	a := m.ask(modelQuestion{kind: modelAdmits, row: row, now: w.claimed.at(), key: w.key, ticket: w.revision})
	a.next.claimed = w.claimed
	return a
}

// fire delivers each task to a worker that is idle. What does not claim is done
// at once; what does holds the row's lock until its COMMIT.
func (out *stepper) fire(i int) {
	if out.from.locked() || i > 0 && out.from.workers[i-1].phase == modelIdle {
		return
	}
	for k, revisions := range out.from.tasks {
		for ; revisions != 0; revisions &= revisions - 1 {
			t := modelStepName{verb: verbFire, who: uint8(i), slot: modelSlot(k + 1), number: uint8(bits.TrailingZeros8(revisions))}
			s := out.from
			a := out.ask(modelQuestion{kind: modelAdmits, row: s.row, now: s.now, key: t.slot, ticket: t.number})
			switch a.effect {
			case Update:
				s.row = a.next
				out.add(s, t, out.wrongToSettle(&out.from, modelPlans))
			case Arm:
				// A queue that fires before the time that it was told is at fault.
				if desk := out.freeDesk(&s); desk >= 0 && s.faults > 0 {
					s.faults--
					s.desks[desk] = modelDesk{kind: modelPutsOff, ticket: t.number, at: s.now, seen: s.row}
					out.add(s, t, "")
				}
			case Dial:
				if s.claims++; s.claims > modelMaxClaims {
					out.add(s, t, outOfBounds)
					continue
				}
				s.workers[i] = modelWorker{phase: modelLocked, revision: t.number, key: t.slot, claimed: modelClaim(s.now, s.claims)}
				out.add(s, t, "")
			}
		}
	}
}

// ring sends the request to the voice agent. A worker that finds its claim old
// gives it back; one that has looked before may still be about to ring.
func (out *stepper) ring(i int, set func(modelState, modelVerb, uint8, string)) {
	w := out.from.workers[i]
	rings, wrong := out.from, ""
	fresh := out.without.flags&modelKeyPerAttempt != 0 || rings.known>>w.key&1 == 0
	rings.answers |= 1 << w.claimed.number()
	if !out.idempotent || fresh {
		rings.rung[w.key-1]++
		if rings.rung[w.key-1] > 1+rings.word {
			wrong = wrongTwice
		}
	}
	if out.idempotent {
		rings.known |= 1 << w.key
	}
	set(rings, verbRing, modelAccepted, wrong)
	silent := out.from
	if silent.now > w.claimed.at() {
		set(silent, verbLapse, modelUnstarted, "")
	}
	if silent.faults == 0 {
		return
	}
	rings.faults--
	silent.faults--
	set(rings, verbRingUnheard, modelUnknown, wrong)
	set(silent, verbSilentUnheard, modelUnknown, "")
	set(silent, verbBusy, modelUnstarted, "")
	set(silent, verbRefuse, modelRefused, "")
	set(silent, verbDie, modelIdle, "")
	set(rings, verbDieRinging, modelIdle, wrong)
}

// finish records the outcome.
func (out *stepper) finish(i int, set func(modelState, modelVerb, uint8, string)) {
	s := out.from
	w := s.workers[i]
	holds := out.holds(w, s.row)
	switch {
	case holds && s.locked():
		// It waits for the lock. A row that does not match is not waited for.
	case holds:
		done := s
		done.row = out.finished(w, s.row)
		set(done, verbFinish, modelIdle, "")
		if s.faults > 0 {
			done.faults--
			set(done, verbFinishDoubt, w.phase, "")
		}
	default:
		set(s, verbSuperseded, modelIdle, "")
	}
	if s.faults > 0 {
		s.faults--
		set(s, verbDie, modelIdle, "")
	}
}
