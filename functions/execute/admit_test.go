package execute_test

import (
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

// task is a state that this system has written for the booking's own time.
func task(status followup.TaskStatus, reason followup.Reason, revision int, more ...func(*followup.Task)) followup.Task {
	t := followup.Task{Status: status, Reason: reason, Revision: revision, Key: functiontest.CurrentKey,
		Name: "projects/p/locations/l/queues/follow-up-calls/tasks/of-the-row"}
	for _, m := range more {
		m(&t)
	}
	return t
}

func claimed(ago time.Duration) func(*followup.Task) {
	return func(t *followup.Task) { t.ClaimedAt, t.Attempts = time.Now().Add(-ago), 1 }
}

func executed(ago time.Duration) func(*followup.Task) {
	return func(t *followup.Task) {
		if t.ExecutedAt = time.Now().Add(-ago); t.Status == followup.Executed {
			t.ClaimedAt = t.ExecutedAt
		}
	}
}

func due(ago time.Duration) func(*followup.Task) {
	return func(t *followup.Task) { t.DueAt = time.Now().Add(-ago) }
}

// admission is a line of Admit's table as Cloud Tasks sees it.
type admission struct {
	name     string
	seed     functiontest.Seed
	revision int // of the task; 0 is 1
	rules    func(*followup.Rules)
	status   int
	result   string
	row      string // afterwards
	posts    int
}

var (
	hourAgo    = time.Now().Add(-time.Hour)
	idempotent = func(r *followup.Rules) { r.AgentIdempotent = true }
)

func TestEveryLineOfAdmitsTableAnswersAndWritesAsDesigned(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, tc := range []admission{
		{name: "an older revision", seed: functiontest.Seed{Task: task("scheduled", "", 2)},
			status: 200, result: "stale", row: "scheduled r2 a0 task"},
		{name: "claimed, the lease is live", seed: functiontest.Seed{Task: task("in_progress", "", 1, claimed(time.Second))},
			status: 409, result: "claimed", row: "in_progress r1 a1 task"},
		{name: "claimed, the lease is over", seed: functiontest.Seed{At: hourAgo, Task: task("in_progress", "", 1, claimed(time.Hour))},
			status: 200, result: "lease_over", row: "failed/outcome_unknown r1 a1 task"},
		{name: "claimed, the lease is over, the agent is idempotent", rules: idempotent,
			seed:   functiontest.Seed{At: hourAgo, Task: task("in_progress", "", 1, claimed(time.Hour))},
			status: 200, result: "accepted", row: "executed r1 a2 task called", posts: 1},
		{name: "claimed, the lease is over, the agent is idempotent, the booking cancelled", rules: idempotent,
			seed:   functiontest.Seed{At: hourAgo, Status: "cancelled", Task: task("in_progress", "", 1, claimed(time.Hour))},
			status: 200, result: "lease_over", row: "failed/outcome_unknown r1 a1 task"},
		{name: "held for a person", seed: functiontest.Seed{Task: task("failed", "outcome_unknown", 1)},
			status: 200, result: "held", row: "failed/outcome_unknown r1 a0 task"},
		{name: "held for a person, the agent is idempotent", rules: idempotent, seed: functiontest.Seed{Task: task("failed", "outcome_unknown", 1)},
			status: 200, result: "held", row: "failed/outcome_unknown r1 a0 task"},
		{name: "the call was made", seed: functiontest.Seed{At: hourAgo, Task: task("scheduled", "", 1, executed(time.Minute))},
			status: 200, result: "called", row: "executed r1 a0 called"},
		{name: "the call was made and says so", seed: functiontest.Seed{At: hourAgo, Task: task("executed", "", 1, executed(time.Minute))},
			status: 200, result: "called", row: "executed r1 a0 task called"},
		{name: "cancelled by LAD, scheduled", seed: functiontest.Seed{Status: "cancelled", Task: task("scheduled", "", 1)},
			status: 200, result: "not_live", row: "cancelled/booking_cancelled r1 a0"},
		{name: "deleted by LAD, pending", seed: functiontest.Seed{Deleted: true},
			status: 200, result: "not_live", row: "cancelled/booking_cancelled r0 a0"},
		{name: "completed in LAD, not started", seed: functiontest.Seed{Status: "completed", Task: task("failed", "not_started", 1)},
			status: 200, result: "not_live", row: "cancelled/booking_cancelled r1 a0"},
		{name: "no follow-up any more", seed: functiontest.Seed{Type: "meeting", Task: task("scheduled", "", 1)},
			status: 200, result: "not_live", row: "cancelled/booking_cancelled r1 a0"},
		{name: "cancelled by LAD, rejected", seed: functiontest.Seed{Status: "cancelled", Task: task("failed", "rejected", 1)},
			status: 200, result: "not_live", row: "failed/rejected r1 a0 task"},
		{name: "newer than a row whose task is on its way", revision: 2, seed: functiontest.Seed{Task: task("scheduled", "", 1, due(0))},
			status: 200, result: "premature", row: "scheduled r1 a0 task"},
		{name: "newer than a row that never had a task: it beat its own update",
			status: 200, result: "accepted", row: "executed r1 a1 task called", posts: 1},
		{name: "newer than an overdue row", revision: 2, seed: functiontest.Seed{At: hourAgo, Task: task("scheduled", "", 1, due(time.Hour))},
			status: 200, result: "accepted", row: "executed r2 a1 task called", posts: 1},
		{name: "cancelled by an operator", seed: functiontest.Seed{Task: task("cancelled", "by_operator", 1)},
			status: 200, result: "settled", row: "cancelled/by_operator r1 a0 task"},
		{name: "rejected", seed: functiontest.Seed{Task: task("failed", "rejected", 1)},
			status: 200, result: "settled", row: "failed/rejected r1 a0 task"},
		{name: "expired before", seed: functiontest.Seed{Task: task("failed", "expired", 1)},
			status: 200, result: "settled", row: "failed/expired r1 a0 task"},
		{name: "too late", seed: functiontest.Seed{At: time.Now().Add(-25 * time.Hour), Task: task("scheduled", "", 1)},
			status: 200, result: "expired", row: "failed/expired r1 a0"},
		{name: "paused", rules: func(r *followup.Rules) { r.Paused.All = true }, seed: functiontest.Seed{Task: task("scheduled", "", 1)},
			status: 409, result: "paused", row: "scheduled r1 a0 task"},
		{name: "this tenant is paused", rules: func(r *followup.Rules) { r.Paused.Tenants = []uuid.UUID{functiontest.TenantA} },
			seed:   functiontest.Seed{Task: task("scheduled", "", 1)},
			status: 409, result: "paused", row: "scheduled r1 a0 task"},
		{name: "another tenant is paused", rules: func(r *followup.Rules) { r.Paused.Tenants = []uuid.UUID{functiontest.TenantB} },
			seed:   functiontest.Seed{Task: task("scheduled", "", 1)},
			status: 200, result: "accepted", row: "executed r1 a1 task called", posts: 1},
		{name: "no usable number", seed: functiontest.Seed{NoPhone: true, Task: task("scheduled", "", 1)},
			status: 200, result: "no_phone", row: "failed/rejected r1 a0"},
		{name: "due", seed: functiontest.Seed{Task: task("scheduled", "", 3)}, revision: 3,
			status: 200, result: "accepted", row: "executed r3 a1 task called", posts: 1},
		{name: "not started before", seed: functiontest.Seed{Task: task("failed", "not_started", 1, claimed(time.Minute))},
			status: 200, result: "accepted", row: "executed r1 a2 task called", posts: 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := w.serve(func(p *execute.Parts) {
				if tc.rules != nil {
					tc.rules(&p.Rules)
				}
			})
			b := w.Insert(tc.seed)
			got := e.deliver(b, max(tc.revision, 1))
			if got.status != tc.status || got.Result != tc.result {
				t.Errorf("answered %s, want %d %q", got, tc.status, tc.result)
			}
			after := w.Row(b.Ref)
			if state(after) != tc.row {
				t.Errorf("the row is %q, want %q", state(after), tc.row)
			}
			if n := w.posts(b); n != tc.posts {
				t.Errorf("the voice agent was asked %d times, want %d", n, tc.posts)
			}
			if after.Task.Status == followup.Executed && tc.posts == 1 && (after.Task.CallID == "" || after.Task.ExecutedAt != after.Task.ClaimedAt) {
				t.Errorf("a call that was made is recorded as %+v", after.Task)
			}
		})
	}
}

func TestATaskForAnotherTimeDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve()
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	before := w.Checksum()
	moved := b
	moved.ScheduledAt = b.ScheduledAt.Add(-time.Hour)
	if got := e.deliver(moved, 1); got.status != 200 || got.Result != "other_call" {
		t.Errorf("answered %s", got)
	}
	if w.Checksum() != before || w.posts(b) != 0 {
		t.Error("it did something")
	}
}

func TestATaskThatComesTooEarlyIsPutOffToTheRightTime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) { p.Rules.LeadTime = time.Minute })
	b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour).Truncate(time.Millisecond)})
	// Its first task, as an event would have made it, and then the row moved on.
	first := b.Task
	first.Key, first.Revision, first.DueAt = b.Key(), 1, time.Now()
	name, err := w.queue.Client.CreateScheduledHTTPTask(t.Context(), b, first)
	if err != nil {
		t.Fatal(err)
	}
	w.Change(b.Ref, "task_status = 'scheduled', task_revision = 1, task_name = $1, idempotency_key = $2, planned_for = scheduled_at", name, b.Key())

	if got := e.deliver(b, 1); got.status != 200 || got.Result != "too_early" {
		t.Fatalf("answered %s", got)
	}
	after := w.Row(b.Ref)
	if state(after) != "scheduled r2 a0 task" || w.posts(b) != 0 {
		t.Errorf("the row is %q", state(after))
	}
	armed := w.queue.Named(after.Task.Name)
	if armed == nil {
		t.Fatalf("there is no task %s", after.Task.Name)
	}
	want := b.ScheduledAt.Add(-time.Minute)
	if got := armed.GetScheduleTime().AsTime(); !got.Equal(want) || !after.Task.DueAt.Equal(want) {
		t.Errorf("the task is due at %s, the row says %s, want %s", got, after.Task.DueAt, want)
	}
	if w.queue.Named(name) == nil {
		t.Error("the task at work was deleted from under its own request")
	}
}

func TestAnUnknownTenantAndAForeignBookingGetTheSameAnswer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve()
	foreign := w.Insert(functiontest.Seed{Tenant: functiontest.TenantB, Task: task("scheduled", "", 1)})
	before := w.Checksum()
	var answers []response
	for _, tenant := range []uuid.UUID{functiontest.TenantA, uuid.New()} {
		b := foreign
		b.TenantID = tenant
		answers = append(answers, e.deliver(b, 1))
	}
	b := foreign
	b.TenantID, b.BookingID = functiontest.TenantA, uuid.New()
	answers = append(answers, e.deliver(b, 1))
	for _, got := range answers {
		if got.status != 200 || got.body != answers[0].body || got.Result != "absent" {
			t.Errorf("answered %s", got)
		}
	}
	if w.Checksum() != before || w.posts(foreign) != 0 {
		t.Error("a booking of another tenant was touched")
	}
	if got := e.deliver(foreign, 1); got.Result != "accepted" || w.posts(foreign) != 1 {
		t.Errorf("its own tenant got %s", got)
	}
}
