package followup

import (
	"fmt"
	"slices"
	"time"
)

// modelScenario bounds a search.
type modelScenario struct {
	name       string
	times      []modelTime // that LAD may book, A first; the booking is at A
	targets    []modelSlot // of a reschedule; nil: any
	since      modelTime   // FOLLOWUP_ACTIVE_SINCE; 0: long ago
	from, to   modelTime   // what time it is
	horizon    time.Duration
	foreign    bool // the booking is no follow-up
	elsewhere  bool // somebody else has cancelled the call before this system saw it
	paused     bool // dialling is
	against    Rule // the facts are those for which this rule stands
	idempotent bool // the voice agent deduplicates, and the rules know
	persons    bool // operators act, too
	overwrites bool // LAD writes task_status over, too
	forgets    bool // the database forgets a claim, as a replica that is promoted may
	onlyMoves  bool // LAD neither cancels nor deletes
	workers    int
	desks      int
	acts       uint8
	faults     uint8
	spent      uint8 // names of tasks that prove to be used up
}

// modelGuards are the guards that are taken out of the model, to see that it
// needs them. Its zero value is the system as it is.
type modelGuards struct {
	name      string
	plan      []line       // nil: Plan itself
	admit     []line       // nil: Admit itself
	rules     func(*Rules) // bends the settings
	unchecked column       // of the UPDATE
	unfenced  column       // of a finish
	unswept   concern      // not looked for by the sweep
	flags     modelFlaw
}

// modelFlaw is something that the handlers might do wrong.
type modelFlaw uint8

const (
	modelDialsInDoubt         modelFlaw = 1 << iota // although the claim's COMMIT is unclear
	modelKeyPerAttempt                              // another Idempotency-Key for each attempt
	modelNamesWithoutRevision                       // of tasks
	modelTakesUsedNames                             // of tasks, for created
	modelBelievesStatus                             // that somebody has written over
	modelDropsForgotten                             // outcomes whose claim the database has forgotten
)

// column is a set of columns that an UPDATE compares.
type column uint16

const (
	colScheduledAt column = 1 << iota
	colStatus
	colDeleted
	colTaskStatus
	colTaskReason
	colRevision
	colClaimedAt
	colExecutedAt
	colPlannedFor
)

// concern is a set of the sweep's concerns.
type concern uint8

const (
	concernDue concern = 1 << iota
	concernWithdrawn
	concernOverdue
	concernNotLive
	concernLeaseOver
	concernChanged
	everyConcern = 1<<iota - 1
)

// model asks the functions under test, in a scenario, without some guards.
type model struct {
	modelScenario
	without modelGuards
	only    string // the one invariant that counts; "": all
	rules   Rules

	answers map[modelQuestion]modelAnswer
	ended   map[modelRest]bool
	beyond  int // fair ends that the model's integers could not hold
}

func newModel(scenario modelScenario, without modelGuards) *model {
	r := standard()
	r.LeadTime, r.MaxLateness, r.Horizon = 0, 2*modelStep, scenario.horizon
	if r.Horizon == 0 {
		r.Horizon = horizon
	}
	r.AgentIdempotent, r.Paused.All = scenario.idempotent, scenario.paused
	if scenario.since > 0 {
		r.ActiveSince = scenario.since.time()
	}
	if without.rules != nil {
		without.rules(&r)
	}
	return &model{
		modelScenario: scenario, without: without, rules: r,
		answers: map[modelQuestion]modelAnswer{}, ended: map[modelRest]bool{},
	}
}

func (m *model) start() modelState {
	s := modelState{row: modelRow{slot: 1}, now: m.from, acts: m.acts, faults: m.faults, spent: m.spent}
	if m.elsewhere {
		s.row.state, s.stopped = modelByOthers, true
	}
	return s
}

// booking is the row as the functions see it.
func (m *model) booking(r modelRow) Booking {
	b := *booked(m.timeOf(r.slot), modelStates[r.state])
	if m.foreign {
		b.Type = "meeting"
	}
	b.CreatedAt = noon.Add(-time.Hour)
	if r.withdrawn&modelLadCancelled != 0 {
		b.Status = "cancelled"
	}
	b.Deleted = r.withdrawn&modelLadDeleted != 0
	b.Task.DueAt = r.due.time()
	b.Task.Revision, b.Task.Attempts = int(r.revision), int(r.attempts)
	b.Task.PlannedFor = m.timeOf(r.planned)
	b.Task.ClaimedAt, b.Task.ExecutedAt = r.claimed.time(), r.executed.time()
	b.Task.Key = m.keyOf(r.key)
	if m.without.flags&modelBelievesStatus != 0 && (r.state == modelPending || r.state == modelScheduled) {
		b.Task.ClaimedAt = time.Time{}
	}
	return b
}

// stored is the row after a task state was stored in it.
func (m *model) stored(r modelRow, t Task) modelRow {
	r.state = m.stateOf(t)
	r.revision, r.attempts = uint8(t.Revision), uint8(t.Attempts)
	r.due = modelTimeOf(t.DueAt)
	r.claimed, r.executed = modelClaimTimeOf(t.ClaimedAt), modelClaimTimeOf(t.ExecutedAt)
	r.key, r.planned = m.slotOf(t.Key, m.keyOf), m.slotOf(t.PlannedFor.String(), func(s modelSlot) string { return m.timeOf(s).String() })
	return r
}

func (m *model) stateOf(t Task) uint8 {
	i := slices.IndexFunc(modelStates, func(s Task) bool { return t.is(s.Status, s.Reason) })
	if i < 0 {
		panic(fmt.Sprintf("%s/%s: no such state", t.Status, t.Reason))
	}
	return uint8(i)
}

// slotOf finds the slot, or none, that has this name.
func (m *model) slotOf(name string, of func(modelSlot) string) modelSlot {
	for i := range len(m.times) + 1 {
		if slot := modelSlot(i); of(slot) == name {
			return slot
		}
	}
	panic(name + ": not of the model's world")
}

func (m *model) timeOf(s modelSlot) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return m.times[s-1].time()
}

func (m *model) keyOf(s modelSlot) string {
	return Booking{Ref: modelRef, ScheduledAt: m.timeOf(s)}.Key()
}

var modelRef = Ref{TenantID: tenant, BookingID: booking}

// modelQuestion is all that an answer depends on; they are asked once each.
type modelQuestion struct {
	kind   uint8 // of a desk, or modelAdmits
	row    modelRow
	now    modelTime
	key    modelSlot // of a ticket
	ticket uint8
}

const modelAdmits uint8 = 100

type modelAnswer struct {
	effect Effect
	rule   Rule
	next   modelRow
}

func (m *model) ask(q modelQuestion) modelAnswer {
	if a, ok := m.answers[q]; ok {
		return a
	}
	d := m.decide(q)
	a := modelAnswer{effect: d.Effect, rule: d.Rule, next: q.row}
	if d.Effect == Update || d.Effect == Arm || d.Effect == Dial {
		a.next = m.stored(q.row, d.Next)
	}
	m.answers[q] = a
	return a
}

// refusedTo is the effect of a change that the rules refuse a person.
const refusedTo Effect = "refused"

func (m *model) decide(q modelQuestion) Decision {
	b, now := m.booking(q.row), q.now.time()
	var d Decision
	var err error
	switch q.kind {
	case modelPlans:
		d = m.plan(b, now)
	case modelAdmits, modelPutsOff:
		d = m.admit(b, Ticket{Key: m.keyOf(q.key), Revision: int(q.ticket)}, now)
	case modelRetries:
		d, err = m.rules.Retry(b, now)
	case modelResolvesCalled:
		d, err = m.rules.ResolveCalled(b, "", now)
	case modelResolvesNotCalled:
		d, err = m.rules.ResolveNotCalled(b, now)
	case modelCancels:
		d, err = m.rules.Cancel(b, now)
	}
	if err != nil {
		d = Decision{Effect: refusedTo}
	}
	return d
}

func (m *model) plan(b Booking, now time.Time) Decision {
	if m.without.plan == nil {
		return m.rules.Plan(&b, now)
	}
	return planBy(m.without.plan, m.rules, &b, now)
}

func (m *model) admit(b Booking, t Ticket, now time.Time) Decision {
	if m.without.admit == nil {
		return m.rules.Admit(&b, m.facts(), t, now)
	}
	s := m.rules.look(b, now)
	s.ticket, s.facts = t, m.facts()
	for _, l := range m.without.admit {
		if l.fits(s) {
			return l.answer(s, l.rule).above(t)
		}
	}
	return s.claim()
}

func (m *model) facts() Facts {
	if f, ok := factsAgainst[m.against]; ok {
		return f
	}
	return reachable
}

// unmoved is the guard of every UPDATE of a plan: what tenantdb compares.
func (m *model) unmoved(seen, row modelRow) bool {
	a, b := modelStates[seen.state], modelStates[row.state]
	for col, same := range [...]bool{
		seen.slot == row.slot,
		(seen.withdrawn^row.withdrawn)&modelLadCancelled == 0,
		(seen.withdrawn^row.withdrawn)&modelLadDeleted == 0,
		a.Status == b.Status,
		a.Reason == b.Reason,
		seen.revision == row.revision,
		seen.claimed == row.claimed,
		seen.executed == row.executed,
		seen.planned == row.planned,
	} {
		if !same && m.without.unchecked&(1<<col) == 0 {
			return false
		}
	}
	return true
}

// holds is the guard of a finish: what tenantdb compares.
func (m *model) holds(w modelWorker, row modelRow) bool {
	un := m.without.unfenced
	fenced := (un&colPlannedFor != 0 || row.planned == w.key) && (un&colRevision != 0 || row.revision == w.revision) &&
		(un&colClaimedAt != 0 || row.claimed == w.claimed)
	called := row.executed == row.claimed
	rang := w.phase == modelAccepted || w.phase == modelUnknown && !m.idempotent && row.revision <= w.revision
	if rang && row.planned == w.key && row.claimed < w.claimed && row.executed < w.claimed && m.without.flags&modelDropsForgotten == 0 {
		return true
	}
	reason := modelStates[row.state].Reason
	ends := reason == "" && !called || w.phase == modelAccepted && reason != ""
	return fenced && (ends || un&colTaskReason != 0)
}

// finished is the row after a finish, which stores the outcome alone.
func (m *model) finished(w modelWorker, row modelRow) modelRow {
	claimed := m.booking(row).Task
	claimed.ClaimedAt = w.claimed.time()
	next := m.rules.Finish(claimed, Report{Outcome: modelOutcomes[w.phase]})
	row.state, row.executed = m.stateOf(next), modelClaimTimeOf(next.ExecutedAt)
	row.key, row.attempts = row.planned, w.attempts
	row.claimed, row.revision = w.claimed, max(row.revision, w.revision)
	return row
}

// swept reports whether a sweep looks at the row: the conditions of tenantdb's
// Candidates.
func (m *model) swept(row modelRow, now modelTime) bool {
	b := m.booking(row)
	t := b.Task
	live := m.rules.look(b, now.time()).live()
	wanted, checked := later(b.ScheduledAt, b.CreatedAt), later(t.DueAt, t.ClaimedAt)
	recent := !wanted.Before(m.rules.ActiveSince)
	ours := t.Revision > 0 || recent
	waits := t.Status == Scheduled || t.is(Failed, NotStarted)
	for i, fits := range [...]bool{
		t.Status == Pending && live && recent && !wanted.After(now.time().Add(m.rules.Horizon)),
		t.Status == Pending && !live && recent,
		waits && live && ours && checked.Before(now.time().Add(-m.rules.Grace)),
		waits && !live && ours,
		t.Status == InProgress && ours && t.ClaimedAt.Before(now.time().Add(-m.rules.Lease)),
		live && t.Status != Pending && t.Status != InProgress && !t.is(Failed, OutcomeUnknown) && recent &&
			(!t.PlannedFor.Equal(b.ScheduledAt) || t.is(Cancelled, BookingCancelled)),
	} {
		if fits && m.without.unswept&(1<<i) == 0 {
			return true
		}
	}
	return false
}
