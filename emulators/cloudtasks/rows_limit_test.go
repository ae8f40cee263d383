package cloudtasks_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"
)

func limitRows() []row {
	return []row{
		{"a task above 100 KB is refused", fromProto,
			"The maximum task size is 100KB.",
			func(t *testing.T, f *fixture) {
				body := func(n int) func(*cloudtaskspb.Task) {
					return push(func(r *cloudtaskspb.HttpRequest) { r.Body = bytes.Repeat([]byte("x"), n) })
				}
				f.mustCreate(f.task("a", at(time.Hour), body(100*1024-500)))
				_, err := f.create(f.task("b", at(time.Hour), body(100*1024)))
				f.want(codes.InvalidArgument, err)
			}},
		{"headers of 80 KB are refused", fromProto,
			"The size of the headers must be less than 80KB.",
			func(t *testing.T, f *fixture) {
				header := func(n int) func(*cloudtaskspb.Task) {
					return push(func(r *cloudtaskspb.HttpRequest) { r.Headers = map[string]string{"A": strings.Repeat("x", n)} })
				}
				f.mustCreate(f.task("a", at(time.Hour), header(80*1024-2)))
				_, err := f.create(f.task("b", at(time.Hour), header(80*1024-1)))
				f.want(codes.InvalidArgument, err)
			}},
		{"a schedule of more than 30 days ahead is refused", quotas,
			"30 days from current date and time",
			func(t *testing.T, f *fixture) {
				f.mustCreate(f.task("a", at(30*24*time.Hour)))
				_, err := f.create(f.task("b", at(30*24*time.Hour+time.Second)))
				f.want(codes.InvalidArgument, err)
			}},
		{"an impossible schedule time is refused", fromProto,
			"The time when the task is scheduled to be attempted or retried.",
			func(t *testing.T, f *fixture) {
				_, err := f.create(f.task("a", func(task *cloudtaskspb.Task) { task.ScheduleTime = &timestamppb.Timestamp{Nanos: -1} }))
				f.want(codes.InvalidArgument, err)
			}},
		{"the dispatch deadline has a range", fromProto,
			"the default is 10 minutes. The deadline must be in the interval 15 seconds, 30 minutes.",
			func(t *testing.T, f *fixture) {
				for _, d := range []time.Duration{15 * time.Second, 30 * time.Minute} {
					f.mustCreate(f.task("", at(time.Hour), deadline(d)))
				}
				for _, d := range []time.Duration{0, -time.Second, 15*time.Second - time.Millisecond, 30*time.Minute + time.Millisecond} {
					_, err := f.create(f.task("", at(time.Hour), deadline(d)))
					f.want(codes.InvalidArgument, err)
				}
			}},
		{"the dispatch deadline is truncated", fromProto,
			"dispatch_deadline will be truncated to the nearest millisecond.",
			func(t *testing.T, f *fixture) {
				made := f.mustCreate(f.task("a", at(time.Hour), deadline(20*time.Second+1999*time.Microsecond)))
				equal(t, "deadline", made.GetDispatchDeadline().AsDuration(), 20*time.Second+time.Millisecond)
			}},
		{"a URL is full and of http or https", fromProto,
			`This string must begin with either "http://" or "https://".`,
			func(t *testing.T, f *fixture) {
				for _, u := range []string{"", "/handle", "ftp://example.com/", "example.com", "http://", "http://a b/", "://"} {
					_, err := f.create(f.task("", at(time.Hour), push(func(r *cloudtaskspb.HttpRequest) { r.Url = u })))
					f.want(codes.InvalidArgument, err)
				}
			}},
		{"a URL has at most 2083 characters after encoding", fromProto,
			"The maximum allowed URL length is 2083 characters after encoding.",
			func(t *testing.T, f *fixture) {
				long := func(n int) func(*cloudtaskspb.Task) {
					return push(func(r *cloudtaskspb.HttpRequest) {
						r.Url = "http://example.com/" + strings.Repeat("x", n-len("http://example.com/"))
					})
				}
				f.mustCreate(f.task("", at(time.Hour), long(2083)))
				_, err := f.create(f.task("", at(time.Hour), long(2084)))
				f.want(codes.InvalidArgument, err)
			}},
		{"a body needs a method that has one", fromProto,
			"A request body is allowed only if the HTTP method is POST, PUT, or PATCH. It is an error to set body on a task with an incompatible HttpMethod.",
			func(t *testing.T, f *fixture) {
				for method, want := range map[cloudtaskspb.HttpMethod]codes.Code{
					cloudtaskspb.HttpMethod_POST: codes.OK, cloudtaskspb.HttpMethod_PUT: codes.OK, cloudtaskspb.HttpMethod_PATCH: codes.OK,
					cloudtaskspb.HttpMethod_GET: codes.InvalidArgument, cloudtaskspb.HttpMethod_HEAD: codes.InvalidArgument,
					cloudtaskspb.HttpMethod_DELETE: codes.InvalidArgument, cloudtaskspb.HttpMethod_OPTIONS: codes.InvalidArgument,
					cloudtaskspb.HttpMethod(99): codes.InvalidArgument,
				} {
					_, err := f.create(f.task("", at(time.Hour), push(func(r *cloudtaskspb.HttpRequest) { r.HttpMethod = method })))
					f.want(want, err)
				}
			}},
		{"a task needs a message", fromProto,
			"Required. The message to send to the worker.",
			func(t *testing.T, f *fixture) {
				_, err := f.create(&cloudtaskspb.Task{})
				f.want(codes.InvalidArgument, err)
				_, err = f.create(nil)
				f.want(codes.InvalidArgument, err)
			}},
		{"an OIDC token needs its service account", fromProto,
			"to be used for generating OIDC token.",
			func(t *testing.T, f *fixture) {
				_, err := f.create(f.task("", oidc("", "audience")))
				f.want(codes.InvalidArgument, err)
			}},
		{"what is output only is not taken from the request", fromProto,
			"Output only. The number of attempts dispatched.",
			func(t *testing.T, f *fixture) {
				made := f.mustCreate(f.task("a", at(time.Hour), func(task *cloudtaskspb.Task) {
					task.DispatchCount, task.ResponseCount = 7, 7
					task.CreateTime = timestamppb.New(start.Add(-time.Hour))
					task.LastAttempt = &cloudtaskspb.Attempt{}
				}))
				equal(t, "dispatched", made.GetDispatchCount(), 0)
				equal(t, "answered", made.GetResponseCount(), 0)
				equal(t, "created", made.GetCreateTime().AsTime(), start)
				equal(t, "attempted", made.GetLastAttempt() != nil, false)
			}},
	}
}
