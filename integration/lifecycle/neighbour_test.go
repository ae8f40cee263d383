package lifecycle_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// neighbours are two tenants of one database, queue and pair of functions, in real time.
type neighbours struct {
	*functiontest.Database
	queue    *functiontest.Tasks
	agent    *functiontest.Agent
	schedule *schedule.Handler
}

func newNeighbours(t *testing.T) *neighbours {
	t.Helper()
	n := &neighbours{Database: functiontest.NewDatabase(t), agent: functiontest.NewAgent(t, false)}
	var handler http.Handler
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(server.Close)
	n.queue = functiontest.NewTasks(t, server.URL+"/bookings/:id/execute-followup")
	_, err := n.queue.UpdateQueue(t.Context(), &cloudtaskspb.UpdateQueueRequest{
		Queue: &cloudtaskspb.Queue{Name: n.queue.Config.QueuePath(), RetryConfig: &cloudtaskspb.RetryConfig{
			MaxAttempts: -1, MinBackoff: durationpb.New(5 * time.Second), MaxBackoff: durationpb.New(2 * time.Minute), MaxDoublings: 5}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"retry_config"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	f := functiontest.Start(t, functiontest.Parts{
		Rules: functiontest.Rules(), Store: n.DB, Tasks: n.queue.Config, AgentURL: n.agent.URL,
		CallTimeout: 5 * time.Second, Log: (&functiontest.Log{}).Logger(),
	})
	handler, n.schedule = f.Execute, f.Schedule
	return n
}

// book inserts bookings of tenant, a fiftieth of a second apart.
func (n *neighbours) book(t *testing.T, tenant uuid.UUID, count int, first time.Time) []followup.Ref {
	t.Helper()
	rows := make([]tenantdbtest.Row, count)
	for i := range rows {
		rows[i] = tenantdbtest.Row{ScheduledAt: first.Add(time.Duration(i) * 20 * time.Millisecond)}
	}
	return n.InsertAll(t, tenant, rows)
}

func (n *neighbours) called(ref followup.Ref) int { return len(n.agent.Calls(ref.BookingID.String())) }

func (n *neighbours) allCalled(refs []followup.Ref) bool {
	return !slices.ContainsFunc(refs, func(ref followup.Ref) bool { return n.called(ref) == 0 })
}

// lag is the 95th percentile of how late these were called.
func (n *neighbours) lag(refs []followup.Ref) time.Duration {
	var lags []time.Duration
	for _, ref := range refs {
		lags = append(lags, n.agent.Calls(ref.BookingID.String())[0].At.Sub(n.Row(ref).ScheduledAt))
	}
	slices.Sort(lags)
	return lags[len(lags)*95/100]
}

// One tenant's rows, locked by a bulk update of LAD's, hold up no other tenant's call,
// and are called once themselves when the update is over. FOLLOWUP_BIG=1 locks 300.
func TestNeighbour(t *testing.T) {
	t.Parallel()
	n := newNeighbours(t)
	n.queue.Resume()
	round := func(locked int) time.Duration {
		var bulk, others []followup.Ref
		var release func()
		for lead := 4 * time.Second; ; lead *= 2 { // until the rows are locked before the first is due
			first := time.Now().Add(lead)
			bulk, others = n.book(t, functiontest.TenantA, locked, first), n.book(t, functiontest.TenantB, 40, first)
			if swept := n.schedule.Sweep(t.Context()); swept.Failed+swept.Broken > 0 {
				t.Fatalf("the sweep failed: %+v", swept)
			}
			release = n.Lock(bulk...)
			if time.Now().Before(first.Add(-followup.Earliness)) {
				break
			}
			release()
		}
		defer release()
		functiontest.Eventually(t, "the other tenant's calls are made, locks or not", func() bool { return n.allCalled(others) })
		for _, ref := range bulk {
			if n.called(ref) > 0 {
				t.Fatalf("%s was called behind its lock", ref)
			}
		}
		release()
		functiontest.Eventually(t, "the calls of the bulk are made", func() bool { return n.allCalled(bulk) })
		for _, ref := range append(bulk, others...) {
			if n.called(ref) != 1 {
				t.Errorf("%s was called %d times", ref, n.called(ref))
			}
		}
		return n.lag(others)
	}
	locked := 60
	if os.Getenv("FOLLOWUP_BIG") != "" {
		locked = 300
	}
	alone, beside := round(0), round(locked)
	t.Logf("the other tenant's p95 lag: %v alone, %v beside %d locked rows that are due (%.1f times)", alone, beside, locked, float64(beside)/float64(alone))
}

// Locked rows at the head of a sweep hold up nothing behind them.
func TestNeighbour_sweep(t *testing.T) {
	t.Parallel()
	n := newNeighbours(t)
	soon := time.Now().Add(time.Hour)
	locked := n.book(t, functiontest.TenantA, 30, soon)
	behind := append(n.book(t, functiontest.TenantA, 20, soon.Add(time.Hour)), n.book(t, functiontest.TenantB, 20, soon)...)
	release := n.Lock(locked...)
	defer release()
	start := time.Now()
	swept := n.schedule.Sweep(t.Context())
	t.Logf("a sweep over 30 locked rows and 40 others took %v: %+v", time.Since(start), swept)
	for _, ref := range behind {
		if row := n.Row(ref); row.Task.Status != followup.Scheduled {
			t.Errorf("%s, behind the locked rows, is %s", ref, row.Task.Status)
		}
	}
	release()
	n.schedule.Sweep(t.Context())
	for _, ref := range locked {
		if row := n.Row(ref); row.Task.Status != followup.Scheduled {
			t.Errorf("%s, whose lock is gone, is %s", ref, row.Task.Status)
		}
	}
}
