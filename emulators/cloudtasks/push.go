package cloudtasks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
)

// errDeadline is why a request is cancelled at its dispatch deadline.
var errDeadline = errors.New("the worker did not respond by the dispatch deadline")

// drainLimit bounds how much of a worker's answer is read. The content means nothing to Cloud Tasks,
// but a worker must be able to write it.
const drainLimit = 1 << 20

// result is what one push came to.
type result struct {
	method     string
	url        string
	header     http.Header
	httpStatus int // 0 if no answer came
	code       codes.Code
	message    string
	retryAfter time.Duration
	lost       bool
}

// reason is the text of X-CloudTasks-TaskRetryReason, in the way Cloud Logging prints the status of an
// attempt; the documentation gives no form.
func (r result) reason() string {
	return fmt.Sprintf("%s(%d): %s", canonicalName(r.code), r.code, r.message)
}

func canonicalName(c codes.Code) string {
	for _, known := range []struct {
		code codes.Code
		name string
	}{
		{codes.Canceled, "CANCELLED"}, {codes.InvalidArgument, "INVALID_ARGUMENT"},
		{codes.DeadlineExceeded, "DEADLINE_EXCEEDED"}, {codes.NotFound, "NOT_FOUND"},
		{codes.PermissionDenied, "PERMISSION_DENIED"}, {codes.ResourceExhausted, "RESOURCE_EXHAUSTED"},
		{codes.Aborted, "ABORTED"}, {codes.Unimplemented, "UNIMPLEMENTED"}, {codes.Internal, "INTERNAL"},
		{codes.Unavailable, "UNAVAILABLE"}, {codes.Unauthenticated, "UNAUTHENTICATED"},
	} {
		if known.code == c {
			return known.name
		}
	}
	return "UNKNOWN"
}

// push sends the task once and waits for the answer.
func (s *Server) push(f *flight) result {
	req, err := s.request(f)
	if err != nil {
		return result{code: codes.Internal, message: err.Error()}
	}
	r := result{method: req.Method, url: req.URL.String(), header: req.Header}
	resp, err := s.client.Do(req)
	if err != nil {
		r.code, r.message = codes.Unavailable, err.Error()
		if errors.Is(context.Cause(f.expired), errDeadline) {
			r.code, r.message = codes.DeadlineExceeded, errDeadline.Error()
		}
		return r
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, drainLimit)) // the status has decided already
	_ = resp.Body.Close()
	r.httpStatus, r.code = resp.StatusCode, codeOf(resp.StatusCode)
	if r.code != codes.OK {
		r.message = fmt.Sprintf("HTTP status code %d", resp.StatusCode)
		r.retryAfter = retryAfter(resp.Header, s.clock.Now())
	}
	return r
}

// request builds the HTTP request of a push.
func (s *Server) request(f *flight) (*http.Request, error) {
	task, err := overridden(f.pb.GetHttpRequest(), f.target)
	if err != nil {
		return nil, fmt.Errorf("apply the queue's http_target to %s: %w", f.pb.GetName(), err)
	}
	req, err := http.NewRequestWithContext(f.expired, task.GetHttpMethod().String(), task.GetUrl(), bytes.NewReader(task.GetBody()))
	if err != nil {
		return nil, fmt.Errorf("build the request of %s: %w", f.pb.GetName(), err)
	}
	req.GetBody = nil // no second request by net/http's own decision
	for name, value := range task.GetHeaders() {
		if !reservedHeader(name) {
			req.Header.Set(name, value)
		}
	}
	if len(task.GetBody()) > 0 && req.Header.Get("Content-Type") == "" {
		req.Header.Set("Content-Type", "application/octet-stream")
	}
	pushHeaders(req.Header, f.pb.GetName(), f.pb.GetScheduleTime().AsTime(), f.past)
	return req, s.authorize(req, task)
}

// authorize adds the OIDC token, in place of any Authorization header the task has.
func (s *Server) authorize(req *http.Request, task *cloudtaskspb.HttpRequest) error {
	o := task.GetOidcToken()
	if o == nil {
		return nil
	}
	audience := o.GetAudience()
	if audience == "" { // "the URI specified in target will be used"
		audience = task.GetUrl()
	}
	token, err := s.IDToken(o.GetServiceAccountEmail(), audience)
	if err != nil {
		return fmt.Errorf("sign the token for %s: %w", task.GetUrl(), err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	return nil
}
