package crash_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/jackc/pgx/v5/pgxpool"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

const (
	minute = time.Minute
	// dispatchDeadline is how long Cloud Tasks waits for an answer, as
	// functiontest's queues say.
	dispatchDeadline = 3 * minute
	// lockTimeout is DB_LOCK_TIMEOUT.
	lockTimeout = 150 * time.Millisecond
	// patience bounds every wait, on a machine that is very busy.
	patience = time.Minute
)

// world is the whole system with a clock of its own, for one case at a time: a
// database, a queue, a voice agent, healthy instances, and a victim.
type world struct {
	*tenantdbtest.Fixture
	clock   *cloudtasks.ManualClock
	rules   followup.Rules
	queue   *cloudtasks.Running
	config  tasks.Config
	agent   *functiontest.Agent
	log     *functiontest.Log
	admin   *pgxpool.Pool // sees who waits for a lock
	url     string        // where Cloud Tasks and Eventarc find the functions
	healthy *functiontest.Functions
	seam    *seam
	victims map[time.Duration]*functiontest.Functions // by how long after a call they ask for its job; made when first needed
	home    testing.TB                                // the test that the world belongs to
	rivals  sync.WaitGroup

	// takesTask and takesEvent get the next of those, once; nil is a healthy
	// instance.
	takesTask, takesEvent atomic.Pointer[http.Handler]
	// dispatched is the task that takesTask got.
	dispatched atomic.Pointer[functiontest.Delivery]
}

// setup is what worlds differ in.
type setup struct {
	idempotent   bool // VOICE_AGENT_IDEMPOTENT
	deduplicates bool // the voice agent does as that says
	realTime     bool // time goes by itself
}

// newWorld makes a world whose instances are in good health. It has a seam, and
// nobody behind it.
func newWorld(t testing.TB, s setup) *world {
	t.Helper()
	start := time.Now().Truncate(time.Second)
	w := &world{home: t, rules: functiontest.Rules(), log: &functiontest.Log{}, seam: &seam{}, victims: map[time.Duration]*functiontest.Functions{}}
	w.rules.ActiveSince = start.Add(-48 * time.Hour)
	w.rules.AgentIdempotent = s.idempotent
	w.rules.Lease, w.rules.Grace = 2*minute, 2*minute
	if s.realTime {
		w.rules.Lease, w.rules.Grace = 2*time.Second, 2*time.Second
	} else {
		w.clock = cloudtasks.NewManualClock(start)
	}
	w.Fixture = tenantdbtest.New(t, func(c *tenantdb.Config) {
		if w.clock != nil {
			c.Clock = func(time.Time) time.Time { return w.clock.Now().Truncate(time.Microsecond) }
		}
		c.MaxConns = 8
		c.LockTimeout = lockTimeout
	})
	var err error
	if w.admin, err = pgxpool.New(context.WithoutCancel(t.Context()), w.AdminURL+"&pool_max_conns=1"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.admin.Close)
	w.keepHistory(t)
	w.agent = functiontest.NewAgent(t, s.deduplicates)
	front := httptest.NewServer(http.HandlerFunc(w.route))
	t.Cleanup(front.Close)
	w.url = front.URL
	w.startQueue(t)
	w.healthy = w.newInstance(t, w.DB, w.config, w.agent.URL, 0, nil)
	return w
}

// now is the time that counts in this world.
func (w *world) now() time.Time {
	if w.clock == nil {
		return time.Now()
	}
	return w.clock.Now()
}

// newVictim starts an instance behind the seam. It is gone when t ends.
func (w *world) newVictim(t testing.TB, jobAfter time.Duration) *functiontest.Functions {
	t.Helper()
	database := w.Config
	throughSeam(t, w.seam)(&database)
	db, err := tenantdb.Open(context.WithoutCancel(t.Context()), database)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // before its proxy
	queue := w.config
	queue.EmulatorHost = tasksThroughSeam(t, w.queue.Server, w.seam)
	return w.newInstance(t, db, queue, agentThroughSeam(t, w.agent.Server, w.seam), jobAfter, w.seam)
}

func (w *world) startQueue(t testing.TB) {
	t.Helper()
	options := functiontest.QueueOptions{
		Options:  cloudtasks.Options{SigningKeys: functiontest.SigningKeys()},
		Endpoint: w.url + "/bookings/:id/execute-followup", Backoff: 5 * time.Second,
	}
	if w.clock == nil {
		options.Backoff = 100 * time.Millisecond
	} else {
		options.Clock = w.clock
	}
	w.queue, w.config = functiontest.StartQueue(t, options)
}

// route hands a request to whoever takes it.
func (w *world) route(rw http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, functiontest.EventsPath) {
		if h := w.takesEvent.Swap(nil); h != nil {
			(*h).ServeHTTP(rw, r)
			return
		}
		w.healthy.Schedule.ServeHTTP(rw, r)
		return
	}
	if h := w.takesTask.Swap(nil); h != nil {
		d, err := keep(r)
		if err != nil {
			return
		}
		w.dispatched.Store(d)
		(*h).ServeHTTP(rw, r)
		return
	}
	w.healthy.Execute.ServeHTTP(rw, r)
}

// lad does to the booking what LAD does: set is the SET clause.
func (w *world) lad(ref followup.Ref, set string, args ...any) error {
	_, err := w.Owner.Exec(context.Background(), `UPDATE `+w.Schema(ref.TenantID)+`.lead_bookings SET `+set+` WHERE tenant_id = $1 AND id = $2`,
		append([]any{ref.TenantID, ref.BookingID}, args...)...)
	if err != nil {
		return fmt.Errorf("as LAD: %w", err)
	}
	return nil
}

// row is the booking as it stands. The short lock timeout can meet an autovacuum
// that cuts the table's empty end off.
func (w *world) row(t testing.TB, ref followup.Ref) followup.Booking {
	t.Helper()
	deadline := time.Now().Add(patience)
	for {
		b, _, err := w.DB.Booking(context.WithoutCancel(t.Context()), ref)
		switch {
		case errors.Is(err, tenantdb.ErrLocked) && time.Now().Before(deadline):
			continue
		case err != nil || b == nil:
			t.Fatalf("read booking %s: %v, %v", ref, b, err)
		}
		return *b
	}
}

// pass lets time go by, and waits for all that Cloud Tasks sends meanwhile.
func (w *world) pass(d time.Duration) { w.clock.Advance(d) }

// settle waits for what is due this moment.
func (w *world) settle(t testing.TB) {
	t.Helper()
	w.clock.Advance(0)
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), patience)
	defer cancel()
	if err := w.queue.WaitIdle(ctx); err != nil {
		t.Fatal(err)
	}
}

// purge loses every task on the queue.
func (w *world) purge(t testing.TB) {
	t.Helper()
	if _, err := w.queue.PurgeQueue(context.WithoutCancel(t.Context()), &cloudtaskspb.PurgeQueueRequest{Name: w.config.QueuePath()}); err != nil {
		t.Fatal(err)
	}
}

// forget makes the world as it was before a case, but for the time.
func (w *world) forget(t testing.TB, ref followup.Ref) {
	t.Helper()
	w.purge(t)
	w.agent.Reset()
	for _, table := range []string{"lead_bookings WHERE id = $1", "crash_history WHERE (b).id = $1"} {
		if _, err := w.Owner.Exec(context.WithoutCancel(t.Context()), "DELETE FROM "+w.Schema(ref.TenantID)+"."+table, ref.BookingID); err != nil {
			t.Fatal(err)
		}
	}
	w.log.Reset()
}

// blocked: somebody waits for a lock.
func (w *world) blocked(ctx context.Context) bool {
	var waits bool
	err := w.admin.QueryRow(ctx, `SELECT EXISTS (SELECT FROM pg_stat_activity
		WHERE datname = current_database() AND wait_event_type = 'Lock')`).Scan(&waits)
	return err == nil && waits
}

var errHanging = errors.New("it does not end")

// within waits for a channel to be closed.
func within(what string, done <-chan struct{}) error {
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return fmt.Errorf("%s: %w", what, errHanging)
	}
}
