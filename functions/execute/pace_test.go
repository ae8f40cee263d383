package execute_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
)

// limited sets the voice service's limit, of requests a minute.
func limited(n, perCall int) func(*execute.Parts) {
	return func(p *execute.Parts) {
		p.Rules.Limit = followup.Limit{Rates: []followup.Rate{{N: n, Per: time.Minute}}, PerCall: perCall}
	}
}

// retryAfter is how long an answer asks to wait.
func (r response) retryAfter() time.Duration {
	seconds, _ := strconv.Atoi(r.header.Get("Retry-After"))
	return time.Duration(seconds) * time.Second
}

// near reports whether two durations differ by no more than a slow test takes.
func near(got, want time.Duration) bool { return got <= want && got > want-20*time.Second }

// age moves the claim of a call that was made into the past.
func (w *world) age(b followup.Booking, by string) {
	w.t.Helper()
	w.Change(b.Ref, "claimed_at = claimed_at - interval '"+by+"', executed_at = executed_at - interval '"+by+"', called_at = called_at - interval '"+by+"'")
}

func TestPace(t *testing.T) {
	t.Parallel()
	due := functiontest.Seed{Task: task("scheduled", "", 1)}
	for name, tenants := range map[string][]uuid.UUID{
		"one_tenant":   {functiontest.TenantA, functiontest.TenantA, functiontest.TenantA},
		"two_tenants":  {functiontest.TenantA, functiontest.TenantB, functiontest.TenantA},
		"other_tenant": {functiontest.TenantA, functiontest.TenantA, functiontest.TenantB},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.serve(limited(4, 2))
			var all []followup.Booking
			for _, tenant := range tenants {
				seed := due
				seed.Tenant = tenant
				all = append(all, w.Insert(seed))
			}
			for _, b := range all[:2] {
				if got := e.deliver(b, 1); got.status != 200 || got.Result != "accepted" {
					t.Fatalf("answered %s", got)
				}
			}
			third := all[2]
			// The first call leaves the window after a minute, and then one goes out every 30 s.
			slot := w.Row(all[0].Ref).Task.ClaimedAt.Add(90 * time.Second)
			for range 2 { // a task that comes before its slot is told again
				got := e.deliver(third, 1)
				if got.status != 409 || got.Result != "paced" || !near(got.retryAfter(), 90*time.Second) {
					t.Errorf("answered %s with Retry-After %q", got, got.header.Get("Retry-After"))
				}
				if row := w.Row(third.Ref); state(row) != "scheduled/paced r1 a0 task" || !row.Task.DueAt.Equal(slot) {
					t.Errorf("the row is %q, due at %s, want %s", state(row), row.Task.DueAt, slot)
				}
			}
			if n := w.agent.PostsRead(""); n != 2 {
				t.Errorf("the voice agent was asked %d times", n)
			}
			for _, b := range all[:2] {
				w.age(b, "2 minutes")
			}
			w.Change(third.Ref, "task_scheduled_at = now()")
			if got := e.deliver(third, 1); got.Result != "accepted" || state(w.Row(third.Ref)) != executedRow {
				t.Errorf("at its slot: %s, the row is %q", got, state(w.Row(third.Ref)))
			}
			if strings.Contains(w.log.String(), `"severity":"ERROR"`) {
				t.Errorf("an error is logged:\n%s", w.log)
			}
		})
	}
}

// Calls that are due at once are counted one after the other, in whichever schema
// and instance, and a tenant's that wait have slots one after the other.
func TestPaceAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	instances := []*endpoint{w.serve(limited(4, 2)), w.serve(limited(4, 2))}
	const calls = 8
	var all []followup.Booking
	answers := make(chan response)
	for i := range calls {
		b := w.Insert(functiontest.Seed{Tenant: []uuid.UUID{functiontest.TenantA, functiontest.TenantB}[i/2%2], Task: task("scheduled", "", 1)})
		all = append(all, b)
	}
	for i, b := range all {
		r := instances[i%2].request(payload(b, 1))
		go func() {
			got, err := try(r)
			if err != nil {
				t.Error(err)
			}
			answers <- got
		}()
	}
	results := map[string]int{}
	for range calls {
		results[(<-answers).Result]++
	}
	if results["accepted"] != 2 || results["paced"] != calls-2 || w.agent.PostsRead("") != 2 {
		t.Errorf("the answers are %v; the voice agent was asked %d times", results, w.agent.PostsRead(""))
	}
	type slot struct {
		tenant uuid.UUID
		at     time.Time
	}
	slots := map[slot]int{}
	for _, b := range all {
		if row := w.Row(b.Ref); row.Task.Status == followup.Scheduled {
			slots[slot{b.TenantID, row.Task.DueAt}]++
		}
	}
	if len(slots) != calls-2 {
		t.Errorf("calls of a tenant share slots: %v", slots)
	}
}

func TestDeferred(t *testing.T) {
	t.Parallel()
	closed := time.Now().Add(2 * time.Hour).UTC().Truncate(time.Minute)
	refused := func(seconds int) voiceagent.Behaviour {
		return voiceagent.Behaviour{Kind: voiceagent.Status, Status: 429, RetryAfter: &seconds}
	}
	for _, tc := range []struct {
		name      string
		behaviour voiceagent.Behaviour
		at        time.Time
		result    string
		row       string
		wait      time.Duration // from the call on
		due       time.Time     // instead of wait
		holds     bool          // another tenant's call has to wait, too
	}{
		{name: "rate_limited", behaviour: refused(40), result: "deferred", row: limitedRow, wait: 40 * time.Second, holds: true},
		{name: "rate_limited_without_wait", behaviour: answering(429), result: "deferred", row: limitedRow, wait: time.Minute, holds: true},
		{name: "outside_hours", behaviour: closedUntil(closed), result: "deferred", row: closedRow, due: closed},
		{name: "too_late", behaviour: closedUntil(closed), at: time.Now().Add(-23 * time.Hour), result: "expired", row: "failed/expired r1 a1"},
		{name: "too_late_for_the_limit", behaviour: refused(3600), at: time.Now().Add(-23*time.Hour - 30*time.Minute), result: "expired", row: "failed/expired r1 a1"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.serve(limited(100, 1))
			b := w.armed(functiontest.Seed{At: tc.at})
			tc.behaviour.Times = 1
			w.agent.Must(tc.behaviour)
			if got := e.deliver(b, 1); got.status != 200 || got.Result != tc.result {
				t.Errorf("answered %s, want 200 %s", got, tc.result)
			}
			after := w.Row(b.Ref)
			if state(after) != tc.row || w.posts(b) != 1 {
				t.Errorf("the row is %q, want %q; the voice agent was asked %d times", state(after), tc.row, w.posts(b))
			}
			if w.queue.Named(b.Task.Name) == nil {
				t.Error("the task at work was deleted from under its own request")
			}
			if tc.result == "expired" {
				if n := len(w.queue.List()); n != 1 {
					t.Errorf("there are %d tasks", n)
				}
				return
			}
			armed := w.queue.Named(after.Task.Name)
			if armed == nil || !armed.GetScheduleTime().AsTime().Equal(after.Task.DueAt) {
				t.Fatalf("the row is due at %s, its task is %v", after.Task.DueAt, armed)
			}
			// From the answer on, which came a little after the claim.
			wait := after.Task.DueAt.Sub(after.Task.PlannedFor)
			if !tc.due.IsZero() && !after.Task.DueAt.Equal(tc.due) || tc.due.IsZero() && (wait < tc.wait || wait > tc.wait+20*time.Second) {
				t.Errorf("it is due at %s, %s after its time", after.Task.DueAt, wait)
			}
			if got := e.deliver(b, 1); got.Result != "stale" {
				t.Errorf("the first task's next delivery is answered %s", got)
			}
			other := w.Insert(functiontest.Seed{Tenant: functiontest.TenantB, Task: task("scheduled", "", 1)})
			got := e.deliver(other, 1)
			if !tc.holds {
				if got.Result != "accepted" {
					t.Errorf("another tenant's call is answered %s", got)
				}
				return
			}
			if row := w.Row(other.Ref); got.Result != "paced" || w.posts(other) != 0 || row.Task.DueAt.Before(after.Task.DueAt) || row.Task.Attempts != 0 {
				t.Errorf("another tenant's call is answered %s, its row is %+v", got, row.Task)
			}
			for _, ref := range []followup.Ref{b.Ref, other.Ref} {
				w.Change(ref, "task_scheduled_at = now()")
			}
			if got := e.deliver(b, 2); got.Result != "accepted" || state(w.Row(b.Ref)) != "executed r2 a2 task called" {
				t.Errorf("at its time: %s, the row is %q", got, state(w.Row(b.Ref)))
			}
			if got := e.deliver(other, 1); got.Result != "accepted" {
				t.Errorf("another tenant's call, when its time has come: %s", got)
			}
		})
	}
}

// armed is a booking whose first task exists.
func (w *world) armed(seed functiontest.Seed) followup.Booking {
	w.t.Helper()
	seed.Task = task("scheduled", "", 1)
	b := w.Insert(seed)
	name, err := w.queue.Client.CreateScheduledHTTPTask(w.t.Context(), b, b.Task)
	if err != nil {
		w.t.Fatal(err)
	}
	w.Change(b.Ref, "task_name = $1", name)
	return w.Row(b.Ref)
}

func TestMisconfigured(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve()
	for name, behaviour := range map[string]voiceagent.Behaviour{
		"401": answering(401), "403": answering(403), "upgrade_required": {Kind: voiceagent.UpgradeRequired},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
			behaviour.BookingID = b.BookingID.String()
			w.agent.Must(behaviour)
			for i, result := range []string{"misconfigured", "settled"} {
				if got := e.deliver(b, 1); got.status != 200 || got.Result != result {
					t.Errorf("delivery %d is answered %s, want 200 %s", i+1, got, result)
				}
			}
			if row := w.Row(b.Ref); state(row) != wrongRow || row.Task.LastError == "" || w.posts(b) != 1 {
				t.Errorf("the row is %q with error %q; the voice agent was asked %d times", state(row), row.Task.LastError, w.posts(b))
			}
			var lines []map[string]any
			for _, line := range w.log.Events("agent_misconfigured") {
				if line["booking_id"] == b.BookingID.String() {
					lines = append(lines, line)
				}
			}
			if len(lines) != 1 || lines[0]["severity"] != "ERROR" || lines[0]["tenant_id"] != b.TenantID.String() {
				t.Errorf("logged %v", lines)
			}
		})
	}
}
