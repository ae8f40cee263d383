package cloudtasks

import (
	"context"
	"strings"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// maxQueuePage is the largest page of ListQueues (ListQueuesRequest.page_size).
const maxQueuePage = 9800

// lookup returns the queue of that name, rid of all that has expired. s.mu is held.
func (s *Server) lookup(name string, now time.Time) (*queue, error) {
	q, ok := s.queues[name]
	if !ok {
		return nil, errNoQueue(name)
	}
	q.expire(now, s.taskTombstone)
	return q, nil
}

// withQueue checks the name, finds the queue, and lets f change it before it is dispatched from.
func (s *Server) withQueue(name string, f func(q *queue, now time.Time)) (*cloudtaskspb.Queue, error) {
	if _, err := locationOf("name", name); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.clock.Now()
	q, err := s.lookup(name, now)
	if err != nil {
		return nil, err
	}
	f(q, now)
	s.pump(q)
	return proto.CloneOf(q.pb), nil
}

// CreateQueue implements the RPC of that name.
func (s *Server) CreateQueue(_ context.Context, req *cloudtaskspb.CreateQueueRequest) (*cloudtaskspb.Queue, error) {
	if err := checkLocationName("parent", req.GetParent()); err != nil {
		return nil, err
	}
	pb := proto.CloneOf(req.GetQueue())
	location, err := locationOf("queue.name", pb.GetName())
	if err != nil {
		return nil, err
	}
	if location != req.GetParent() {
		return nil, status.Errorf(codes.InvalidArgument, "queue.name %q is not in parent %q", pb.GetName(), req.GetParent())
	}
	if err := completeQueue(pb); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.queues[pb.GetName()]; ok {
		return nil, status.Errorf(codes.AlreadyExists, "queue %s exists", pb.GetName())
	}
	return s.addQueue(pb)
}

// addQueue makes pb, which is complete, a queue. s.mu is held.
func (s *Server) addQueue(pb *cloudtaskspb.Queue) (*cloudtaskspb.Queue, error) {
	if until, ok := s.deleted[pb.GetName()]; ok && until.After(s.clock.Now()) {
		return nil, status.Errorf(codes.FailedPrecondition, "the queue %s cannot be created because a queue with this name existed too recently", pb.GetName())
	}
	delete(s.deleted, pb.GetName())
	pb.State, pb.PurgeTime = cloudtaskspb.Queue_RUNNING, nil
	s.queues[pb.GetName()] = newQueue(pb)
	return proto.CloneOf(pb), nil
}

// GetQueue implements the RPC of that name.
func (s *Server) GetQueue(_ context.Context, req *cloudtaskspb.GetQueueRequest) (*cloudtaskspb.Queue, error) {
	return s.withQueue(req.GetName(), func(*queue, time.Time) {})
}

// ListQueues implements the RPC of that name. Of the filters it knows only "state: STATE".
func (s *Server) ListQueues(_ context.Context, req *cloudtaskspb.ListQueuesRequest) (*cloudtaskspb.ListQueuesResponse, error) {
	if err := checkLocationName("parent", req.GetParent()); err != nil {
		return nil, err
	}
	wanted, err := stateFilter(req.GetFilter())
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	names := make([]string, 0, len(s.queues))
	for name, q := range s.queues {
		inParent := strings.HasPrefix(name, req.GetParent()+"/queues/")
		if inParent && (wanted == cloudtaskspb.Queue_STATE_UNSPECIFIED || q.pb.GetState() == wanted) {
			names = append(names, name)
		}
	}
	page := pageRequest{
		scope: req.GetParent() + "?" + req.GetFilter(),
		token: req.GetPageToken(), size: req.GetPageSize(), limit: maxQueuePage,
	}
	names, next, err := page.cut(names, s.clock.Now())
	if err != nil {
		return nil, err
	}
	out := &cloudtaskspb.ListQueuesResponse{NextPageToken: next}
	for _, name := range names {
		out.Queues = append(out.Queues, proto.CloneOf(s.queues[name].pb))
	}
	return out, nil
}

func stateFilter(filter string) (cloudtaskspb.Queue_State, error) {
	if filter == "" {
		return cloudtaskspb.Queue_STATE_UNSPECIFIED, nil
	}
	field, value, ok := strings.Cut(strings.ReplaceAll(filter, "=", ":"), ":")
	state := cloudtaskspb.Queue_State(cloudtaskspb.Queue_State_value[strings.Trim(value, ` "`)])
	if !ok || strings.TrimSpace(field) != "state" || state == cloudtaskspb.Queue_STATE_UNSPECIFIED {
		return 0, status.Errorf(codes.Unimplemented, `filter %q: this local server knows only filters like "state: PAUSED"`, filter)
	}
	return state, nil
}

// UpdateQueue implements the RPC of that name: it also creates the queue if there is none.
func (s *Server) UpdateQueue(_ context.Context, req *cloudtaskspb.UpdateQueueRequest) (*cloudtaskspb.Queue, error) {
	name := req.GetQueue().GetName()
	if _, err := locationOf("queue.name", name); err != nil {
		return nil, err
	}
	mask := req.GetUpdateMask()
	if len(mask.GetPaths()) > 0 && !mask.IsValid(req.GetQueue()) {
		return nil, status.Errorf(codes.InvalidArgument, "update_mask %q names a field that a queue does not have", mask.GetPaths())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	q, exists := s.queues[name]
	updated := proto.CloneOf(req.GetQueue())
	if exists {
		updated = masked(q.pb, req.GetQueue(), mask)
	}
	if err := completeQueue(updated); err != nil {
		return nil, err
	}
	if !exists {
		return s.addQueue(updated)
	}
	// "Any value specified for an output only field will be ignored."
	updated.State, updated.PurgeTime = q.pb.GetState(), q.pb.GetPurgeTime()
	q.pb = updated
	q.pace.reconfigure(s.clock.Now(), updated.GetRateLimits())
	s.pump(q)
	return proto.CloneOf(updated), nil
}

// masked returns old with the fields that mask names taken from update; all fields if it names none.
func masked(old, update *cloudtaskspb.Queue, mask *fieldmaskpb.FieldMask) *cloudtaskspb.Queue {
	if len(mask.GetPaths()) == 0 {
		return proto.CloneOf(update)
	}
	out := proto.CloneOf(old)
	for _, path := range mask.GetPaths() {
		setField(out.ProtoReflect(), update.ProtoReflect(), strings.Split(path, "."))
	}
	out.Name = old.GetName()
	return out
}

func setField(dst, src protoreflect.Message, path []string) {
	field := dst.Descriptor().Fields().ByName(protoreflect.Name(path[0]))
	if len(path) > 1 {
		setField(dst.Mutable(field).Message(), src.Get(field).Message(), path[1:])
		return
	}
	if !src.Has(field) {
		dst.Clear(field)
		return
	}
	dst.Set(field, proto.Clone(src.Interface()).ProtoReflect().Get(field))
}

// DeleteQueue implements the RPC of that name.
func (s *Server) DeleteQueue(_ context.Context, req *cloudtaskspb.DeleteQueueRequest) (*emptypb.Empty, error) {
	_, err := s.withQueue(req.GetName(), func(q *queue, now time.Time) {
		q.gone = true
		for _, t := range q.tasks {
			t.gone = true
		}
		delete(s.queues, req.GetName())
		if s.queueTombstone > 0 {
			s.deleted[req.GetName()] = now.Add(s.queueTombstone)
		}
	})
	if err != nil {
		return nil, err
	}
	return &emptypb.Empty{}, nil
}

// PurgeQueue implements the RPC of that name. It takes effect at once.
func (s *Server) PurgeQueue(_ context.Context, req *cloudtaskspb.PurgeQueueRequest) (*cloudtaskspb.Queue, error) {
	return s.withQueue(req.GetName(), func(q *queue, now time.Time) {
		for _, t := range q.tasks {
			q.remove(t, now, s.taskTombstone)
		}
		q.pb.PurgeTime = timestamppb.New(now.Truncate(time.Microsecond))
	})
}

// PauseQueue implements the RPC of that name.
func (s *Server) PauseQueue(_ context.Context, req *cloudtaskspb.PauseQueueRequest) (*cloudtaskspb.Queue, error) {
	return s.withQueue(req.GetName(), func(q *queue, _ time.Time) { q.pb.State = cloudtaskspb.Queue_PAUSED })
}

// ResumeQueue implements the RPC of that name.
func (s *Server) ResumeQueue(_ context.Context, req *cloudtaskspb.ResumeQueueRequest) (*cloudtaskspb.Queue, error) {
	return s.withQueue(req.GetName(), func(q *queue, _ time.Time) { q.pb.State = cloudtaskspb.Queue_RUNNING })
}
