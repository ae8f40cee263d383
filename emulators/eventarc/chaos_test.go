package eventarc_test

import (
	"fmt"
	"math"
	"testing"
	"time"

	"lad.internal/followup/emulators/eventarc"
)

func first(fate eventarc.Fate) func(string, int) eventarc.Fate {
	return func(_ string, attempt int) eventarc.Fate {
		if attempt == 1 {
			return fate
		}
		return eventarc.Fate{}
	}
}

func TestADuplicateIsTheSameEventAtTheSameTime(t *testing.T) {
	t.Parallel()
	target := newTarget(t, accept)
	bus := start(t, eventarc.Options{Target: target.url, Chaos: first(eventarc.Fate{Duplicates: 2})})
	id := publish(t, bus, "thrice")
	for _, p := range target.await(t, 3) {
		if p.header.Get("Ce-Id") != id {
			t.Errorf("a copy has the id %s", p.header.Get("Ce-Id"))
		}
	}
}

func TestALostAnswerBringsTheEventAgain(t *testing.T) {
	t.Parallel()
	target := newTarget(t, accept)
	bus := start(t, eventarc.Options{Target: target.url, Chaos: first(eventarc.Fate{LoseAnswer: true})})
	id := publish(t, bus, "twice")
	if again := target.await(t, 2)[1]; again.header.Get("Ce-Id") != id {
		t.Errorf("the second event has the id %s", again.header.Get("Ce-Id"))
	}
}

func TestADelayedMessageIsOvertaken(t *testing.T) {
	t.Parallel()
	target := newTarget(t, accept)
	var late string
	known := make(chan struct{})
	bus := start(t, eventarc.Options{Target: target.url, Chaos: func(id string, _ int) eventarc.Fate {
		<-known
		if id == late {
			return eventarc.Fate{Delay: time.Second}
		}
		return eventarc.Fate{}
	}})
	late = publish(t, bus, "late")
	close(known)
	publish(t, bus, "early")
	if posts := target.await(t, 2); posts[1].text() != "late" {
		t.Errorf("the delayed message came first")
	}
}

func TestADroppedMessageNeverArrives(t *testing.T) {
	t.Parallel()
	target := newTarget(t, accept)
	dropped := make(chan string, 1)
	bus := start(t, eventarc.Options{Target: target.url, Chaos: func(id string, _ int) eventarc.Fate {
		select {
		case dropped <- id:
			return eventarc.Fate{Drop: true}
		default:
			return eventarc.Fate{}
		}
	}})
	publish(t, bus, "lost")
	eventually(t, "drop", func() bool { return len(dropped) == 1 })
	publish(t, bus, "kept")
	if got := target.await(t, 1)[0].text(); got != "kept" {
		t.Errorf("%q arrived", got)
	}
}

func TestSeededFatesAreRepeatableAndKeepTheirShares(t *testing.T) {
	t.Parallel()
	shares := eventarc.Shares{Drop: 0.1, Duplicate: 0.2, Delay: 0.3, LoseAnswer: 0.4, MaxDelay: time.Second}
	one, same, other := eventarc.Seeded(1, shares), eventarc.Seeded(1, shares), eventarc.Seeded(2, shares)
	const n = 20_000
	var drop, duplicate, delay, lose, differ float64
	for i := range n {
		id := fmt.Sprintf("m%d", i)
		fate := one(id, 1)
		if fate != same(id, 1) {
			t.Fatalf("message %s has two fates with one seed", id)
		}
		if fate != other(id, 1) {
			differ++
		}
		if fate.Drop {
			drop++
			continue
		}
		if fate.Duplicates > 0 {
			duplicate++
		}
		if fate.Delay > 0 {
			delay++
		}
		if fate.LoseAnswer {
			lose++
		}
		if fate.Delay > time.Second {
			t.Fatalf("a delay of %s", fate.Delay)
		}
	}
	if differ == 0 {
		t.Error("another seed makes no difference")
	}
	kept := n - drop
	for name, got := range map[string][2]float64{
		"drop": {drop / n, 0.1}, "duplicate": {duplicate / kept, 0.2}, "delay": {delay / kept, 0.3}, "lose answer": {lose / kept, 0.4},
	} {
		if math.Abs(got[0]-got[1]) > 0.02 {
			t.Errorf("the share of %s is %.3f, want %.1f", name, got[0], got[1])
		}
	}
}
