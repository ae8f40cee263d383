package property_test

import (
	"fmt"
	"sync"
	"time"

	"pgregory.net/rapid"

	"lad.internal/followup/internal/functiontest"
)

const (
	minute = time.Minute
	// maxBookings is how many bookings are alive in a run.
	maxBookings = 4
)

// What is drawn by lot.
var (
	// dues are times of a call from now: some are past, and the last is beyond the
	// horizon.
	dues  = rapid.SampledFrom([]time.Duration{-time.Hour, 0, minute, minute, 10 * minute, time.Hour, 4 * time.Hour})
	steps = rapid.SampledFrom([]time.Duration{time.Second, 30 * time.Second, minute, 2*minute + time.Second, 5 * minute, time.Hour})
	// zones are those of a booking: each means another instant, and one means none.
	zones  = rapid.SampledFrom([]string{"GST", "GST", "UTC", "+03:58", "Dubai time"})
	fates  = rapid.SampledFrom([]fate{heard, heard, lost, twice})
	rivals = rapid.SampledFrom([]string{"itself", "itself and an event", "itself and a sweep", "an event", "another task"})
)

// acts are what a run is made of. An act that nothing can be done about now is
// skipped before anything is drawn.
func (r *run) acts(done *counters) map[string]func(*rapid.T) {
	acts := map[string]func(*rapid.T){
		"agent misbehaves": r.actMisbehave,
		"book":             r.actBook,
		"cancel":           r.actCancel,
		"claim lost":       r.actLoseClaim,
		"delete":           r.actDelete,
		"deliver":          r.actDeliver,
		"deliver at once":  r.actDeliverAtOnce,
		"dispatch":         r.actCopies,
		"event again":      r.actEvent,
		"force":            r.actForce,
		"lock":             r.actLock,
		"move":             r.actMove,
		"operate":          r.actOperate,
		"overwrite":        r.actOverwrite,
		"pass":             r.actPass,
		"pass 2":           r.actPass,
		"revive":           r.actRevive,
		"rezone":           r.actRezone,
		"sweep":            func(*rapid.T) { r.say("a sweep"); r.sweep() },
		"task lost":        r.actLoseTask,
	}
	for name, act := range acts {
		acts[name] = func(t *rapid.T) {
			act(t)
			r.settle()
			done.acts.Add(1)
		}
	}
	acts[""] = func(*rapid.T) { r.check() }
	return acts
}

// one draws one of the bookings that fit.
func (r *run) one(t *rapid.T, fits func(*booking) bool) *booking {
	t.Helper()
	var some []*booking
	for _, b := range r.bookings {
		if fits(b) {
			some = append(some, b)
		}
	}
	if len(some) == 0 {
		t.Skip("there is no such booking")
	}
	return some[rapid.IntRange(0, len(some)-1).Draw(t, "booking")]
}

func anyOne(*booking) bool { return true }

// oneTask draws one of the tasks that ever were.
func (r *run) oneTask(t *rapid.T) *delivery {
	t.Helper()
	all := r.tasks()
	if len(all) == 0 {
		t.Skip("there are no tasks")
	}
	return all[rapid.IntRange(0, len(all)-1).Draw(t, "task")]
}

// named says whose a delivery is.
func (r *run) named(d *delivery) string {
	return d.what + " of " + r.find(d.ref.BookingID.String()).name
}

func (r *run) actBook(t *rapid.T) {
	if len(r.bookings) == maxBookings {
		t.Skip("enough bookings")
	}
	r.bookAt(fmt.Sprintf("booking %d", len(r.bookings)+1), zones.Draw(t, "zone"), dues.Draw(t, "due"), fates.Draw(t, "event"))
}

func (r *run) actMove(t *rapid.T) {
	b := r.one(t, anyOne)
	to, f := r.now().Add(dues.Draw(t, "due")), fates.Draw(t, "event")
	if rapid.IntRange(0, 3).Draw(t, "back") == 0 {
		to = b.created.Add(minute) // a time that it may have had before
	}
	r.say("LAD moves %s to %s; the event is %s", b.name, to.Format("15:04:05"), f)
	r.change(b, functiontest.Updated, f, func(b *booking) { b.moveTo(to) })
}

func (r *run) actCancel(t *rapid.T) {
	b := r.one(t, (*booking).meant)
	f := fates.Draw(t, "event")
	r.say("LAD cancels %s; the event is %s", b.name, f)
	r.change(b, functiontest.Cancelled, f, func(b *booking) { b.status = "cancelled" })
}

func (r *run) actDelete(t *rapid.T) {
	b := r.one(t, (*booking).meant)
	f := fates.Draw(t, "event")
	r.say("LAD deletes %s; the event is %s", b.name, f)
	r.change(b, functiontest.Updated, f, func(b *booking) { b.deleted = true })
}

func (r *run) actRevive(t *rapid.T) {
	b := r.one(t, func(b *booking) bool { return !b.meant() })
	f := fates.Draw(t, "event")
	r.say("LAD revives %s; the event is %s", b.name, f)
	r.change(b, functiontest.Updated, f, func(b *booking) { b.status, b.deleted = "scheduled", false })
}

func (r *run) actEvent(t *rapid.T) {
	b := r.one(t, anyOne)
	e := rapid.SampledFrom(b.heard).Draw(t, "event")
	r.say("%s comes again", r.named(e))
	r.deliverEvent(e)
}

func (r *run) actDeliver(t *rapid.T) {
	d := r.oneTask(t)
	r.say("%s is delivered", r.named(d))
	r.deliverTask(d)
}

func (r *run) actDeliverAtOnce(t *rapid.T) {
	d := r.oneTask(t)
	rival := rivals.Draw(t, "rival")
	other := d
	if rival == "another task" {
		other = r.oneTask(t)
	}
	r.say("%s is delivered at once with %s", r.named(d), rival)
	var racers sync.WaitGroup
	racers.Go(func() { r.deliverTask(d) })
	if rival != "an event" {
		racers.Go(func() { r.deliverTask(other) })
	}
	switch rival {
	case "itself and an event", "an event":
		racers.Go(func() { event(functiontest.Updated, d.ref).To(r.Schedule) })
	case "itself and a sweep":
		racers.Go(r.sweep)
	}
	racers.Wait()
}

func (r *run) actCopies(t *rapid.T) {
	n := rapid.SampledFrom([]int{0, 2, 3}).Draw(t, "copies")
	r.say("the next task to be sent is sent %d times", n)
	r.copies.Store(int32(n)) //nolint:gosec // 3 at most
}

func (r *run) actForce(t *rapid.T) {
	d := r.oneTask(t)
	if r.force(d.ticket.TaskName) {
		r.say("%s is sent before its time", r.named(d))
	}
}

func (r *run) actLoseTask(t *rapid.T) {
	d := r.oneTask(t)
	if r.loseTask(d.ticket.TaskName) {
		r.say("%s is lost", r.named(d))
	}
}

func (r *run) actLoseClaim(t *rapid.T) {
	d := r.oneTask(t)
	if r.loseClaim(d) {
		r.say("an instance claims %s and is gone", r.named(d))
	}
}

func (r *run) actMisbehave(t *rapid.T) {
	m := misdeeds[rapid.IntRange(0, len(misdeeds)-1).Draw(t, "misdeed")]
	r.say("the next time it is asked, the voice agent %s", m.name)
	r.agent.misbehaveOnce(m)
}

func (r *run) actOperate(t *rapid.T) {
	b := r.one(t, anyOne)
	if done := r.operate(b, rapid.Bool().Draw(t, "cancels")); done != "" {
		r.say("an operator %s %s", done, b.name)
	}
}

func (r *run) actPass(t *rapid.T) {
	d := steps.Draw(t, "time")
	r.say("%v go by", d)
	r.clock.Advance(d)
}
