package main

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

func TestListShowsATenantsCallsInTheirOrder(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	due := soon()
	late := d.Insert(functiontest.Seed{At: ago(time.Hour)})
	next := d.Insert(functiontest.Seed{At: due})
	refused := d.failed(followup.Rejected, due.Add(time.Hour), ago(2*time.Hour))
	d.Insert(functiontest.Seed{Type: "meeting"})
	d.Insert(functiontest.Seed{Tenant: functiontest.TenantB})

	s := d.run("list", "--tenant", tenantA()).want(0)
	want := [][]string{
		{"BOOKING", "DUE", "STATUS", "REASON", "ATTEMPTS", "CLAIMED", "EXECUTED", "ERROR"},
		{id(late), moment(late.ScheduledAt), "pending", "-", "0", "-", "-", "-"},
		{id(next), moment(due), "pending", "-", "0", "-", "-", "-"},
		{id(refused), moment(due.Add(time.Hour)), "failed", "rejected", "1", moment(refused.Task.ClaimedAt), "-", "402: not enough credits"},
	}
	if diff := cmp.Diff(want, s.table()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}

	var views []bookingView
	d.run("list", "--tenant", tenantA(), "--json").want(0).json(&views)
	if len(views) != 3 || views[2].ID != id(refused) || *views[2].TaskReason != "rejected" || !views[2].DueAt.Equal(refused.ScheduledAt) || views[0].ClaimedAt != nil {
		t.Errorf("JSON: %+v", views)
	}

	for name, c := range map[string]struct {
		flags []string
		want  []string
	}{
		"status":        {[]string{"--status", "failed"}, []string{id(refused)}},
		"statuses":      {[]string{"--status", "failed,pending"}, []string{id(late), id(next), id(refused)}},
		"reason":        {[]string{"--reason", "outcome_unknown", "--reason", "rejected"}, []string{id(refused)}},
		"overdue":       {[]string{"--overdue"}, []string{id(late)}},
		"due by a span": {[]string{"--due-before", "90m", "--due-after", "-30m"}, []string{id(next)}},
		"due by a time": {[]string{"--due-after", due.Format(time.RFC3339)}, []string{id(next), id(refused)}},
		"due by a day":  {[]string{"--due-before", "2020-01-31"}, []string{}},
		"claimed":       {[]string{"--claimed-after", "-3h", "--claimed-before", "-1h"}, []string{id(refused)}},
		"limit":         {[]string{"--limit", "2"}, []string{id(late), id(next)}},
		"no limit":      {[]string{"--limit", "0"}, []string{id(late), id(next), id(refused)}},
	} {
		views := []bookingView{}
		d.run(append([]string{"list", "--json", "--tenant", tenantA()}, c.flags...)...).want(0).json(&views)
		got := []string{}
		for _, v := range views {
			got = append(got, v.ID)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	d.failed(followup.DoNotCall, due, ago(time.Hour)) // a reason of its own, from here on
	d.run("list", "--tenant", tenantA(), "--reason", "do_not_call,paced").want(0, "do_not_call")
	d.run("list", "--tenant", tenantA(), "--limit", "2").want(0, "these are the first 2, and there are more")
	if d.run("list", "--tenant", tenantA(), "--limit", "4").want(0); strings.Contains(s.err.String(), "there are more") {
		t.Error("says that there is more than everything")
	}
	if s := d.run("list", "--tenant", tenantA(), "--status", "executed").want(0, "no follow-up call of this tenant matches"); s.out.String() != "" {
		t.Errorf("an empty list prints %q", s.out.String())
	}
	if s := d.run("list", "--tenant", uuid.NewString(), "--json").want(0); strings.TrimSpace(s.out.String()) != "[]" {
		t.Errorf("a stranger's list is %q", s.out.String())
	}
}

func TestWordsThatNameNothingAreRefusedBeforeAnythingIsOpened(t *testing.T) {
	t.Parallel()
	d := &desk{ctx: t.Context(), t: t} // without any settings
	a, b := tenantA(), "not-a-uuid"
	for _, c := range []struct{ words, want string }{
		{"list", "say whose bookings: --tenant ID"},
		{"list --tenant x", "--tenant: "},
		{"list --tenant " + a + " --status rejected", "want one of pending, scheduled, in_progress, executed, cancelled, failed"},
		{"list --tenant " + a + " --reason none", "want one of not_started, rejected"},
		{"list --tenant " + a + " --due-before tomorrow", "want a time, as 2026-01-31T09:00:00Z"},
		{"list --tenant " + a + " --limit -1", "--limit"},
		{"list --tenant " + a + " --due-after 2h --due-before 1h", "nothing can match"},
		{"list --tenant " + a + " --claimed-after 1h --claimed-before -1h", "nothing can match"},
		{"show --tenant " + a, "accepts 1 arg"},
		{"show --tenant " + a + " " + b, "booking: "},
		{"show " + uuid.NewString(), "--tenant ID"},
		{"explain --tenant " + a + " " + uuid.NewString() + " --at noon", "want a time"},
		{"retry --tenant " + a, "say which bookings"},
		{"retry --tenant " + a + " " + b, "booking: "},
		{"retry --tenant " + a + " " + uuid.NewString() + " --reason rejected", "not both"},
		{"retry --tenant " + a + " --reason expired", "want one of rejected, not_started, misconfigured, by_operator, lead_deleted"},
		{"cancel --reason not_started", "--tenant ID"},
		{"cancel --tenant " + a + " --status executed", "want one of pending, scheduled"},
		{"resolve --tenant " + a + " " + uuid.NewString(), "--called or --not-called"},
		{"resolve --tenant " + a + " --called --not-called " + uuid.NewString(), "--called or --not-called"},
		{"resolve --tenant " + a + " --not-called --call-id 7 " + uuid.NewString(), "--call-id"},
		{"resolve --tenant " + a + " --called --call-id 7 --reason outcome_unknown", "--call-id"},
		{"resolve --tenant " + a + " --called --call-id " + strings.Repeat("7", 201) + " " + uuid.NewString(), "200"},
		{"sweep --tenant x", "--tenant: "},
		{"sweep now", "accepts 0 arg"},
	} {
		d.run(strings.Fields(c.words)...).want(cli.ExitUsage, c.want, "--help")
	}
}

func TestACommandThatReadsNeedsNoSettingsOfTheQueue(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	b := d.Insert(functiontest.Seed{At: soon()})
	poor := d.with(map[string]string{"GCP_PROJECT_ID": "", "CLOUD_TASKS_EMULATOR_HOST": "", "FOLLOWUP_EXECUTION_ENDPOINT": ""})
	poor.run("list", "--tenant", tenantA()).want(0, id(b))
	poor.run("show", "--tenant", tenantA(), id(b)).want(0)
	poor.run("explain", "--tenant", tenantA(), id(b)).want(0)
	poor.run("cancel", "--tenant", tenantA(), id(b), "--yes").want(cli.ExitFailed, "GCP_PROJECT_ID is missing: set it to")
}

func TestShowTellsEverythingAndWhatCanBeDone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	b := d.failed(followup.Rejected, soon(), ago(time.Minute))
	s := d.run("show", "--tenant", tenantA(), id(b)).want(0,
		"It stands so: the call was refused for good: put right what its error says, then retry it.\n",
		"  followup retry --tenant "+tenantA()+" "+id(b)+"\n", "  followup explain --tenant ")
	s.shows(map[string]string{
		"call": "failed/rejected", "revision": "3", "attempts": "1", "call due": moment(b.ScheduledAt),
		"last error": "402: not enough credits", "key": b.Key(), "task": "-", "time": followup.Times{}.Explain(b.When), "source": "voice_agent",
	})
	if strings.Contains(s.out.String(), "followup cancel") {
		t.Errorf("offers what would be refused:\n%s", s.out.String())
	}
	for state, want := range map[followup.Reason][]string{
		followup.Rejected: {"retry"}, followup.NotStarted: {"retry", "cancel"},
		followup.OutcomeUnknown: {"resolve --called", "resolve --not-called"}, followup.Expired: {}, followup.Misconfigured: {"retry"},
	} {
		var view shown
		b := d.failed(state, soon(), ago(time.Minute))
		d.run("show", "--tenant", tenantA(), id(b), "--json").want(0).json(&view)
		if diff := cmp.Diff(want, view.Accepts); diff != "" || view.Time == "" || view.ID != id(b) || *view.IdempotencyKey != b.Key() {
			t.Errorf("%s: %+v (-want +got):\n%s", state, view, diff)
		}
	}
	elsewhere := d.failed(followup.Rejected, soon(), ago(time.Minute))
	d.Change(elsewhere.Ref, "scheduled_at = scheduled_at + interval '1 day', booking_type = '', status = '', assigned_user_id = NULL")
	d.run("show", "--tenant", tenantA(), id(elsewhere)).want(0, "no call will be made as it stands").shows(map[string]string{
		"type": "-", "status in LAD": "-", "assigned user": "-", "key": b.Key()[:len("followup:")+36] + ":" + id(elsewhere) + ":" +
			elsewhere.ScheduledAt.Format("2006-01-02T15:04:05.000Z") + " (of another time)",
	})
}

// shows checks lines of show.
func (s *session) shows(want map[string]string) {
	s.t.Helper()
	got := map[string]string{}
	for _, row := range s.table() {
		if len(row) > 1 {
			got[row[0]] = row[1]
		}
	}
	for name, value := range want {
		if got[name] != value {
			s.t.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
}

// A foreign booking must not be told from one that is not there.
func TestAnotherTenantsBookingIsNoBooking(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	b := d.failed(followup.Rejected, soon(), ago(time.Minute))
	before := d.Checksum()
	for _, words := range []string{"show", "explain", "retry --yes", "cancel --yes", "resolve --called --yes", "resolve --not-called --yes"} {
		var said []string
		for _, c := range [][2]string{{tenantB(), id(b)}, {uuid.NewString(), id(b)}, {tenantA(), uuid.NewString()}} {
			s := d.run(append(strings.Fields(words), "--tenant", c[0], c[1])...).want(cli.ExitFailed, "no such booking for this tenant: "+c[1])
			said = append(said, strings.ReplaceAll(s.out.String()+s.err.String(), c[1], "ID"))
		}
		if slices.Sort(said); len(slices.Compact(said)) != 1 {
			t.Errorf("%s tells them apart: %q", words, said)
		}
	}
	d.run("retry", "--tenant", tenantB(), "--reason", "rejected", "--yes").want(cli.ExitFailed, "no follow-up call of this tenant matches")
	if d.Checksum() != before {
		t.Error("something was changed")
	}
}

func TestWhatLADAndTheAgentHaveWrittenCannotSteerTheTerminal(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	b := d.failed(followup.Rejected, soon(), ago(time.Minute))
	d.Change(b.Ref, "last_execution_error = $1, booking_type = $2", "bad\x1b[2Jbad\r\nbad\ttab", "follow\x1b_up")
	for _, words := range []string{"list", "show " + id(b), "retry --dry-run " + id(b)} {
		s := d.run(append(strings.Fields(words), "--tenant", tenantA())...)
		if strings.ContainsAny(s.out.String()+s.err.String(), "\x1b\r") {
			t.Errorf("%s prints %q", words, s.out.String()+s.err.String())
		}
	}
}
