package cloudtasks_test

import (
	"net/http"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
)

// sent creates the task and returns the one request that it came to.
func (f *fixture) sent(task *cloudtaskspb.Task) received {
	f.t.Helper()
	f.mustCreate(task)
	f.settle()
	requests := f.worker.requests()
	if len(requests) != 1 {
		f.t.Fatalf("%d requests", len(requests))
	}
	return requests[0]
}

// third fails twice in the given ways and returns the header of the third request.
func (f *fixture) third(first, second int) http.Header {
	f.t.Helper()
	f.worker.answers(first, second, 200)
	f.mustCreate(f.task("a"))
	f.clock.Advance(time.Minute)
	requests := f.worker.requests()
	if len(requests) != 3 {
		f.t.Fatalf("%d requests", len(requests))
	}
	return requests[2].header
}

func headerRows() []row {
	const agent = "X-CloudTasks-"
	return []row{
		{"the user agent is Google-Cloud-Tasks", fromProto,
			`User-Agent: This will be set to "Google-Cloud-Tasks".`,
			func(t *testing.T, f *fixture) {
				got := f.sent(f.task("a", push(func(r *cloudtaskspb.HttpRequest) { r.Headers = map[string]string{"user-agent": "mine"} })))
				equal(t, "User-Agent", got.header.Get("User-Agent"), "Google-Cloud-Tasks")
			}},
		{"the queue's short name", handlers,
			"The name of the queue.",
			func(t *testing.T, f *fixture) {
				equal(t, "QueueName", f.sent(f.task("a")).header.Get(agent+"QueueName"), queueID)
			}},
		{"the task's short name", handlers,
			`The "short" name of the task, or, if no name was specified at creation, a unique system-generated id.`,
			func(t *testing.T, f *fixture) {
				equal(t, "TaskName", f.sent(f.task("my-task")).header.Get(agent+"TaskName"), "my-task")
			}},
		{"the first attempt counts nothing", handlers,
			"The number of times this task has been retried. For the first attempt, this value is 0.",
			func(t *testing.T, f *fixture) {
				h := f.sent(f.task("a")).header
				equal(t, "TaskRetryCount", h.Get(agent+"TaskRetryCount"), "0")
				equal(t, "TaskExecutionCount", h.Get(agent+"TaskExecutionCount"), "0")
				equal(t, "TaskPreviousResponse", len(h.Values(agent+"TaskPreviousResponse")), 0)
				equal(t, "TaskRetryReason", len(h.Values(agent+"TaskRetryReason")), 0)
			}},
		{"the retry count has the 5xx, the execution count has not", handlers,
			"This number does not include failures due to 5XX error codes.",
			func(t *testing.T, f *fixture) {
				h := f.third(409, 500)
				equal(t, "TaskRetryCount", h.Get(agent+"TaskRetryCount"), "2")
				equal(t, "TaskExecutionCount", h.Get(agent+"TaskExecutionCount"), "1")
			}},
		{"the previous answer", handlers,
			"The HTTP response code from the previous retry.",
			func(t *testing.T, f *fixture) {
				equal(t, "TaskPreviousResponse", f.third(500, 404).Get(agent+"TaskPreviousResponse"), "404")
			}},
		{"the reason of the retry", handlers,
			"The reason for retrying the task.",
			func(t *testing.T, f *fixture) {
				equal(t, "TaskRetryReason", f.third(500, 429).Get(agent+"TaskRetryReason"), "RESOURCE_EXHAUSTED(8): HTTP status code 429")
			}},
		{"the schedule time in seconds", handlers,
			"The schedule time of the task, specified in seconds since January 1st 1970.",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("a", at(1250*time.Millisecond)))
				f.clock.Advance(time.Minute)
				equal(t, "TaskETA", f.worker.requests()[0].header.Get(agent+"TaskETA"), "1577934246.250000")
			}},
		{"a task cannot set the service's headers", fromProto,
			`Several predefined headers, prefixed with "X-CloudTasks-", can be used to define properties of the task.`,
			func(t *testing.T, f *fixture) {
				got := f.sent(f.task("a", push(func(r *cloudtaskspb.HttpRequest) {
					r.Headers = map[string]string{"x-cloudtasks-taskname": "forged", "X-CloudTasks-TaskPreviousResponse": "200", "X-CLOUDTASKS-Anything": "x", "X-Mine": "kept"}
				})))
				equal(t, "TaskName", got.header.Get(agent+"TaskName"), "a")
				equal(t, "TaskName values", len(got.header.Values(agent+"TaskName")), 1)
				equal(t, "TaskPreviousResponse", got.header.Get(agent+"TaskPreviousResponse"), "")
				equal(t, "Anything", got.header.Get(agent+"Anything"), "")
				equal(t, "X-Mine", got.header.Get("X-Mine"), "kept")
			}},
		{"a task cannot set Google's headers", fromProto,
			"X-Google-*: Google use only. - X-AppEngine-*: Google use only.",
			func(t *testing.T, f *fixture) {
				got := f.sent(f.task("a", push(func(r *cloudtaskspb.HttpRequest) {
					r.Headers = map[string]string{"X-Google-A": "x", "x-appengine-b": "x", "Content-Length": "1", "Host": "elsewhere"}
				})))
				equal(t, "X-Google-A", got.header.Get("X-Google-A"), "")
				equal(t, "X-AppEngine-B", got.header.Get("X-AppEngine-B"), "")
				equal(t, "body", got.body, "hello")
			}},
		{"method, path and body are as given", fromProto,
			"The HTTP method to use for the request. The default is POST.",
			func(t *testing.T, f *fixture) {
				got := f.sent(f.task("a", push(func(r *cloudtaskspb.HttpRequest) {
					r.HttpMethod = cloudtaskspb.HttpMethod_PUT
					r.Url += "/a%2Fb?x=1&y=2"
					r.Headers = map[string]string{"Content-Type": "application/json"}
				})))
				equal(t, "method", got.method, "PUT")
				equal(t, "path", got.path, "/handle/a%2Fb?x=1&y=2")
				equal(t, "body", got.body, "hello")
				equal(t, "Content-Type", got.header.Get("Content-Type"), "application/json")
			}},
		{"a body without a type is application/octet-stream", choice,
			"A body without a Content-Type is sent as application/octet-stream.",
			func(t *testing.T, f *fixture) {
				equal(t, "Content-Type", f.sent(f.task("a")).header.Get("Content-Type"), "application/octet-stream")
			}},
		{"no body, no type", fromProto,
			"Content-Type won't be set by Cloud Tasks.",
			func(t *testing.T, f *fixture) {
				got := f.sent(f.task("a", push(func(r *cloudtaskspb.HttpRequest) { r.Body = nil })))
				equal(t, "Content-Type values", len(got.header.Values("Content-Type")), 0)
			}},
		{"a task's own Authorization is sent if it asks for no token", fromProto,
			"These headers represent a subset of the headers that will accompany the task's HTTP request.",
			func(t *testing.T, f *fixture) {
				got := f.sent(f.task("a", push(func(r *cloudtaskspb.HttpRequest) { r.Headers = map[string]string{"Authorization": "Basic x"} })))
				equal(t, "Authorization", got.header.Get("Authorization"), "Basic x")
			}},
	}
}
