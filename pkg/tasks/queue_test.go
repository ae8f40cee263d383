package tasks_test

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/pkg/tasks"
)

func TestAQueuesSettingsAreReadAsTheyAre(t *testing.T) {
	t.Parallel()
	server, client := newQueue(t, &cloudtaskspb.RetryConfig{
		MaxAttempts: 7, MaxRetryDuration: durationpb.New(3 * time.Hour), MaxDoublings: 4,
		MinBackoff: durationpb.New(2 * time.Second), MaxBackoff: durationpb.New(90 * time.Second),
	})
	got, err := client.Queue(t.Context())
	want := tasks.Queue{
		State: "PAUSED", MaxAttempts: 7, MaxRetryDuration: 3 * time.Hour, MaxDoublings: 4,
		MinBackoff: 2 * time.Second, MaxBackoff: 90 * time.Second, DispatchesPerSecond: 500, ConcurrentDispatches: 1000,
	}
	if err != nil || got != want {
		t.Errorf("got %+v, error %v", got, err)
	}
	if got.Running() {
		t.Error("a paused queue runs")
	}
	name := config("").QueuePath()
	if _, err := server.ResumeQueue(t.Context(), &cloudtaskspb.ResumeQueueRequest{Name: name}); err != nil {
		t.Fatal(err)
	}
	if got, err := client.Queue(t.Context()); err != nil || !got.Running() {
		t.Errorf("resumed, it is %+v, error %v", got, err)
	}
}

func TestAQueueThatIsNotThereIsToldFromOneThatCannotBeReached(t *testing.T) {
	t.Parallel()
	server, err := cloudtasks.Start(context.WithoutCancel(t.Context()), cloudtasks.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client := newClient(t, config(server.Addr))
	if _, err := client.Queue(t.Context()); !errors.Is(err, tasks.ErrNoQueue) {
		t.Errorf("no queue: %v", err)
	}
	server.Close()
	var listed error
	for _, err := range client.List(t.Context()) {
		listed = err
	}
	_, read := client.Queue(t.Context())
	for _, err := range []error{read, listed} {
		if err == nil || errors.Is(err, tasks.ErrNoQueue) || errors.Is(err, tasks.ErrDenied) || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("no server: %v", err)
		}
	}
}

// A server that is being replaced is away for a moment.
func TestAMomentsAbsenceOfTheServerIsWaitedOut(t *testing.T) {
	t.Parallel()
	absent := &absentAtFirst{times: 3}
	client := newClient(t, config(serve(t, absent)))
	if q, err := client.Queue(t.Context()); err != nil || !q.Running() {
		t.Errorf("%+v, error %v", q, err)
	}
	if absent.times != 0 {
		t.Errorf("asked %d times too few", absent.times)
	}
}

type absentAtFirst struct {
	cloudtaskspb.UnimplementedCloudTasksServer
	times int
}

func (a *absentAtFirst) GetQueue(context.Context, *cloudtaskspb.GetQueueRequest) (*cloudtaskspb.Queue, error) {
	if a.times == 0 {
		return &cloudtaskspb.Queue{State: cloudtaskspb.Queue_RUNNING}, nil
	}
	a.times--
	return nil, status.Error(codes.Unavailable, "being replaced")
}

func TestTheRetryBudgetIsWhatCloudTasksGrants(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for name, c := range map[string]struct {
		queue tasks.Queue
		want  time.Duration
	}{
		"no limit at all":         {tasks.Queue{MaxAttempts: -1, MaxBackoff: s}, tasks.Unlimited},
		"a duration alone":        {tasks.Queue{MaxAttempts: -1, MaxRetryDuration: 24 * time.Hour, MaxBackoff: s}, 24 * time.Hour},
		"one attempt":             {tasks.Queue{MaxAttempts: 1, MinBackoff: s, MaxBackoff: s}, 0},
		"the example of the docs": {tasks.Queue{MaxAttempts: 8, MinBackoff: 10 * s, MaxBackoff: 300 * s, MaxDoublings: 3}, (10 + 20 + 40 + 80 + 160 + 240 + 300) * s},
		"no doubling":             {tasks.Queue{MaxAttempts: 5, MinBackoff: s, MaxBackoff: 100 * s}, (1 + 2 + 3 + 4) * s},
		"the longer of the two":   {tasks.Queue{MaxAttempts: 3, MaxRetryDuration: time.Hour, MinBackoff: s, MaxBackoff: s}, time.Hour},
		"attempts outlast time":   {tasks.Queue{MaxAttempts: 11, MaxRetryDuration: s, MinBackoff: s, MaxBackoff: s}, 10 * s},
		"more than can be said":   {tasks.Queue{MaxAttempts: math.MaxInt32, MinBackoff: time.Hour, MaxBackoff: time.Hour * 24 * 365}, tasks.Unlimited},
		"the service's defaults":  {tasks.Queue{MaxAttempts: 100, MinBackoff: s / 10, MaxBackoff: time.Hour, MaxDoublings: 16}, 305353500 * time.Millisecond},
	} {
		if got := c.queue.RetryBudget(); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// The stand-in was checked against the service's documentation by itself: both
// must read it in the same way.
func TestTheRetryBudgetAgreesWithTheServersPauses(t *testing.T) {
	t.Parallel()
	for _, doublings := range []int{0, 1, 3, 16} {
		for _, longest := range []time.Duration{time.Second, 45 * time.Second, time.Hour} {
			q := tasks.Queue{MaxAttempts: 40, MinBackoff: time.Second, MaxBackoff: longest, MaxDoublings: doublings}
			pb := &cloudtaskspb.RetryConfig{MinBackoff: durationpb.New(time.Second), MaxBackoff: durationpb.New(longest), MaxDoublings: int32(doublings)}
			var want time.Duration
			for failures := int32(1); failures < 40; failures++ {
				want += cloudtasks.Backoff(pb, failures)
			}
			if got := q.RetryBudget(); got != want {
				t.Errorf("%d doublings up to %v: %v, want %v", doublings, longest, got, want)
			}
		}
	}
}
