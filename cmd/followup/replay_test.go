package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	"github.com/google/uuid"
	"google.golang.org/protobuf/encoding/protojson"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

// waiting is a booking whose row, restored, waits for a call that is due now.
func (d *desk) waiting(tenant uuid.UUID) followup.Booking {
	d.t.Helper()
	return d.Insert(functiontest.Seed{Tenant: tenant, At: ago(time.Minute), Task: followup.Task{
		Status: followup.Scheduled, Revision: 1, Key: functiontest.CurrentKey, DueAt: ago(time.Minute), Name: d.queue.Config.TaskPath("gone"),
	}})
}

// callLine is a line about a call of the booking that was claimed so long ago.
func callLine(event string, b followup.Booking, claimed time.Duration, more string) string {
	return fmt.Sprintf(`{"time":%q,"event":%q,"tenant_id":%q,"booking_id":%q,"claimed_at":%q,"planned_for":%q,"task_revision":1%s}`+"\n",
		ago(claimed).Format(time.RFC3339), event, b.TenantID, b.BookingID, ago(claimed).Format(time.RFC3339), b.ScheduledAt.Format(time.RFC3339Nano), more)
}

const wasAccepted = `,"task_status":"executed","task_reason":"","call_id":"call-7"`

func TestReplayLog(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	made, begun, other := d.waiting(functiontest.TenantA), d.waiting(functiontest.TenantA), d.waiting(functiontest.TenantB)
	untouched := d.waiting(functiontest.TenantA)
	gone := followup.Booking{Ref: followup.Ref{TenantID: functiontest.TenantA, BookingID: uuid.New()}, ScheduledAt: made.ScheduledAt}
	file := keep(t, callLine("call_started", made, 50*time.Second, "")+callLine("call_finished", made, 50*time.Second, wasAccepted)+
		callLine("call_started", begun, 40*time.Second, "")+callLine("call_finished", other, 30*time.Second, wasAccepted)+
		callLine("call_finished", untouched, 30*time.Second, `,"task_status":"failed","task_reason":"not_started"`)+
		callLine("call_finished", gone, 30*time.Second, wasAccepted))
	before := d.Checksum()
	replay := func(more ...string) *session {
		return d.run(append([]string{"replay-log", "--log", file, "--since", "-10m"}, more...)...)
	}

	replay("--all").want(cli.ExitUsage, "the log tells of calls for 5 bookings; of 3 the rows do not",
		"booking "+gone.String()+" was called and is not in the database", "executed", "failed/outcome_unknown", "nothing was changed: say --yes to replay 3 bookings")
	replay("--all", "--dry-run").want(0, "would")
	if d.Checksum() != before || len(d.queue.List()) != 0 {
		t.Fatal("without a yes something was changed")
	}

	s := replay("--tenant", tenantA(), "--yes").want(0, "done")
	if d.state(made) != "executed" || d.state(begun) != "failed/outcome_unknown" || d.state(untouched) != "scheduled" || d.state(other) != "scheduled" {
		t.Errorf("the rows are %s, %s, %s; the other tenant's %s", d.state(made), d.state(begun), d.state(untouched), d.state(other))
	}
	row := d.Row(made.Ref).Task
	if since := time.Since(row.ExecutedAt); !row.ExecutedAt.Equal(row.ClaimedAt) || since < 40*time.Second || row.CallID != "call-7" || row.Key != made.Key() {
		t.Errorf("the row is %+v", row)
	}
	if logged := s.events("operator_replayed"); len(logged) != 2 || logged[0]["operator"] != "Grace" || logged[0]["rule"] != "operator_replayed" {
		t.Errorf("logged %v", logged)
	}
	if d.run("sweep", "--tenant", tenantA()).want(0); d.state(made) != "executed" || d.state(begun) != "failed/outcome_unknown" {
		t.Errorf("after a sweep the rows are %s, %s", d.state(made), d.state(begun))
	}

	var views []changeView
	if replay("--all", "--yes", "--json").want(0).json(&views); len(views) != 1 || views[0].Booking.TenantID != tenantB() {
		t.Errorf("for all tenants: %+v", views)
	}
	replay("--all", "--yes").want(0, "of 0 the rows do not")
	if replay("--all", "--yes", "--json").want(0).json(&views); len(views) != 0 {
		t.Errorf("a second time: %+v", views)
	}
}

func TestReplayLog_refusals(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	b := d.waiting(functiontest.TenantA)
	old := keep(t, strings.Replace(callLine("call_finished", b, 30*time.Second, wasAccepted), "claimed_at", "x", 1))
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--log", old, "--since", "-1h", "--all", "--yes"}, cli.ExitFailed, "1 line about a call without claimed_at, planned_for or task_revision, of booking " + b.String()},
		{[]string{"--log", old, "--since", "1h", "--all", "--yes"}, 0, "of 0 the rows do not"}, // it begins later
		{[]string{"--log", old + ".gone", "--since", "-1h", "--all"}, cli.ExitFailed, "open the log"},
		{[]string{"--log", old, "--all"}, cli.ExitUsage, "--since"},
		{[]string{"--log", old, "--since", "yesterday", "--all"}, cli.ExitUsage, "want a time"},
		{[]string{"--log", old, "--since", "-1h"}, cli.ExitUsage, "--tenant ID, or --all"},
		{[]string{"--log", old, "--since", "-1h", "--all", "x"}, cli.ExitUsage, "accepts 0 arg"},
	} {
		d.run(append([]string{"replay-log"}, c.args...)...).want(c.code, c.want)
	}
	if d.state(b) != "scheduled" {
		t.Errorf("the row is %s", d.state(b))
	}
}

func TestReplayLog_from_Cloud_Logging(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	b := d.waiting(functiontest.TenantA)
	server := &recorded{}
	for _, event := range []string{"call_started", "call_finished"} {
		e := &loggingpb.LogEntry{}
		line := strings.TrimSpace(callLine(event, b, 30*time.Second, wasAccepted))
		if err := protojson.Unmarshal([]byte(`{"timestamp":"`+ago(30*time.Second).Format(time.RFC3339)+`","jsonPayload":`+line+`}`), e); err != nil {
			t.Fatal(err)
		}
		server.entries = append(server.entries, e)
	}
	d.under(server.serve(t)).run("replay-log", "--all", "--since", "-10m", "--yes").want(0)
	if d.state(b) != "executed" {
		t.Errorf("the row is %s", d.state(b))
	}
	if len(server.asked) != 1 || !strings.HasPrefix(server.asked[0].GetFilter(), `jsonPayload.event=("call_started" OR "call_finished" OR `) {
		t.Errorf("asked for %v", server.asked)
	}
	// A call that was under way at the moment began up to a lease before it.
	var since time.Time
	if _, at, ok := strings.Cut(server.asked[0].GetFilter(), "timestamp>="); ok {
		since, _ = time.Parse(`"`+time.RFC3339Nano+`"`, at)
	}
	if back := time.Since(since).Round(time.Minute); back != 12*time.Minute {
		t.Errorf("it looked back for %v", back)
	}
}
