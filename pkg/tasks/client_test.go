package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/testing/protocmp"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"lad.internal/followup/pkg/followup"
)

func TestATaskHasExactlyTheDesignedFields(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b, next := armed()
	name, err := f.CreateScheduledHTTPTask(t.Context(), b, next)
	if err != nil {
		t.Fatal(err)
	}
	want := &cloudtaskspb.Task{
		Name:             "projects/lad-prod/locations/europe-west3/queues/follow-up-calls/tasks/" + followup.TaskID(b.Key(), 3),
		ScheduleTime:     timestamppb.New(next.DueAt),
		DispatchDeadline: durationpb.New(3 * time.Minute),
		MessageType: &cloudtaskspb.Task_HttpRequest{HttpRequest: &cloudtaskspb.HttpRequest{
			Url:        "https://execute.example.com/bookings/c9bf9e57-1685-4c89-bafb-ff5af830be8a/execute-followup",
			HttpMethod: cloudtaskspb.HttpMethod_POST,
			Headers:    map[string]string{"Content-Type": "application/json"},
			AuthorizationHeader: &cloudtaskspb.HttpRequest_OidcToken{OidcToken: &cloudtaskspb.OidcToken{
				ServiceAccountEmail: "invoker@lad-prod.iam.gserviceaccount.com",
				Audience:            "https://execute.example.com",
			}},
		}},
		View: cloudtaskspb.Task_FULL,
	}
	got := f.stored(name)
	body := got.GetHttpRequest().GetBody()
	got.GetHttpRequest().Body = nil
	// The service's own.
	got.CreateTime = nil
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if name != want.GetName() {
		t.Errorf("named %s", name)
	}

	var fields map[string]any
	if err := json.Unmarshal(body, &fields); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]any{
		"version": 1.0, "tenantId": tenantID.String(), "bookingId": bookingID.String(), "leadId": leadID.String(),
		"assignedUserId": userID.String(), "idempotencyKey": b.Key(), "revision": 3.0,
	}, fields); diff != "" { // and with it no secret and no phone number
		t.Errorf("payload (-want +got):\n%s", diff)
	}
	if len(body) >= 600 {
		t.Errorf("the payload has %d bytes", len(body))
	}
}

func TestEachRevisionAndEachTimeHasATaskOfItsOwn(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b, next := armed()
	moved, later := armed()
	moved.ScheduledAt = moved.ScheduledAt.Add(time.Millisecond)
	later.Key = moved.Key()
	again := next
	again.Revision++
	for _, c := range []struct {
		b    followup.Booking
		next followup.Task
	}{{b, next}, {moved, later}, {b, again}} {
		if _, err := f.CreateScheduledHTTPTask(t.Context(), c.b, c.next); err != nil {
			t.Fatal(err)
		}
	}
	if n := f.tasks(); n != 3 {
		t.Errorf("%d tasks, want 3", n)
	}
}

func TestATaskThatIsThereAlreadyCountsAsCreated(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b, next := armed()
	first, err := f.CreateScheduledHTTPTask(t.Context(), b, next)
	if err != nil {
		t.Fatal(err)
	}
	second, err := f.CreateScheduledHTTPTask(t.Context(), b, next)
	if err != nil || second != first || f.tasks() != 1 {
		t.Errorf("%q, error %v, %d tasks", second, err, f.tasks())
	}
}

func TestANameWhoseTaskIsGoneIsUsedUp(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b, next := armed()
	first, err := f.CreateScheduledHTTPTask(t.Context(), b, next)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Delete(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	again, err := f.CreateScheduledHTTPTask(t.Context(), b, next)
	if !errors.Is(err, ErrNameUsed) || !strings.Contains(err.Error(), first) || again != first {
		t.Errorf("%q, error %v", again, err)
	}
	next.Revision++
	if _, err := f.CreateScheduledHTTPTask(t.Context(), b, next); err != nil || f.tasks() != 1 {
		t.Errorf("the next revision: error %v, %d tasks", err, f.tasks())
	}
}

func TestANameIsNotUsedUpUnlessCloudTasksSaysSo(t *testing.T) {
	t.Parallel()
	for _, code := range []codes.Code{codes.PermissionDenied, codes.Unimplemented, codes.Unavailable, codes.Internal} {
		t.Run(code.String(), func(t *testing.T) {
			t.Parallel()
			f := newFixture(t)
			b, next := armed()
			first, err := f.CreateScheduledHTTPTask(t.Context(), b, next)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Delete(t.Context(), first); err != nil {
				t.Fatal(err)
			}
			f.faults.set(append([]fault{{}}, repeated(fault{code: code}, 5)...)...) // create goes through, get does not
			again, err := f.CreateScheduledHTTPTask(t.Context(), b, next)
			if err != nil || again != first || f.faults.seen() < 2 {
				t.Errorf("%q, error %v after %d requests", again, err, f.faults.seen())
			}
		})
	}
}

// operation is one of the two, on a task of its own kind.
type operation struct {
	name string
	run  func(*fixture) error
}

var operations = []operation{
	{"create", func(f *fixture) error {
		b, next := armed()
		_, err := f.CreateScheduledHTTPTask(f.t.Context(), b, next)
		return err
	}},
	{"delete", func(f *fixture) error { return f.Delete(f.t.Context(), f.config.TaskPath("missing")) }},
}

func TestATransientCodeIsTriedAgain(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		f := newFixture(t)
		for _, code := range []codes.Code{codes.Unavailable, codes.DeadlineExceeded, codes.Internal, codes.Aborted, codes.ResourceExhausted} {
			f.faults.set(fault{code: code}, fault{code: code})
			if err := op.run(f); err != nil || f.faults.seen() != 3 {
				t.Errorf("%s, %s: %d requests, error %v", op.name, code, f.faults.seen(), err)
			}
		}
	}
}

func TestAPermanentCodeIsReturnedAtOnce(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		f := newFixture(t)
		for _, code := range []codes.Code{codes.InvalidArgument, codes.PermissionDenied, codes.Unauthenticated, codes.FailedPrecondition,
			codes.OutOfRange, codes.Unimplemented, codes.DataLoss, codes.Unknown, codes.Canceled} {
			f.faults.set(fault{code: code})
			err := op.run(f)
			if status.Code(err) != code || f.faults.seen() != 1 {
				t.Errorf("%s, %s: %d requests, error %v", op.name, code, f.faults.seen(), err)
			}
			if err != nil && !strings.HasPrefix(err.Error(), op.name+" task projects/lad-prod/") {
				t.Errorf("%s: the error does not say of what: %v", op.name, err)
			}
		}
	}
}

func TestAQueueThatIsMissingIsAnErrorOfCreate(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	f.config.Queue = "another"
	b, next := armed()
	if _, err := f.CreateScheduledHTTPTask(t.Context(), b, next); status.Code(err) != codes.NotFound {
		t.Errorf("got %v", err)
	}
}

func TestAnAnswerThatIsLostLeavesOneTask(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b, next := armed()
	f.faults.set(fault{code: codes.Unavailable, applied: true})
	name, err := f.CreateScheduledHTTPTask(t.Context(), b, next)
	if err != nil || f.faults.seen() != 3 { // the third asks whether it is still there
		t.Fatalf("create: %d requests, error %v", f.faults.seen(), err)
	}
	if f.stored(name) == nil || f.tasks() != 1 {
		t.Errorf("%d tasks", f.tasks())
	}
	f.faults.set(fault{code: codes.DeadlineExceeded, applied: true})
	if err := f.Delete(t.Context(), name); err != nil || f.tasks() != 0 {
		t.Errorf("delete: error %v, %d tasks", err, f.tasks())
	}
}

func TestAnOperationEndsWithItsBudget(t *testing.T) {
	t.Parallel()
	for _, op := range operations {
		for name, next := range map[string][]fault{
			"a server that hangs":         {{hang: true}},
			"a server that never mends":   repeated(fault{code: codes.Unavailable}, 1000),
			"a quota that is used up":     repeated(fault{code: codes.ResourceExhausted}, 1000),
			"a server that hangs at last": {{code: codes.Unavailable}, {hang: true}},
		} {
			f := newFixture(t)
			f.budget = 200 * time.Millisecond
			f.faults.set(next...)
			if err := op.run(f); err == nil || f.faults.seen() == 0 {
				t.Errorf("%s, %s: %d requests, error %v", op.name, name, f.faults.seen(), err)
			}
		}
	}
}

func repeated(f fault, n int) []fault {
	all := make([]fault, n)
	for i := range all {
		all[i] = f
	}
	return all
}

func TestTheBudgetLeavesTimeToGiveTheEventBack(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if f.budget != callBudget || callBudget > 20*time.Second {
		t.Errorf("the budget is %v", f.budget)
	}
}

func TestACallerWhoHasGoneEndsTheOperation(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	b, next := armed()
	if _, err := f.CreateScheduledHTTPTask(ctx, b, next); !errors.Is(err, context.Canceled) && status.Code(err) != codes.Canceled {
		t.Errorf("got %v", err)
	}
	if f.tasks() != 0 {
		t.Error("a task all the same")
	}
}

func TestDeleteRemovesTheTaskAndAMissingOneIsNoError(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	b, next := armed()
	name, err := f.CreateScheduledHTTPTask(t.Context(), b, next)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := f.Delete(t.Context(), name); err != nil || f.stored(name) != nil {
			t.Errorf("error %v", err)
		}
	}
	f.faults.set()
	if err := f.Delete(t.Context(), ""); err == nil || f.faults.seen() != 0 {
		t.Errorf("without a name: error %v after %d requests", err, f.faults.seen())
	}
}

func TestAWrongSettingIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	config := valid()
	config.Queue = "follow_up"
	if c, err := New(t.Context(), config); err == nil || !strings.Contains(err.Error(), "FOLLOWUP_QUEUE_NAME") {
		t.Errorf("client %v, error %v", c, err)
	}
}
