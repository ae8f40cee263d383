package soak

import (
	"context"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/emulators/eventarc"
	"lad.internal/followup/pkg/tasks"
)

// The shares of the faults of delivery.
const (
	lostTaskShare   = 0.01
	doubleTaskShare = 0.05
	// executeShare is of the kills; the others are ScheduleFollowUp's.
	executeShare = 0.7
)

var eventFaults = eventarc.Shares{Drop: 0.02, Duplicate: 0.05, Delay: 0.05, LoseAnswer: 0.02, MaxDelay: 2 * time.Second}

// The functions, as a stack names them.
const (
	execute  = "ExecuteFollowUp"
	schedule = "ScheduleFollowUp"
)

// kill is one SIGKILL: when it was about to be sent, and when it had been.
type kill struct{ before, after time.Time }

// attempt is one attempt of a task that ended without an answer.
type attempt struct{ dispatched, ended time.Time }

// faults disturb a run, until they are stopped, and remember what may explain an
// unknown outcome.
type faults struct {
	seed    uint64
	events  func(messageID string, attempt int) eventarc.Fate
	stopped atomic.Bool

	lostTasks, doubledTasks, lostEvents, doubledEvents atomic.Int64
	writtenBack, locked                                atomic.Int64 // rows, by LAD

	mu       sync.Mutex
	kills    []kill // of ExecuteFollowUp
	killed   map[string]int
	attempts map[uuid.UUID][]attempt // by booking
}

func newFaults(seed uint64) *faults {
	return &faults{
		seed: seed, events: eventarc.Seeded(seed, eventFaults),
		killed: map[string]int{}, attempts: map[uuid.UUID][]attempt{},
	}
}

// deliveries loses and doubles tasks. What becomes of one depends on the seed,
// its booking and its revision alone.
func (f *faults) deliveries(t *cloudtaskspb.Task) int {
	payload, err := tasks.ParsePayload(t.GetHttpRequest().GetBody())
	if err != nil || f.stopped.Load() {
		return 1
	}
	h := fnv.New64a()
	_, _ = h.Write(append(payload.BookingID[:], strconv.Itoa(payload.Revision)...)) // a hash never fails to write
	switch share := rand.New(rand.NewPCG(f.seed, h.Sum64())).Float64(); {
	case share < lostTaskShare:
		f.lostTasks.Add(1)
		return 0
	case share < lostTaskShare+doubleTaskShare:
		f.doubledTasks.Add(1)
		return 2
	default:
		return 1
	}
}

// onAttempt remembers the attempts that broke off.
func (f *faults) onAttempt(a cloudtasks.Attempt) {
	if a.HTTPStatus != 0 || a.Outcome == cloudtasks.Lost {
		return
	}
	for part := range strings.SplitSeq(a.URL, "/") {
		if id, err := uuid.Parse(part); err == nil {
			f.mu.Lock()
			f.attempts[id] = append(f.attempts[id], attempt{a.Dispatched, a.Ended})
			f.mu.Unlock()
			return
		}
	}
}

// eventFate disturbs the delivery of events.
func (f *faults) eventFate(messageID string, attempt int) eventarc.Fate {
	if f.stopped.Load() {
		return eventarc.Fate{}
	}
	fate := f.events(messageID, attempt)
	if fate.Drop {
		f.lostEvents.Add(1)
	}
	f.doubledEvents.Add(int64(fate.Duplicates))
	return fate
}

// killer is who ends processes: a stack.
type killer interface {
	Kill(name string, signal syscall.Signal) error
}

// killAll kills a function every now and then, until ctx ends.
func (f *faults) killAll(ctx context.Context, stack killer, every time.Duration) {
	const stream = 1 << 63 // no booking's number
	dice := rand.New(rand.NewPCG(f.seed, stream))
	for {
		pause := between(dice, every/2, every*3/2)
		name := execute
		if dice.Float64() >= executeShare {
			name = schedule
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
		k := kill{before: time.Now()}
		if err := stack.Kill(name, syscall.SIGKILL); err != nil {
			continue // the one before it has not been replaced yet
		}
		k.after = time.Now()
		f.mu.Lock()
		f.killed[name]++
		if name == execute {
			f.kills = append(f.kills, k)
		}
		f.mu.Unlock()
	}
}

// clockSlack is what two readings of this machine's clock, one of them by the
// database in microseconds, may differ by.
const clockSlack = 10 * time.Millisecond

// broke reports whether a process was killed while it held the claim of this
// moment: the attempt that made the claim ended without an answer, and a kill
// lies between.
func (f *faults) broke(booking uuid.UUID, claimed time.Time) bool {
	for _, a := range f.attempts[booking] {
		if claimed.Before(a.dispatched.Add(-clockSlack)) || claimed.After(a.ended.Add(clockSlack)) {
			continue
		}
		for _, k := range f.kills {
			if !k.after.Add(clockSlack).Before(claimed) && !k.before.After(a.ended.Add(clockSlack)) {
				return true
			}
		}
	}
	return false
}
