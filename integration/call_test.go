package integration_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/localstack/stack"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

func TestABookingBecomesATaskAndTheTaskOneCallAtItsTime(t *testing.T) {
	t.Parallel()
	w := calm(t)
	for tenant := range w.Tenants {
		t.Run(w.Tenants[tenant].Schema, func(t *testing.T) {
			t.Parallel()
			user, lead := w.user(tenant), uuid.NewString()
			// Further ahead than the earliness that is allowed.
			due := in(followup.Earliness + 7*time.Second)
			// Dubai's wall clock, as LAD's two services write it.
			id := user.Book(t, due, map[string]any{"leadId": lead, "writer": []string{"python", "node"}[tenant]})

			armed := user.Await(t, id, "scheduled")
			if armed.TaskRevision != 1 || armed.ExecutionAttempts != 0 || armed.ClaimedAt != nil {
				t.Errorf("before its time the row is %+v", armed)
			}
			if _, there := w.task(t, armed); !there {
				t.Error("its task is not on the queue")
			}
			b := user.Await(t, id, "executed")
			call := w.expectCalls(t, id, 1, 1)[0]
			if call.TenantID != w.Tenants[tenant].ID || call.LeadID != lead || call.IdempotencyKey != keyAt(t, b, due) ||
				call.AgentID != stack.FirstAgent+int64(tenant) || call.FromNumber != fmt.Sprintf("+1202555%04d", 100+stack.FirstAgent%100+tenant) {
				t.Errorf("the call is %+v", call)
			}
			if *b.Timezone != "GST" || b.Wall != due.Add(4*time.Hour).UTC().Format("2006-01-02T15:04:05.999") {
				t.Errorf("LAD has stored %s %s for %v", b.Wall, *b.Timezone, due)
			}
			if !call.Is(*b.CallID) {
				t.Errorf("the row has call id %s, and the call is %+v", *b.CallID, call)
			}
			await(t, "its job has told under which id LAD's log has the call", func() bool {
				b = user.Show(t, id)
				return *b.CallID == call.CallID
			})
			await(t, "the task was answered", func() bool { return len(w.attempts(id)) > 0 })
			for what, at := range map[string]time.Time{"called": call.At, "claimed": *b.ClaimedAt, "executed": *b.ExecutedAt} {
				if at.Before(due.Add(-followup.Earliness)) {
					t.Errorf("%s at %v, more than %v before %v", what, at, followup.Earliness, due)
				}
			}
			if b.ExecutionAttempts != 1 || b.TaskRevision != 1 || !b.ExecutedAt.Equal(*b.ClaimedAt) ||
				b.LastExecutionError != nil || !b.ScheduledAt.Equal(due) {
				t.Errorf("in the end the row is %+v, and the call %+v", b, call)
			}
			if attempts := w.attempts(id); len(attempts) != 1 || attempts[0].HTTPStatus != http.StatusOK {
				t.Errorf("Cloud Tasks tried %+v", attempts)
			}
		})
	}
}

func TestATaskIsScheduledForTheBookingsTime(t *testing.T) {
	t.Parallel()
	w := calm(t)
	user := w.user(0)
	due := in(36 * time.Hour)
	b := user.Await(t, user.Book(t, due, nil), "scheduled")
	task, there := w.task(t, b)
	if !there {
		t.Fatal("its task is not on the queue")
	}
	if got := task.GetScheduleTime().AsTime(); !got.Equal(due) {
		t.Errorf("the task is scheduled for %v, want %v", got, due)
	}
	request := task.GetHttpRequest()
	payload, err := tasks.ParsePayload(request.GetBody())
	if err != nil {
		t.Fatal(err)
	}
	if payload.TenantID.String() != b.TenantID || payload.BookingID.String() != b.ID ||
		payload.IdempotencyKey != key(t, b) || payload.Revision != b.TaskRevision {
		t.Errorf("the payload is %+v", payload)
	}
	if want := w.ExecuteURL() + "/api/deals-pipeline/bookings/" + b.ID + "/execute-followup"; request.GetUrl() != want {
		t.Errorf("the URL is %s, want %s", request.GetUrl(), want)
	}
	if token := request.GetOidcToken(); token.GetServiceAccountEmail() != w.Invoker() || token.GetAudience() != w.ExecuteURL() {
		t.Errorf("the token is to be %v", token)
	}
}

func TestABookingInThePastIsCalledAtOnce(t *testing.T) {
	t.Parallel()
	w := calm(t)
	user := w.user(1)
	due, before := in(-30*time.Minute), time.Now()
	id, days := user.Book(t, due, nil), user.Book(t, in(-72*time.Hour), nil)
	user.Await(t, id, "executed")
	w.expectCalls(t, id, 1, 1)
	// Cloud Tasks takes a time in the past for now; ours says now itself.
	if at := w.attempts(id)[0].Scheduled; at.Before(before.Add(-time.Second)) || at.After(time.Now()) {
		t.Errorf("the task was scheduled for %v, want the time of booking, %v", at, before)
	}
	if row := user.Await(t, days, "failed/backdated"); row.TaskReason == nil || *row.TaskReason != "backdated" {
		t.Errorf("a booking for days ago is %+v", row)
	}
	w.expectCalls(t, days, 0, 0)
}
