package main

import (
	"strings"
	"testing"
	"time"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

func TestExplainListsEachRuleAndWhatWouldHappenNext(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	due := soon()
	b := d.Insert(functiontest.Seed{At: due})
	before := d.Checksum()
	s := d.run("explain", "--tenant", tenantA(), id(b)).want(0,
		"pending: its call is still to come", "What would an event or the sweep make of it?",
		"  → arm: it gets a task, revision 1, due "+moment(due)+".\n",
		"What would that task do when it fires, at "+moment(due)+"?", "  → admitted: the lead is called.\n")
	plan, admit, _ := strings.Cut(s.out.String(), "What would that task do")
	inOrder(t, plan, "absent", "no_follow_up", "historic", "claimed", "lease_over", "held", "called", "not_live", "settled", "on_its_way", "expired", "beyond_horizon", "arm ")
	inOrder(t, admit, "absent", "other_call", "stale", "claimed", "held", "called", "not_live", "premature", "settled", "too_early", "expired", "paused", "no_phone", "admitted")

	var f foresight
	d.run("explain", "--tenant", tenantA(), id(b), "--json").want(0).json(&f)
	if f.Call != "pending" || f.Plan.Effect != "arm" || f.Plan.Becomes.TaskStatus != "scheduled" || !f.Plan.Becomes.TaskScheduledAt.Equal(due) ||
		f.Plan.Asked[0] != (askedRule{Rule: "absent", Question: followup.RuleAbsent.Question()}) {
		t.Errorf("plan: %+v", f)
	}
	if !f.Task.Planned || f.Task.Revision != 1 || !f.Task.FiresAt.Equal(due) || f.Task.Effect != "dial" || f.Task.Rule != "admitted" {
		t.Errorf("task: %+v", f.Task)
	}
	if d.Checksum() != before || len(d.queue.List()) != 0 {
		t.Error("explaining has changed something")
	}
}

func inOrder(t *testing.T, text string, rules ...string) {
	t.Helper()
	for _, rule := range rules {
		i := strings.Index(text, "  "+rule)
		if i < 0 {
			t.Fatalf("%s is missing, or out of order, in\n%s", rule, text)
		}
		text = text[i:]
	}
}

func TestExplainForeseesAnotherTime(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	due := soon()
	b := d.Insert(functiontest.Seed{At: due})
	gone := d.Insert(functiontest.Seed{At: due})
	d.run("sweep").want(0)
	d.Change(gone.Ref, "status = 'cancelled'")
	nobody := d.Insert(functiontest.Seed{At: due, NoPhone: true})
	far := d.Insert(functiontest.Seed{At: due.Add(30 * 24 * time.Hour)})
	for name, c := range map[string]struct {
		settings map[string]string
		booking  followup.Booking
		at       string
		plan     string // what an event makes of it, by which rule
		task     string
	}{
		"now":             {nil, b, "", "on_its_way: nothing is changed", "revision 1, do when it fires, at " + moment(due)},
		"when it is due":  {nil, b, due.Format(time.RFC3339), "on_its_way: nothing is changed", "admitted: the lead is called"},
		"when overdue":    {nil, b, due.Add(6 * time.Minute).Format(time.RFC3339), "arm: it gets a task, revision 2", "admitted: the lead is called"},
		"when too late":   {nil, b, due.Add(25 * time.Hour).Format(time.RFC3339), "expired: it becomes failed/expired, and its present task is deleted", "expired: it becomes failed/expired"},
		"cancelled":       {nil, gone, "", "not_live: it becomes cancelled/booking_cancelled, and its present task is deleted", "not_live: it becomes cancelled/booking_cancelled"},
		"while paused":    {map[string]string{"FOLLOWUP_PAUSED": tenantA()}, b, due.Format(time.RFC3339), "on_its_way", "paused: nothing yet"},
		"without a phone": {nil, nobody, "", "arm: it gets a task", "no_phone: it becomes failed/rejected"},
		"far ahead":       {nil, far, "", "beyond_horizon: nothing is changed", "It has no task that could fire."},
		"far ahead, then": {nil, far, "720h", "arm: it gets a task, revision 1", "admitted: the lead is called"},
	} {
		args := []string{"explain", "--tenant", tenantA(), id(c.booking)}
		if c.at != "" {
			args = append(args, "--at", c.at)
		}
		_, both, _ := strings.Cut(d.with(c.settings).run(args...).want(0).out.String(), "\n\n")
		plan, task, _ := strings.Cut(both, "\n\n")
		if !strings.Contains(plan, c.plan) || !strings.Contains(task, c.task) {
			t.Errorf("%s: want %q, then %q, in\n%s\n\n%s", name, c.plan, c.task, plan, task)
		}
	}
}
