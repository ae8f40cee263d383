package followup

import (
	"bytes"
	"fmt"
	"time"
)

// The model is the whole system around one row, small enough that every state
// it can reach is visited. What is decided is decided by Plan, Admit, Finish
// and the operator's functions themselves; the model adds what happens between
// their answers: who reads, stores, fires, rings, dies, and in which order.
//
//   - A desk is whoever reads the row and stores a plan later: the handler of an
//     event, the sweep, an execution that puts its task off, a person. It may
//     stop for good at any moment, at no cost.
//   - A worker is an execution: it locks the row, commits its claim, rings the
//     lead, records the outcome.
//   - A task that was ever created may fire at any time, as often as it likes,
//     or never. That is at-least-once delivery, duplicates at once, reordering,
//     loss, and a task that was deleted too late; and it fires before its own
//     UPDATE, too.
//   - LAD and a person act, and things fail, as often as a scenario allows.
//   - Time passes in steps, each longer than the lease; two of them are longer
//     than the grace, and than the lateness that is allowed.
//
// A row lock is held from an execution's read to its commit: nobody else writes
// meanwhile, but time passes.
//
//	go test -run Model ./pkg/followup                             over a million states
//	FOLLOWUP_MODEL=long go test -run Model -timeout 60m ./pkg/followup  many millions
//
// It is exhaustive and needs no seed. With -v it prints the counts, and for each
// guard that is taken out the shortest way to the harm.

const modelStep = 3 * time.Minute

// modelTime is a moment: 0 is NULL, 1 is noon, each next one a step later.
type modelTime uint8

func (t modelTime) time() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return noon.Add(time.Duration(t-1) * modelStep)
}

func modelTimeOf(t time.Time) modelTime {
	if t.IsZero() {
		return 0
	}
	return modelTime(t.Sub(noon)/modelStep) + 1
}

// modelClaimTime is the moment of a claim, which tells it from every other one:
// a moment, and the claim's number in the lowest bits. On a real clock the
// number is microseconds.
type modelClaimTime uint8

const (
	modelClaimBits = 3
	modelMaxClaims = 1<<modelClaimBits - 1
)

func modelClaim(at modelTime, number uint8) modelClaimTime {
	return modelClaimTime(uint8(at)<<modelClaimBits | number)
}

func (c modelClaimTime) at() modelTime { return modelTime(c >> modelClaimBits) }
func (c modelClaimTime) number() uint8 { return uint8(c) & modelMaxClaims }

func (c modelClaimTime) time() time.Time {
	if c == 0 {
		return time.Time{}
	}
	return c.at().time().Add(time.Duration(c.number()) * tick)
}

func modelClaimTimeOf(t time.Time) modelClaimTime {
	if t.IsZero() {
		return 0
	}
	return modelClaim(modelTimeOf(t), uint8(t.Sub(noon)%modelStep/tick))
}

// modelStates are the states of a follow-up; a row holds the number of one.
var modelStates = []Task{
	{Status: Pending}, {Status: Scheduled}, {Status: InProgress}, {Status: Executed},
	{Status: Failed, Reason: NotStarted}, {Status: Failed, Reason: Rejected},
	{Status: Failed, Reason: OutcomeUnknown}, {Status: Failed, Reason: Expired},
	{Status: Cancelled, Reason: BookingCancelled}, {Status: Cancelled, Reason: ByOperator}, {Status: Cancelled},
	{Status: Pending, Reason: OutcomeUnknown},
}

const (
	modelPending uint8 = iota
	modelScheduled
	modelInProgress
	modelExecuted
	modelNotStarted
	modelRejected
	modelHeld
	modelExpired
	modelBookingCancelled
	modelByOperator
	modelByOthers        // cancelled by somebody else, who says not why
	modelHeldWrittenOver // held, and its task_status written over
)

// The bits of LAD's word that a booking is no longer meant.
const (
	modelLadCancelled = 1 << iota
	modelLadDeleted
)

// modelSlot names one of the times that LAD may book: 0 is none. A key is named
// by the time that it is for.
type modelSlot uint8

// modelSlots is how many times a scenario may name.
const modelSlots = 3

func (s modelSlot) String() string { return string(rune('A' + s - 1)) }

// modelRow is what the decisions depend on, and nothing else: names of tasks,
// call ids and texts are left out.
type modelRow struct {
	slot      modelSlot
	withdrawn uint8 // by LAD
	state     uint8
	revision  uint8
	attempts  uint8
	key       modelSlot
	planned   modelSlot
	due       modelTime
	claimed   modelClaimTime
	executed  modelClaimTime
}

func (r modelRow) String() string {
	t := modelStates[r.state]
	words := string(t.Status)
	if t.Reason != "" {
		words += "/" + string(t.Reason)
	}
	if r.key != 0 {
		words += fmt.Sprintf(" for %s, revision %d, attempt %d", r.key, r.revision, r.attempts)
	}
	return words
}

// modelWorker is an execution.
type modelWorker struct {
	phase    uint8
	revision uint8 // of its ticket
	attempts uint8 // of its claim
	key      modelSlot
	claimed  modelClaimTime // when it read the row, and which claim it is
}

// The phases of a worker. In modelLocked and modelHangs it holds the row's lock.
const (
	modelIdle    uint8 = iota
	modelLocked        // has read the row and decided to claim
	modelHangs         // has given up waiting for its COMMIT, which is still under way
	modelClaimed       // may ring
	modelAccepted
	modelUnstarted
	modelRefused
	modelUnknown
)

var modelOutcomes = map[uint8]Outcome{
	modelAccepted: CallAccepted, modelUnstarted: CallNotStarted, modelRefused: CallRejected, modelUnknown: CallUnknown,
}

// modelDesk is a plan that is not stored yet.
type modelDesk struct {
	kind    uint8
	created uint8     // 0: no task yet; n: one of the n-th revision from that of the plan
	ticket  uint8     // the revision of the task that is put off
	at      modelTime // when the row was read
	seen    modelRow
}

// The kinds of a desk.
const (
	modelFree uint8 = iota
	modelPlans
	modelPutsOff
	modelRetries
	modelResolvesCalled
	modelResolvesNotCalled
	modelCancels
)

// modelState is a state of the whole. It is comparable and small: millions are
// kept.
type modelState struct {
	row     modelRow
	now     modelTime
	acts    uint8 // that LAD and persons may still do
	faults  uint8 // that may still happen
	spent   uint8 // names that may still prove to be used up
	claims  uint8 // that were ever decided
	rung    [modelSlots]uint8
	answers uint8             // bits: the claims whose call was made
	known   uint8             // bits: the keys that an idempotent agent has seen
	word    uint8             // how often a person has said that a call was not made
	stopped bool              // a person has cancelled the call for the row's present time
	tasks   [modelSlots]uint8 // bits: the revisions that a task was created for
	workers [2]modelWorker
	desks   [2]modelDesk
}

// canonical makes one state of those that differ in who is who.
func (s modelState) canonical() modelState {
	if a, b := s.workers[0].bytes(), s.workers[1].bytes(); bytes.Compare(a[:], b[:]) < 0 {
		s.workers[0], s.workers[1] = s.workers[1], s.workers[0]
	}
	if a, b := s.desks[0].bytes(), s.desks[1].bytes(); bytes.Compare(a[:], b[:]) < 0 {
		s.desks[0], s.desks[1] = s.desks[1], s.desks[0]
	}
	return s
}

func (w modelWorker) bytes() [5]byte {
	return [5]byte{w.phase, w.revision, w.attempts, byte(w.key), byte(w.claimed)}
}

func (d modelDesk) bytes() [14]byte {
	return [14]byte{d.kind, d.created, d.ticket, byte(d.at), byte(d.seen.slot), d.seen.withdrawn, d.seen.state, d.seen.revision,
		d.seen.attempts, byte(d.seen.key), byte(d.seen.planned), byte(d.seen.due), byte(d.seen.claimed), byte(d.seen.executed)}
}

func (s *modelState) locked() bool {
	for _, w := range s.workers {
		if w.phase == modelLocked || w.phase == modelHangs {
			return true
		}
	}
	return false
}
