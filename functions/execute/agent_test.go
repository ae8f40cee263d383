package execute_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
)

// Tenant A has agent 7 with an active number, tenant B agent 8; 17 is another of
// A's, and 27 is nobody's.
func TestAgentChoice(t *testing.T) {
	t.Parallel()
	const (
		notANumber = "metadata.agent_id of the booking is not the number of an agent"
		notOurs    = "the voice agent in metadata.agent_id is not this tenant's"
	)
	w := newWorld(t)
	w.LAD(t, functiontest.TenantA, `INSERT INTO voice_agents (id, tenant_id, name, language) VALUES (17, $1, 'Second', 'en'), (27, NULL, 'Shared', 'en')`, functiontest.TenantA)
	// The voice service books the next follow-up with the id of the call that led to it.
	const callOf = `{"call_id": "6f9619ff-8b86-4d01-b42d-00cf4fc964f%d"}`
	logged := func(b followup.Booking, lead uuid.UUID, agent int64) {
		w.LAD(t, b.TenantID, `INSERT INTO voice_call_logs (id, tenant_id, lead_id, agent_id, direction, status) VALUES ($1, $2, $3, $4, 'outbound', 'ended')`,
			b.CallRef.UUID, b.TenantID, lead, agent)
	}
	ours := func(agent int64) string { return fmt.Sprintf(`"agent_id":%d`, agent) }
	const from = `"from_number":"+12025550107"`
	for _, tc := range []struct {
		name, metadata string
		sent           []string // in the request
		refused        string   // or why there is none
	}{
		{"of_the_number", ``, []string{ours(7), from}, ""},
		{"null", `{"agent_id": null}`, []string{ours(7), from}, ""},
		{"another_key", `["agent_id"]`, []string{ours(7), from}, ""},
		{"number", `{"agent_id": 17}`, []string{ours(17)}, ""},
		{"text", `{"agent_id": "7"}`, []string{ours(7), from}, ""},
		{"fraction", `{"agent_id": 7.0}`, []string{ours(7), from}, ""},
		{"nested", `{"metadata": {"agent_id": 17}}`, []string{ours(17)}, ""},
		{"encoded_twice", `"{\"agent_id\": 17}"`, []string{ours(17)}, ""},
		{"shared", `{"agent_id": 27}`, []string{ours(27)}, ""},
		{"of_the_call", fmt.Sprintf(callOf, 1), []string{ours(17)}, ""},
		{"of_the_call_by_others", fmt.Sprintf(callOf, 2), []string{ours(7), from}, ""},
		{"of_another_leads_call", fmt.Sprintf(callOf, 3), []string{ours(7), from}, ""},
		{"of_others", `{"agent_id": 8}`, nil, notOurs},
		{"of_others_encoded_twice", `"{\"agent_id\": 8}"`, nil, notOurs},
		{"unknown", `{"agent_id": 9000}`, nil, notOurs},
		{"word", `{"agent_id": "twelve"}`, nil, notANumber},
		{"half", `{"agent_id": 1.5}`, nil, notANumber},
		{"object", `{"agent_id": {"id": 7}}`, nil, notANumber},
		{"zero", `{"agent_id": 0}`, nil, notANumber},
		{"negative", `{"agent_id": -7}`, nil, notANumber},
		{"huge", `{"agent_id": 99999999999999999999}`, nil, notANumber},
	} {
		t.Run(tc.name, func(t *testing.T) {
			spy := newSpy(t)
			e := w.serve(func(p *execute.Parts) { p.Agent = functiontest.Client(t, spy.URL, 5*time.Second) })
			b := w.Insert(functiontest.Seed{Metadata: tc.metadata, Task: task("scheduled", "", 1)})
			switch tc.name {
			case "of_the_call":
				logged(b, b.LeadID.UUID, 17)
			case "of_the_call_by_others":
				logged(b, b.LeadID.UUID, 8)
			case "of_another_leads_call":
				logged(b, w.Insert(functiontest.Seed{}).LeadID.UUID, 17)
			}
			got, body := e.deliver(b, 1), spy.body()
			if tc.refused != "" {
				if row := w.Row(b.Ref); got.status != 200 || got.Result != "no_agent" || body != "" ||
					state(row) != "failed/rejected r1 a0" || row.Task.LastError != tc.refused {
					t.Errorf("answered %s and asked for %q; the row is %q: %s", got, body, state(row), row.Task.LastError)
				}
				return
			}
			if got.Result != "accepted" {
				t.Fatalf("answered %s", got)
			}
			for _, want := range append(tc.sent, `"to_number":"+4915112345678"`, `"lead_name":"Ada Lovelace"`, `"added_context":"wants to hear of the engine"`,
				`"lead_id":"`+b.LeadID.UUID.String(), `"initiated_by":"`+b.AssignedUserID.UUID.String(), `"booking_id":"`+b.BookingID.String(), `"idempotency_key":"`+b.Key()) {
				if !strings.Contains(body, want) {
					t.Errorf("the call is %s, want %s in it", body, want)
				}
			}
			if strings.Contains(body, "from_number") != (len(tc.sent) == 2) {
				t.Errorf("the call is %s", body)
			}
		})
	}
}

// The agent of the settings is taken where a tenant has none to choose, and only
// if it belongs to that tenant or to none.
func TestDefaultAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.LAD(t, functiontest.TenantA, `UPDATE voice_agent_numbers SET status = 'inactive'`)
	w.LAD(t, functiontest.TenantA, `INSERT INTO voice_agents (id, tenant_id, name, language) VALUES (17, $1, 'Second', 'en'), (27, NULL, 'Shared', 'en')`, functiontest.TenantA)
	for setting, want := range map[int64]string{0: "", 8: "", 17: `"agent_id":17`, 27: `"agent_id":27`} {
		t.Run(fmt.Sprint(setting), func(t *testing.T) {
			spy := newSpy(t)
			e := w.serve(func(p *execute.Parts) {
				p.Agent = functiontest.Client(t, spy.URL, 5*time.Second)
				if setting != 0 {
					p.Rules.DefaultAgentID = &setting
				}
			})
			b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
			got, body := e.deliver(b, 1), spy.body()
			if row := w.Row(b.Ref); want == "" && (got.Result != "no_agent" || body != "" || row.Task.LastError != "no voice agent for this tenant") ||
				want != "" && (got.Result != "accepted" || !strings.Contains(body, want) || strings.Contains(body, "from_number")) {
				t.Errorf("answered %s and asked for %q; the row is %q: %s", got, body, state(row), row.Task.LastError)
			}
		})
	}
}

func TestExcluded(t *testing.T) {
	t.Parallel()
	share := func(p *execute.Parts) { p.Rules.MaxCalls = followup.CallShare{N: 2, Per: time.Hour} }
	now := time.Now()
	minutesAgo := func(n int) time.Time { return now.Add(-time.Duration(n) * time.Minute) }
	for _, tc := range []struct {
		name    string
		earlier []time.Time // calls of the lead that are made before
		refused int         // and how many that the voice service refuses
		lead    string      // what LAD sets of the lead
		result  string
		row     string
	}{
		{name: "lead_deleted", lead: "is_deleted = true", result: "excluded", row: "cancelled/lead_deleted r1 a0"},
		{name: "lead_archived", lead: "is_archived = true", result: "excluded", row: "cancelled/lead_archived r1 a0"},
		{name: "duplicate", earlier: []time.Time{now}, result: "duplicate", row: "cancelled/duplicate r1 a0"},
		{name: "duplicate_refused", earlier: []time.Time{now}, refused: 1, result: "accepted", row: executedRow},
		{name: "another_minute", earlier: []time.Time{minutesAgo(2)}, result: "accepted", row: executedRow},
		{name: "call_limit", earlier: []time.Time{minutesAgo(4), minutesAgo(2)}, result: "call_limit", row: "cancelled/call_limit r1 a0"},
		{name: "call_limit_refused", earlier: []time.Time{minutesAgo(4), minutesAgo(2)}, refused: 1, result: "accepted", row: executedRow},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.serve(share)
			lead := uuid.New()
			if tc.refused > 0 {
				w.agent.Must(voiceagent.Behaviour{Kind: voiceagent.Status, Status: 400, Times: tc.refused})
			}
			for _, at := range tc.earlier {
				e.deliver(w.Insert(functiontest.Seed{At: at, LeadID: lead, Task: task("scheduled", "", 1)}), 1)
			}
			b := w.Insert(functiontest.Seed{At: now, LeadID: lead, Task: task("scheduled", "", 1)})
			if tc.lead != "" {
				w.LAD(t, b.TenantID, "UPDATE leads SET "+tc.lead+" WHERE id = $1", lead)
			}
			if got := e.deliver(b, 1); got.status != 200 || got.Result != tc.result {
				t.Errorf("answered %s, want 200 %s", got, tc.result)
			}
			posts := 0
			if tc.result == "accepted" {
				posts = 1
			}
			if row := state(w.Row(b.Ref)); row != tc.row || w.posts(b) != posts {
				t.Errorf("the row is %q, want %q; the voice agent was asked %d times", row, tc.row, w.posts(b))
			}
			other := w.Insert(functiontest.Seed{At: now, Task: task("scheduled", "", 1)})
			if got := e.deliver(other, 1); got.Result != "accepted" {
				t.Errorf("another lead's call is answered %s", got)
			}
		})
	}
}

// LAD keeps a lead's minute for one booking that waits (its index exists in
// tenant A's schema): one that would have to wait as well gives way.
func TestGiveWay(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		seed   followup.Task
		change func(*execute.Parts)
		posts  int
	}{
		"deferred": {task("failed", "not_started", 1, claimed(time.Hour)), func(*execute.Parts) {}, 1},
		"paced":    {task("cancelled", "booking_cancelled", 1), limited(1, 1), 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			e := w.serve(tc.change)
			if name == "paced" {
				e.deliver(w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)}), 1)
			}
			lead, now := uuid.New(), time.Now()
			b := w.Insert(functiontest.Seed{At: now, LeadID: lead, Task: tc.seed})
			first := w.Insert(functiontest.Seed{At: now, LeadID: lead, Task: task("scheduled", "", 1)})
			w.agent.Must(voiceagent.Behaviour{Kind: voiceagent.Status, Status: 429, Match: voiceagent.Match{BookingID: b.BookingID.String()}})
			if got := e.deliver(b, 2); got.status != 200 {
				t.Errorf("answered %s", got)
			}
			if row := w.Row(b.Ref).Task; row.Status != followup.Cancelled || row.Reason != followup.Duplicate || w.posts(b) != tc.posts {
				t.Errorf("the row is %+v; the voice agent was asked %d times", row, w.posts(b))
			}
			if row := state(w.Row(first.Ref)); row != "scheduled r1 a0 task" {
				t.Errorf("the other booking's row is %q", row)
			}
			if n := len(w.queue.List()); n != 0 {
				t.Errorf("%d tasks are left over", n)
			}
			if strings.Contains(w.log.String(), `"severity":"ERROR"`) {
				t.Errorf("an error is logged:\n%s", w.log)
			}
		})
	}
}
