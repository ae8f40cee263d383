package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

// onQueue is what the booking's row names, which must be on the queue.
func (d *desk) onQueue(b followup.Booking) *cloudtaskspb.Task {
	d.t.Helper()
	task := d.queue.Named(d.Row(b.Ref).Task.Name)
	if task == nil {
		d.t.Fatalf("booking %s names a task %q that is not on the queue", b.BookingID, d.Row(b.Ref).Task.Name)
	}
	return task
}

func TestARetriedCallIsArmedAtOnceAndLoggedWithTheOperator(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	due := soon()
	b := d.failed(followup.Rejected, due, ago(time.Minute))
	s := d.run("retry", "--tenant", tenantA(), id(b), "--yes").want(0)
	want := [][]string{
		{"BOOKING", "DUE", "WAS", "NOW", "RESULT", "DETAIL"},
		{id(b), moment(due), "failed/rejected", "scheduled", "done", "-"},
	}
	if diff := cmp.Diff(want, s.table()); diff != "" {
		t.Errorf("table (-want +got):\n%s", diff)
	}
	if task := d.onQueue(b); !task.GetScheduleTime().AsTime().Equal(due) {
		t.Errorf("its task is due %v", task.GetScheduleTime().AsTime())
	}
	if got := d.Row(b.Ref).Task; got.Revision != 5 || got.LastError != "" {
		t.Errorf("the row is %+v", got)
	}
	logged := s.events("operator_retried")
	if len(logged) != 1 {
		t.Fatalf("logged %v in\n%s", logged, s.err.String())
	}
	for key, want := range map[string]any{
		"operator": "Grace", "tenant_id": tenantA(), "booking_id": id(b), "from": "failed/rejected", "to": "pending",
		"rule": "operator_retry", "severity": "NOTICE",
	} {
		if logged[0][key] != want {
			t.Errorf("logged %s is %v, want %v", key, logged[0][key], want)
		}
	}
	if planned := s.events("booking_planned"); len(planned) != 1 || planned[0]["operator"] != "Grace" {
		t.Errorf("the plan is logged as %v", planned)
	}
}

func TestWhatCannotBeDoneIsSaidWithWhatToDoInstead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	inDoubt := d.failed(followup.OutcomeUnknown, soon(), ago(time.Minute))
	expired := d.failed(followup.Expired, soon(), ago(time.Minute))
	refusedLongAgo := d.failed(followup.Rejected, ago(25*time.Hour), ago(25*time.Hour))
	meeting := d.Insert(functiontest.Seed{Type: "meeting"})
	ringing := d.Insert(functiontest.Seed{Task: followup.Task{
		Status: followup.InProgress, Revision: 1, Attempts: 1, ClaimedAt: time.Now(), Key: functiontest.CurrentKey}})
	before := d.Checksum()
	for _, c := range []struct {
		words   string
		booking followup.Booking
		want    string
	}{
		{"retry", inDoubt, "cannot be retried as it stands: it may have rung: find out whether it has, then resolve it"},
		{"retry", expired, "move the booking to a new time instead, since an old promise must not ring at night"},
		{"retry", refusedLongAgo, "move the booking to a new time instead, since an old promise must not ring at night"},
		{"retry", ringing, "its call is under way: wait for the lease, which is over at 20"},
		{"cancel", ringing, "its call is under way"},
		{"cancel", inDoubt, "resolve it"},
		{"cancel", meeting, "it is no follow-up"},
		{"resolve --called", ringing, "its call is under way"},
		{"resolve --not-called", expired, "cannot be resolved as it stands: it is too late to ring"},
	} {
		d.run(append(strings.Fields(c.words), "--tenant", tenantA(), "--yes", id(c.booking))...).want(cli.ExitFailed, c.want)
	}
	if d.Checksum() != before || len(d.queue.List()) != 0 {
		t.Error("something was changed")
	}
}

func TestWithoutATerminalNothingIsChangedUnlessYesIsSaid(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	b := d.failed(followup.Rejected, soon(), ago(time.Minute))
	before := d.Checksum()
	s := d.run("retry", "--tenant", tenantA(), id(b)).want(cli.ExitUsage,
		"failed/rejected", "would", "it gets a task, revision 5, due "+moment(b.ScheduledAt), "nothing was changed: say --yes to retry 1 booking")
	if s.out.String() != "" {
		t.Errorf("the preview is on standard output: %q", s.out.String())
	}
	var views []changeView
	d.run("retry", "--tenant", tenantA(), id(b), "--dry-run", "--yes", "--json").want(0).json(&views)
	if len(views) != 1 || views[0].Result != "would" || views[0].Was != "failed/rejected" || views[0].Booking.TaskStatus != "failed" {
		t.Errorf("dry run: %+v", views)
	}
	if d.Checksum() != before || len(d.queue.List()) != 0 {
		t.Error("something was changed")
	}
}

func TestOnATerminalThePersonIsAsked(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	b := d.failed(followup.Rejected, soon(), ago(time.Minute))

	term, s := d.atPrompt("retry", "--tenant", tenantA(), id(b))
	term.types(t, "no")
	s.want(cli.ExitFailed, "Retry 1 booking? Type yes to go on:", "nothing was changed")
	if d.state(b) != "failed/rejected" {
		t.Fatalf("after no it is %s", d.state(b))
	}

	term, s = d.atPrompt("retry", "--tenant", tenantA(), id(b), "--json")
	term.types(t, "yes")
	var views []changeView
	s.want(0).json(&views)
	if d.state(b) != "scheduled" || len(views) != 1 || views[0].Result != "done" || views[0].Booking.TaskStatus != "scheduled" {
		t.Errorf("after yes it is %s: %+v", d.state(b), views)
	}
}

func TestAnInterruptAtTheQuestionIsANo(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	b := d.failed(followup.Rejected, soon(), ago(time.Minute))
	ctx, interrupt := context.WithCancel(t.Context())
	_, s := d.under(ctx).atPrompt("retry", "--tenant", tenantA(), id(b))
	interrupt()
	s.want(cli.ExitFailed, "interrupted; nothing was changed")
	if d.state(b) != "failed/rejected" {
		t.Errorf("it is %s", d.state(b))
	}
}

// The person looks, and meanwhile LAD, an execution and the sweep go on.
func TestARowThatMovesWhileThePersonThinksIsLeftAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	moved := d.failed(followup.NotStarted, soon(), ago(time.Minute))
	claimed := d.failed(followup.NotStarted, soon(), ago(time.Minute))
	still := d.failed(followup.NotStarted, soon(), ago(time.Minute))
	term, s := d.atPrompt("cancel", "--tenant", tenantA(), "--reason", "not_started", "--json")
	d.Change(moved.Ref, "scheduled_at = scheduled_at + interval '1 hour'")
	d.Change(claimed.Ref, "task_status = 'in_progress', task_reason = NULL, execution_attempts = 2, claimed_at = now()")
	term.types(t, "yes")
	var views []changeView
	s.want(cli.ExitFailed, "2 of the 3 bookings not cancelled").json(&views)
	got := map[string]string{}
	for _, v := range views {
		got[v.BookingID] = fmt.Sprintf("%s, now %s: %s", v.Result, v.Booking.TaskStatus, strings.TrimPrefix(v.Detail, "it has moved meanwhile, and nothing was done: "))
	}
	want := map[string]string{
		id(moved): "moved, now failed: it has certainly not rung and is tried again by itself: wait, retry it now, or cancel it",
		id(claimed): "moved, now in_progress: its call is under way: wait for the lease, which is over at " +
			moment(d.Row(claimed.Ref).Task.ClaimedAt.Add(functiontest.Rules().Lease)),
		id(still): "done, now cancelled: ",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for b, want := range map[*followup.Booking]string{&moved: "failed/not_started", &claimed: "in_progress", &still: "cancelled/by_operator"} {
		if got := d.state(*b); got != want {
			t.Errorf("a booking is %s, want %s", got, want)
		}
	}
	if n := len(s.events("operator_cancelled")); n != 1 {
		t.Errorf("logged %d cancels, want the one that was made", n)
	}
}

func TestABulkChangeTakesWhatItCanAndSaysWhatItLeaves(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.failed(followup.Rejected, soon(), ago(30*time.Minute))
	second := d.failed(followup.Rejected, soon().Add(time.Minute), ago(20*time.Minute))
	outside := d.failed(followup.Rejected, soon(), ago(3*time.Hour))
	tooLate := d.failed(followup.Rejected, ago(26*time.Hour), ago(25*time.Minute))
	other := d.failed(followup.OutcomeUnknown, soon(), ago(25*time.Minute))
	window := []string{"retry", "--tenant", tenantA(), "--claimed-after", "-1h", "--claimed-before", "-10m", "--yes", "--json"}

	var views []changeView
	d.run(append(window, "--limit", "1")...).want(0, "these are the first 1, and there are more",
		"1 booking more that match cannot be retried as they stand: of "+id(tooLate)+", for one, it is too late to ring").json(&views)
	if len(views) != 1 || views[0].BookingID != id(first) || views[0].Booking.TaskStatus != "scheduled" {
		t.Fatalf("limited to one: %+v", views)
	}
	d.run(window...).want(0).json(&views)
	if len(views) != 1 || views[0].BookingID != id(second) {
		t.Fatalf("the rest: %+v", views)
	}
	d.run(window...).want(cli.ExitFailed, "none of the 1 booking that match can be retried as it stands: of "+id(tooLate))
	d.run("retry", "--tenant", tenantA(), "--claimed-after", "-1m", "--yes").want(cli.ExitFailed, "no follow-up call of this tenant matches")
	for b, want := range map[*followup.Booking]string{&first: "scheduled", &second: "scheduled",
		&outside: "failed/rejected", &tooLate: "failed/rejected", &other: "failed/outcome_unknown"} {
		if got := d.state(*b); got != want {
			t.Errorf("a booking is %s, want %s", got, want)
		}
	}
	if n := len(d.queue.List()); n != 2 {
		t.Errorf("%d tasks on the queue", n)
	}
}

func TestOfSeveralNamedBookingsEachIsReported(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	can := d.failed(followup.Rejected, soon(), ago(time.Minute))
	cannot := d.failed(followup.Expired, soon(), ago(time.Minute))
	s := d.run("retry", "--tenant", tenantA(), "--yes", id(cannot), id(can), id(can)).want(cli.ExitFailed, "1 of the 2 bookings not retried")
	if rows := s.table(); len(rows) != 3 || rows[1][4] != "refused" || rows[2][4] != "done" {
		t.Errorf("table: %q", rows)
	}
	d.run("retry", "--tenant", tenantA(), "--yes", id(cannot), id(can)).want(cli.ExitFailed, "none of the 2 bookings can be retried")
	// One that is not there stops everything: it is a slip of whoever typed it.
	fresh := d.failed(followup.Rejected, soon(), ago(time.Minute))
	d.run("retry", "--tenant", tenantA(), "--yes", id(fresh), uuid.NewString()).want(cli.ExitFailed, "no such booking")
	if d.state(fresh) != "failed/rejected" {
		t.Errorf("it is %s", d.state(fresh))
	}
}

func TestTheLogCanGoToAFile(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	b := d.failed(followup.Rejected, soon(), ago(time.Minute))
	file := filepath.Join(t.TempDir(), "operators.log")
	if s := d.run("retry", "--tenant", tenantA(), id(b), "--yes", "--log-file", file).want(0); s.err.String() != "" {
		t.Errorf("standard error has %q", s.err.String())
	}
	log, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(log), `"event":"operator_retried"`) {
		t.Errorf("error %v, log %s", err, log)
	}
}

// What counts is stored; the task is the sweep's business then.
func TestAQueueThatIsAwayDoesNotUndoAChange(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	b := d.failed(followup.Rejected, soon(), ago(time.Minute))
	s := d.with(map[string]string{"FOLLOWUP_QUEUE_NAME": "no-such-queue"}).
		run("retry", "--tenant", tenantA(), id(b), "--yes").want(0, "done", "not planned yet, the next sweep does it: ")
	if d.state(b) != "pending" || len(s.events("operator_retried")) != 1 || len(s.events("operator_unplanned")) != 1 {
		t.Errorf("it is %s, with the log\n%s", d.state(b), s.err.String())
	}
	if d.run("sweep").want(0); d.state(b) != "scheduled" {
		t.Errorf("after a sweep it is %s", d.state(b))
	}
}

func TestAnInterruptEndsABulkChangeAndSaysHowFarItCame(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := d.failed(followup.Rejected, soon(), ago(time.Minute))
	second := d.failed(followup.Rejected, soon().Add(time.Minute), ago(time.Minute))
	ctx, interrupt := context.WithCancel(t.Context())
	log := onWord{word: "operator_retried", do: interrupt}
	s := d.under(ctx).start(strings.NewReader(""), &log, "retry", "--tenant", tenantA(), "--reason", "rejected", "--json", "--yes")
	var views []changeView
	s.want(cli.ExitFailed).json(&views)
	if len(views) != 2 || views[0].Result != "done" || views[1].Result != "would" || views[1].Detail != "interrupted before it was tried" {
		t.Errorf("reported %+v, with\n%s", views, &log.transcript)
	}
	if got := d.state(first) + " " + d.state(second); got != "scheduled failed/rejected" {
		t.Errorf("they are %s", got)
	}
}

// onWord is an output that does something when a word is written.
type onWord struct {
	transcript
	word string
	do   func()
}

// Write implements io.Writer.
func (o *onWord) Write(p []byte) (int, error) {
	if strings.Contains(string(p), o.word) {
		o.do()
	}
	return o.transcript.Write(p)
}

func TestARowThatSomebodyHoldsIsLeftAlone(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	b := d.failed(followup.Rejected, soon(), ago(time.Minute))
	release := d.Lock(b.Ref)
	defer release()
	d.run("retry", "--tenant", tenantA(), id(b), "--yes").want(cli.ExitFailed, "moved", "somebody else holds its row, and nothing was done: try again")
}

// LAD has a unique index on the minute of a lead's pending and scheduled bookings.
func TestARetryMayMeetAnotherBookingOfTheLead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	at := soon().Truncate(time.Minute)
	b := d.failed(followup.Rejected, at, ago(time.Minute))
	other := d.Insert(functiontest.Seed{At: at.Add(time.Second)})
	d.Change(other.Ref, "lead_id = $1", b.LeadID)
	s := d.run("retry", "--tenant", tenantA(), id(b), "--yes").want(cli.ExitFailed, "refused", "another booking of this lead holds this minute")
	if d.state(b) != "failed/rejected" || len(s.events("operator_refused")) != 1 || len(s.events("operator_failed")) != 0 {
		t.Errorf("it is %s, with the log\n%s", d.state(b), &s.err)
	}
}
