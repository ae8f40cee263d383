package lifecycle_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/functions/execute"
	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// world is the system with a clock of its own: the real handlers, Postgres and
// clients, and stand-ins that speak the real protocols. Nothing happens in it by
// itself but what Cloud Tasks dispatches when the clock moves.
type world struct {
	*tenantdbtest.Fixture
	t          *testing.T
	clock      *cloudtasks.ManualClock
	rules      followup.Rules
	queue      *cloudtasks.Running
	config     tasks.Config
	tasks      *tasks.Client
	agent      *functiontest.Agent
	store      functiontest.Store // the functions'
	schedule   *schedule.Handler
	reconciler *reconcile.Reconciler
	log        *functiontest.Log
	execute    atomic.Pointer[execute.Handler]
}

// option changes the rules or the repository of a world before it is made.
type option func(*followup.Rules, *[]tenantdbtest.Option)

func inRegistryMode(_ *followup.Rules, o *[]tenantdbtest.Option) {
	*o = append(*o, tenantdbtest.WithRegistry())
}

func newWorld(t *testing.T, options ...option) *world {
	t.Helper()
	start := time.Now().Truncate(time.Second)
	w := &world{t: t, clock: cloudtasks.NewManualClock(start), rules: functiontest.Rules(), log: &functiontest.Log{}}
	repository := []tenantdbtest.Option{func(c *tenantdb.Config) {
		c.Clock = func(time.Time) time.Time { return w.clock.Now().Truncate(time.Microsecond) }
		c.MaxConns = 8
	}}
	w.rules.ActiveSince = start.Add(-48 * time.Hour)
	for _, o := range options {
		o(&w.rules, &repository)
	}
	w.Fixture = tenantdbtest.New(t, repository...)
	w.store = w.DB
	w.agent = functiontest.NewAgent(t, w.rules.AgentIdempotent)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.execute.Load().ServeHTTP(rw, r) }))
	t.Cleanup(front.Close)
	w.queue, w.config = functiontest.StartQueue(t, functiontest.QueueOptions{
		Endpoint: front.URL + "/bookings/:id/execute-followup", Options: cloudtasks.Options{Clock: w.clock, SigningKeys: functiontest.SigningKeys()}, Backoff: 5 * time.Second,
		RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 10, MaxConcurrentDispatches: 10},
	})
	w.startFunctions(w.rules)
	return w
}

// startFunctions starts both functions with these rules. Called again, it is a
// new deployment: the old tasks come to the new functions.
func (w *world) startFunctions(rules followup.Rules) {
	w.t.Helper()
	w.rules = rules
	f := functiontest.Start(w.t, functiontest.Parts{
		Rules: rules, Store: w.store, Tasks: w.config, AgentURL: w.agent.URL, CallTimeout: 2 * time.Second, Log: w.log.Logger(),
	})
	w.tasks, w.schedule, w.reconciler = f.Tasks, f.Schedule, f.Reconciler
	w.execute.Store(f.Execute)
}

// book inserts a live follow-up of tenant A that is due after d, as LAD does, at
// the world's time and without any event.
func (w *world) book(d time.Duration) followup.Ref {
	w.t.Helper()
	return w.Insert(w.t, tenantdbtest.Row{ScheduledAt: w.clock.Now().Add(d), CreatedAt: w.clock.Now()})
}

// event is what ScheduleFollowUp does when LAD publishes something about the
// booking.
func (w *world) event(ref followup.Ref) followup.Decision {
	w.t.Helper()
	d, err := w.reconciler.Booking(w.t.Context(), ref)
	if err != nil {
		w.t.Fatal(err)
	}
	return d
}

// lad does to the booking what LAD does, without an event: set is the SET clause.
func (w *world) lad(ref followup.Ref, set string, args ...any) {
	w.t.Helper()
	rows := w.LAD(w.t, ref.TenantID, `UPDATE lead_bookings SET `+set+` WHERE tenant_id = $1 AND id = $2`,
		append([]any{ref.TenantID, ref.BookingID}, args...)...)
	if rows != 1 {
		w.t.Fatalf("LAD has %d bookings %s", rows, ref)
	}
}

// moveTo reschedules a booking whose timezone is UTC, as book's are.
func (w *world) moveTo(ref followup.Ref, at time.Time) {
	w.t.Helper()
	w.lad(ref, `scheduled_at = $3`, at.UTC())
}

// pass lets time go by, with a sweep after every step, and one at its end.
func (w *world) pass(d, step time.Duration) {
	w.t.Helper()
	for ; d > 0; d -= step {
		w.clock.Advance(min(step, d))
		w.sweep()
	}
	w.settle()
}

// sweep sweeps once, now, and waits for what it set off.
func (w *world) sweep() schedule.Swept {
	w.t.Helper()
	swept := w.schedule.Sweep(w.t.Context())
	if swept.Broken > 0 || swept.Failed > 0 {
		w.t.Fatalf("the sweep failed: %+v\n%s", swept, w.log)
	}
	w.settle()
	return swept
}

// settle dispatches what is due this moment and waits for its answers.
func (w *world) settle() {
	w.t.Helper()
	w.clock.Advance(0)
	ctx, cancel := context.WithTimeout(w.t.Context(), 20*time.Second)
	defer cancel()
	if err := w.queue.WaitIdle(ctx); err != nil {
		w.t.Fatal(err)
	}
}

// row is the booking as it stands.
func (w *world) row(ref followup.Ref) followup.Booking {
	w.t.Helper()
	b, _, err := w.DB.Booking(w.t.Context(), ref)
	if err != nil || b == nil {
		w.t.Fatalf("read booking %s: %v, %v", ref, b, err)
	}
	return *b
}

// calls is how often the lead was rung.
func (w *world) calls(ref followup.Ref) int { return len(w.agent.Calls(ref.BookingID.String())) }

// want fails the test unless the booking is at status for reason and its lead
// was rung so many times.
func (w *world) want(ref followup.Ref, status followup.TaskStatus, reason followup.Reason, calls int) {
	w.t.Helper()
	b := w.row(ref)
	if b.Task.Status != status || b.Task.Reason != reason || w.calls(ref) != calls {
		w.t.Fatalf("the booking is %s/%s with %d calls, want %s/%s with %d\nrow: %+v\nlog:\n%s",
			b.Task.Status, b.Task.Reason, w.calls(ref), status, reason, calls, b.Task, w.log)
	}
}

// purge loses every task on the queue.
func (w *world) purge() {
	w.t.Helper()
	if _, err := w.queue.PurgeQueue(w.t.Context(), &cloudtaskspb.PurgeQueueRequest{Name: w.config.QueuePath()}); err != nil {
		w.t.Fatal(err)
	}
}

// queued are the names of the tasks on the queue.
func (w *world) queued() []string {
	w.t.Helper()
	page, err := w.queue.ListTasks(w.t.Context(), &cloudtaskspb.ListTasksRequest{Parent: w.config.QueuePath(), PageSize: 1000})
	if err != nil {
		w.t.Fatal(err)
	}
	names := make([]string, 0, len(page.GetTasks()))
	for _, task := range page.GetTasks() {
		names = append(names, task.GetName())
	}
	return names
}
