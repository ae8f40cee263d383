package cloudtasks

import (
	"crypto/rand"
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// The grammar of resource names: comments of Queue.name and Task.name (queue.proto, task.proto).
var (
	locationPattern = regexp.MustCompile(`^projects/[A-Za-z0-9.:-]+/locations/[A-Za-z0-9-]+$`)
	queuePattern    = regexp.MustCompile(`^(projects/[A-Za-z0-9.:-]+/locations/[A-Za-z0-9-]+)/queues/[A-Za-z0-9-]{1,100}$`)
	taskPattern     = regexp.MustCompile(`^(projects/[A-Za-z0-9.:-]+/locations/[A-Za-z0-9-]+/queues/[A-Za-z0-9-]{1,100})/tasks/[A-Za-z0-9_-]{1,500}$`)
)

func checkLocationName(field, name string) error {
	if !locationPattern.MatchString(name) {
		return status.Errorf(codes.InvalidArgument, "%s %q does not match projects/PROJECT_ID/locations/LOCATION_ID", field, name)
	}
	return nil
}

// locationOf checks a queue's full name and returns its location.
func locationOf(field, queue string) (string, error) {
	m := queuePattern.FindStringSubmatch(queue)
	if m == nil {
		return "", status.Errorf(codes.InvalidArgument,
			"%s %q does not match projects/PROJECT_ID/locations/LOCATION_ID/queues/QUEUE_ID, where QUEUE_ID is 1 to 100 letters, digits or hyphens", field, queue)
	}
	return m[1], nil
}

// queueOf checks a task's full name and returns its queue.
func queueOf(field, task string) (string, error) {
	m := taskPattern.FindStringSubmatch(task)
	if m == nil {
		return "", status.Errorf(codes.InvalidArgument,
			"%s %q does not match projects/PROJECT_ID/locations/LOCATION_ID/queues/QUEUE_ID/tasks/TASK_ID, where TASK_ID is 1 to 500 letters, digits, hyphens or underscores", field, task)
	}
	return m[1], nil
}

// shortID returns the last element of a resource name.
func shortID(name string) string {
	return name[strings.LastIndexByte(name, '/')+1:]
}

// randomTaskID returns an id in the form the service assigns: twenty digits.
func randomTaskID() string {
	var b [20]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand crashes the program instead
	for i := range b {
		b[i] = '0' + b[i]%10
	}
	return string(b[:])
}

func errNoQueue(name string) error {
	return status.Error(codes.NotFound, fmt.Sprintf("queue %s does not exist", name))
}

func errNoTask(name string) error {
	return status.Error(codes.NotFound, fmt.Sprintf("task %s does not exist", name))
}
