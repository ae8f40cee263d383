package followup

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// inEveryWorld checks a property in many worlds, and that enough of them say
// anything about it: a property of calls that never sees one holds for nothing.
func inEveryWorld(t *testing.T, holds func(*rapid.T, world) (tells bool)) {
	t.Helper()
	told := 0
	rapid.Check(t, func(t *rapid.T) {
		if holds(t, drawWorld(t)) {
			told++
		}
	})
	const enough = 20
	if told < enough {
		t.Errorf("only %d worlds say anything about this", told)
	}
}

func TestPlanNeverDialsOrWaits(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		if e := w.rules.Plan(&w.row, w.now).Effect; e != None && e != Update && e != Arm {
			t.Fatalf("Plan asks to %s", e)
		}
		return true
	})
}

// A sweep that comes twice must find its first round's work done.
func TestPlanComesToRestInTwoStepsAtMost(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		for range 2 {
			d := w.rules.Plan(&w.row, w.now)
			if d.Effect == None {
				return true
			}
			w.row.Task = d.Next
		}
		if d := w.rules.Plan(&w.row, w.now); d.Effect != None {
			t.Fatalf("a third step: %s by %s", d.Effect, d.Rule)
		}
		return true
	})
}

// Only a claim that lapsed needs the second step.
func TestPlanIsIdempotentForWhatIsNotClaimed(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		if w.rules.look(w.row, w.now).unfinished() {
			return false
		}
		d := w.rules.Plan(&w.row, w.now)
		if d.Effect == None {
			return false
		}
		w.row.Task = d.Next
		if again := w.rules.Plan(&w.row, w.now); again.Effect != None {
			t.Fatalf("%s by %s, then %s by %s", d.Effect, d.Rule, again.Effect, again.Rule)
		}
		return true
	})
}

func TestADecisionToDoNothingCarriesNothing(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		for _, d := range []Decision{w.rules.Plan(&w.row, w.now), w.rules.Admit(&w.row, w.facts, w.ticket, w.now)} {
			idle := d.Effect == None || d.Effect == Wait
			if idle != cmp.Equal(d, Decision{Effect: d.Effect, Rule: d.Rule}) {
				t.Fatalf("%s by %s with %+v, drop %q", d.Effect, d.Rule, d.Next, d.Drop)
			}
		}
		return true
	})
}

// mayDial is the design's word on a call, written down once more, without the
// table and without its helpers.
func (w world) mayDial() bool {
	b, task, r := w.row, w.row.proven(), w.rules
	live := slices.Contains([]BookingStatus{"pending", "scheduled", "confirmed"}, b.Status) &&
		!b.Deleted && !b.ScheduledAt.IsZero() && b.Type != "meeting"
	promised := b.ScheduledAt
	if b.CreatedAt.After(promised) {
		promised = b.CreatedAt
	}
	late := w.now.Sub(promised) > r.MaxLateness
	tooEarly := b.ScheduledAt.Sub(w.now) > r.LeadTime+5*time.Second
	called := !task.ExecutedAt.IsZero() && b.ScheduledAt.Sub(task.ExecutedAt) <= r.LeadTime+5*time.Second
	busy := task.Status == InProgress && (!r.AgentIdempotent || w.now.Sub(task.ClaimedAt) <= r.Lease)
	held := task.Status == Failed && task.Reason == OutcomeUnknown
	current := w.ticket.Key == b.Key() && w.ticket.Revision >= task.Revision
	return live && !late && !tooEarly && !called && !busy && !held && current &&
		!r.Paused.Covers(b.TenantID) && w.facts.Lead.Number != ""
}

func TestAdmitDialsOnlyWhatMayBeDialled(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		d := w.rules.Admit(&w.row, w.facts, w.ticket, w.now)
		if d.Effect == Dial && !w.mayDial() {
			t.Fatalf("dials %+v", w)
		}
		return d.Effect == Dial
	})
}

// The other direction, for the task that everything is there for.
func TestAdmitDialsTheRowsOwnTaskWheneverItMay(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		task := w.row.proven()
		open := task.Status == Scheduled || task.Status == Failed && task.Reason == NotStarted
		if !open || w.ticket.Revision != task.Revision || !w.mayDial() {
			return false
		}
		if d := w.rules.Admit(&w.row, w.facts, w.ticket, w.now); d.Effect != Dial {
			t.Fatalf("%s by %s", d.Effect, d.Rule)
		}
		return true
	})
}

func TestAStoppedCallIsNotDialledUnlessItsTimeMoved(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		task := w.row.proven()
		stopped := task.Status == Executed ||
			task.Status == Cancelled && task.Reason != BookingCancelled ||
			task.Status == Failed && task.Reason != NotStarted
		if !stopped || task.Key != w.row.Key() {
			return false
		}
		if d := w.rules.Plan(&w.row, w.now); d.Effect == Arm {
			t.Fatalf("Plan arms by %s", d.Rule)
		}
		if d := w.rules.Admit(&w.row, w.facts, w.ticket, w.now); d.Effect == Dial || d.Effect == Arm {
			t.Fatalf("Admit: %s by %s", d.Effect, d.Rule)
		}
		return true
	})
}

func TestTheSecondOfTwoDeliveriesWaits(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		d := w.rules.Admit(&w.row, w.facts, w.ticket, w.now)
		if d.Effect != Dial {
			return false
		}
		w.row.Task = d.Next
		if d := w.rules.Admit(&w.row, w.facts, w.ticket, w.now); d.Effect != Wait {
			t.Fatalf("the second: %s by %s", d.Effect, d.Rule)
		}
		return true
	})
}

func TestARevisionNeverDecreases(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		for _, d := range []Decision{w.rules.Plan(&w.row, w.now), w.rules.Admit(&w.row, w.facts, w.ticket, w.now)} {
			switch grown := d.Next.Revision - w.row.Task.Revision; {
			case d.Effect == None || d.Effect == Wait:
			case grown < 0, d.Effect == Arm && grown < 1:
				t.Fatalf("%s by %s: revision %+d", d.Effect, d.Rule, grown)
			}
		}
		return true
	})
}

func TestPlanTouchesNoDoubtAndNoLiveClaim(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		task := &w.row.Task
		if rapid.Bool().Draw(t, "in doubt") {
			task.Status, task.Reason = Failed, OutcomeUnknown
			task.Key = w.row.keyFor(task.PlannedFor)
		} else {
			task.Status, task.Reason, task.ExecutedAt = InProgress, "", time.Time{}
			task.ClaimedAt = w.now.Add(-time.Duration(rapid.Int64Range(0, int64(lease)).Draw(t, "claimed")))
		}
		if d := w.rules.Plan(&w.row, w.now); d.Effect != None {
			t.Fatalf("%s by %s", d.Effect, d.Rule)
		}
		return true
	})
}

func TestATaskIsDueBetweenNowAndTheHorizon(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		for _, d := range []Decision{w.rules.Plan(&w.row, w.now), w.rules.Admit(&w.row, w.facts, w.ticket, w.now)} {
			if d.Effect != Arm {
				continue
			}
			tells = true
			if due := d.Next.DueAt.Sub(w.now); due < 0 || due > w.rules.Horizon {
				t.Fatalf("due %v from now", due)
			}
			if d.Next.Key != w.row.Key() || d.Next.Name != "" {
				t.Fatalf("armed with key %q and name %q", d.Next.Key, d.Next.Name)
			}
		}
		return tells
	})
}
