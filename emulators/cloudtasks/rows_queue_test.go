package cloudtasks_test

import (
	"errors"
	"fmt"
	"math"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func (f *fixture) createQueue(parent string, q *cloudtaskspb.Queue) (*cloudtaskspb.Queue, error) {
	return f.client.CreateQueue(f.ctx, &cloudtaskspb.CreateQueueRequest{Parent: parent, Queue: q})
}

func (f *fixture) getQueue(name string) (*cloudtaskspb.Queue, error) {
	return f.client.GetQueue(f.ctx, &cloudtaskspb.GetQueueRequest{Name: name})
}

func queueRows() []row {
	return []row{
		{"an existing queue's name is refused", fromProto,
			"Queue's name cannot be the same as an existing queue.",
			func(t *testing.T, f *fixture) {
				_, err := f.createQueue(location, &cloudtaskspb.Queue{Name: queue})
				f.want(codes.AlreadyExists, err)
			}},
		{"a queue's name has its format", fromProto,
			"projects/PROJECT_ID/locations/LOCATION_ID/queues/QUEUE_ID",
			func(t *testing.T, f *fixture) {
				for _, name := range []string{"", "q2", location + "/queues/", location + "/queues/a_b", location + "/queues/a b", "projects/p/queues/q2", "projects/other/locations/l/queues/q2"} {
					_, err := f.createQueue(location, &cloudtaskspb.Queue{Name: name})
					f.want(codes.InvalidArgument, err)
				}
				_, err := f.createQueue("nowhere", &cloudtaskspb.Queue{Name: location + "/queues/q2"})
				f.want(codes.InvalidArgument, err)
			}},
		{"a queue's id has at most 100 characters", fromProto,
			"QUEUE_ID can contain letters (A-Za-z), numbers (0-9), or hyphens (-). The maximum length is 100 characters.",
			func(t *testing.T, f *fixture) {
				_, err := f.createQueue(location, &cloudtaskspb.Queue{Name: fmt.Sprintf("%s/queues/%0100d", location, 1)})
				f.want(codes.OK, err)
				_, err = f.createQueue(location, &cloudtaskspb.Queue{Name: fmt.Sprintf("%s/queues/%0101d", location, 1)})
				f.want(codes.InvalidArgument, err)
			}},
		{"the service picks defaults", fromProto,
			"If unspecified when the queue is created, Cloud Tasks will pick the default.",
			func(t *testing.T, f *fixture) {
				q, err := f.getQueue(queue)
				f.want(codes.OK, err)
				equal(t, "state", q.GetState(), cloudtaskspb.Queue_RUNNING)
				equal(t, "rate", q.GetRateLimits().GetMaxDispatchesPerSecond(), 500)
				equal(t, "concurrent", q.GetRateLimits().GetMaxConcurrentDispatches(), 1000)
				equal(t, "attempts", q.GetRetryConfig().GetMaxAttempts(), 100)
				equal(t, "min backoff", q.GetRetryConfig().GetMinBackoff().AsDuration(), 100*time.Millisecond)
				equal(t, "max backoff", q.GetRetryConfig().GetMaxBackoff().AsDuration(), time.Hour)
				equal(t, "doublings", q.GetRetryConfig().GetMaxDoublings(), 16)
				equal(t, "duration", q.GetRetryConfig().GetMaxRetryDuration().AsDuration(), 0)
			}},
		{"a rate above 500 is refused", fromProto,
			"The maximum allowed value is 500.",
			func(t *testing.T, f *fixture) {
				for _, rate := range []float64{500.5, -1, math.Inf(1), math.NaN()} {
					_, err := f.createQueue(location, &cloudtaskspb.Queue{Name: queue + "2", RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: rate}})
					f.want(codes.InvalidArgument, err)
				}
			}},
		{"a concurrency above 5,000 is refused", fromProto,
			"The maximum allowed value is 5,000.",
			func(t *testing.T, f *fixture) {
				for _, n := range []int32{5001, -1} {
					_, err := f.createQueue(location, &cloudtaskspb.Queue{Name: queue + "2", RateLimits: &cloudtaskspb.RateLimits{MaxConcurrentDispatches: n}})
					f.want(codes.InvalidArgument, err)
				}
			}},
		{"max_attempts below -1 is refused", fromProto,
			"Must be greater than or equal to -1, which indicates unlimited attempts.",
			func(t *testing.T, f *fixture) {
				for _, c := range []*cloudtaskspb.RetryConfig{
					{MaxAttempts: -2}, {MaxDoublings: -1}, {MinBackoff: durationpb.New(-time.Second)},
					{MinBackoff: durationpb.New(2 * time.Second), MaxBackoff: durationpb.New(time.Second)},
				} {
					_, err := f.createQueue(location, &cloudtaskspb.Queue{Name: queue + "2", RetryConfig: c})
					f.want(codes.InvalidArgument, err)
				}
			}},
		{"backoff is truncated to the second", fromProto,
			"min_backoff will be truncated to the nearest second.",
			func(t *testing.T, f *fixture) {
				q, err := f.createQueue(location, &cloudtaskspb.Queue{Name: queue + "2", RetryConfig: &cloudtaskspb.RetryConfig{
					MinBackoff: durationpb.New(1900 * time.Millisecond), MaxBackoff: durationpb.New(9900 * time.Millisecond)}})
				f.want(codes.OK, err)
				equal(t, "min backoff", q.GetRetryConfig().GetMinBackoff().AsDuration(), time.Second)
				equal(t, "max backoff", q.GetRetryConfig().GetMaxBackoff().AsDuration(), 9*time.Second)
			}},
		{"queues are listed in order and in pages", fromProto,
			"Queues are returned in lexicographical order.",
			func(t *testing.T, f *fixture) {
				for _, id := range []string{"c", "a", "b"} {
					_, err := f.createQueue(location, &cloudtaskspb.Queue{Name: location + "/queues/" + id})
					f.want(codes.OK, err)
				}
				_, err := f.createQueue("projects/p/locations/l2", &cloudtaskspb.Queue{Name: "projects/p/locations/l2/queues/elsewhere"})
				f.want(codes.OK, err)
				equal(t, "queues", f.queues("", 3), "a b c q")
			}},
		{"queues can be filtered by state", fromProto,
			`Sample filter "state: PAUSED".`,
			func(t *testing.T, f *fixture) {
				_, err := f.createQueue(location, &cloudtaskspb.Queue{Name: location + "/queues/running"})
				f.want(codes.OK, err)
				f.pause()
				equal(t, "paused", f.queues("state: PAUSED", 0), "q")
				_, err = f.client.ListQueues(f.ctx, &cloudtaskspb.ListQueuesRequest{Parent: location, Filter: "name: q"}).Next()
				f.want(codes.Unimplemented, err)
			}},
		{"UpdateQueue creates a queue", fromProto,
			"This method creates the queue if it does not exist and updates the queue if it does exist.",
			func(t *testing.T, f *fixture) {
				_, err := f.client.UpdateQueue(f.ctx, &cloudtaskspb.UpdateQueueRequest{Queue: &cloudtaskspb.Queue{Name: queue + "2"}})
				f.want(codes.OK, err)
				_, err = f.getQueue(queue + "2")
				f.want(codes.OK, err)
			}},
		{"UpdateQueue changes what the mask names", fromProto,
			"A mask used to specify which fields of the queue are being updated.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RetryConfig: &cloudtaskspb.RetryConfig{MaxAttempts: 7}, RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 9}})
				q, err := f.client.UpdateQueue(f.ctx, &cloudtaskspb.UpdateQueueRequest{
					Queue:      &cloudtaskspb.Queue{Name: queue, RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 2.5}},
					UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"rate_limits.max_dispatches_per_second"}},
				})
				f.want(codes.OK, err)
				equal(t, "rate", q.GetRateLimits().GetMaxDispatchesPerSecond(), 2.5)
				equal(t, "attempts", q.GetRetryConfig().GetMaxAttempts(), 7)
				q, err = f.client.UpdateQueue(f.ctx, &cloudtaskspb.UpdateQueueRequest{
					Queue: &cloudtaskspb.Queue{Name: queue}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"retry_config"}}})
				f.want(codes.OK, err)
				equal(t, "rate, not named", q.GetRateLimits().GetMaxDispatchesPerSecond(), 2.5)
				equal(t, "attempts, named but absent", q.GetRetryConfig().GetMaxAttempts(), 100)
				_, err = f.client.UpdateQueue(f.ctx, &cloudtaskspb.UpdateQueueRequest{
					Queue: &cloudtaskspb.Queue{Name: queue}, UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"no_such_field"}}})
				f.want(codes.InvalidArgument, err)
			}},
		{"UpdateQueue cannot change the state", fromProto,
			"Any value specified for an output only field will be ignored.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{State: cloudtaskspb.Queue_PAUSED})
				q, err := f.getQueue(queue)
				f.want(codes.OK, err)
				equal(t, "state", q.GetState(), cloudtaskspb.Queue_RUNNING)
			}},
		{"a queue is deleted with its tasks", fromProto,
			"This command will delete the queue even if it has tasks in it.",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("a", at(time.Hour)))
				f.want(codes.OK, f.client.DeleteQueue(f.ctx, &cloudtaskspb.DeleteQueueRequest{Name: queue}))
				_, err := f.getQueue(queue)
				f.want(codes.NotFound, err)
				_, err = f.get("a")
				f.want(codes.NotFound, err)
				f.clock.Advance(2 * time.Hour)
				equal(t, "attempts", len(f.ended()), 0)
				f.want(codes.NotFound, f.client.DeleteQueue(f.ctx, &cloudtaskspb.DeleteQueueRequest{Name: queue}))
			}},
		{"a deleted queue's name stays blocked for 3 days", fromProto,
			"you may be prevented from creating a new queue with the same name as the deleted queue for a tombstone window of up to 3 days",
			func(t *testing.T, f *fixture) {
				f.want(codes.OK, f.client.DeleteQueue(f.ctx, &cloudtaskspb.DeleteQueueRequest{Name: queue}))
				f.clock.Advance(3*24*time.Hour - time.Second)
				_, err := f.createQueue(location, &cloudtaskspb.Queue{Name: queue})
				f.want(codes.FailedPrecondition, err)
				f.clock.Advance(time.Second)
				_, err = f.createQueue(location, &cloudtaskspb.Queue{Name: queue})
				f.want(codes.OK, err)
			}},
		{"a paused queue keeps its tasks and takes new ones", fromProto,
			"If the queue is paused then Cloud Tasks will stop delivering tasks from it, but more tasks can still be added to it by the user.",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("before", at(time.Minute)))
				f.pause()
				f.mustCreate(f.task("after"))
				f.clock.Advance(24 * time.Hour)
				equal(t, "attempts", len(f.ended()), 0)
				equal(t, "tasks", f.tasks(0), "after before")
			}},
		{"a resumed queue dispatches what has come due", fromProto,
			"If a queue is paused then the system will stop dispatching tasks until the queue is resumed",
			func(t *testing.T, f *fixture) {
				f.pause()
				f.mustCreate(f.task("a"))
				f.mustCreate(f.task("b", at(time.Hour)))
				f.resume()
				equal(t, "attempts at once", len(f.ended()), 1)
				f.clock.Advance(time.Hour)
				equal(t, "attempts in the end", len(f.ended()), 2)
			}},
		{"a purge deletes all tasks and says when", fromProto,
			"All tasks created before this method is called are permanently deleted.",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("a", at(time.Hour)))
				f.clock.Advance(time.Minute)
				q, err := f.client.PurgeQueue(f.ctx, &cloudtaskspb.PurgeQueueRequest{Name: queue})
				f.want(codes.OK, err)
				equal(t, "purge time", q.GetPurgeTime().AsTime(), start.Add(time.Minute))
				f.mustCreate(f.task("b", at(time.Hour)))
				equal(t, "tasks", f.tasks(0), "b")
				_, err = f.create(f.task("a"))
				f.want(codes.AlreadyExists, err)
				f.clock.Advance(time.Hour)
				equal(t, "attempts", len(f.ended()), 1)
			}},
		{"a task is deleted when it is 31 days old", fromProto,
			"After a task is 31 days old, the task will be deleted regardless of whether it was dispatched or not.",
			func(t *testing.T, f *fixture) {
				f.pause()
				f.mustCreate(f.task("a"))
				f.clock.Advance(31*24*time.Hour - time.Second)
				f.mustGet("a")
				f.clock.Advance(time.Second)
				_, err := f.get("a")
				f.want(codes.NotFound, err)
				f.resume()
				equal(t, "attempts", len(f.ended()), 0)
			}},
	}
}

// queues lists the ids of the queues in the location, page by page.
func (f *fixture) queues(filter string, pageSize int32) string {
	f.t.Helper()
	var names []*cloudtaskspb.Task
	it := f.client.ListQueues(f.ctx, &cloudtaskspb.ListQueuesRequest{Parent: location, Filter: filter, PageSize: pageSize})
	for {
		q, err := it.Next()
		if errors.Is(err, iterator.Done) {
			return ids(names)
		}
		if err != nil {
			f.t.Fatal(err)
		}
		names = append(names, &cloudtaskspb.Task{Name: q.GetName()})
	}
}
