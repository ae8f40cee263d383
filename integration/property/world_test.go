package property_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
	"lad.internal/followup/pkg/voiceagent"
)

// patience bounds every wait, on a machine that is very busy.
const patience = time.Minute

var tenants = []uuid.UUID{functiontest.TenantA, functiontest.TenantB}

// world is the whole system with a clock of its own, for one run after another:
// what is dear to set up stays, what a run has left is taken away.
type world struct {
	*tenantdbtest.Fixture
	clock  *cloudtasks.ManualClock
	rules  followup.Rules
	queue  *cloudtasks.Running
	config tasks.Config
	agent  *agent
	functiontest.Functions
	log   *functiontest.Log
	leads []uuid.UUID // of a run's bookings, in their order
	begun int         // runs

	// copies is how often the next dispatch goes out, unless that is once.
	copies atomic.Int32

	mu      sync.Mutex
	created []*delivery // every task that a run has seen, to be delivered again
}

func newWorld(t *testing.T, idempotent bool) *world {
	t.Helper()
	start := time.Now().Truncate(time.Second)
	w := &world{clock: cloudtasks.NewManualClock(start), rules: functiontest.Rules(), log: &functiontest.Log{}}
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
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.Execute.ServeHTTP(rw, r) }))
	t.Cleanup(front.Close)
	w.queue, w.config = functiontest.StartQueue(t, functiontest.QueueOptions{
		Options: cloudtasks.Options{
			Clock: w.clock, SigningKeys: functiontest.SigningKeys(),
			Deliveries: func(*cloudtaskspb.Task) int { return int(w.copies.Swap(1)) },
		},
		Endpoint: front.URL + "/bookings/:id/execute-followup", Backoff: 5 * time.Second,
	})
	w.Functions = functiontest.Start(t, functiontest.Parts{
		Rules: w.rules, Store: w.DB, Tasks: w.config, AgentURL: w.agent.url, CallTimeout: voiceagent.MinTimeout * 30, Log: w.log.Logger(),
		Queue: func(q reconcile.Queue) reconcile.Queue { return watchedQueue{q, w} },
	})
	return w
}

// now is the time that counts, as exact as PostgreSQL keeps it.
func (w *world) now() time.Time { return w.clock.Now().Truncate(time.Microsecond) }

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
