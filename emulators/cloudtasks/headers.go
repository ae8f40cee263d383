package cloudtasks

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
)

const userAgent = "Google-Cloud-Tasks"

// reservedPrefixes are the headers a task cannot set: "Some HTTP request headers will be ignored or
// replaced" (HttpRequest.headers); X-CloudTasks-* as HttpTarget.header_overrides has it.
var reservedPrefixes = []string{"X-Cloudtasks-", "X-Google-", "X-Appengine-"}

// reservedHeader reports whether a task may not set the header of that name itself.
func reservedHeader(name string) bool {
	name = http.CanonicalHeaderKey(name)
	switch name {
	case "Host", "Content-Length", "User-Agent":
		return true
	}
	for _, prefix := range reservedPrefixes {
		if strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// history is what the headers of a push tell about the attempts before it.
type history struct {
	attempts   int32 // dispatched so far, answered or not
	executions int32 // answered with anything but a 5xx
	httpStatus int   // of the last attempt; 0 if it got no answer
	reason     string
}

// pushHeaders sets what Cloud Tasks itself says about the task: page "Create HTTP target tasks",
// section "Reading HTTP task request headers".
func pushHeaders(h http.Header, task string, eta time.Time, past history) {
	queue := task[:strings.LastIndex(task, "/tasks/")]
	h.Set("User-Agent", userAgent)
	h.Set("X-CloudTasks-QueueName", shortID(queue))
	h.Set("X-CloudTasks-TaskName", shortID(task))
	h.Set("X-CloudTasks-TaskRetryCount", strconv.Itoa(int(past.attempts)))
	h.Set("X-CloudTasks-TaskExecutionCount", strconv.Itoa(int(past.executions)))
	h.Set("X-CloudTasks-TaskETA", fmt.Sprintf("%d.%06d", eta.Unix(), eta.Nanosecond()/1000))
	if past.attempts == 0 {
		return
	}
	h.Set("X-CloudTasks-TaskRetryReason", past.reason)
	if past.httpStatus != 0 {
		h.Set("X-CloudTasks-TaskPreviousResponse", strconv.Itoa(past.httpStatus))
	}
}

// codeOf maps a worker's answer to the code that the task's last attempt shows, by the HTTP mappings
// in the comments of google/rpc/code.proto.
func codeOf(httpStatus int) codes.Code {
	if httpStatus >= 200 && httpStatus < 300 {
		return codes.OK
	}
	switch httpStatus {
	case http.StatusBadRequest:
		return codes.InvalidArgument
	case http.StatusUnauthorized:
		return codes.Unauthenticated
	case http.StatusForbidden:
		return codes.PermissionDenied
	case http.StatusNotFound:
		return codes.NotFound
	case http.StatusConflict:
		return codes.Aborted
	case http.StatusTooManyRequests:
		return codes.ResourceExhausted
	case 499:
		return codes.Canceled
	case http.StatusInternalServerError:
		return codes.Internal
	case http.StatusNotImplemented:
		return codes.Unimplemented
	case http.StatusServiceUnavailable:
		return codes.Unavailable
	case http.StatusGatewayTimeout:
		return codes.DeadlineExceeded
	default:
		return codes.Unknown
	}
}
