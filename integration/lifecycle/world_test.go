package lifecycle_test

import (
	"context"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/types/known/durationpb"

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
	store      execute.Store // the execute function's
	schedule   *schedule.Handler
	reconciler *reconcile.Reconciler
	log        *functiontest.Log
	router     *switchable
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
	w.startQueue()
	w.startFunctions(w.rules)
	return w
}

func (w *world) startQueue() {
	w.t.Helper()
	server, err := cloudtasks.Start(context.WithoutCancel(w.t.Context()), cloudtasks.Options{Clock: w.clock})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(server.Close)
	w.queue = server
	w.config = tasks.Config{
		ProjectID: "p", Location: "l", Queue: functiontest.Queue, ServiceAccount: functiontest.Account,
		Audience: functiontest.Audience, DispatchDeadline: 3 * time.Minute, EmulatorHost: server.Addr,
	}
	_, err = server.CreateQueue(w.t.Context(), &cloudtaskspb.Queue{
		Name:       w.config.QueuePath(),
		RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 10, MaxConcurrentDispatches: 10},
		RetryConfig: &cloudtaskspb.RetryConfig{
			MaxAttempts: -1, MinBackoff: durationpb.New(5 * time.Second), MaxBackoff: durationpb.New(2 * time.Minute), MaxDoublings: 5,
		},
	})
	if err != nil {
		w.t.Fatal(err)
	}
}

// timeless stands in for the gate's check of tokens, whose times are those of
// the virtual clock. The gate has tests of its own, with real tokens.
type timeless struct{}

func (timeless) Verify(_ context.Context, token string) error {
	if token == "" {
		return errors.New("no token")
	}
	return nil
}

// startFunctions starts both functions with these rules. Called again, it is a
// new deployment: the old tasks come to the new functions.
func (w *world) startFunctions(rules followup.Rules) {
	w.t.Helper()
	w.rules = rules
	log := w.log.Logger()
	if w.router == nil {
		w.router = &switchable{}
		server := httptest.NewServer(w.router)
		w.t.Cleanup(server.Close)
		w.config.Endpoint = server.URL + "/bookings/:id/execute-followup"
	}
	client, err := tasks.New(w.t.Context(), w.config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = client.Close() })
	w.tasks = client
	w.schedule, err = schedule.New(rules, w.DB, client, log)
	if err != nil {
		w.t.Fatal(err)
	}
	if w.reconciler, err = reconcile.New(rules, w.DB, client, log); err != nil {
		w.t.Fatal(err)
	}
	handler, err := execute.New(execute.Parts{
		Rules: rules, Store: w.store, Queue: client, Agent: functiontest.Client(w.t, w.agent.URL, 2*time.Second),
		Verifier: timeless{}, QueueName: w.config.Queue, TaskPath: w.config.TaskPath,
		CallTimeout: 2 * time.Second, Log: log,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.router.set(handler)
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
