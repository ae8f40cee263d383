package followup

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// walk is the system in small: one row, a planner that reads and writes at
// different moments, tasks that fire whenever they like and as often as they
// like, claims whose handlers may die, and LAD and an operator in between.
// Writes are guarded as the design has it.
type walk struct {
	rules   Rules
	now     time.Time
	row     Booking
	planned *plannedStep
	tasks   []Ticket
	claims  []Task // every claim ever made, as it was committed
	rung    []ring
}

// plannedStep is a decision that is not stored yet.
type plannedStep struct {
	seen     Booking
	decision Decision
	created  bool
}

// ring is a call that the lead heard.
type ring struct {
	key string
	at  time.Time
}

var walkTimes = []time.Time{noon.Add(-time.Hour), noon, noon.Add(time.Minute), noon.Add(time.Hour), noon.Add(2 * time.Hour)}

func TestALeadIsNeverRungTwiceForOneTime(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := &walk{rules: standard(), now: noon, row: *booked(noon, fresh())}
		w.rules.LeadTime = 0
		t.Repeat(map[string]func(*rapid.T){
			"read":    w.read,
			"create":  w.create,
			"store":   w.store,
			"fire":    w.fire,
			"fire 2":  w.fire,
			"finish":  w.finish,
			"move":    w.move,
			"cancel":  w.cancel,
			"operate": w.operate,
			"pass":    w.pass,
		})
	})
}

func (w *walk) read(t *rapid.T) {
	d := w.rules.Plan(&w.row, w.now)
	if d.Effect == None {
		return
	}
	w.planned = &plannedStep{seen: w.row, decision: d}
}

func (w *walk) create(t *rapid.T) {
	if w.planned == nil || w.planned.decision.Effect != Arm || w.planned.created {
		t.Skip("nothing to create")
	}
	w.planned.created = true
	next := w.planned.decision.Next
	ticket := Ticket{Key: next.Key, Revision: next.Revision, TaskName: TaskID(next.Key, next.Revision)}
	if !slices.Contains(w.tasks, ticket) {
		w.tasks = append(w.tasks, ticket)
	}
}

func (w *walk) store(t *rapid.T) {
	p := w.planned
	if p == nil || p.decision.Effect == Arm && !p.created {
		t.Skip("nothing to store")
	}
	w.planned = nil
	a, b := p.seen, w.row
	if !a.ScheduledAt.Equal(b.ScheduledAt) || a.Status != b.Status || a.Deleted != b.Deleted ||
		a.Task.Key != b.Task.Key || a.Task.Status != b.Task.Status || a.Task.Reason != b.Task.Reason ||
		a.Task.Revision != b.Task.Revision || a.Task.Attempts != b.Task.Attempts {
		return
	}
	w.row.Task = p.decision.Next
}

func (w *walk) fire(t *rapid.T) {
	if len(w.tasks) == 0 {
		t.Skip("no tasks")
	}
	ticket := rapid.SampledFrom(w.tasks).Draw(t, "ticket")
	switch d := w.rules.Admit(&w.row, reachable, ticket, w.now); d.Effect {
	case Update:
		w.row.Task = d.Next
	case Arm:
		w.row.Task = d.Next
		w.tasks = append(w.tasks, Ticket{Key: d.Next.Key, Revision: d.Next.Revision, TaskName: "again"})
	case Dial:
		w.row.Task = d.Next
		for _, c := range w.claims {
			if c.Revision == d.Next.Revision && c.Attempts == d.Next.Attempts {
				t.Fatalf("revision %d, attempt %d was claimed twice", c.Revision, c.Attempts)
			}
		}
		w.claims = append(w.claims, d.Next)
		w.dial(t, d.Next)
	}
}

// dial rings, or provably does not.
func (w *walk) dial(t *rapid.T, c Task) {
	if rapid.Bool().Draw(t, "rings") {
		for _, r := range w.rung {
			if !w.row.ScheduledAt.After(r.at.Add(Earliness)) {
				t.Fatalf("rung at %v for %s, and again at %v for %s", r.at, r.key, w.now, c.Key)
			}
		}
		w.rung = append(w.rung, ring{key: c.Key, at: w.now})
	}
}

// finish reports any claim, the last or one long superseded, once or often.
func (w *walk) finish(t *rapid.T) {
	if len(w.claims) == 0 {
		t.Skip("no claims")
	}
	c := rapid.SampledFrom(w.claims).Draw(t, "claim")
	rang := slices.Contains(w.rung, ring{key: c.Key, at: c.ClaimedAt})
	outcome := CallUnknown
	if rapid.Bool().Draw(t, "known") {
		outcome = CallNotStarted
		if rang {
			outcome = CallAccepted
		}
	}
	task := w.row.Task
	if task.Revision != c.Revision || task.Attempts != c.Attempts {
		return
	}
	if task.Status == InProgress || outcome == CallAccepted && task.is(Failed, OutcomeUnknown) {
		w.row.Task = w.rules.Finish(c, Report{Outcome: outcome})
	}
}

func (w *walk) move(t *rapid.T) {
	w.row.ScheduledAt = rapid.SampledFrom(walkTimes).Draw(t, "time")
}

func (w *walk) cancel(t *rapid.T) {
	w.row.Status = rapid.SampledFrom([]BookingStatus{BookingScheduled, "cancelled"}).Draw(t, "status")
}

func (w *walk) pass(t *rapid.T) {
	w.now = w.now.Add(rapid.SampledFrom([]time.Duration{tick, 10 * time.Second, lease + tick, grace + tick, time.Hour}).Draw(t, "time passes"))
}

// operate does what the command lets a person do; an operator knows the truth.
// Between looking and doing nothing comes in: the guards see to that.
func (w *walk) operate(t *rapid.T) {
	var d Decision
	var err error
	switch task := w.row.Task; {
	case task.is(Failed, OutcomeUnknown) && slices.Contains(w.rung, ring{key: task.Key, at: task.ClaimedAt}):
		d, err = w.rules.ResolveCalled(w.row, "", w.now)
	case task.is(Failed, OutcomeUnknown):
		d, err = w.rules.ResolveNotCalled(w.row, w.now)
	case rapid.Bool().Draw(t, "retries"):
		d, err = w.rules.Retry(w.row, w.now)
	default:
		d, err = w.rules.Cancel(w.row, w.now)
	}
	if err == nil {
		w.row.Task = d.Next
	}
}
