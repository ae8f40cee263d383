package functiontest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/protobuf/types/known/durationpb"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/functions/execute"
	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

// QueueOptions are what queues differ in.
type QueueOptions struct {
	cloudtasks.Options
	Endpoint   string        // of the tasks
	Backoff    time.Duration // before a task is sent again, at first
	RateLimits *cloudtaskspb.RateLimits
}

// StartQueue starts a Cloud Tasks server with the functions' queue.
func StartQueue(t testing.TB, o QueueOptions) (*cloudtasks.Running, tasks.Config) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	server, err := cloudtasks.Start(ctx, o.Options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	config := tasks.Config{
		ProjectID: "p", Location: "l", Queue: Queue, ServiceAccount: Account,
		Endpoint: o.Endpoint, Audience: Audience, DispatchDeadline: 3 * time.Minute, EmulatorHost: server.Addr,
	}
	queue := &cloudtaskspb.Queue{Name: config.QueuePath(), RateLimits: o.RateLimits}
	if o.Backoff > 0 {
		queue.RetryConfig = &cloudtaskspb.RetryConfig{
			MaxAttempts: -1, MinBackoff: durationpb.New(o.Backoff), MaxBackoff: durationpb.New(12 * o.Backoff), MaxDoublings: 5,
		}
	}
	if _, err := server.CreateQueue(ctx, queue); err != nil {
		t.Fatal(err)
	}
	return server, config
}

// SigningKeys spare every server from making its own. They are short: nobody here
// breaks a signature, and each dispatch makes one.
var SigningKeys = sync.OnceValue(func() []*rsa.PrivateKey {
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

// Store is the database of both functions.
type Store interface {
	schedule.Store
	execute.Store
}

// Parts are what the functions are made of.
type Parts struct {
	Rules       followup.Rules
	Store       Store
	Tasks       tasks.Config
	AgentURL    string
	CallTimeout time.Duration
	JobAfter    time.Duration
	Log         *slog.Logger
	// Queue and Agent stand between the functions and the real clients, if they are
	// set.
	Queue func(reconcile.Queue) reconcile.Queue
	Agent func(execute.Agent) execute.Agent
}

// Functions are one instance of each.
type Functions struct {
	Schedule   *schedule.Handler
	Execute    *execute.Handler
	Reconciler *reconcile.Reconciler
	Tasks      *tasks.Client
}

// Start starts both functions. Any token opens the gate: its check has tests of its
// own, and where the clock is a virtual one, a token's times are none.
func Start(t testing.TB, p Parts) Functions {
	t.Helper()
	client, err := tasks.New(context.WithoutCancel(t.Context()), p.Tasks)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	f := Functions{Tasks: client}
	var queue reconcile.Queue = client
	if p.Queue != nil {
		queue = p.Queue(queue)
	}
	var agent execute.Agent = Client(t, p.AgentURL, p.CallTimeout)
	if p.Agent != nil {
		agent = p.Agent(agent)
	}
	if f.Schedule, err = schedule.New(p.Rules, p.Store, queue, p.Log); err != nil {
		t.Fatal(err)
	}
	if f.Reconciler, err = reconcile.New(p.Rules, p.Store, queue, p.Log); err != nil {
		t.Fatal(err)
	}
	f.Execute, err = execute.New(execute.Parts{
		Rules: p.Rules, Store: p.Store, Queue: queue, Agent: agent, Verifier: anyToken{},
		QueueName: p.Tasks.Queue, TaskPath: p.Tasks.TaskPath, CallTimeout: p.CallTimeout, JobAfter: p.JobAfter, Log: p.Log,
	})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

type anyToken struct{}

func (anyToken) Verify(_ context.Context, token string) error {
	if token == "" {
		return errors.New("no token")
	}
	return nil
}

// The messages on the topic.
const (
	Created   = "booking.created"
	Updated   = "booking.updated"
	Cancelled = "booking.cancelled"
	Tick      = "followup.sweep"
)

// EventsPath is where Pub/Sub pushes to.
const EventsPath = "/events"

// Delivery is a request of Cloud Tasks or of Pub/Sub, which may come any number of
// times.
type Delivery struct {
	Path   string
	Header http.Header
	Body   []byte
}

// Event is what Pub/Sub pushes about a booking, or as a tick.
func Event(kind string, ref followup.Ref) Delivery {
	data, err := json.Marshal(map[string]string{"type": kind, "tenantId": ref.TenantID.String(), "bookingId": ref.BookingID.String()})
	if err == nil {
		data, err = json.Marshal(map[string]any{"subscription": "s", "message": map[string]any{"data": data, "messageId": "m"}})
	}
	if err != nil {
		panic(err) // nothing in it cannot be marshalled
	}
	return Delivery{Path: EventsPath, Header: http.Header{"Content-Type": {"application/json"}}, Body: data}
}

// To delivers it to a handler and returns the answer's status.
func (d Delivery) To(h http.Handler) int {
	r := httptest.NewRequestWithContext(context.Background(), http.MethodPost, d.Path, bytes.NewReader(d.Body))
	r.Header = d.Header.Clone()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, r)
	return answer.Code
}
