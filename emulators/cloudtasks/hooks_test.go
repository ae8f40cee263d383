package cloudtasks_test

import (
	"context"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lad.internal/followup/emulators/cloudtasks"
)

func copies(n int) func(*cloudtasks.Options) {
	return func(o *cloudtasks.Options) { o.Deliveries = func(*cloudtaskspb.Task) int { return n } }
}

func TestATaskCanBeDeliveredTwiceAtOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t, copies(2))
	arrived, release := f.worker.hang(t)
	f.mustCreate(f.task("a"))
	receive(t, arrived)
	receive(t, arrived) // both are in the worker before either is answered
	release()
	attempts := f.ended()
	var outcomes []string
	for _, a := range attempts {
		outcomes = append(outcomes, string(a.Outcome))
		equal(t, "number", a.Number, 1)
	}
	slices.Sort(outcomes)
	equal(t, "outcomes", strings.Join(outcomes, " "), "ignored succeeded")
	for _, r := range f.worker.requests() {
		equal(t, "retry count", r.header.Get("X-CloudTasks-TaskRetryCount"), "0")
	}
}

func TestACopyThatFailsAfterASuccessDoesNotBringTheTaskBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t, copies(2))
	accepted := make(chan struct{})
	f.worker.handle(func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			return
		}
		select { // answered only once the other copy has been
		case <-accepted:
		case <-r.Context().Done():
		}
		w.WriteHeader(409)
	})
	f.mustCreate(f.task("a"))
	for deadline := time.Now().Add(20 * time.Second); ; {
		if _, err := f.get("a"); err != nil {
			f.want(codes.NotFound, err)
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the task was not deleted by the first copy's success")
		}
	}
	close(accepted)
	f.clock.Advance(24 * time.Hour)
	equal(t, "attempts", len(f.ended()), 2)
}

func TestTwoCopiesThatFailAreRetriedAsOneTask(t *testing.T) {
	t.Parallel()
	var calls sync.Map
	f := newFixture(t, func(o *cloudtasks.Options) {
		o.Deliveries = func(task *cloudtaskspb.Task) int {
			if _, again := calls.LoadOrStore(task.GetName(), true); again {
				return 1
			}
			return 2
		}
	})
	f.worker.answers(500, 500, 200)
	f.mustCreate(f.task("a"))
	f.clock.Advance(time.Hour)
	equal(t, "attempts", len(f.ended()), 3)
	equal(t, "retry count", f.worker.requests()[2].header.Get("X-CloudTasks-TaskRetryCount"), "1")
}

func TestALostTaskVanishesWithoutARequest(t *testing.T) {
	t.Parallel()
	f := newFixture(t, copies(0))
	f.mustCreate(f.task("a"))
	attempts := f.ended()
	equal(t, "attempts", len(attempts), 1)
	equal(t, "outcome", attempts[0].Outcome, cloudtasks.Lost)
	_, err := f.get("a")
	f.want(codes.NotFound, err)
	equal(t, "requests", len(f.worker.requests()), 0)
}

func TestAnAttemptIsReportedWithAllThatWasSentAndAnswered(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.worker.answers(409, 200)
	f.mustCreate(f.task("a", at(time.Minute)))
	f.clock.Advance(time.Hour)
	attempts := f.ended()
	equal(t, "attempts", len(attempts), 2)
	first, second := attempts[0], attempts[1]
	equal(t, "task", first.Task, queue+"/tasks/a")
	equal(t, "method", first.Method, "POST")
	equal(t, "url", first.URL, f.worker.URL+"/handle")
	equal(t, "header", first.Header.Get("X-CloudTasks-TaskName"), "a")
	equal(t, "status", first.HTTPStatus, 409)
	equal(t, "code", first.Code, codes.Aborted)
	equal(t, "outcome", first.Outcome, cloudtasks.Retrying)
	equal(t, "scheduled", first.Scheduled, start.Add(time.Minute))
	equal(t, "next", first.NextAttempt, second.Dispatched)
	equal(t, "number", second.Number, 2)
	equal(t, "outcome", second.Outcome, cloudtasks.Succeeded)
}

func TestTombstonesCanBeSwitchedOff(t *testing.T) {
	t.Parallel()
	f := newFixture(t, func(o *cloudtasks.Options) { o.TaskTombstone, o.QueueTombstone = -1, -1 })
	for range 2 {
		f.mustCreate(f.task("a"))
		f.settle()
	}
	f.want(codes.OK, f.client.DeleteQueue(f.ctx, &cloudtaskspb.DeleteQueueRequest{Name: queue}))
	_, err := f.createQueue(location, &cloudtaskspb.Queue{Name: queue})
	f.want(codes.OK, err)
}

func TestOnTheSystemClockATaskFiresWhenItIsDue(t *testing.T) {
	t.Parallel()
	ended := make(chan cloudtasks.Attempt, 10)
	f := newFixture(t, func(o *cloudtasks.Options) {
		o.Clock, o.OnAttempt = nil, func(a cloudtasks.Attempt) { ended <- a }
	})
	f.worker.answers(500, 200)
	due := time.Now().Add(50 * time.Millisecond).Truncate(time.Microsecond)
	f.mustCreate(f.task("a", func(task *cloudtaskspb.Task) { task.ScheduleTime = timestamppb.New(due) }))
	for _, want := range []int{500, 200} {
		select {
		case a := <-ended:
			equal(t, "status", a.HTTPStatus, want)
			if a.Dispatched.Before(a.Scheduled) {
				t.Errorf("dispatched at %v, before %v", a.Dispatched, a.Scheduled)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("no attempt in time")
		}
	}
}

func TestCloseCutsOffAttemptsThatHang(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	arrived, _ := f.worker.hang(t)
	f.mustCreate(f.task("a"))
	receive(t, arrived)
	f.Close()
	f.Close()
	f.mu.Lock()
	defer f.mu.Unlock()
	equal(t, "attempts", len(f.attempts), 1)
	equal(t, "status", f.attempts[0].HTTPStatus, 0)
}

func TestAClosedServerDispatchesNothing(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.mustCreate(f.task("a", at(time.Minute)))
	f.Close()
	f.clock.Advance(time.Hour)
	equal(t, "requests", len(f.worker.requests()), 0)
	_, err := f.RunTask(f.ctx, &cloudtaskspb.RunTaskRequest{Name: queue + "/tasks/a"})
	f.want(codes.Unavailable, err)
}

func TestStartEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	r, err := cloudtasks.Start(ctx, cloudtasks.Options{SigningKeys: keys()})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	r.Close() // waits for the one that the context began
	if _, err := http.Get(r.CertsURL); err == nil {
		t.Error("the key server still answers")
	}
}

func TestAServerWithoutAnIssuerIsRefused(t *testing.T) {
	t.Parallel()
	if _, err := cloudtasks.NewServer(cloudtasks.Options{}); err == nil || !strings.Contains(err.Error(), "Issuer") {
		t.Errorf("got %v", err)
	}
}

func TestWaitIdleGivesUpWithItsContext(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	arrived, _ := f.worker.hang(t)
	f.mustCreate(f.task("a"))
	receive(t, arrived)
	ctx, cancel := context.WithCancel(f.ctx)
	cancel()
	if err := f.WaitIdle(ctx); err == nil {
		t.Error("no error although an attempt is under way")
	}
}

func TestManyTasksAreEachDispatchedOnce(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	const n = 200
	for i := range n {
		f.mustCreate(f.task("", at(time.Duration(i%7)*time.Second)))
	}
	f.clock.Advance(time.Minute)
	seen := map[string]int{}
	for _, r := range f.worker.requests() {
		seen[r.header.Get("X-CloudTasks-TaskName")]++
	}
	equal(t, "tasks", len(seen), n)
	equal(t, "requests", len(f.worker.requests()), n)
}

func TestALateAnswerDoesNotOverwriteTheAttemptThatFollowedIt(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	first, second := make(chan struct{}), make(chan struct{})
	arrived := make(chan struct{}, 2)
	f.worker.handle(func(n int, w http.ResponseWriter, _ *http.Request) {
		arrived <- struct{}{}
		<-map[bool]chan struct{}{true: first, false: second}[n == 1]
		w.WriteHeader(500)
	})
	free := sync.OnceFunc(func() { close(second) })
	t.Cleanup(free)
	f.mustCreate(f.task("a"))
	receive(t, arrived)
	f.clock.Jump(time.Second)
	_, err := f.run("a")
	f.want(codes.OK, err)
	receive(t, arrived)
	close(first)
	for deadline := time.Now().Add(20 * time.Second); f.mustGet("a").GetResponseCount() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the first answer was not counted")
		}
	}
	last := f.mustGet("a").GetLastAttempt()
	equal(t, "dispatched", last.GetDispatchTime().AsTime(), start.Add(time.Second))
	equal(t, "answered", last.GetResponseTime() != nil, false)
	free()
	f.settle()
}

func TestAnOldTaskIsStillDeletedInTimeAfterManyOthers(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.pause()
	f.mustCreate(f.task("old"))
	for range 40 {
		for range 5 {
			young := f.mustCreate(f.task(""))
			f.want(codes.OK, f.client.DeleteTask(f.ctx, &cloudtaskspb.DeleteTaskRequest{Name: young.GetName()}))
		}
		f.clock.Advance(24 * time.Hour)
		if _, err := f.get("old"); err != nil {
			equal(t, "days", int(f.clock.Now().Sub(start)/(24*time.Hour)), 31)
			return
		}
	}
	t.Error("the old task is still there")
}

func TestAGivenHTTPClientsTransportIsUsedButItsRedirectsAreNot(t *testing.T) {
	t.Parallel()
	var through int
	var mu sync.Mutex
	f := newFixture(t, func(o *cloudtasks.Options) {
		o.HTTPClient = &http.Client{Timeout: time.Nanosecond, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			through++
			r.Close = true
			return http.DefaultTransport.RoundTrip(r)
		})}
	})
	f.worker.handle(func(_ int, w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusSeeOther)
	})
	f.mustCreate(f.task("a"))
	equal(t, "status", f.ended()[0].HTTPStatus, http.StatusSeeOther)
	mu.Lock()
	defer mu.Unlock()
	equal(t, "requests", through, 1)
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
