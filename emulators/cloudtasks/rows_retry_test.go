package cloudtasks_test

import (
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"

	"lad.internal/followup/emulators/cloudtasks"
)

func seconds(ns ...int) []time.Duration {
	out := make([]time.Duration, len(ns))
	for i, n := range ns {
		out[i] = time.Duration(n) * time.Second
	}
	return out
}

// retries sets the queue's retry config: attempts, duration, min, max in seconds, doublings.
func retries(attempts, duration, least, most, doublings int) *cloudtaskspb.RetryConfig {
	s := seconds(duration, least, most)
	return &cloudtaskspb.RetryConfig{
		MaxAttempts: int32(attempts), MaxRetryDuration: durationpb.New(s[0]),
		MinBackoff: durationpb.New(s[1]), MaxBackoff: durationpb.New(s[2]), MaxDoublings: int32(doublings),
	}
}

// failing creates a task whose every attempt fails and returns when it was attempted within a month.
func (f *fixture) failing(c *cloudtaskspb.RetryConfig) []time.Duration {
	f.t.Helper()
	f.settings(&cloudtaskspb.Queue{RetryConfig: c})
	f.worker.answers(500)
	f.mustCreate(f.task("a"))
	f.clock.Advance(24 * time.Hour)
	return f.dispatchedAfter()
}

func (f *fixture) wantTimes(got, want []time.Duration) {
	f.t.Helper()
	if !slices.Equal(got, want) {
		f.t.Errorf("attempts at %v, want %v", got, want)
	}
}

func retryRows() []row {
	return []row{
		{"the interval doubles, then grows linearly, then stays", fromProto,
			"Thus, the requests will retry at 10s, 20s, 40s, 80s, 160s, 240s, 300s, 300s, ....",
			func(t *testing.T, f *fixture) {
				got := f.failing(retries(9, 0, 10, 300, 3))
				want := []time.Duration{0}
				for _, d := range seconds(10, 20, 40, 80, 160, 240, 300, 300) {
					want = append(want, want[len(want)-1]+d)
				}
				f.wantTimes(got, want)
			}},
		{"a failed task shows when it comes again", fromProto,
			"duration after it fails, if the queue's RetryConfig specifies that the task should be retried.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RetryConfig: retries(2, 0, 10, 10, 1)})
				f.worker.answers(500)
				f.mustCreate(f.task("a"))
				f.settle()
				equal(t, "schedule", f.mustGet("a").GetScheduleTime().AsTime(), start.Add(10*time.Second))
				equal(t, "next attempt", f.ended()[0].NextAttempt, start.Add(10*time.Second))
			}},
		{"max_attempts counts the first attempt", fromProto,
			"Number of attempts per task, including the first attempt. (If the first attempt fails, there will be max_attempts - 1 retries.)",
			func(t *testing.T, f *fixture) {
				f.wantTimes(f.failing(retries(3, 0, 1, 1, 1)), seconds(0, 1, 2))
			}},
		{"a task given up on is deleted without a word", fromProto,
			"After a task is successfully executed or has exhausted its retry attempts, the task is deleted.",
			func(t *testing.T, f *fixture) {
				f.failing(retries(2, 0, 1, 1, 1))
				_, err := f.get("a")
				f.want(codes.NotFound, err)
				attempts := f.ended()
				equal(t, "outcome", attempts[len(attempts)-1].Outcome, cloudtasks.GivenUp)
				equal(t, "requests", len(f.worker.requests()), 2)
			}},
		{"spent attempts alone do not end the retrying", fromProto,
			"Cloud Tasks stops retrying only when max_attempts and max_retry_duration are both satisfied, or when the task is successfully executed.",
			func(t *testing.T, f *fixture) {
				f.wantTimes(f.failing(retries(2, 35, 10, 10, 1)), seconds(0, 10, 20, 30))
			}},
		{"a spent duration alone does not end the retrying", fromProto,
			"Once max_retry_duration time has passed *and* the task has been attempted max_attempts times, no further attempts are made and the task is deleted.",
			func(t *testing.T, f *fixture) {
				f.wantTimes(f.failing(retries(5, 15, 10, 10, 1)), seconds(0, 10, 20, 30, 40))
			}},
		{"attempts without a limit leave the duration to decide", fromProto,
			"If positive, max_retry_duration specifies the time limit for retrying a failed task, measured from when the task was first attempted.",
			func(t *testing.T, f *fixture) {
				f.wantTimes(f.failing(retries(-1, 35, 10, 10, 1)), seconds(0, 10, 20, 30))
			}},
		{"the duration counts from the first attempt", fromProto,
			"measured from when the task was first attempted",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RetryConfig: retries(-1, 15, 10, 10, 1)})
				f.worker.answers(500)
				f.mustCreate(f.task("a", at(time.Hour)))
				f.clock.Advance(2 * time.Hour)
				f.wantTimes(f.dispatchedAfter(), seconds(3600, 3610))
			}},
		{"without any limit a task is retried until its retention ends", fromProto,
			"If max_attempts is set to -1 and max_retry_duration is set to 0, the task is retried until the maximum task retention",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RetryConfig: retries(-1, 0, 24*3600, 24*3600, 1)})
				f.worker.answers(500)
				f.mustCreate(f.task("a"))
				f.clock.Advance(40 * 24 * time.Hour)
				equal(t, "attempts", len(f.ended()), 31) // on day 31 it is gone
				_, err := f.get("a")
				f.want(codes.NotFound, err)
			}},
		{"a task's own retry config overrides the queue's", fromProto,
			"If present, this overrides the Queue.retry_config for this task.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RetryConfig: retries(5, 0, 1, 1, 1)})
				f.worker.answers(500)
				f.mustCreate(f.task("a", func(task *cloudtaskspb.Task) { task.RetryConfig = retries(2, 0, 7, 7, 1) }))
				f.clock.Advance(time.Hour)
				f.wantTimes(f.dispatchedAfter(), seconds(0, 7))
				_, err := f.create(f.task("b", func(task *cloudtaskspb.Task) { task.RetryConfig = retries(-2, 0, 7, 7, 1) }))
				f.want(codes.InvalidArgument, err)
			}},
	}
}

func TestBackoffFollowsTheDocumentedExample(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		config *cloudtaskspb.RetryConfig
		want   []time.Duration
	}{
		{"the example of RetryConfig.max_doublings", retries(0, 0, 10, 300, 3), seconds(10, 20, 40, 80, 160, 240, 300, 300, 300)},
		{"no doubling: linear from the start", retries(0, 0, 10, 35, 0), seconds(10, 20, 30, 35, 35)},
		{"the longest interval cuts the doubling short", retries(0, 0, 10, 50, 5), seconds(10, 20, 40, 50, 50)},
		{"equal bounds", retries(0, 0, 5, 5, 16), seconds(5, 5, 5)},
		{"no interval at all", retries(0, 0, 0, 300, 3), seconds(0, 0, 0)},
		{"doublings that would overflow", retries(0, 0, 1, 3600, 1<<30), seconds(1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 3600, 3600)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for i, want := range c.want {
				equal(t, "interval", cloudtasks.Backoff(c.config, int32(i+1)), want)
			}
			equal(t, "interval after two thousand million failures", cloudtasks.Backoff(c.config, 2_000_000_000), c.want[len(c.want)-1])
		})
	}
}
