package wire_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/functions/execute"
	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/logging"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

const (
	// callTimeout is VOICE_AGENT_TIMEOUT: long, as the machine may be busy.
	callTimeout = 15 * time.Second
	// patience bounds every wait.
	patience = 2 * time.Minute
)

// What the functions talk to.
const (
	database   = "database"
	taskQueue  = "Cloud Tasks"
	voiceAgent = "voice agent"
)

var targets = []string{database, taskQueue, voiceAgent}

// world is the functions, and a proxy before each thing that they talk to.
type world struct {
	schema   string
	owner    *pgxpool.Pool // past the proxy
	rules    followup.Rules
	agent    *functiontest.Agent
	queue    *cloudtasks.Running
	db       *tenantdb.DB
	schedule *schedule.Handler
	execute  atomic.Pointer[execute.Handler]
	tasks    tasks.Config
	log      *slog.Logger
	proxies  map[string]*proxy
	clock    cloudtasks.Clock // the one that counts
}

// setup is what worlds differ in.
type setup struct {
	skew     time.Duration // of the database's and the queue's clock against this machine's
	timeline uint32        // FOLLOWUP_TIMELINE
	paused   followup.Pause
	log      io.Writer // nil: nobody reads it
}

// newWorld makes a world on a database of its own on the server of all tests.
func newWorld(t *testing.T, s setup) *world {
	t.Helper()
	f := tenantdbtest.New(t)
	return startWorld(t, s, f.Config, f.Owner)
}

// startWorld starts the functions on a database, LAD's tables in which owner
// owns.
func startWorld(t *testing.T, s setup, config tenantdb.Config, owner *pgxpool.Pool) *world {
	t.Helper()
	w := &world{schema: config.Schema, owner: owner, rules: functiontest.Rules(), clock: skewed(s.skew), proxies: map[string]*proxy{}}
	w.rules.ActiveSince = w.clock.Now().Add(-48 * time.Hour)
	w.rules.Lease, w.rules.Grace = callTimeout+5*time.Second, 2*time.Second
	w.rules.Paused = s.paused
	w.log = slog.New(slog.DiscardHandler)
	if s.log != nil {
		w.log = logging.New(s.log, logging.Options{})
	}

	target, err := url.Parse(config.URL.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	target.Host = w.throughProxy(t, database, target.Host)
	config.URL = settings.NewSecret(target.String())
	config.Timeline = s.timeline
	config.MaxConns, config.LockTimeout, config.StatementTimeout = 8, time.Second, 5*time.Second
	if s.skew != 0 {
		config.Clock = func(database time.Time) time.Time { return database.Add(s.skew) }
	}
	if w.db, err = tenantdb.Open(context.WithoutCancel(t.Context()), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = w.db.Close() })
	w.agent = functiontest.NewAgent(t, false)
	front := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.execute.Load().ServeHTTP(rw, r) }))
	t.Cleanup(front.Close)
	w.queue, w.tasks = functiontest.StartQueue(t, functiontest.QueueOptions{
		Options:  cloudtasks.Options{Clock: w.clock, SigningKeys: functiontest.SigningKeys()},
		Endpoint: front.URL + "/bookings/:id/execute-followup", Backoff: 100 * time.Millisecond,
	})
	w.tasks.EmulatorHost = w.throughProxy(t, taskQueue, w.queue.Addr)
	w.startFunctions(t)
	return w
}

func (w *world) throughProxy(t *testing.T, target, host string) (address string) {
	t.Helper()
	w.proxies[target] = newProxy(t, host)
	return w.proxies[target].address
}

// startFunctions starts the functions, in the place of those that ran before.
func (w *world) startFunctions(t *testing.T) {
	t.Helper()
	f := functiontest.Start(t, functiontest.Parts{
		Rules: w.rules, Store: w.db, Tasks: w.tasks, CallTimeout: callTimeout, Log: w.log,
		AgentURL: "http://" + w.throughProxy(t, voiceAgent, strings.TrimPrefix(w.agent.URL, "http://")),
	})
	w.schedule = f.Schedule
	w.execute.Store(f.Execute)
}

// skewed is a clock that is ahead of this machine's.
type skewed time.Duration

func (s skewed) Now() time.Time { return time.Now().Add(time.Duration(s)) }

func (s skewed) AfterFunc(at time.Time, f func()) func() {
	timer := time.AfterFunc(at.Sub(s.Now()), f)
	return func() { timer.Stop() }
}

// sweeping sweeps all the time, until the function that it returns is called.
func (w *world) sweeping() (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var sweeper sync.WaitGroup
	sweeper.Go(func() {
		tick := time.NewTicker(300 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				once, done := context.WithTimeout(ctx, 5*time.Second)
				w.schedule.Sweep(once)
				done()
			}
		}
	})
	return func() { cancel(); sweeper.Wait() }
}

// rows are all bookings as they stand. The database may be away for a while.
func (w *world) rows(t *testing.T, refs []followup.Ref) []followup.Booking {
	t.Helper()
	all := make([]followup.Booking, 0, len(refs))
	for _, ref := range refs {
		eventually(t, fmt.Sprintf("read booking %s", ref), func() error {
			b, _, err := w.db.On(0).Booking(context.Background(), ref)
			if err == nil {
				all = append(all, *b)
			}
			return err
		})
	}
	return all
}

// eventually waits until try succeeds.
func eventually(t *testing.T, what string, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s: %v", what, err)
		}
	}
}
