package cloudtasks_test

import (
	"net/http"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/durationpb"
)

func scheduleRows() []row {
	return []row{
		{"a task is dispatched at its schedule time and not before", fromProto,
			"The time when the task is scheduled to be attempted or retried.",
			func(t *testing.T, f *fixture) {
				made := f.mustCreate(f.task("a", at(3*24*time.Hour+1500*time.Nanosecond)))
				due := 3*24*time.Hour + time.Microsecond
				equal(t, "schedule, truncated", made.GetScheduleTime().AsTime(), start.Add(due))
				f.clock.Advance(due - time.Nanosecond)
				equal(t, "attempts before", len(f.ended()), 0)
				f.clock.Advance(time.Nanosecond)
				equal(t, "attempts after", len(f.ended()), 1)
				equal(t, "dispatched", f.dispatchedAfter()[0], due)
			}},
		{"a task without a time, or with a past one, is due now", fromProto,
			"If schedule_time is not set or is in the past then Cloud Tasks will set it to the current time.",
			func(t *testing.T, f *fixture) {
				for _, task := range []*cloudtaskspb.Task{f.task(""), f.task("", at(-time.Hour))} {
					made := f.mustCreate(task)
					equal(t, "schedule", made.GetScheduleTime().AsTime(), start)
				}
				equal(t, "attempts", len(f.ended()), 2)
			}},
		{"2xx is success", fromProto,
			"acknowledges the task by returning a successful HTTP response code (200 - 299), the task will be removed from the queue.",
			func(t *testing.T, f *fixture) {
				f.worker.answers(200, 201, 202, 204, 299)
				for range 5 {
					f.mustCreate(f.task(""))
					f.settle()
				}
				for _, a := range f.ended() {
					equal(t, "outcome", a.Outcome, "succeeded")
				}
				equal(t, "tasks left", f.tasks(0), "")
			}},
		{"everything else is retried", fromProto,
			"If any other HTTP response code is returned or no response is received, the task will be retried",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RetryConfig: &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(time.Second), MaxBackoff: durationpb.New(time.Second)}})
				statuses := []int{301, 307, 400, 401, 403, 404, 409, 422, 500, 501, 502, 504, 200}
				f.worker.answers(statuses...)
				f.mustCreate(f.task("a"))
				f.clock.Advance(time.Hour)
				attempts := f.ended()
				equal(t, "attempts", len(attempts), len(statuses))
				for i, a := range attempts {
					equal(t, "status", a.HTTPStatus, statuses[i])
				}
			}},
		{"a redirect is a failure, not a second request", fromProto,
			"The Location header response from a redirect response 300 - 399 may be followed.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RetryConfig: &cloudtaskspb.RetryConfig{MaxAttempts: 1}})
				f.worker.handle(func(_ int, w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", 307) })
				f.mustCreate(f.task("a"))
				equal(t, "outcome", f.ended()[0].Outcome, "given_up")
				equal(t, "requests", len(f.worker.requests()), 1)
			}},
		{"a worker that cannot be reached is tried again", fromProto,
			"or no response is received, the task will be retried",
			func(t *testing.T, f *fixture) {
				f.worker.Close()
				f.mustCreate(f.task("a"))
				f.settle()
				got := f.mustGet("a")
				equal(t, "code", codes.Code(got.GetLastAttempt().GetResponseStatus().GetCode()), codes.Unavailable)
				equal(t, "dispatched", got.GetDispatchCount(), 1)
				equal(t, "answered", got.GetResponseCount(), 0)
			}},
		{"a worker that is too slow is cut off and tried again", fromProto,
			"If the worker does not respond by this deadline then the request is cancelled and the attempt is marked as a DEADLINE_EXCEEDED failure.",
			func(t *testing.T, f *fixture) {
				arrived, release := f.worker.hang(t)
				f.mustCreate(f.task("a", deadline(15*time.Second)))
				receive(t, arrived)
				f.clock.Jump(15*time.Second - time.Millisecond)
				equal(t, "answered", f.mustGet("a").GetLastAttempt().GetResponseTime() != nil, false)
				f.clock.Jump(time.Millisecond)
				f.settle()
				got := f.mustGet("a").GetLastAttempt()
				equal(t, "code", codes.Code(got.GetResponseStatus().GetCode()), codes.DeadlineExceeded)
				equal(t, "ended", got.GetResponseTime().AsTime(), start.Add(15*time.Second))
				release()
				f.clock.Advance(time.Second)
				attempts := f.ended()
				equal(t, "outcome", attempts[len(attempts)-1].Outcome, "succeeded")
			}},
		{"a task shows its attempts", fromProto,
			"This count includes attempts which have been dispatched but haven't received a response.",
			func(t *testing.T, f *fixture) {
				arrived, release := f.worker.hang(t)
				f.mustCreate(f.task("a", at(time.Second)))
				f.clock.Jump(time.Second)
				receive(t, arrived)
				got := f.mustGet("a")
				equal(t, "dispatched", got.GetDispatchCount(), 1)
				equal(t, "answered", got.GetResponseCount(), 0)
				equal(t, "first", got.GetFirstAttempt().GetDispatchTime().AsTime(), start.Add(time.Second))
				equal(t, "scheduled", got.GetLastAttempt().GetScheduleTime().AsTime(), start.Add(time.Second))
				release()
				f.settle()
			}},
		{"an answered attempt shows its status", fromProto,
			"Output only. The response from the worker for this attempt.",
			func(t *testing.T, f *fixture) {
				f.worker.answers(404)
				f.mustCreate(f.task("a"))
				f.settle()
				got := f.mustGet("a")
				equal(t, "answered", got.GetResponseCount(), 1)
				equal(t, "code", codes.Code(got.GetLastAttempt().GetResponseStatus().GetCode()), codes.NotFound)
				equal(t, "message", got.GetLastAttempt().GetResponseStatus().GetMessage(), "HTTP status code 404")
			}},
		{"RunTask dispatches from a paused queue", fromProto,
			"even if the task is already running, the queue has reached its RateLimits or is PAUSED.",
			func(t *testing.T, f *fixture) {
				f.pause()
				f.mustCreate(f.task("a", at(time.Hour)))
				got, err := f.run("a")
				f.want(codes.OK, err)
				equal(t, "dispatched", got.GetDispatchCount(), 1)
				equal(t, "outcome", f.ended()[0].Outcome, "succeeded")
				_, err = f.get("a")
				f.want(codes.NotFound, err)
			}},
		{"RunTask dispatches a running task once more", fromProto,
			"This command is meant to be used for manual debugging.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RateLimits: &cloudtaskspb.RateLimits{MaxConcurrentDispatches: 1}})
				arrived, release := f.worker.hang(t)
				f.mustCreate(f.task("a"))
				receive(t, arrived)
				_, err := f.run("a")
				f.want(codes.OK, err)
				receive(t, arrived)
				release()
				equal(t, "attempts", len(f.ended()), 2)
			}},
		{"a task that RunTask ran in vain stays", fromProto,
			"otherwise the task's schedule_time will be reset to the time that RunTask was called plus the retry delay specified in the queue's RetryConfig.",
			func(t *testing.T, f *fixture) {
				f.settings(&cloudtaskspb.Queue{RetryConfig: &cloudtaskspb.RetryConfig{MaxAttempts: 1, MinBackoff: durationpb.New(10 * time.Second)}})
				arrived, free := make(chan struct{}, 1), make(chan struct{})
				f.worker.handle(func(_ int, w http.ResponseWriter, _ *http.Request) {
					arrived <- struct{}{}
					<-free
					w.WriteHeader(500)
				})
				f.mustCreate(f.task("a", at(time.Hour)))
				f.clock.Advance(time.Minute)
				_, err := f.run("a")
				f.want(codes.OK, err)
				receive(t, arrived)
				f.clock.Jump(5 * time.Second) // the delay counts from the call, not from the answer
				close(free)
				f.settle()
				equal(t, "schedule", f.mustGet("a").GetScheduleTime().AsTime(), start.Add(time.Minute+10*time.Second))
			}},
		{"RunTask finds no finished task", fromProto,
			"returns NOT_FOUND when it is called on a task that has already succeeded or permanently failed.",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("a"))
				f.settle()
				_, err := f.run("a")
				f.want(codes.NotFound, err)
			}},
	}
}
