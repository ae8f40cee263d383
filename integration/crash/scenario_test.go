package crash_test

import (
	"context"
	"net/http"
	"strings"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// way is how the victim is asked to work.
type way int

const (
	byTask  way = iota // Cloud Tasks sends it a task
	byEvent            // Pub/Sub pushes it an event
)

// scenario is what the victim finds, and is asked to do about it.
type scenario struct {
	name       string
	by         way
	idempotent bool // the voice agent deduplicates
	cold       bool // the victim has just started: connecting and preparing are steps
	pairs      bool // the rival arrives at every step, whatever step is spoiled
	narrow     bool // the rival arrives while the victim is at the booking, not at the lists before and after
	claimLost  bool // a claim was lost before the victim comes
	// jobAfter is how long after a call the victim asks for its job; 0: never.
	jobAfter time.Duration
	// prepare makes the booking, and leaves the victim's event to be delivered.
	prepare func(*run)
	// fire has Cloud Tasks send the victim its task.
	fire func(*run)
}

// The scenarios. In all of them every step is spoiled in every way, with every
// rival coming at that very step, and, sweeps aside, at the end. The ordinary
// course of a booking is also run with every pair of a step that is spoiled and
// another one at which the rival comes.
var scenarios = []scenario{
	{name: "schedule_new", by: byEvent, pairs: true,
		prepare: func(r *run) { r.book(minute); r.deliver(functiontest.Created) }},
	{name: "schedule_moved", by: byEvent,
		prepare: func(r *run) {
			r.arm()
			r.change(`scheduled_at = scheduled_at + $3::interval`, minute)
			r.deliver(functiontest.Updated)
		}},
	{name: "schedule_cancelled", by: byEvent,
		prepare: func(r *run) { r.arm(); r.change(`status = 'cancelled'`); r.deliver(functiontest.Cancelled) }},
	{name: "schedule_revived", by: byEvent,
		prepare: func(r *run) {
			r.arm()
			r.change(`status = 'cancelled'`)
			r.heard(functiontest.Cancelled)
			r.change(`status = 'confirmed'`)
			r.deliver(functiontest.Updated)
		}},
	{name: "schedule_cold", by: byEvent, cold: true,
		prepare: func(r *run) { r.book(minute); r.deliver(functiontest.Created) }},

	{name: "execute_due", by: byTask, pairs: true,
		prepare: (*run).arm, fire: (*run).due},
	{name: "execute_due_idempotent", by: byTask, idempotent: true,
		prepare: (*run).arm, fire: (*run).due},
	{name: "execute_refused", by: byTask,
		prepare: func(r *run) {
			r.arm()
			r.must(r.agent.Behave(voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusServiceUnavailable, RetryAfter: new(1), Times: 1}))
		},
		fire: (*run).due},
	{name: "execute_limited", by: byTask,
		prepare: func(r *run) {
			r.arm()
			r.must(r.agent.Behave(voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusTooManyRequests, Times: 1}))
		},
		fire: (*run).due},
	{name: "execute_job", by: byTask, jobAfter: 2 * dispatchAfter,
		prepare: (*run).arm, fire: (*run).due},
	{name: "execute_withdrawn", by: byTask,
		prepare: func(r *run) { r.arm(); r.change(`status = 'cancelled'`) }, fire: (*run).due},
	{name: "execute_early", by: byTask, prepare: (*run).arm, fire: (*run).force},
	{name: "execute_ahead_of_its_update", by: byTask, prepare: (*run).taskAlone, fire: (*run).due},
	{name: "execute_lease_over", by: byTask, claimLost: true,
		prepare: (*run).loseClaim, fire: func(r *run) { r.clock.Jump(10 * time.Second) }},
	{name: "execute_lease_over_idempotent", by: byTask, claimLost: true, idempotent: true,
		prepare: (*run).loseClaim, fire: func(r *run) { r.clock.Jump(10 * time.Second) }},
	{name: "execute_cold", by: byTask, cold: true,
		prepare: (*run).arm, fire: (*run).due},

	{name: "sweep_due", by: byEvent, prepare: func(r *run) { r.book(minute); r.deliver(functiontest.Tick) }},
	{name: "sweep_overdue", by: byEvent, narrow: true, prepare: func(r *run) {
		r.arm()
		r.purge(r.t)
		r.pass(minute + r.rules.Grace + time.Second)
		r.deliver(functiontest.Tick)
	}},
	{name: "sweep_withdrawn", by: byEvent, narrow: true,
		prepare: func(r *run) { r.arm(); r.change(`status = 'cancelled'`); r.deliver(functiontest.Tick) }},
	{name: "sweep_moved", by: byEvent, narrow: true,
		prepare: func(r *run) {
			r.arm()
			r.change(`scheduled_at = scheduled_at + $3::interval`, minute)
			r.deliver(functiontest.Tick)
		}},
	{name: "sweep_lease_over", by: byEvent, claimLost: true,
		prepare: func(r *run) { r.loseClaim(); r.purge(r.t); r.deliver(functiontest.Tick) }},
	{name: "sweep_lease_over_idempotent", by: byEvent, narrow: true, claimLost: true, idempotent: true,
		prepare: func(r *run) { r.loseClaim(); r.purge(r.t); r.deliver(functiontest.Tick) }},
}

// dispatchAfter is how long after it has accepted a call the voice agent's stand-in
// dispatches it.
const dispatchAfter = 50 * time.Millisecond

// isTick: the victim sweeps.
func (s scenario) isTick() bool { return strings.HasPrefix(s.name, "sweep_") }

func (r *run) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("prepare: %v", err)
	}
}

// book has LAD book a follow-up that is due after d, by Dubai's clock.
func (r *run) book(d time.Duration) {
	now := r.now()
	r.ref = r.Insert(r.t, tenantdbtest.Row{ScheduledAt: now.Add(d), Timezone: "GST", CreatedAt: now})
}

// heard has an event handled, as often as it takes.
func (r *run) heard(kind string) {
	err := r.hear(kind, r.ref)
	for again := 0; err != nil && again < 5; again++ {
		err = r.hear(kind, r.ref)
	}
	r.must(err)
}

func (r *run) change(set string, args ...any) { r.must(r.lad(r.ref, set, args...)) }

// deliver leaves an event for the victim.
func (r *run) deliver(kind string) { r.delivered = functiontest.Event(kind, r.ref) }

// arm books a follow-up that is due in a minute, and schedules it.
func (r *run) arm() {
	r.book(minute)
	r.heard(functiontest.Created)
}

// due lets the booking's time come.
func (r *run) due() { r.clock.Jump(minute) }

// force sends the task at once, as a person may do in the console.
func (r *run) force() {
	_, err := r.queue.RunTask(context.Background(), &cloudtaskspb.RunTaskRequest{Name: r.row(r.t, r.ref).Task.Name})
	r.must(err)
}

// taskAlone leaves what an instance leaves that dies between CreateTask and its
// UPDATE.
func (r *run) taskAlone() {
	r.book(minute)
	b := r.row(r.t, r.ref)
	_, err := r.healthy.Tasks.CreateScheduledHTTPTask(context.Background(), b, r.rules.Plan(&b, r.now()).Next)
	r.must(err)
}

// loseClaim leaves what an instance leaves that is cut off after its claim, once
// Cloud Tasks has given it up and the lease is over.
func (r *run) loseClaim() {
	r.arm()
	claimed := make(chan error, 1)
	lost := http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		task := r.row(r.t, r.ref).Task
		ticket := followup.Ticket{Key: task.Key, Revision: task.Revision, TaskName: task.Name}
		_, err := r.DB.Admit(context.Background(), r.ref, r.rules, func(b *followup.Booking, facts followup.Facts, now time.Time) followup.Decision {
			return r.rules.Admit(b, facts, ticket, now)
		})
		claimed <- err
		<-req.Context().Done()
		panic(http.ErrAbortHandler)
	})
	r.takesTask.Store(new(http.Handler(lost)))
	r.due()
	r.must(<-claimed)
	r.clock.Jump(dispatchDeadline)
	r.settle(r.t)
}
