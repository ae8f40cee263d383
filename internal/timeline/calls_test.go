package timeline_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"lad.internal/followup/internal/timeline"
	"lad.internal/followup/pkg/followup"
)

func TestCalls(t *testing.T) {
	t.Parallel()
	ref := followup.Ref{TenantID: uuid.New(), BookingID: uuid.New()}
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	// line is one that was written when a call had been claimed for so long.
	line := func(event string, claimed, after int, more string) string {
		return fmt.Sprintf(`{"time":%q,"event":%q,"tenant_id":%q,"booking_id":%q,"claimed_at":%q,"planned_for":%q,"task_revision":3%s}`,
			at(claimed+after).Format(time.RFC3339Nano), event, ref.TenantID, ref.BookingID,
			at(claimed).Add(123456*time.Microsecond).Format(time.RFC3339Nano), noon.Format(time.RFC3339), more)
	}
	call := func(claimed int, status followup.TaskStatus, reason followup.Reason, id string) followup.LoggedCall {
		return followup.LoggedCall{ClaimedAt: at(claimed).Add(123456 * time.Microsecond), PlannedFor: noon, Revision: 3, Status: status, Reason: reason, CallID: id}
	}
	const accepted, inDoubt = `,"task_status":"executed","task_reason":"","call_id":"c7"`, `,"task_status":"failed","task_reason":"outcome_unknown","call_id":""`
	for _, c := range []struct {
		name  string
		lines []string
		want  []followup.LoggedCall
	}{
		{"begun", []string{line("call_started", 0, 1, "")}, []followup.LoggedCall{call(0, "", "", "")}},
		{"ended", []string{line("call_started", 0, 1, ""), line("call_finished", 0, 2, accepted)}, []followup.LoggedCall{call(0, followup.Executed, "", "c7")}},
		{"in another order", []string{line("call_finished", 0, 1, accepted), line("call_started", 0, 1, "")}, []followup.LoggedCall{call(0, followup.Executed, "", "c7")}},
		{"begun before the log", []string{line("call_finished", 0, 2, inDoubt)}, []followup.LoggedCall{call(0, followup.Failed, followup.OutcomeUnknown, "")}},
		{"not recorded", []string{line("call_started", 0, 1, ""), line("outcome_lost", 0, 2, accepted)}, []followup.LoggedCall{call(0, followup.Executed, "", "c7")}},
		{"its job failed", []string{line("call_finished", 0, 1, accepted), line("job_asked", 0, 2, inDoubt)},
			[]followup.LoggedCall{call(0, followup.Failed, followup.OutcomeUnknown, "")}},
		{"two", []string{line("call_started", 9, 1, ""), line("call_finished", 0, 2, inDoubt)},
			[]followup.LoggedCall{call(0, followup.Failed, followup.OutcomeUnknown, ""), call(9, "", "", "")}},
		{"a person has said that it was made", []string{line("call_finished", 0, 2, inDoubt), line("operator_resolved", 0, 9, `,"to":"executed"`)},
			[]followup.LoggedCall{call(0, followup.Executed, "", "")}},
		{"a person has said that it was not", []string{line("call_finished", 0, 2, inDoubt), line("operator_resolved", 0, 9, `,"to":"pending"`)}, []followup.LoggedCall{}},
		{"a person has retried it", []string{line("call_finished", 0, 2, `,"task_status":"failed","task_reason":"rejected"`), line("operator_retried", 0, 9, `,"to":"pending"`)}, []followup.LoggedCall{}},
		{"a person has settled an older one", []string{line("operator_resolved", 0, 1, `,"to":"pending"`), line("call_started", 0, 2, "")}, []followup.LoggedCall{call(0, "", "", "")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			calls, incomplete := timeline.Calls(collect(t, timeline.Read(strings.NewReader(strings.Join(c.lines, "\n")))))
			if d := cmp.Diff(map[followup.Ref][]followup.LoggedCall{ref: c.want}, calls); d != "" || len(incomplete) != 0 {
				t.Errorf("incomplete: %v, calls (-want +got):\n%s", incomplete, d)
			}
		})
	}
	t.Run("what is not about one booking's call is left out", func(t *testing.T) {
		t.Parallel()
		calls, incomplete := timeline.Calls(collect(t, timeline.Read(strings.NewReader(
			line("booking_planned", 0, 1, "")+"\n"+strings.ReplaceAll(line("call_started", 0, 1, ""), ref.BookingID.String(), "")))))
		if len(calls) != 0 || len(incomplete) != 0 {
			t.Errorf("%v, %v", calls, incomplete)
		}
	})
	t.Run("a line of an older version is told apart", func(t *testing.T) {
		t.Parallel()
		for _, field := range []string{"claimed_at", "planned_for", "task_revision"} {
			calls, incomplete := timeline.Calls(collect(t, timeline.Read(strings.NewReader(strings.Replace(line("call_started", 0, 1, ""), field, "x", 1)))))
			if len(calls) != 0 || len(incomplete) != 1 || incomplete[0].Ref != ref {
				t.Errorf("without %s: %v, %v", field, calls, incomplete)
			}
		}
	})
}
