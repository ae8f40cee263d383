package property_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/functions/execute"
	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
	"lad.internal/followup/pkg/voiceagent"
)

const (
	dispatchDeadline = 3 * time.Minute
	// patience bounds every wait, on a machine that is very busy.
	patience = time.Minute
)

var tenants = []uuid.UUID{functiontest.TenantA, functiontest.TenantB}

// world is the whole system with a clock of its own, for one run after another:
// what is dear to set up stays, what a run has left is taken away.
type world struct {
	*tenantdbtest.Fixture
	clock      *cloudtasks.ManualClock
	rules      followup.Rules
	queue      *cloudtasks.Running
	config     tasks.Config
	client     *tasks.Client
	agent      *agent
	schedule   *schedule.Handler
	execute    *execute.Handler
	reconciler *reconcile.Reconciler
	log        *runLog
	leads      []uuid.UUID // of a run's bookings, in their order
	begun      int         // runs

	// copies is how often the next dispatch goes out, unless that is once.
	copies atomic.Int32

	mu      sync.Mutex
	created []*delivery // every task that a run has seen, to be delivered again
}

// signingKeys are short, since nobody here looks at a signature and each dispatch
// makes one.
var signingKeys = sync.OnceValue(func() []*rsa.PrivateKey {
	keys := make([]*rsa.PrivateKey, 2)
	for i := range keys {
		key, err := rsa.GenerateKey(rand.Reader, 1024) //nolint:gosec // see above
		if err != nil {
			panic(err)
		}
		keys[i] = key
	}
	return keys
})

func newWorld(t *testing.T, idempotent bool) *world {
	t.Helper()
	start := time.Now().Truncate(time.Second)
	w := &world{clock: cloudtasks.NewManualClock(start), rules: functiontest.Rules(), log: &runLog{}}
	w.rules.ActiveSince = start.Add(-48 * time.Hour)
	w.rules.Horizon = 3 * time.Hour
	w.rules.Lease, w.rules.Grace = 2*time.Minute, 2*time.Minute
	w.rules.AgentIdempotent = idempotent
	w.Fixture = tenantdbtest.New(t, func(c *tenantdb.Config) {
		c.Clock = func(time.Time) time.Time { return w.now() }
		c.MaxConns = 8
	})
	for i := range maxBookings {
		tenant, lead := tenants[i%len(tenants)], uuid.New()
		w.LAD(t, tenant, `INSERT INTO users (id, tenant_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, tenantdbtest.User(tenant), tenant)
		w.LAD(t, tenant, `INSERT INTO leads (id, tenant_id, first_name, last_name, phone, assigned_user_id)
			VALUES ($1, $2, 'Ada', 'Lovelace', '+4915112345678', $3)`, lead, tenant, tenantdbtest.User(tenant))
		w.leads = append(w.leads, lead)
	}
	w.agent = newAgent(t, w.now, idempotent)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.execute.ServeHTTP(rw, r) }))
	t.Cleanup(front.Close)
	w.startQueue(t, front.URL)
	w.startFunctions(t)
	return w
}

// now is the time that counts, as exact as PostgreSQL keeps it.
func (w *world) now() time.Time { return w.clock.Now().Truncate(time.Microsecond) }

func (w *world) startQueue(t *testing.T, endpoint string) {
	t.Helper()
	server, err := cloudtasks.Start(context.WithoutCancel(t.Context()), cloudtasks.Options{
		Clock: w.clock, SigningKeys: signingKeys(),
		Deliveries: func(*cloudtaskspb.Task) int { return int(w.copies.Swap(1)) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	w.queue = server
	w.config = tasks.Config{
		ProjectID: "p", Location: "l", Queue: functiontest.Queue, ServiceAccount: functiontest.Account,
		Audience: functiontest.Audience, DispatchDeadline: dispatchDeadline, EmulatorHost: server.Addr, Endpoint: endpoint + "/bookings/:id/execute-followup",
	}
	_, err = server.CreateQueue(t.Context(), &cloudtaskspb.Queue{
		Name: w.config.QueuePath(),
		RetryConfig: &cloudtaskspb.RetryConfig{
			MaxAttempts: -1, MinBackoff: durationpb.New(5 * time.Second), MaxBackoff: durationpb.New(time.Minute), MaxDoublings: 5,
		},
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (w *world) startFunctions(t *testing.T) {
	t.Helper()
	client, err := tasks.New(context.WithoutCancel(t.Context()), w.config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	w.client = client
	queue, log := watchedQueue{client, w}, w.log.Logger()
	if w.schedule, err = schedule.New(w.rules, w.DB, queue, log); err != nil {
		t.Fatal(err)
	}
	if w.reconciler, err = reconcile.New(w.rules, w.DB, queue, log); err != nil {
		t.Fatal(err)
	}
	w.execute, err = execute.New(execute.Parts{
		Rules: w.rules, Store: w.DB, Queue: queue, Verifier: timeless{},
		Agent:     functiontest.Client(t, w.agent.url, voiceagent.MinTimeout*30),
		QueueName: w.config.Queue, TaskPath: w.config.TaskPath, CallTimeout: voiceagent.MinTimeout * 30, Log: log,
	})
	if err != nil {
		t.Fatal(err)
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

// watchedQueue notes every task that comes to be.
type watchedQueue struct {
	reconcile.Queue
	w *world
}

func (q watchedQueue) CreateScheduledHTTPTask(ctx context.Context, b followup.Booking, next followup.Task) (string, error) {
	name, err := q.Queue.CreateScheduledHTTPTask(ctx, b, next)
	if err != nil {
		return name, err
	}
	d, err := taskDelivery(name, b, next)
	if err != nil {
		return name, err
	}
	q.w.mu.Lock()
	defer q.w.mu.Unlock()
	q.w.created = append(q.w.created, d)
	return name, nil
}

// truncateEvery is how many runs may leave their dead rows behind.
const truncateEvery = 200

// clear takes away what the last run has left: tasks, rows, calls. Both tenants
// share a schema: to change schemas at every step has PostgreSQL plan anew.
func (w *world) clear() error {
	ctx := context.Background()
	w.copies.Store(1)
	if _, err := w.queue.PurgeQueue(ctx, &cloudtaskspb.PurgeQueueRequest{Name: w.config.QueuePath()}); err != nil {
		return err
	}
	remove := "DELETE FROM "
	if w.begun++; w.begun%truncateEvery == 0 {
		remove = "TRUNCATE "
	}
	if _, err := w.Owner.Exec(ctx, remove+tenantdbtest.SharedSchema+".lead_bookings"); err != nil {
		return err
	}
	w.mu.Lock()
	w.created = nil
	w.mu.Unlock()
	w.log.Reset()
	return w.agent.forget()
}

// tasks are all that this run has seen created.
func (w *world) tasks() []*delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]*delivery(nil), w.created...)
}
