package cloudtasks_test

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
)

func taskRows() []row {
	return []row{
		{"a live task's name is taken", fromProto,
			"If a task's ID is identical to that of an existing task or a task that was deleted or executed recently then the call will fail with ALREADY_EXISTS.",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("a", at(time.Hour)))
				_, err := f.create(f.task("a", at(2*time.Hour)))
				f.want(codes.AlreadyExists, err)
			}},
		{"a deleted task's name stays blocked for 24 hours", fromProto,
			"It can take up to 24 hours (or 9 days if the task's queue was created using a queue.yaml or queue.xml) for the task ID to be released and made available again.",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("a", at(time.Hour)))
				f.want(codes.OK, f.remove("a"))
				f.clock.Advance(24*time.Hour - time.Second)
				_, err := f.create(f.task("a"))
				f.want(codes.AlreadyExists, err)
				f.clock.Advance(time.Second)
				_, err = f.create(f.task("a"))
				f.want(codes.OK, err)
			}},
		{"a finished task's name stays blocked from its end on", fromProto,
			"The IDs of deleted tasks are not immediately available for reuse.",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("a", at(10*time.Hour)))
				f.clock.Advance(10 * time.Hour)
				equal(t, "attempts", len(f.ended()), 1)
				f.clock.Advance(24*time.Hour - time.Second)
				_, err := f.create(f.task("a"))
				f.want(codes.AlreadyExists, err)
				f.clock.Advance(time.Second)
				_, err = f.create(f.task("a"))
				f.want(codes.OK, err)
			}},
		{"a given-up task's name stays blocked too", fromProto,
			"After a task is successfully executed or has exhausted its retry attempts, the task is deleted.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RetryConfig: &cloudtaskspb.RetryConfig{MaxAttempts: 1}})
				f.worker.answers(500)
				f.mustCreate(f.task("a"))
				f.settle()
				_, err := f.create(f.task("a"))
				f.want(codes.AlreadyExists, err)
			}},
		{"the service makes up a name", fromProto,
			"If a name is not specified then the system will generate a random unique task id, which will be set in the task returned in the response.",
			func(t *testing.T, f *fixture) {
				one, two := f.mustCreate(f.task("", at(time.Hour))), f.mustCreate(f.task("", at(time.Hour)))
				for _, made := range []*cloudtaskspb.Task{one, two} {
					if !regexp.MustCompile(`^` + queue + `/tasks/[0-9]+$`).MatchString(made.GetName()) {
						t.Errorf("name %q", made.GetName())
					}
				}
				if one.GetName() == two.GetName() {
					t.Error("two tasks have one name")
				}
			}},
		{"a task's id has its alphabet and length", fromProto,
			"TASK_ID can contain only letters (A-Za-z), numbers (0-9), hyphens (-), or underscores (_). The maximum length is 500 characters.",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task(strings.Repeat("a", 500), at(time.Hour)))
				f.mustCreate(f.task("Az09-_", at(time.Hour)))
				for _, id := range []string{strings.Repeat("a", 501), "a.b", "a b", "a/b", "ä", "a:b"} {
					_, err := f.create(f.task(id, at(time.Hour)))
					f.want(codes.InvalidArgument, err)
				}
			}},
		{"a task's name is in its parent", fromProto,
			"projects/PROJECT_ID/locations/LOCATION_ID/queues/QUEUE_ID/tasks/TASK_ID",
			func(t *testing.T, f *fixture) {
				for _, name := range []string{"a", location + "/queues/other/tasks/a", queue + "/a", queue + "/tasks/"} {
					_, err := f.create(f.task("", func(task *cloudtaskspb.Task) { task.Name = name }))
					f.want(codes.InvalidArgument, err)
				}
				_, err := f.client.CreateTask(f.ctx, &cloudtaskspb.CreateTaskRequest{Parent: "queues/q", Task: f.task("")})
				f.want(codes.InvalidArgument, err)
				_, err = f.get("a.b")
				f.want(codes.InvalidArgument, err)
			}},
		{"a missing queue is NOT_FOUND", fromProto,
			"The queue must already exist.",
			func(t *testing.T, f *fixture) {
				other := location + "/queues/missing"
				_, err := f.client.CreateTask(f.ctx, &cloudtaskspb.CreateTaskRequest{Parent: other, Task: f.task("")})
				f.want(codes.NotFound, err)
				_, err = f.client.ListTasks(f.ctx, &cloudtaskspb.ListTasksRequest{Parent: other}).Next()
				f.want(codes.NotFound, err)
				_, err = f.getQueue(other)
				f.want(codes.NotFound, err)
				_, err = f.client.PauseQueue(f.ctx, &cloudtaskspb.PauseQueueRequest{Name: other})
				f.want(codes.NotFound, err)
			}},
		{"a finished task is NOT_FOUND", fromProto,
			"A GetTask request for a deleted task returns a NOT_FOUND error.",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("a"))
				f.settle()
				_, err := f.get("a")
				f.want(codes.NotFound, err)
				f.want(codes.NotFound, f.remove("a"))
				_, err = f.run("a")
				f.want(codes.NotFound, err)
			}},
		{"a deleted task is never dispatched", fromProto,
			"A task can be deleted if it is scheduled or dispatched.",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("a", at(time.Hour)))
				f.want(codes.OK, f.remove("a"))
				f.clock.Advance(2 * time.Hour)
				equal(t, "attempts", len(f.ended()), 0)
			}},
		{"a task deleted in flight is not retried", fromProto,
			"A task cannot be deleted if it has executed successfully or permanently failed.",
			func(t *testing.T, f *fixture) {
				arrived, release := f.worker.hang(t)
				f.mustCreate(f.task("a"))
				receive(t, arrived)
				f.want(codes.OK, f.remove("a"))
				release()
				f.clock.Advance(time.Hour)
				attempts := f.ended()
				equal(t, "attempts", len(attempts), 1)
				equal(t, "outcome", attempts[0].Outcome, "ignored")
			}},
		{"the basic view has no body", fromProto,
			"The basic view omits fields which can be large or can contain sensitive data.",
			func(t *testing.T, f *fixture) {
				made := f.mustCreate(f.task("a", at(time.Hour)))
				equal(t, "view", made.GetView(), cloudtaskspb.Task_BASIC)
				equal(t, "body", len(made.GetHttpRequest().GetBody()), 0)
			}},
		{"the full view has the body", fromProto,
			"All information is returned.",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("a", at(time.Hour)))
				got := f.mustGet("a")
				equal(t, "view", got.GetView(), cloudtaskspb.Task_FULL)
				equal(t, "body", string(got.GetHttpRequest().GetBody()), "hello")
				equal(t, "method", got.GetHttpRequest().GetHttpMethod(), cloudtaskspb.HttpMethod_POST)
				equal(t, "deadline", got.GetDispatchDeadline().AsDuration(), 10*time.Minute)
				equal(t, "created", got.GetCreateTime().AsTime(), start)
			}},
		{"a list takes the view too", fromProto,
			"controls the subset of information which is returned",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("a", at(time.Hour)))
				for view, body := range map[cloudtaskspb.Task_View]string{cloudtaskspb.Task_VIEW_UNSPECIFIED: "", cloudtaskspb.Task_BASIC: "", cloudtaskspb.Task_FULL: "hello"} {
					got, err := f.client.ListTasks(f.ctx, &cloudtaskspb.ListTasksRequest{Parent: queue, ResponseView: view}).Next()
					f.want(codes.OK, err)
					equal(t, view.String(), string(got.GetHttpRequest().GetBody()), body)
				}
			}},
		{"tasks are listed in pages", fromProto,
			"use next_page_token in the response to determine if more tasks exist.",
			func(t *testing.T, f *fixture) {
				for _, id := range []string{"e", "c", "a", "d", "b"} {
					f.mustCreate(f.task(id, at(time.Hour)))
				}
				equal(t, "tasks", f.tasks(2), "a b c d e")
				equal(t, "tasks", f.tasks(5), "a b c d e")
				_, err := f.client.ListTasks(f.ctx, &cloudtaskspb.ListTasksRequest{Parent: queue, PageSize: -1}).Next()
				f.want(codes.InvalidArgument, err)
				_, err = f.client.ListTasks(f.ctx, &cloudtaskspb.ListTasksRequest{Parent: queue, PageToken: "made up"}).Next()
				f.want(codes.InvalidArgument, err)
			}},
		{"a page token expires after 2 hours", fromProto,
			"The page token is valid for only 2 hours.",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("a", at(9*time.Hour)))
				f.mustCreate(f.task("b", at(9*time.Hour)))
				req := &cloudtaskspb.ListTasksRequest{Parent: queue, PageSize: 1}
				first, err := f.Server.ListTasks(context.Background(), req)
				f.want(codes.OK, err)
				req.PageToken = first.GetNextPageToken()
				f.clock.Advance(2 * time.Hour)
				_, err = f.client.ListTasks(f.ctx, req).Next()
				f.want(codes.OK, err)
				f.clock.Advance(time.Second)
				_, err = f.client.ListTasks(f.ctx, req).Next()
				f.want(codes.InvalidArgument, err)
			}},
	}
}

// tasks lists the ids of the queue's tasks, page by page.
func (f *fixture) tasks(pageSize int32) string {
	f.t.Helper()
	var all []*cloudtaskspb.Task
	it := f.client.ListTasks(f.ctx, &cloudtaskspb.ListTasksRequest{Parent: queue, PageSize: pageSize})
	for {
		task, err := it.Next()
		if errors.Is(err, iterator.Done) {
			return ids(all)
		}
		if err != nil {
			f.t.Fatal(err)
		}
		all = append(all, task)
	}
}
