package tasks_test

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

// config names a queue on the server at addr.
func config(addr string) tasks.Config {
	return tasks.Config{
		ProjectID: "p", Location: "l", Queue: "q", ServiceAccount: "invoker@p.iam.gserviceaccount.com",
		Endpoint: "https://execute.example/bookings/:id/execute-followup", DispatchDeadline: time.Minute, EmulatorHost: addr,
	}
}

func newClient(t *testing.T, c tasks.Config) *tasks.Client {
	t.Helper()
	client, err := tasks.New(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// newQueue starts a Cloud Tasks server with one queue, which is paused.
func newQueue(t *testing.T, retry *cloudtaskspb.RetryConfig) (*cloudtasks.Running, *tasks.Client) {
	t.Helper()
	server, err := cloudtasks.Start(context.WithoutCancel(t.Context()), cloudtasks.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	c := config(server.Addr)
	if _, err := server.CreateQueue(t.Context(), &cloudtaskspb.Queue{Name: c.QueuePath(), RetryConfig: retry}); err != nil {
		t.Fatal(err)
	}
	if _, err := server.PauseQueue(t.Context(), &cloudtaskspb.PauseQueueRequest{Name: c.QueuePath()}); err != nil {
		t.Fatal(err)
	}
	return server, newClient(t, c)
}

// serve serves a Cloud Tasks service and returns its address.
func serve(t *testing.T, service cloudtaskspb.CloudTasksServer) string {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	cloudtaskspb.RegisterCloudTasksServer(server, service)
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(lis) })
	t.Cleanup(func() { server.Stop(); serving.Wait() })
	return lis.Addr().String()
}

func booking(at time.Time) (followup.Booking, followup.Task) {
	b := followup.Booking{Ref: followup.Ref{TenantID: uuid.New(), BookingID: uuid.New()}, ScheduledAt: at}
	return b, followup.Task{Key: b.Key(), Revision: 1, DueAt: at}
}

func list(t *testing.T, client *tasks.Client) []tasks.Queued {
	t.Helper()
	var all []tasks.Queued
	for task, err := range client.List(t.Context()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, task)
	}
	return all
}

func TestATaskIsListedWithItsPayloadAndItsTimes(t *testing.T) {
	t.Parallel()
	_, client := newQueue(t, nil)
	at := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	b, next := booking(at)
	name, err := client.CreateScheduledHTTPTask(t.Context(), b, next)
	if err != nil {
		t.Fatal(err)
	}
	all := list(t, client)
	if len(all) != 1 {
		t.Fatalf("%d tasks are listed", len(all))
	}
	got := all[0]
	if got.Name != name || !got.DueAt.Equal(at) || got.Dispatches != 0 || time.Since(got.CreatedAt).Abs() > time.Minute || got.Problem != nil {
		t.Errorf("listed %+v", got)
	}
	if got.Payload.Ref != b.Ref || got.Payload.Revision != 1 || got.Payload.IdempotencyKey != b.Key() {
		t.Errorf("its payload is %+v", got.Payload)
	}
}

func TestEveryPageOfAQueueIsListed(t *testing.T) {
	t.Parallel()
	server, client := newQueue(t, nil)
	const n = 1_001 // a page has 1,000
	c := config("")
	for i := range n {
		_, err := server.CreateTask(t.Context(), &cloudtaskspb.CreateTaskRequest{Parent: c.QueuePath(), Task: &cloudtaskspb.Task{
			ScheduleTime: timestamppb.New(time.Now().Add(time.Hour)),
			MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
				Url: "https://execute.example", Body: []byte(`{}`)}}}})
		if err != nil {
			t.Fatalf("task %d: %v", i, err)
		}
	}
	names := map[string]bool{}
	for _, task := range list(t, client) {
		names[task.Name] = true
	}
	if len(names) != n {
		t.Errorf("%d of %d tasks are listed", len(names), n)
	}
	// Whoever has seen enough stops without an error.
	for range client.List(t.Context()) {
		break
	}
}

func TestAForeignTaskIsListedWithWhatIsWrongWithIt(t *testing.T) {
	t.Parallel()
	server, client := newQueue(t, nil)
	c := config("")
	for _, body := range []string{"", "no JSON", `{"tenantId":"x"}`} {
		_, err := server.CreateTask(t.Context(), &cloudtaskspb.CreateTaskRequest{Parent: c.QueuePath(), Task: &cloudtaskspb.Task{
			MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
				Url: "https://execute.example", Body: []byte(body)}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	all := list(t, client)
	if len(all) != 3 || slices.ContainsFunc(all, func(q tasks.Queued) bool { return q.Problem == nil || q.Name == "" }) {
		t.Errorf("listed %+v", all)
	}
}

// refusing is a Cloud Tasks service that has one answer to everything.
type refusing struct {
	cloudtaskspb.UnimplementedCloudTasksServer
	code codes.Code
}

func (r refusing) ListTasks(context.Context, *cloudtaskspb.ListTasksRequest) (*cloudtaskspb.ListTasksResponse, error) {
	return nil, status.Error(r.code, "lacks IAM permission cloudtasks.tasks.fullView")
}

func (r refusing) GetQueue(context.Context, *cloudtaskspb.GetQueueRequest) (*cloudtaskspb.Queue, error) {
	return nil, status.Error(r.code, "lacks IAM permission cloudtasks.queues.get")
}

func TestWhyAQueueCannotBeSeenIsTold(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code codes.Code
		want error
	}{
		{codes.PermissionDenied, tasks.ErrDenied},
		{codes.Unauthenticated, tasks.ErrDenied},
		{codes.NotFound, tasks.ErrNoQueue},
	} {
		client := newClient(t, config(serve(t, refusing{code: c.code})))
		_, err := client.Queue(t.Context())
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), "cloudtasks.queues.get") {
			t.Errorf("%v: reading the queue: %v", c.code, err)
		}
		var listed error
		for _, err := range client.List(t.Context()) {
			listed = err
		}
		if !errors.Is(listed, c.want) || !strings.Contains(listed.Error(), "cloudtasks.tasks.fullView") {
			t.Errorf("%v: listing: %v", c.code, listed)
		}
	}
}
