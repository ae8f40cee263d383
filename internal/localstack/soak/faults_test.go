package soak

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

func TestAKillExplainsOnlyTheClaimThatDiedOfIt(t *testing.T) {
	t.Parallel()
	at := func(s int) time.Time { return noon.Add(time.Duration(s) * time.Second) }
	booking := uuid.New()
	for _, c := range []struct {
		name    string
		claimed time.Time
		broken  []attempt
		kills   []kill
		want    bool
	}{
		{"claimed, killed, broken off", at(2), []attempt{{at(1), at(4)}}, []kill{{at(3), at(3)}}, true},
		{"the second of two attempts", at(8), []attempt{{at(1), at(4)}, {at(7), at(9)}}, []kill{{at(3), at(3)}, {at(9), at(9)}}, true},
		{"no attempt broke off", at(2), nil, []kill{{at(3), at(3)}}, false},
		{"no process was killed", at(2), []attempt{{at(1), at(4)}}, nil, false},
		{"killed before the claim", at(2), []attempt{{at(1), at(4)}}, []kill{{at(1), at(1)}}, false},
		{"killed after the attempt had broken off", at(2), []attempt{{at(1), at(4)}}, []kill{{at(5), at(5)}}, false},
		{"another attempt broke off", at(2), []attempt{{at(3), at(6)}}, []kill{{at(4), at(4)}}, false},
		{"the attempt had ended before the claim", at(8), []attempt{{at(1), at(4)}}, []kill{{at(3), at(9)}}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := newFaults(1)
			f.attempts[booking], f.kills = c.broken, c.kills
			if got := f.broke(booking, c.claimed); got != c.want {
				t.Errorf("explained: %v, want %v", got, c.want)
			}
			if f.broke(uuid.New(), c.claimed) {
				t.Error("it explains another booking's too")
			}
		})
	}
}

func TestOnlyAttemptsWithoutAnAnswerAreRemembered(t *testing.T) {
	t.Parallel()
	f, booking := newFaults(1), uuid.New()
	a := cloudtasks.Attempt{URL: "http://127.0.0.1:1/api/bookings/" + booking.String() + "/execute", Dispatched: noon, Ended: noon.Add(time.Second)}
	for _, status := range []int{200, 409, 502, 0} {
		a.HTTPStatus = status
		f.onAttempt(a)
	}
	a.Outcome = cloudtasks.Lost
	f.onAttempt(a)
	if want := []attempt{{a.Dispatched, a.Ended}}; !slices.Equal(f.attempts[booking], want) {
		t.Errorf("it remembers %v, want %v", f.attempts, want)
	}
}

// victim counts signals, fails every third, and has enough at last.
type victim struct {
	names []string
	tries int
	enough
}

type enough struct {
	at  int
	end context.CancelFunc
}

func (v *victim) Kill(name string, signal syscall.Signal) error {
	v.tries++
	if v.tries%3 == 0 {
		return errors.New("no such process")
	}
	if signal == syscall.SIGKILL {
		v.names = append(v.names, name)
	}
	if len(v.names) == v.at {
		v.end()
	}
	return nil
}

func TestTheSameSeedKillsTheSameFunctions(t *testing.T) {
	t.Parallel()
	kills := func(seed uint64) []string {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		f, v := newFaults(seed), &victim{enough: enough{40, cancel}}
		f.killAll(ctx, v, 100*time.Microsecond)
		if f.killed[execute]+f.killed[schedule] != 40 || f.killed[execute] != len(f.kills) || f.killed[schedule] == 0 {
			t.Errorf("%d kills succeeded, it counts %v and remembers %d", len(v.names), f.killed, len(f.kills))
		}
		return v.names
	}
	first, again, other := kills(1), kills(1), kills(2)
	if !slices.Equal(first, again) || slices.Equal(first, other) {
		t.Errorf("seed 1 kills %v and then %v, seed 2 %v", first, again, other)
	}
}

func TestTasksAreLostAndDoubledAsTheSeedSaysUntilTheFaultsStop(t *testing.T) {
	t.Parallel()
	p := plan{seed: 1, bookings: 1500, tenants: []uuid.UUID{{1}}}
	var dispatched []*cloudtaskspb.Task
	for i := range p.bookings {
		b := followup.Booking{Ref: p.booking(i).ref, ScheduledAt: noon}
		body, err := tasks.NewPayload(b, followup.Task{Key: b.Key(), Revision: 1 + i%2}).MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		dispatched = append(dispatched, &cloudtaskspb.Task{MessageType: &cloudtaskspb.Task_HttpRequest{
			HttpRequest: &cloudtaskspb.HttpRequest{Body: body}}})
	}
	deliver := func(f *faults) (copies []int) {
		for _, t := range dispatched {
			copies = append(copies, f.deliveries(t))
		}
		return copies
	}
	f := newFaults(1)
	copies := deliver(f)
	if !slices.Equal(copies, deliver(newFaults(1))) || slices.Equal(copies, deliver(newFaults(2))) {
		t.Error("what is lost and doubled does not depend on the seed alone")
	}
	count := map[int]int64{}
	for _, n := range copies {
		count[n]++
	}
	if count[0] < 5 || count[2] < 40 || count[0] != f.lostTasks.Load() || count[2] != f.doubledTasks.Load() {
		t.Errorf("of 1500 tasks %d are lost and %d doubled; it counts %d and %d", count[0], count[2], f.lostTasks.Load(), f.doubledTasks.Load())
	}
	f.stopped.Store(true)
	if copies := deliver(f); slices.Max(copies) != 1 || slices.Min(copies) != 1 {
		t.Error("tasks are disturbed after the faults have stopped")
	}
}

func TestThePlanComesFromTheSeedAlone(t *testing.T) {
	t.Parallel()
	p := plan{seed: 1, bookings: 20_000, tenants: []uuid.UUID{uuid.New(), uuid.New()}, misbehave: 0.05}
	other := p
	other.seed = 2
	counts := map[string]int{}
	for i := range p.bookings {
		s := p.booking(i)
		again := p.booking(i)
		if s.ref != again.ref || s.ahead != again.ahead || s.changed != again.changed || (s.agent == nil) != (again.agent == nil) {
			t.Fatalf("booking %d is %+v and then %+v", i, s, again)
		}
		if n, found, ok := p.find(s.ref.BookingID); !ok || n != i || found.lead != s.lead {
			t.Fatalf("booking %d is found as %d (%v)", i, n, ok)
		}
		if _, _, ok := other.find(s.ref.BookingID); ok {
			t.Fatalf("booking %d belongs to another seed too", i)
		}
		if id := s.ref.BookingID; id.Version() != 4 || id.Variant() != uuid.RFC4122 || id == s.lead {
			t.Fatalf("booking %d has the id %s and the lead %s", i, id, s.lead)
		}
		if _, err := followup.ParseID(s.ref.BookingID.String()); err != nil {
			t.Fatal(err)
		}
		if s.ahead+s.changed <= 0 {
			t.Fatalf("booking %d is changed before it is made: %+v", i, s)
		}
		counts["change "+string(s.change)]++
		counts["end "+s.end.String()]++
		if s.silent {
			counts["silent"]++
		}
		if s.agent != nil {
			counts["misbehaves"]++
		}
	}
	// Each share is far from its bounds for any seed.
	for what, within := range map[string][2]int{
		"misbehaves": {800, 1200}, "silent": {450, 750}, "change cancel": {450, 750}, "change move": {450, 750},
		"end failed/outcome_unknown": {350, 650}, "end failed/rejected": {40, 140},
	} {
		if n := counts[what]; n < within[0] || n > within[1] {
			t.Errorf("%s: %d of 20000, want %v", what, n, within)
		}
	}
	if _, _, ok := p.find(uuid.New()); ok {
		t.Error("it finds a booking that nobody has planned")
	}
}
