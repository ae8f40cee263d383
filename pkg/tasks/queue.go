package tasks

import (
	"context"
	"fmt"
	"math"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
)

// Queue is how the queue is set up and whether it runs.
type Queue struct {
	// State is RUNNING, PAUSED or DISABLED (cloudtaskspb, Queue.State).
	State string
	// MaxAttempts is how often a task is tried; below 0: without limit.
	MaxAttempts int
	// MaxRetryDuration is for how long it is tried; 0: without limit.
	MaxRetryDuration time.Duration
	// MinBackoff, MaxBackoff and MaxDoublings shape the pauses between attempts.
	MinBackoff, MaxBackoff time.Duration
	MaxDoublings           int
	// DispatchesPerSecond and ConcurrentDispatches pace the queue.
	DispatchesPerSecond  float64
	ConcurrentDispatches int
	// Overrides: the queue sends its tasks to a target, or with headers or
	// credentials, of its own (cloudtaskspb, Queue.http_target), whatever the
	// task says.
	Overrides bool
}

// Running reports whether the queue sends its tasks.
func (q Queue) Running() bool { return q.State == cloudtaskspb.Queue_RUNNING.String() }

// Queue reads the settings of the queue, which takes the permission
// cloudtasks.queues.get. The error may be ErrNoQueue or ErrDenied.
func (c *Client) Queue(ctx context.Context) (Queue, error) {
	name := c.config.QueuePath()
	pb, err := c.api.GetQueue(ctx, &cloudtaskspb.GetQueueRequest{Name: name}, retryingBriefly())
	if err != nil {
		return Queue{}, fmt.Errorf("read queue %s: %w", name, classify(err))
	}
	retry, rate := pb.GetRetryConfig(), pb.GetRateLimits()
	return Queue{
		State:                pb.GetState().String(),
		MaxAttempts:          int(retry.GetMaxAttempts()),
		MaxRetryDuration:     retry.GetMaxRetryDuration().AsDuration(),
		MinBackoff:           retry.GetMinBackoff().AsDuration(),
		MaxBackoff:           retry.GetMaxBackoff().AsDuration(),
		MaxDoublings:         int(retry.GetMaxDoublings()),
		DispatchesPerSecond:  rate.GetMaxDispatchesPerSecond(),
		ConcurrentDispatches: int(rate.GetMaxConcurrentDispatches()),
		Overrides:            pb.GetHttpTarget() != nil,
	}, nil
}

// Unlimited is the RetryBudget of a queue that never gives a task up.
const Unlimited = time.Duration(math.MaxInt64)

// RetryBudget is for how long a task that fails at once is certainly tried
// again. Retrying ends when attempts and duration are both spent; a limit that
// is switched off leaves it to the other (cloudtaskspb, RetryConfig).
func (q Queue) RetryBudget() time.Duration {
	switch {
	case q.MaxAttempts < 0 && q.MaxRetryDuration <= 0:
		return Unlimited
	case q.MaxAttempts < 0:
		return q.MaxRetryDuration
	default:
		return max(q.MaxRetryDuration, q.pauses())
	}
}

// pauses is the sum of the pauses between MaxAttempts attempts: the first is
// MinBackoff, then they double MaxDoublings times, then grow by the last
// doubled one, up to MaxBackoff (cloudtaskspb, RetryConfig.max_doublings).
func (q Queue) pauses() time.Duration {
	var total, step time.Duration
	pause := min(q.MinBackoff, q.MaxBackoff)
	for attempt := 1; attempt < q.MaxAttempts; attempt++ {
		if pause >= q.MaxBackoff || pause <= 0 { // it stays as it is from here on
			return saturate(total, pause, q.MaxAttempts-attempt)
		}
		total += pause
		if attempt <= q.MaxDoublings {
			pause *= 2
			step = pause
		} else {
			pause += max(step, q.MinBackoff)
		}
		pause = min(pause, q.MaxBackoff)
	}
	return total
}

// saturate is total + n × pause, or the longest duration there is.
func saturate(total, pause time.Duration, n int) time.Duration {
	if pause > 0 && time.Duration(n) > (math.MaxInt64-total)/pause {
		return Unlimited
	}
	return total + time.Duration(n)*pause
}
