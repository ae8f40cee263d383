package cloudtasks

import (
	"context"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// maxTaskPage is the largest page of ListTasks (ListTasksRequest.page_size).
const maxTaskPage = 1000

// withTask checks the name, finds the task and calls f. Cloud Tasks answers NOT_FOUND alike for a task
// that never was and for one that is done.
func (s *Server) withTask(name string, f func(q *queue, t *task, now time.Time) error) error {
	parent, err := queueOf("name", name)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	q, err := s.lookup(parent, now)
	if err != nil {
		return err
	}
	t, ok := q.tasks[name]
	if !ok {
		return errNoTask(name)
	}
	return f(q, t, now)
}

// CreateTask implements the RPC of that name, for HTTP targets.
func (s *Server) CreateTask(_ context.Context, req *cloudtaskspb.CreateTaskRequest) (*cloudtaskspb.Task, error) {
	if _, err := locationOf("parent", req.GetParent()); err != nil {
		return nil, err
	}
	if req.GetTask() == nil {
		return nil, status.Error(codes.InvalidArgument, "task is missing")
	}
	name, named := req.GetTask().GetName(), true
	if name == "" {
		name, named = req.GetParent()+"/tasks/"+randomTaskID(), false
	}
	parent, err := queueOf("task.name", name)
	if err != nil {
		return nil, err
	}
	if parent != req.GetParent() {
		return nil, status.Errorf(codes.InvalidArgument, "task.name %q is not in parent %q", name, req.GetParent())
	}

	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	pb, err := specify(req.GetTask(), name, now)
	if err != nil {
		return nil, err
	}
	q, err := s.lookup(parent, now)
	if err != nil {
		return nil, err
	}
	if _, live := q.tasks[name]; live {
		return nil, status.Errorf(codes.AlreadyExists, "task %s exists", name)
	}
	if _, blocked := q.tombstones[name]; blocked {
		return nil, status.Errorf(codes.AlreadyExists, "the task %s cannot be created because a task with this name existed too recently", name)
	}
	t := &task{pb: pb, created: now, schedule: pb.GetScheduleTime().AsTime(), named: named, index: -1}
	q.add(t)
	answer := viewOf(pb, req.GetResponseView())
	s.pump(q)
	return answer, nil
}

// GetTask implements the RPC of that name.
func (s *Server) GetTask(_ context.Context, req *cloudtaskspb.GetTaskRequest) (*cloudtaskspb.Task, error) {
	var out *cloudtaskspb.Task
	err := s.withTask(req.GetName(), func(_ *queue, t *task, _ time.Time) error {
		out = viewOf(t.pb, req.GetResponseView())
		return nil
	})
	return out, err
}

// ListTasks implements the RPC of that name, in the order of the names.
func (s *Server) ListTasks(_ context.Context, req *cloudtaskspb.ListTasksRequest) (*cloudtaskspb.ListTasksResponse, error) {
	if _, err := locationOf("parent", req.GetParent()); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	q, err := s.lookup(req.GetParent(), now)
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(q.tasks))
	for name := range q.tasks {
		names = append(names, name)
	}
	page := pageRequest{scope: req.GetParent(), token: req.GetPageToken(), size: req.GetPageSize(), limit: maxTaskPage}
	names, next, err := page.cut(names, now)
	if err != nil {
		return nil, err
	}
	out := &cloudtaskspb.ListTasksResponse{NextPageToken: next}
	for _, name := range names {
		out.Tasks = append(out.Tasks, viewOf(q.tasks[name].pb, req.GetResponseView()))
	}
	return out, nil
}

// DeleteTask implements the RPC of that name. An attempt that is under way goes on; whatever it
// answers, the task stays deleted.
func (s *Server) DeleteTask(_ context.Context, req *cloudtaskspb.DeleteTaskRequest) (*emptypb.Empty, error) {
	err := s.withTask(req.GetName(), func(q *queue, t *task, now time.Time) error {
		q.remove(t, now, s.taskTombstone)
		s.pump(q)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// RunTask implements the RPC of that name: it dispatches the task whatever the queue's state and
// limits, and returns it as it is then, before the worker has answered.
func (s *Server) RunTask(_ context.Context, req *cloudtaskspb.RunTaskRequest) (*cloudtaskspb.Task, error) {
	var out *cloudtaskspb.Task
	err := s.withTask(req.GetName(), func(q *queue, t *task, now time.Time) error {
		if s.closed {
			return status.Error(codes.Unavailable, errClosed.Error())
		}
		s.dispatch(q, t, now, true)
		out = viewOf(t.pb, req.GetResponseView())
		return nil
	})
	return out, err
}

// viewOf returns a copy of t: with everything for FULL, else without the body (Task.View).
func viewOf(t *cloudtaskspb.Task, view cloudtaskspb.Task_View) *cloudtaskspb.Task {
	out := proto.CloneOf(t)
	if view == cloudtaskspb.Task_FULL {
		out.View = cloudtaskspb.Task_FULL
		return out
	}
	out.View = cloudtaskspb.Task_BASIC
	out.GetHttpRequest().Body = nil
	return out
}
