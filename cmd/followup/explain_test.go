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
	inOrder(t, plan, "absent", "no_follow_up", "historic", "claimed", "lease_over", "held", "called", "no_zone", "not_live", "settled", "on_its_way", "expired", "beyond_horizon", "arm ")
	inOrder(t, admit, "absent", "other_call", "stale", "claimed", "held", "called", "not_live", "premature", "settled", "too_early", "expired", "paused", "excluded", "duplicate", "call_limit", "no_phone", "no_agent", "paced", "admitted")

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
		"when overdue":    {nil, b, due.Add(6 * time.Minute).Format(time.RFC3339), "overdue: it gets a task, revision 2", "admitted: the lead is called"},
		"when too late":   {nil, b, due.Add(25 * time.Hour).Format(time.RFC3339), "expired: it becomes failed/expired, and its present task is deleted", "expired: it becomes failed/expired"},
		"cancelled":       {nil, gone, "", "not_live: it becomes cancelled/booking_cancelled, and its present task is deleted", "not_live: it becomes cancelled/booking_cancelled"},
		"while paused":    {map[string]string{"FOLLOWUP_PAUSED": tenantA()}, b, due.Format(time.RFC3339), "on_its_way", "paused: nothing yet"},
		"without a phone": {nil, nobody, "", "arm: it gets a task", "no_phone: it becomes failed/rejected"},
		"far ahead":       {nil, far, "", "beyond_horizon: it stays as it is, and the sweep notes its time", "It has no task that could fire."},
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

func TestExplainSaysWhenWhomAndByWhom(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	at := time.Date(2100, 12, 1, 14, 0, 0, 0, time.UTC)
	agents := `{"agent_id": "8"}` // tenant B's
	limited := d.with(map[string]string{"FOLLOWUP_MAX_CALLS_PER_LEAD": "1/24h", "VOICE_AGENT_LIMIT": "2/1h"})
	calledOnce := d.Insert(functiontest.Seed{At: at})
	d.LAD(t, functiontest.TenantA, `UPDATE lead_bookings SET lead_id = $1 WHERE id = $2`, calledOnce.LeadID, d.calledAt(ago(time.Minute), time.Second).BookingID)
	for name, c := range map[string]struct {
		desk *desk
		seed functiontest.Seed
		lead string // set in LAD's row of the lead
		want []string
	}{
		"a Dubai booking": {d, functiontest.Seed{At: at, Timezone: "GST"}, "",
			[]string{"\nTime: 18:00 GST (Asia/Dubai) = 14:00Z\nLead: may be called\nAgent: 7 (the default agent of the tenant's active number), calling from +"}},
		"an instant": {d.with(map[string]string{"FOLLOWUP_TIME_MEANS": "wall,voice_agent=instant"}), functiontest.Seed{At: at.Add(-4 * time.Hour), Timezone: "GST"}, "",
			[]string{"Time: 14:00Z, the stored instant"}},
		"no readable zone": {d, functiontest.Seed{At: at, Timezone: "Mars"}, "",
			[]string{`Time: 14:00 in a zone that cannot be read ("Mars")`, "no_zone: it becomes failed/unknown_timezone"}},
		"a deleted lead":     {d, functiontest.Seed{At: at}, "is_deleted = true", []string{"Lead: is not called: LAD has deleted it"}},
		"an archived lead":   {d, functiontest.Seed{At: at}, "is_archived = true", []string{"Lead: is not called: LAD has archived it"}},
		"a lead without one": {d, functiontest.Seed{At: at, NoPhone: true}, "", []string{"Lead: is not called: the lead has no phone number"}},
		"another's agent":    {d, functiontest.Seed{At: at, Metadata: agents}, "", []string{"Agent: none: the voice agent in metadata.agent_id is not this tenant's"}},
	} {
		b := d.Insert(c.seed)
		if c.lead != "" {
			d.LAD(t, functiontest.TenantA, "UPDATE leads SET "+c.lead+" WHERE id = $1", b.LeadID)
		}
		if got := c.desk.of(t).run("explain", "--tenant", tenantA(), id(b)).want(0, c.want...).out.String(); strings.Contains(got, "+1202555") {
			t.Errorf("%s: a number is shown:\n%s", name, got)
		}
	}
	limited.run("explain", "--tenant", tenantA(), id(calledOnce)).want(0, "Lead: is not called: it has had 1 call in 24h (FOLLOWUP_MAX_CALLS_PER_LEAD)")
	limited.with(map[string]string{"FOLLOWUP_MAX_CALLS_PER_LEAD": "off"}).run("explain", "--tenant", tenantA(), id(calledOnce), "--at", moment(time.Now())).
		want(0, "It has no task that could fire.")
	due := d.Insert(functiontest.Seed{At: ago(0)})
	limited.run("explain", "--tenant", tenantA(), id(due)).want(0, "paced: it waits for its turn under VOICE_AGENT_LIMIT, until ")
	var f foresight
	limited.run("explain", "--tenant", tenantA(), id(due), "--json").want(0).json(&f)
	if f.Task.Effect != "queue" || *f.Task.Becomes.TaskReason != "paced" || *f.Agent.ID != 7 || f.Objection != nil || !strings.HasPrefix(f.Agent.From, "+") {
		t.Errorf("%+v", f)
	}
}
