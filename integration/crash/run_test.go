package crash_test

import (
	"context"
	"fmt"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/promise"
	"lad.internal/followup/pkg/followup"
)

// atTheEnd is when a rival arrives that finds the victim at the end of its work,
// of its life, or of its patience.
const atTheEnd = -1

// spoiled is a case: what happens to one step, and who comes by at which.
type spoiled struct {
	fault   fault
	step    int
	rival   rival
	arrives int // the step before which the rival acts, or atTheEnd
}

// run is one case in a world.
type run struct {
	*world
	t         testing.TB
	plan      scenario
	what      spoiled
	ref       followup.Ref
	delivered functiontest.Delivery // the victim's event

	mu       sync.Mutex
	problems []string
	locked   chan struct{} // closed once the rival holds the booking's lock
	free     chan struct{} // closed once it need not any more
	steps    []string      // of the victim
	reached  bool          // the step to be spoiled has come
	acted    bool          // the rival has acted before a step
}

// fail notes a problem. It may be called on any goroutine.
func (r *run) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// play runs a case from the booking to its end, and checks the promises.
func (w *world) play(t testing.TB, plan scenario, what spoiled) *run {
	t.Helper()
	r := &run{world: w, t: t, plan: plan, what: what, locked: make(chan struct{}), free: make(chan struct{})}
	plan.prepare(r)
	if w.victims[plan.jobAfter] == nil {
		w.victims[plan.jobAfter] = w.newVictim(w.home, plan.jobAfter)
	}
	victim := w.victims[plan.jobAfter]
	if plan.cold {
		victim = w.newVictim(t, plan.jobAfter)
	}
	r.seam.arm(plot{
		fault: what.fault, faultAt: what.step, cold: plan.cold,
		rival: func() { r.letAct(what.rival) }, rivalAt: what.arrives,
	})
	status := r.ask(victim)
	close(r.free)
	r.steps, r.reached, r.acted = r.seam.seen()
	r.seam.disarm()
	if what.rival != nobody && !r.acted {
		r.letAct(what.rival)
		r.acted = what.arrives == atTheEnd
	}
	r.joinRivals()
	if status != http.StatusOK && plan.by == byEvent {
		r.redeliver()
	}
	r.end()
	r.check()
	return r
}

// ask gives the victim its work and waits for its end. What holds it is let go
// after all others have been at work for longer than a lease.
func (r *run) ask(victim *functiontest.Functions) (status int) {
	ended := make(chan struct{})
	ctx, giveUp := context.WithCancel(context.Background())
	defer giveUp()
	answered := make(chan int, 1)
	if r.plan.by == byTask {
		r.takesTask.Store(new(r.seam.mortal(victim.Execute, ended)))
		r.plan.fire(r)
		answered <- 0 // that is between the victim and Cloud Tasks
	} else {
		r.takesEvent.Store(new(r.seam.mortal(victim.Schedule, ended)))
		go func() { answered <- r.push(ctx, r.delivered) }()
	}
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-ended:
		return <-answered
	case <-r.seam.holding:
	case <-timer.C:
		r.t.Fatalf("%s: the victim does not end\n%s", r, r.log.Brief(""))
	}
	r.whileItHangs(giveUp)
	r.seam.release()
	if err := within("the end of the victim that hung", ended); err != nil {
		r.t.Fatalf("%s: %v\n%s", r, err, r.log.Brief(""))
	}
	return <-answered
}

// whileItHangs is what goes on around a victim that waits for an answer: the
// caller gives it up, delivers again to somebody else, and a sweep comes by.
func (r *run) whileItHangs(giveUp func()) {
	if r.what.rival != nobody && r.what.arrives == atTheEnd {
		r.seam.actsNow()
		r.letAct(r.what.rival)
		r.finishOthers()
	}
	if r.plan.by == byTask {
		r.clock.Jump(dispatchDeadline)
		r.pass(10 * time.Second)
	} else {
		giveUp()
		r.delivered.To(r.healthy.Schedule)
		r.pass(10 * time.Second)
	}
	r.healthy.Schedule.Sweep(context.Background())
}

// finishOthers lets what the rival has set off end before time goes by: a healthy
// instance takes no minutes for a call.
func (r *run) finishOthers() {
	atWork := func() (names []string) {
		page, err := r.queue.ListTasks(context.Background(), &cloudtaskspb.ListTasksRequest{Parent: r.config.QueuePath()})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, task := range page.GetTasks() {
			victims := r.plan.by == byTask && path.Base(task.GetName()) == r.dispatched.Load().Header.Get("X-Cloudtasks-Taskname")
			if !victims && task.GetDispatchCount() > task.GetResponseCount() {
				names = append(names, task.GetName())
			}
		}
		return names
	}
	for deadline := time.Now().Add(patience); len(atWork()) > 0; time.Sleep(4 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: these tasks do not end: %v\n%s", r, atWork(), r.log.Brief(""))
		}
	}
}

func (r *run) joinRivals() {
	done := make(chan struct{})
	go func() {
		defer close(done)
		r.rivals.Wait()
	}()
	if err := within("the end of the rival", done); err != nil {
		r.t.Fatalf("%s: %v\n%s", r, err, r.log.Brief(""))
	}
}

// redeliver is Pub/Sub, which sends an event until it is taken.
func (r *run) redeliver() {
	for range 5 {
		if r.delivered.To(r.healthy.Schedule) == http.StatusOK {
			return
		}
		r.pass(10 * time.Second)
	}
	r.fail("the event is refused although nothing is spoiled any more")
}

// end lets time go by until the booking has an end, and a good while longer.
func (r *run) end() {
	const sweepEvery, slowestRetry = minute, minute
	r.settle(r.t)
	b := r.row(r.t, r.ref)
	limit := later(r.now(), b.ScheduledAt).Add(r.rules.Lease + r.rules.Grace + 2*sweepEvery + slowestRetry)
	for !r.over(b) {
		if r.now().After(limit) {
			r.fail("the booking has no end although %v have gone by", r.rules.Lease+r.rules.Grace+2*sweepEvery+slowestRetry)
			return
		}
		r.pass(sweepEvery)
		r.healthy.Schedule.Sweep(context.Background())
		r.settle(r.t)
		b = r.row(r.t, r.ref)
	}
	calls := len(r.agent.Calls(r.ref.BookingID.String()))
	r.pass(r.rules.Lease + r.rules.Grace + sweepEvery)
	r.healthy.Schedule.Sweep(context.Background())
	r.settle(r.t)
	if now := r.row(r.t, r.ref); now.Task != b.Task || len(r.agent.Calls(r.ref.BookingID.String())) != calls {
		r.fail("the end did not last: %+v became %+v", b.Task, now.Task)
	}
}

// over: the row is at an end, and the rules want no other.
func (r *run) over(b followup.Booking) bool {
	return promise.Over(b.Task) && r.rules.Plan(&b, r.now()).Effect == followup.None
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// rung is how often the lead was rung for this key.
func (r *run) rung(key string) (n int) {
	for _, call := range r.agent.Calls(r.ref.BookingID.String()) {
		if call.IdempotencyKey == key {
			n++
		}
	}
	return n
}

// String is the case's name among the subtests of TestMatrix.
func (r *run) String() string { return r.plan.name + "/" + r.what.group() + "/" + r.what.String() }

func (c spoiled) group() string {
	switch {
	case c.rival == nobody:
		return "rival=none"
	case c.arrives == atTheEnd:
		return "rival=" + string(c.rival) + "@end"
	default:
		return fmt.Sprintf("rival=%s@%d", c.rival, c.arrives)
	}
}

func (c spoiled) String() string {
	if c.fault == none {
		return "fault=none"
	}
	return fmt.Sprintf("step=%d/fault=%s", c.step, c.fault)
}

// report says all that is known of a case that broke a promise.
func (r *run) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", strings.Join(r.problems, "\n"))
	fmt.Fprintf(&b, "replay: FOLLOWUP_CRASH=all go test ./integration/crash -run '^TestMatrix$/^%s$'\n", strings.ReplaceAll(r.String(), "/", "$/^"))
	fmt.Fprintf(&b, "the victim's steps:")
	for i, step := range r.steps {
		fmt.Fprintf(&b, " %d %s;", i+1, step)
	}
	fmt.Fprintf(&b, "\nthe row's history:\n")
	for _, v := range r.history(r.t, r.ref) {
		fmt.Fprintf(&b, "  %s\n", v)
	}
	calls := r.agent.Calls(r.ref.BookingID.String())
	fmt.Fprintf(&b, "%d POSTs and %d calls:\n", r.agent.PostsRead(r.ref.BookingID.String()), len(calls))
	for _, call := range calls {
		fmt.Fprintf(&b, "  for %s, %s\n", keyTime(call.IdempotencyKey), call.Outcome)
	}
	fmt.Fprintf(&b, "log:\n%s", r.log.Brief(""))
	return b.String()
}

// claimStep is the victim's step, counted from 1, that commits its claim: the
// first COMMIT behind an UPDATE. 0 if it never came to it.
func (r *run) claimStep() int {
	update := slices.Index(r.steps, "update")
	if update < 0 || r.plan.by != byTask {
		return 0
	}
	commit := slices.Index(r.steps[update:], "commit")
	if commit < 0 {
		return 0
	}
	return update + commit + 1
}
