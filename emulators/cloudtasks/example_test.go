package cloudtasks_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	api "cloud.google.com/go/cloudtasks/apiv2"
	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lad.internal/followup/emulators/cloudtasks"
)

// A task of the next day, within a moment: the real client, a real request, and a clock that a
// test moves.
func Example() {
	ctx := context.Background()
	worker := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Printf("%s, attempt %s\n", body, r.Header.Get("X-CloudTasks-TaskExecutionCount"))
	}))
	defer worker.Close()

	clock := cloudtasks.NewManualClock(time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC))
	server, err := cloudtasks.Start(ctx, cloudtasks.Options{Clock: clock})
	if err != nil {
		panic(err)
	}
	defer server.Close()
	client, err := api.NewClient(ctx, option.WithEndpoint(server.Addr), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		panic(err)
	}
	defer client.Close()

	queue, err := server.CreateQueue(ctx, &cloudtaskspb.Queue{Name: "projects/p/locations/l/queues/q"})
	if err != nil {
		panic(err)
	}
	_, err = client.CreateTask(ctx, &cloudtaskspb.CreateTaskRequest{Parent: queue.Name, Task: &cloudtaskspb.Task{
		ScheduleTime: timestamppb.New(clock.Now().Add(24 * time.Hour)),
		MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
			Url: worker.URL, Body: []byte("good morning"),
		}},
	}})
	if err != nil {
		panic(err)
	}
	clock.Advance(24 * time.Hour)
	if err := server.WaitIdle(ctx); err != nil {
		panic(err)
	}
	// Output: good morning, attempt 0
}
