package cloudtasks

import (
	"context"
	"net/http"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Outcome says what became of a task after an attempt.
type Outcome string

// The outcomes.
const (
	Succeeded Outcome = "succeeded" // a 2xx; the task is deleted
	Retrying  Outcome = "retrying"  // the task waits for Attempt.NextAttempt
	GivenUp   Outcome = "given_up"  // the retry limits are spent; the task is deleted without a word
	Lost      Outcome = "lost"      // Options.Deliveries let it vanish; nothing was sent
	Ignored   Outcome = "ignored"   // the task was gone before the answer came
)

// Attempt is one attempt that has ended, as Options.OnAttempt sees it.
type Attempt struct {
	Task   string // full name
	Number int32  // counted from 1; copies of one dispatch share it
	Copy   int    // 0 for the dispatch itself, from 1 for duplicates of it
	Forced bool   // by RunTask

	Method string
	URL    string
	Header http.Header // as sent, without what the HTTP transport adds

	Scheduled  time.Time
	Dispatched time.Time
	Ended      time.Time

	HTTPStatus  int        // 0 if no answer came
	Code        codes.Code // what the task's last_attempt shows
	Message     string
	Outcome     Outcome
	NextAttempt time.Time // for Retrying
}

// flight is one dispatch on its way: all that is needed once the server's lock is released.
type flight struct {
	queue      *queue
	task       *task
	forced     bool
	number     int32
	pb         *cloudtaskspb.Task // a copy
	target     *cloudtaskspb.HttpTarget
	past       history
	dispatched time.Time
	expired    context.Context // ends at the dispatch deadline, on the server's clock
	stop       func()          // releases expired
}

// pump dispatches all that q may dispatch now and sets the timer for what comes next. It is called
// after every change. s.mu is held.
func (s *Server) pump(q *queue) {
	q.disarm()
	if s.closed {
		return
	}
	now := s.clock.Now()
	q.expire(now, s.taskTombstone)
	for q.open() {
		t := q.due()
		if t == nil {
			return
		}
		if t.schedule.After(now) {
			s.arm(q, t.schedule)
			return
		}
		// The limits may have been spent while the task waited for this retry.
		if spent(s.retryConfig(q, t), t.past.attempts, t.first, now) {
			q.remove(t, now, s.taskTombstone)
			continue
		}
		if !q.pace.take(now) {
			s.arm(q, q.pace.next(now))
			return
		}
		s.dispatch(q, t, now, false)
	}
}

// arm sets q's timer.
func (s *Server) arm(q *queue, at time.Time) {
	q.wake = s.clock.AfterFunc(at, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.pump(q)
	})
}

// dispatch sends t on its way. s.mu is held.
func (s *Server) dispatch(q *queue, t *task, now time.Time, forced bool) {
	q.claim(t)
	last := &cloudtaskspb.Attempt{
		ScheduleTime: timestamppb.New(t.schedule),
		DispatchTime: timestamppb.New(now.Truncate(time.Microsecond)),
	}
	if t.past.attempts == 0 {
		t.first = now
		t.pb.FirstAttempt = &cloudtaskspb.Attempt{DispatchTime: last.GetDispatchTime()}
	}
	f := &flight{
		queue: q, task: t, forced: forced,
		number: t.past.attempts + 1, past: t.past,
		pb: proto.CloneOf(t.pb), target: proto.CloneOf(q.pb.GetHttpTarget()),
		dispatched: now,
	}
	t.past.attempts++
	t.pb.DispatchCount++
	t.pb.LastAttempt = last

	expired, cancel := context.WithCancelCause(s.ctx)
	disarm := s.clock.AfterFunc(now.Add(t.pb.GetDispatchDeadline().AsDuration()), func() { cancel(errDeadline) })
	f.expired, f.stop = expired, func() { disarm(); cancel(nil) }

	s.begin(q, 1)
	go s.fly(f)
}

// fly makes the copies that Options.Deliveries asks for and waits for none of them but its own.
func (s *Server) fly(f *flight) {
	copies := s.deliveries(proto.CloneOf(f.pb))
	if copies < 1 {
		s.land(f, 0, result{code: codes.OK, lost: true})
		f.stop()
		return
	}
	s.mu.Lock()
	s.begin(f.queue, copies-1)
	s.mu.Unlock()
	ended := make(chan struct{}, copies)
	for i := range copies {
		go func() {
			s.land(f, i, s.push(f))
			ended <- struct{}{}
		}()
	}
	for range copies {
		<-ended
	}
	f.stop()
}

// begin counts n attempts in. s.mu is held.
func (s *Server) begin(q *queue, n int) {
	q.running += n
	s.inFlight += n
}

// end counts one attempt out and lets the queue go on.
func (s *Server) end(q *queue) {
	s.mu.Lock()
	defer s.mu.Unlock()
	q.running--
	s.pump(q)
	if s.inFlight--; s.inFlight == 0 {
		close(s.idle)
		s.idle = make(chan struct{})
	}
}

// land records how an attempt ended.
func (s *Server) land(f *flight, duplicate int, r result) {
	defer s.end(f.queue)
	s.mu.Lock()
	now := s.clock.Now()
	outcome, next := s.settle(f, r, now)
	s.mu.Unlock()

	a := Attempt{
		Task: f.pb.GetName(), Number: f.number, Copy: duplicate, Forced: f.forced,
		Method: r.method, URL: r.url, Header: r.header,
		Scheduled: f.pb.GetScheduleTime().AsTime(), Dispatched: f.dispatched, Ended: now,
		HTTPStatus: r.httpStatus, Code: r.code, Message: r.message, Outcome: outcome, NextAttempt: next,
	}
	if outcome != Succeeded {
		s.log.Info("cloudtasks.attempt", "task", a.Task, "attempt", a.Number, "outcome", string(a.Outcome),
			"http_status", a.HTTPStatus, "code", a.Code.String(), "error", a.Message)
	}
	s.onAttempt(a)
}

// settle decides what becomes of the task. s.mu is held.
func (s *Server) settle(f *flight, r result, now time.Time) (Outcome, time.Time) {
	q, t := f.queue, f.task
	switch r.httpStatus {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		q.pace.overloaded(now, r.retryAfter)
	}
	if r.code == codes.OK && !r.lost {
		q.pace.succeeded()
	}
	if t.gone || q.gone {
		return Ignored, time.Time{}
	}
	if r.lost || r.code == codes.OK {
		q.remove(t, now, s.taskTombstone)
		if r.lost {
			return Lost, time.Time{}
		}
		return Succeeded, time.Time{}
	}

	t.record(f.number, r, now)
	retry := s.retryConfig(q, t)
	if !f.forced && spent(retry, t.past.attempts, t.first, now) {
		q.remove(t, now, s.taskTombstone)
		return GivenUp, time.Time{}
	}
	from := now
	if f.forced { // "reset to the time that RunTask was called plus the retry delay"
		from = f.dispatched
	}
	t.schedule = from.Add(max(Backoff(retry, t.past.attempts), r.retryAfter)).Truncate(time.Microsecond)
	t.pb.ScheduleTime = timestamppb.New(t.schedule)
	q.wait(t)
	return Retrying, t.schedule
}

// record keeps what GetTask and the next attempt's headers tell about a failure.
func (t *task) record(number int32, r result, now time.Time) {
	t.past.httpStatus, t.past.reason = r.httpStatus, r.reason()
	if r.httpStatus != 0 {
		t.pb.ResponseCount++
	}
	if r.httpStatus != 0 && r.httpStatus < 500 {
		t.past.executions++
	}
	if number != t.past.attempts {
		return // a later attempt is under way, and last_attempt is that one
	}
	t.pb.LastAttempt.ResponseTime = timestamppb.New(now.Truncate(time.Microsecond))
	t.pb.LastAttempt.ResponseStatus = status.New(r.code, r.message).Proto()
}

// retryConfig returns the settings that hold for t: "If present, this overrides the
// Queue.retry_config for this task" (Task.retry_config).
func (s *Server) retryConfig(q *queue, t *task) *cloudtaskspb.RetryConfig {
	if own := t.pb.GetRetryConfig(); own != nil {
		return own
	}
	return q.pb.GetRetryConfig()
}
