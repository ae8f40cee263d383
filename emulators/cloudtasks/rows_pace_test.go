package cloudtasks_test

import (
	"net/http"
	"strconv"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
)

func paceRows() []row {
	return []row{
		{"a full bucket is emptied at once, then refilled at the rate", fromProto,
			"Tasks will be dispatched until the queue's bucket runs out of tokens. The bucket will be continuously refilled with new tokens based on max_dispatches_per_second.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 2}})
				f.emptyBucket(2)
				f.clock.Advance(time.Minute)
				f.pause()
				for range 5 {
					f.mustCreate(f.task(""))
				}
				f.resume()
				f.settle()
				equal(t, "burst", len(f.ended())-2, 2)
				f.clock.Advance(time.Minute)
				var after []time.Duration
				for _, d := range f.dispatchedAfter()[4:] {
					after = append(after, d-time.Minute)
				}
				f.wantTimes(after, []time.Duration{500 * time.Millisecond, time.Second, 1500 * time.Millisecond})
			}},
		{"the burst is at least the rate", fromProto,
			"It is generally at least equal to max_dispatches_per_second but might be higher to accommodate bursts of traffic.",
			func(t *testing.T, f *fixture) {
				for rate, burst := range map[float64]int32{0.1: 1, 1: 1, 2.5: 3, 500: 500} {
					q, err := f.client.UpdateQueue(f.ctx, &cloudtaskspb.UpdateQueueRequest{Queue: &cloudtaskspb.Queue{
						Name: queue, RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: rate, MaxBurstSize: 77}}})
					f.want(codes.OK, err)
					equal(t, "burst of "+strconv.FormatFloat(rate, 'g', -1, 64), q.GetRateLimits().GetMaxBurstSize(), burst)
				}
			}},
		{"retries use up the rate as well", fromProto,
			"This message determines the maximum rate that tasks can be dispatched by a queue, regardless of whether the dispatch is a first task attempt or a retry.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 0.1}, RetryConfig: retries(3, 0, 1, 1, 1)})
				f.emptyBucket(0)
				f.clock.Advance(time.Hour)
				f.worker.answers(500)
				f.mustCreate(f.task(""))
				f.clock.Advance(time.Hour)
				var after []time.Duration
				for _, d := range f.dispatchedAfter() {
					after = append(after, d-time.Hour)
				}
				f.wantTimes(after, seconds(0, 10, 20))
			}},
		{"RunTask does not wait for a token", fromProto,
			"will run a task even if the queue has reached its RateLimits.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 0.001}})
				f.emptyBucket(1)
				f.mustCreate(f.task("a"))
				equal(t, "attempts of the queue", len(f.ended()), 1)
				_, err := f.run("a")
				f.want(codes.OK, err)
				equal(t, "attempts with RunTask", len(f.ended()), 2)
			}},
		{"no more than max_concurrent_dispatches are under way", fromProto,
			"After this threshold has been reached, Cloud Tasks stops dispatching tasks until the number of concurrent requests decreases.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RateLimits: &cloudtaskspb.RateLimits{MaxConcurrentDispatches: 2}})
				arrived, release := f.worker.hang(t)
				for range 5 {
					f.mustCreate(f.task(""))
				}
				receive(t, arrived)
				receive(t, arrived)
				f.clock.Jump(time.Minute)
				dispatched := 0
				it := f.client.ListTasks(f.ctx, &cloudtaskspb.ListTasksRequest{Parent: queue})
				for range 5 {
					task, err := it.Next()
					f.want(codes.OK, err)
					dispatched += int(task.GetDispatchCount())
				}
				equal(t, "dispatched", dispatched, 2)
				release()
				equal(t, "attempts in the end", len(f.ended()), 5)
			}},
		{"429 slows the whole queue down", fromProto,
			"if the worker returns 429 (Too Many Requests), 503 (Service Unavailable), or the rate of errors is high, Cloud Tasks will use a higher backoff rate.",
			func(t *testing.T, f *fixture) { f.slowedDownBy(429) }},
		{"503 slows the whole queue down", fromProto,
			"System throttling due to 429 (Too Many Requests) or 503 (Service Unavailable) responses from the worker",
			func(t *testing.T, f *fixture) { f.slowedDownBy(503) }},
		{"answers that come together slow down once", fromProto,
			"Cloud Tasks may temporarily reduce the queue's effective rate.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RetryConfig: retries(1, 0, 1, 1, 1)})
				f.worker.answers(429, 429, 429, 429, 200)
				f.pause()
				for range 5 {
					f.mustCreate(f.task(""))
				}
				f.resume()
				f.settle()
				f.mustCreate(f.task(""))
				f.clock.Advance(time.Hour)
				f.wantTimes(f.dispatchedAfter(), seconds(0, 0, 0, 0, 0, 1))
			}},
		{"500 and 409 slow down nobody else", fromProto,
			"User-specified settings will not be changed.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RetryConfig: retries(2, 0, 60, 60, 1)})
				f.worker.answers(500, 409, 200)
				for range 3 {
					f.mustCreate(f.task(""))
					f.settle()
				}
				f.wantTimes(f.dispatchedAfter(), seconds(0, 0, 0))
			}},
		{"Retry-After in seconds", fromProto,
			"The retry specified in the Retry-After HTTP response header is considered.",
			func(t *testing.T, f *fixture) {
				f.retryAfter(func() string { return "90" })
			}},
		{"Retry-After as a date", "RFC 9110, section 10.2.3, Retry-After",
			"The Retry-After field value can be either an HTTP-date or a number of seconds to delay after receiving the response.",
			func(t *testing.T, f *fixture) {
				f.retryAfter(func() string { return start.Add(90 * time.Second).Format(http.TimeFormat) })
			}},
		{"Retry-After with another status delays the task alone", fromProto,
			"The retry specified in the Retry-After HTTP response header is considered.",
			func(t *testing.T, f *fixture) {
				f.worker.handle(func(n int, w http.ResponseWriter, _ *http.Request) {
					if n == 1 {
						w.Header().Set("Retry-After", "90")
						w.WriteHeader(409)
					}
				})
				f.mustCreate(f.task("a"))
				f.settle()
				f.mustCreate(f.task("b"))
				f.clock.Advance(time.Hour)
				f.wantTimes(f.dispatchedAfter(), seconds(0, 0, 90))
			}},
		{"a Retry-After that says nothing is ignored", "RFC 9110, section 10.2.3, Retry-After",
			"Retry-After = HTTP-date / delay-seconds",
			func(t *testing.T, f *fixture) {
				for i, v := range []string{"", "soon", "-5", "1.5", start.Add(-time.Hour).Format(http.TimeFormat)} {
					f.settings(&cloudtaskspb.Queue{RetryConfig: retries(1, 0, 1, 1, 1)})
					f.worker.handle(func(_ int, w http.ResponseWriter, _ *http.Request) {
						w.Header().Set("Retry-After", v)
						w.WriteHeader(400)
					})
					f.mustCreate(f.task(""))
					equal(t, "attempts after "+v, len(f.ended()), i+1)
				}
			}},
		{"a rate can be changed while tasks wait", fromProto,
			"A mask used to specify which fields of the queue are being updated.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 0.001}})
				f.emptyBucket(1)
				f.mustCreate(f.task(""))
				f.clock.Advance(time.Second)
				equal(t, "attempts at the old rate", len(f.ended()), 1)
				_, err := f.client.UpdateQueue(f.ctx, &cloudtaskspb.UpdateQueueRequest{
					Queue:      &cloudtaskspb.Queue{Name: queue, RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: 10}},
					UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"rate_limits"}},
				})
				f.want(codes.OK, err)
				f.clock.Advance(time.Second)
				equal(t, "attempts at the new rate", len(f.ended()), 2)
			}},
	}
}

// emptyBucket dispatches n tasks, as many as the bucket holds.
func (f *fixture) emptyBucket(n int) {
	f.t.Helper()
	for range n {
		f.mustCreate(f.task(""))
	}
	equal(f.t, "attempts from the full bucket", len(f.ended()), n)
}

// slowedDownBy shows that one task's answer holds up the others: for a second, then two, then four; that
// a success ends it; and that the next such answer begins with a second again.
func (f *fixture) slowedDownBy(code int) {
	f.t.Helper()
	f.settings(&cloudtaskspb.Queue{RetryConfig: retries(1, 0, 1, 1, 1)})
	f.worker.answers(code, code, code, 200, 200, 200, code, 200)
	for range 6 {
		f.mustCreate(f.task(""))
		f.settle()
	}
	f.clock.Advance(100 * time.Second)
	for range 2 {
		f.mustCreate(f.task(""))
		f.settle()
	}
	f.clock.Advance(time.Hour)
	f.wantTimes(f.dispatchedAfter(), seconds(0, 1, 3, 7, 7, 7, 100, 101))
}

// retryAfter shows that the header delays the task and, with a 429, the whole queue.
func (f *fixture) retryAfter(value func() string) {
	f.t.Helper()
	f.settings(&cloudtaskspb.Queue{RetryConfig: retries(2, 0, 1, 1, 1)})
	f.worker.handle(func(n int, w http.ResponseWriter, _ *http.Request) {
		if n == 1 {
			w.Header().Set("Retry-After", value())
			w.WriteHeader(429)
		}
	})
	f.mustCreate(f.task("a"))
	f.settle()
	f.mustCreate(f.task("b"))
	f.clock.Advance(time.Hour)
	f.wantTimes(f.dispatchedAfter(), seconds(0, 90, 90))
}
