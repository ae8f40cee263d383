package tasks

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/googleapis/gax-go/v2"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The errors of Cloud Tasks that whoever looks at a queue tells apart.
var (
	// ErrNoQueue: there is no queue of that name.
	ErrNoQueue = errors.New("the queue does not exist")
	// ErrDenied: the caller lacks a permission, which the cause names.
	ErrDenied = errors.New("the caller lacks a permission")
)

// Queued is a task that is on the queue.
type Queued struct {
	Name       string    // the full resource name
	DueAt      time.Time // when it is tried next
	CreatedAt  time.Time
	Dispatches int // attempts begun
	// Payload is what the task carries, and is empty if Problem says why it
	// cannot be read: then the task is none of ours.
	Payload Payload
	Problem error
}

// listPage is the largest page that Cloud Tasks gives (cloudtaskspb,
// ListTasksRequest.page_size).
const listPage = 1000

// List is every task on the queue, in no particular order. It is no snapshot:
// a task that is created or ends meanwhile may be in it or not. An error ends
// it.
//
// Payloads are asked for, since only they say whose a task is. That takes the
// permissions cloudtasks.tasks.list and cloudtasks.tasks.fullView
// (cloudtaskspb, Task.View; both are in roles/cloudtasks.viewer), which the
// functions' own accounts do not need.
func (c *Client) List(ctx context.Context) iter.Seq2[Queued, error] {
	return func(yield func(Queued, error) bool) {
		tasks := c.api.ListTasks(ctx, &cloudtaskspb.ListTasksRequest{
			Parent:       c.config.QueuePath(),
			ResponseView: cloudtaskspb.Task_FULL,
			PageSize:     listPage,
		}, retryingBriefly())
		for {
			task, err := tasks.Next()
			if errors.Is(err, iterator.Done) {
				return
			}
			if err != nil {
				yield(Queued{}, fmt.Errorf("list tasks of %s: %w", c.config.QueuePath(), classify(err)))
				return
			}
			if !yield(queued(task), nil) {
				return
			}
		}
	}
}

func queued(t *cloudtaskspb.Task) Queued {
	q := Queued{
		Name:       t.GetName(),
		DueAt:      t.GetScheduleTime().AsTime(),
		CreatedAt:  t.GetCreateTime().AsTime(),
		Dispatches: int(t.GetDispatchCount()),
	}
	q.Payload, q.Problem = ParsePayload(t.GetHttpRequest().GetBody())
	return q
}

// retryingBriefly is for whoever waits for the answer: the generated client
// would try for as long as it may, and then tell only that time is up.
func retryingBriefly() gax.CallOption {
	return gax.WithRetry(func() gax.Retryer {
		return &fewTimes{left: 4, Retryer: gax.OnCodes([]codes.Code{codes.Unavailable}, gax.Backoff{Initial: 100 * time.Millisecond, Max: time.Second})}
	})
}

type fewTimes struct {
	gax.Retryer
	left int
}

// Retry implements gax.Retryer.
func (r *fewTimes) Retry(err error) (time.Duration, bool) {
	if r.left == 0 {
		return 0, false
	}
	r.left--
	return r.Retryer.Retry(err)
}

// classify adds what callers tell apart to an error's chain.
func classify(err error) error {
	switch status.Code(err) {
	case codes.NotFound:
		return fmt.Errorf("%w: %w", ErrNoQueue, err)
	case codes.PermissionDenied, codes.Unauthenticated:
		return fmt.Errorf("%w: %w", ErrDenied, err)
	default:
		return err
	}
}
