package cloudtasks_test

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	gcp "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"go.uber.org/goleak"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lad.internal/followup/emulators/cloudtasks"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	location = "projects/p/locations/l"
	queueID  = "q"
	queue    = location + "/queues/" + queueID
	account  = "caller@p.iam.gserviceaccount.com"
)

// start is a whole second, so that what is truncated to seconds compares equal.
var start = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

// keys are shared by all tests: generating them is slow.
var keys = sync.OnceValue(func() []*rsa.PrivateKey {
	ks := make([]*rsa.PrivateKey, 3)
	for i := range ks {
		var err error
		if ks[i], err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
			panic(err)
		}
	}
	return ks
})

// fixture is a server on a manual clock, the real client, one queue, and a worker.
type fixture struct {
	*cloudtasks.Running
	t      *testing.T
	ctx    context.Context
	clock  *cloudtasks.ManualClock
	client *gcp.Client
	worker *worker

	mu       sync.Mutex
	attempts []cloudtasks.Attempt
}

func newFixture(t *testing.T, change ...func(*cloudtasks.Options)) *fixture {
	t.Helper()
	f := &fixture{t: t, ctx: t.Context(), clock: cloudtasks.NewManualClock(start), worker: newWorker(t)}
	o := cloudtasks.Options{Clock: f.clock, SigningKeys: keys(), OnAttempt: func(a cloudtasks.Attempt) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.attempts = append(f.attempts, a)
	}}
	for _, c := range change {
		c(&o)
	}
	var err error
	// Not t.Context(): that one ends before the cleanups, and with it the server.
	if f.Running, err = cloudtasks.Start(context.WithoutCancel(f.ctx), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.Close)
	f.client = newClient(t, f.Addr)
	if _, err := f.CreateQueue(f.ctx, &cloudtaskspb.Queue{Name: queue}); err != nil {
		t.Fatal(err)
	}
	return f
}

func newClient(t *testing.T, addr string) *gcp.Client {
	t.Helper()
	c, err := gcp.NewClient(t.Context(), option.WithEndpoint(addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// settings replaces the queue's configuration.
func (f *fixture) settings(q *cloudtaskspb.Queue) {
	f.t.Helper()
	q.Name = queue
	if _, err := f.client.UpdateQueue(f.ctx, &cloudtaskspb.UpdateQueueRequest{Queue: q}); err != nil {
		f.t.Fatal(err)
	}
}

// task returns a task for the worker, changed as told.
func (f *fixture) task(id string, change ...func(*cloudtaskspb.Task)) *cloudtaskspb.Task {
	t := &cloudtaskspb.Task{MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
		Url: f.worker.URL + "/handle", Body: []byte("hello"),
	}}}
	if id != "" {
		t.Name = queue + "/tasks/" + id
	}
	for _, c := range change {
		c(t)
	}
	return t
}

func (f *fixture) create(t *cloudtaskspb.Task) (*cloudtaskspb.Task, error) {
	return f.client.CreateTask(f.ctx, &cloudtaskspb.CreateTaskRequest{Parent: queue, Task: t})
}

func (f *fixture) mustCreate(t *cloudtaskspb.Task) *cloudtaskspb.Task {
	f.t.Helper()
	made, err := f.create(t)
	if err != nil {
		f.t.Fatalf("create task: %v", err)
	}
	return made
}

func (f *fixture) get(id string) (*cloudtaskspb.Task, error) {
	return f.client.GetTask(f.ctx, &cloudtaskspb.GetTaskRequest{Name: queue + "/tasks/" + id, ResponseView: cloudtaskspb.Task_FULL})
}

func (f *fixture) mustGet(id string) *cloudtaskspb.Task {
	f.t.Helper()
	got, err := f.get(id)
	if err != nil {
		f.t.Fatalf("get task: %v", err)
	}
	return got
}

func (f *fixture) remove(id string) error {
	return f.client.DeleteTask(f.ctx, &cloudtaskspb.DeleteTaskRequest{Name: queue + "/tasks/" + id})
}

func (f *fixture) run(id string) (*cloudtaskspb.Task, error) {
	return f.client.RunTask(f.ctx, &cloudtaskspb.RunTaskRequest{Name: queue + "/tasks/" + id})
}

func (f *fixture) pause() {
	f.t.Helper()
	if _, err := f.client.PauseQueue(f.ctx, &cloudtaskspb.PauseQueueRequest{Name: queue}); err != nil {
		f.t.Fatal(err)
	}
}

func (f *fixture) resume() {
	f.t.Helper()
	if _, err := f.client.ResumeQueue(f.ctx, &cloudtaskspb.ResumeQueueRequest{Name: queue}); err != nil {
		f.t.Fatal(err)
	}
}

// settle waits until the server has done all there is to do at this time.
func (f *fixture) settle() {
	f.t.Helper()
	ctx, cancel := context.WithTimeout(f.ctx, 20*time.Second)
	defer cancel()
	if err := f.WaitIdle(ctx); err != nil {
		f.t.Fatal(err)
	}
}

// ended returns the attempts that have ended so far.
func (f *fixture) ended() []cloudtasks.Attempt {
	f.settle()
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]cloudtasks.Attempt(nil), f.attempts...)
}

// dispatchedAfter returns when each attempt so far was dispatched, counted from start.
func (f *fixture) dispatchedAfter() []time.Duration {
	var out []time.Duration
	for _, a := range f.ended() {
		out = append(out, a.Dispatched.Sub(start))
	}
	return out
}

// want checks the code of an RPC's error.
func (f *fixture) want(code codes.Code, err error) {
	f.t.Helper()
	if got := status.Code(err); got != code {
		f.t.Errorf("got %s (%v), want %s", got, err, code)
	}
}

func equal[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

func at(d time.Duration) func(*cloudtaskspb.Task) {
	return func(t *cloudtaskspb.Task) { t.ScheduleTime = timestamppb.New(start.Add(d)) }
}

func deadline(d time.Duration) func(*cloudtaskspb.Task) {
	return func(t *cloudtaskspb.Task) { t.DispatchDeadline = durationpb.New(d) }
}

func push(change func(*cloudtaskspb.HttpRequest)) func(*cloudtaskspb.Task) {
	return func(t *cloudtaskspb.Task) { change(t.GetHttpRequest()) }
}

// worker is a real HTTP server that records what reaches it.
type worker struct {
	*httptest.Server

	mu     sync.Mutex
	seen   []received
	answer func(n int, w http.ResponseWriter, r *http.Request) // n counts from 1
}

type received struct {
	method, path, body string
	header             http.Header
}

func newWorker(t *testing.T) *worker {
	w := &worker{answer: func(int, http.ResponseWriter, *http.Request) {}}
	w.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.mu.Lock()
		w.seen = append(w.seen, received{method: r.Method, path: r.URL.RequestURI(), body: string(body), header: r.Header})
		n, answer := len(w.seen), w.answer
		w.mu.Unlock()
		answer(n, rw, r)
	}))
	t.Cleanup(w.Close)
	return w
}

// answers makes the worker answer with these status codes in turn, the last one for ever.
func (w *worker) answers(codes ...int) {
	w.handle(func(n int, rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(codes[min(n, len(codes))-1]) })
}

func (w *worker) handle(f func(n int, w http.ResponseWriter, r *http.Request)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answer = f
}

func (w *worker) requests() []received {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]received(nil), w.seen...)
}

// hang makes the worker keep every request until the returned release is called or the client leaves.
func (w *worker) hang(t *testing.T) (arrived <-chan struct{}, release func()) {
	here, free := make(chan struct{}, 100), make(chan struct{})
	w.handle(func(_ int, _ http.ResponseWriter, r *http.Request) {
		here <- struct{}{}
		select {
		case <-free:
		case <-r.Context().Done():
		}
	})
	release = sync.OnceFunc(func() { close(free) })
	t.Cleanup(release)
	return here, release
}

func receive(t *testing.T, c <-chan struct{}) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(20 * time.Second):
		t.Fatal("nothing arrived in time")
	}
}

func ids(tasks []*cloudtaskspb.Task) string {
	var out []string
	for _, t := range tasks {
		out = append(out, t.GetName()[strings.LastIndex(t.GetName(), "/")+1:])
	}
	return strings.Join(out, " ")
}
