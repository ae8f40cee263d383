package cloudtasks

import (
	"net/url"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Limits of a task.
const (
	maxTaskBytes   = 100 * 1024          // "The maximum task size is 100KB" (CreateTask)
	maxHeaderBytes = 80 * 1024           // "The size of the headers must be less than 80KB" (HttpRequest.headers)
	maxURLLength   = 2083                // HttpRequest.url
	maxAhead       = 30 * 24 * time.Hour // page "Quotas and limits", maximum schedule time for a task

	// Task.dispatch_deadline, for HTTP tasks.
	defaultDeadline  = 10 * time.Minute
	shortestDeadline = 15 * time.Second
	longestDeadline  = 30 * time.Minute
)

// specify checks the task of a CreateTask request and returns it as the service stores it: defaults
// filled in, times truncated, output-only fields as they are at birth. name is the task's full name.
func specify(req *cloudtaskspb.Task, name string, now time.Time) (*cloudtaskspb.Task, error) {
	if size := proto.Size(req); size > maxTaskBytes {
		return nil, status.Errorf(codes.InvalidArgument, "task of %d bytes is larger than the maximum of %d bytes", size, maxTaskBytes)
	}
	push, err := specifyRequest(req)
	if err != nil {
		return nil, err
	}
	schedule, err := scheduleTime(req.GetScheduleTime(), now)
	if err != nil {
		return nil, err
	}
	deadline, err := dispatchDeadline(req.GetDispatchDeadline())
	if err != nil {
		return nil, err
	}
	t := &cloudtaskspb.Task{
		Name:             name,
		MessageType:      &cloudtaskspb.Task_HttpRequest{HttpRequest: push},
		ScheduleTime:     timestamppb.New(schedule),
		CreateTime:       timestamppb.New(now.Truncate(time.Second)),
		DispatchDeadline: durationpb.New(deadline),
		View:             cloudtaskspb.Task_FULL,
	}
	if req.GetRetryConfig() != nil {
		if t.RetryConfig, err = completeRetryConfig("task.retry_config", req.GetRetryConfig()); err != nil {
			return nil, err
		}
	}
	return t, nil
}

func specifyRequest(task *cloudtaskspb.Task) (*cloudtaskspb.HttpRequest, error) {
	if task.GetAppEngineHttpRequest() != nil {
		return nil, status.Error(codes.Unimplemented, "task.app_engine_http_request: this local server has no App Engine targets")
	}
	if task.GetHttpRequest() == nil {
		return nil, status.Error(codes.InvalidArgument, "task.http_request is missing")
	}
	r := proto.CloneOf(task.GetHttpRequest())
	if err := checkURL(r.GetUrl()); err != nil {
		return nil, err
	}
	if r.HttpMethod == cloudtaskspb.HttpMethod_HTTP_METHOD_UNSPECIFIED {
		r.HttpMethod = cloudtaskspb.HttpMethod_POST
	}
	if _, known := cloudtaskspb.HttpMethod_name[int32(r.HttpMethod)]; !known {
		return nil, status.Errorf(codes.InvalidArgument, "task.http_request.http_method %d is unknown", r.HttpMethod)
	}
	if len(r.GetBody()) > 0 && !takesBody(r.HttpMethod) {
		return nil, status.Errorf(codes.InvalidArgument, "task.http_request.body is not allowed with %s", r.HttpMethod)
	}
	size := 0
	for k, v := range r.GetHeaders() {
		size += len(k) + len(v)
	}
	if size >= maxHeaderBytes {
		return nil, status.Errorf(codes.InvalidArgument, "task.http_request.headers of %d bytes are not below %d bytes", size, maxHeaderBytes)
	}
	if r.GetOauthToken() != nil {
		return nil, status.Error(codes.Unimplemented, "task.http_request.oauth_token: this local server signs OIDC tokens only")
	}
	if o := r.GetOidcToken(); o != nil && o.GetServiceAccountEmail() == "" {
		return nil, status.Error(codes.InvalidArgument, "task.http_request.oidc_token.service_account_email is missing")
	}
	return r, nil
}

func checkURL(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return status.Errorf(codes.InvalidArgument, "task.http_request.url %q is not a full URL that begins with http:// or https://", raw)
	}
	if n := len(u.String()); n > maxURLLength {
		return status.Errorf(codes.InvalidArgument, "task.http_request.url of %d characters is longer than %d", n, maxURLLength)
	}
	return nil
}

// scheduleTime: "If schedule_time is not set or is in the past then Cloud Tasks will set it to the
// current time" (CreateTaskRequest.task); "truncated to the nearest microsecond" (Task.schedule_time).
func scheduleTime(given *timestamppb.Timestamp, now time.Time) (time.Time, error) {
	if given == nil {
		return now.Truncate(time.Microsecond), nil
	}
	if err := given.CheckValid(); err != nil {
		return time.Time{}, status.Errorf(codes.InvalidArgument, "task.schedule_time: %v", err)
	}
	at := given.AsTime()
	if at.After(now.Add(maxAhead)) {
		return time.Time{}, status.Errorf(codes.InvalidArgument, "task.schedule_time %s is more than 30 days ahead of %s",
			at.Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	if at.Before(now) {
		at = now
	}
	return at.Truncate(time.Microsecond), nil
}

func dispatchDeadline(given *durationpb.Duration) (time.Duration, error) {
	if given == nil {
		return defaultDeadline, nil
	}
	d := given.AsDuration()
	if given.CheckValid() != nil || d < shortestDeadline || d > longestDeadline {
		return 0, status.Errorf(codes.InvalidArgument, "task.dispatch_deadline %s is not between %s and %s", d, shortestDeadline, longestDeadline)
	}
	return d.Truncate(time.Millisecond), nil
}
