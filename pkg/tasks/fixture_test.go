package tasks

import (
	"context"
	"net"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/pkg/followup"
)

// fixture is a Cloud Tasks server with the queue, and the client on it.
type fixture struct {
	*Client
	t      *testing.T
	server *cloudtasks.Running
	faults *faults
}

func newFixture(t *testing.T, change ...func(*Config)) *fixture {
	t.Helper()
	// Not t.Context(): that one ends before the cleanups.
	server, err := cloudtasks.Start(context.WithoutCancel(t.Context()), cloudtasks.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	f := &fixture{t: t, server: server, faults: &faults{}}
	config := valid()
	config.EmulatorHost = f.serve()
	for _, c := range change {
		c(&config)
	}
	if _, err := server.CreateQueue(t.Context(), &cloudtaskspb.Queue{Name: config.QueuePath()}); err != nil {
		t.Fatal(err)
	}
	if f.Client, err = New(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	})
	return f
}

// serve puts the faults before the server.
func (f *fixture) serve() (address string) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		f.t.Fatal(err)
	}
	g := grpc.NewServer(grpc.UnaryInterceptor(f.faults.intercept))
	f.server.Register(g)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := g.Serve(listener); err != nil {
			f.t.Error(err)
		}
	})
	f.t.Cleanup(func() {
		g.Stop()
		serving.Wait()
	})
	return listener.Addr().String()
}

// stored is the task as the server has it, nil if it has none.
func (f *fixture) stored(name string) *cloudtaskspb.Task {
	f.t.Helper()
	task, err := f.server.GetTask(f.t.Context(), &cloudtaskspb.GetTaskRequest{Name: name, ResponseView: cloudtaskspb.Task_FULL})
	if status.Code(err) == codes.NotFound {
		return nil
	}
	if err != nil {
		f.t.Fatal(err)
	}
	return task
}

// tasks counts those of the queue.
func (f *fixture) tasks() int {
	f.t.Helper()
	answer, err := f.server.ListTasks(f.t.Context(), &cloudtaskspb.ListTasksRequest{Parent: f.config.QueuePath()})
	if err != nil {
		f.t.Fatal(err)
	}
	return len(answer.GetTasks())
}

// fault is what becomes of one request.
type fault struct {
	code    codes.Code
	applied bool // the server does it, and its answer is lost
	hang    bool // until the caller has had enough
}

// faults befall the next requests, one each; then all goes well.
type faults struct {
	mu       sync.Mutex
	next     []fault
	requests int
}

func (f *faults) set(next ...fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next, f.requests = next, 0
}

func (f *faults) seen() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.requests
}

func (f *faults) take() fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests++
	if len(f.next) == 0 {
		return fault{}
	}
	this := f.next[0]
	f.next = f.next[1:]
	return this
}

func (f *faults) intercept(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	this := f.take()
	if this.hang {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	if this.code == codes.OK {
		return handle(ctx, request)
	}
	if this.applied {
		if _, err := handle(ctx, request); err != nil {
			return nil, err
		}
	}
	return nil, status.Error(this.code, "a fault of the test's")
}

func valid() Config {
	return Config{
		ProjectID: "lad-prod", Location: "europe-west3", Queue: "follow-up-calls",
		ServiceAccount: "invoker@lad-prod.iam.gserviceaccount.com", Endpoint: "https://execute.example.com/bookings/:id/execute-followup",
		DispatchDeadline: 3 * time.Minute,
	}
}

var (
	tenantID  = uuid.MustParse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff")
	bookingID = uuid.MustParse("c9bf9e57-1685-4c89-bafb-ff5af830be8a")
	leadID    = uuid.MustParse("11111111-0000-4000-8000-000000000001")
	userID    = uuid.MustParse("22222222-0000-4000-8000-000000000002")
)

// armed is a booking tomorrow, and the task that Plan asks for.
func armed() (followup.Booking, followup.Task) {
	b := followup.Booking{
		Ref:            followup.Ref{TenantID: tenantID, BookingID: bookingID},
		LeadID:         uuid.NullUUID{UUID: leadID, Valid: true},
		AssignedUserID: uuid.NullUUID{UUID: userID, Valid: true},
		Type:           "follow_up",
		ScheduledAt:    time.Now().Add(24 * time.Hour).UTC().Truncate(time.Microsecond),
		AgentID:        "42",
	}
	return b, followup.Task{
		Status: followup.Scheduled, Key: b.Key(), Revision: 3, DueAt: b.ScheduledAt, LastError: "busy: +4915112345678",
	}
}
