package followup

import (
	"testing"
	"time"
)

func TestAClaimNeverSharesItsFenceWithAnEarlierOne(t *testing.T) {
	t.Parallel()
	// Two planners made a task of revision 3 each, for two times; the one for
	// noon was stored, tried and could not start; then LAD moved the booking.
	row := booked(onTime, state(noon, Failed, NotStarted))
	dueNow := func(b Booking) Decision {
		d := admits(ticketFor(onTime))(b)
		d.Next.DueAt = noon
		return d
	}
	diff(t, row, dueNow, standard().Admit(row, reachable, ticketFor(onTime), noon))
}

func TestAClaimForAnEarlierTimeThanTheRowWasPlannedForIsOverdueInTime(t *testing.T) {
	t.Parallel()
	// Two planners made a task of revision 3 each; the one for next week was
	// stored, then LAD moved the booking back. The task for noon fires, its call
	// does not start, and it is lost: the sweep must not wait for next week. The
	// model found it.
	nextWeek := onTime.Add(6 * 24 * time.Hour)
	row := booked(onTime, scheduled(nextWeek))
	d := standard().Admit(row, reachable, ticketFor(onTime), noon)
	if d.Effect != Dial {
		t.Fatalf("%s: want the task to be admitted", d.Effect)
	}
	row.Task = standard().Finish(d.Next, Report{Outcome: CallNotStarted})
	if got := standard().Plan(row, noon.Add(grace+tick)); got.Effect != Arm {
		t.Errorf("after the grace the plan is %s (%s), with the task due at %v", got.Effect, got.Rule, row.Task.DueAt)
	}
}

func TestATaskThatBeatItsUpdateAndIsTooEarlyIsReplacedUnderANewName(t *testing.T) {
	t.Parallel()
	early := onTime.Add(hourAhead)
	row := booked(early, fresh())
	fired := Ticket{Key: keyFor(early), Revision: 1, TaskName: newTask}
	if d := standard().Admit(row, reachable, fired, noon); d.Effect != Arm || d.Next.Revision != 2 {
		t.Errorf("%s with revision %d, whose task is the one that has just fired", d.Effect, d.Next.Revision)
	}
}

func TestARowThatLadStoppedBeforeItHadAKeyIsNotCalled(t *testing.T) {
	t.Parallel()
	row := booked(onTime, Task{Status: Cancelled})
	d := standard().Plan(row, noon)
	diff(t, row, becomes(RuleSettled, Cancelled, ""), d)
	beat := Ticket{Key: keyFor(onTime), Revision: 1, TaskName: newTask}
	diff(t, row, nothing(RulePremature), standard().Admit(row, reachable, beat, noon))

	row.Task = d.Next
	diff(t, row, nothing(RuleSettled), standard().Plan(row, noon))
	row.ScheduledAt = onTime.Add(hourAhead)
	diff(t, row, armsAnew(RuleArm, noon.Add(hourAhead)), standard().Plan(row, noon))
}

func TestANullTaskStatusIsPending(t *testing.T) {
	t.Parallel()
	row := booked(onTime, Task{}, deleted)
	diff(t, row, isCancelled, standard().Plan(row, noon))
	ticket := Ticket{Key: keyFor(onTime), Revision: 1, TaskName: newTask}
	diff(t, row, isCancelled, standard().Admit(row, reachable, ticket, noon))
	far := booked(noon.Add(horizon+tick), Task{})
	diff(t, far, nothing(RuleBeyond), standard().Plan(far, noon))
}

func TestATaskWithoutARevisionIsNotOurs(t *testing.T) {
	t.Parallel()
	row := booked(onTime, fresh())
	diff(t, row, nothing(RuleStale), standard().Admit(row, reachable, Ticket{Key: keyFor(onTime)}, noon))
}

const hourAhead = time.Hour
