package reconcile_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/pkg/followup"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// world is the real database and queue, and a record of what they were asked.
type world struct {
	*functiontest.Database
	queue *functiontest.Tasks
	log   *functiontest.Log

	mu    sync.Mutex
	steps []string

	beforeUpdate func() // what others do between the reading and the update
	updateFails  error
	createFails  error
	deleteFails  error
	waitsFails   error
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{
		Database: functiontest.NewDatabase(t), log: &functiontest.Log{},
		queue: functiontest.NewTasks(t, "http://127.0.0.1:1/bookings/:id/execute-followup"), beforeUpdate: func() {},
	}
}

func (w *world) step(name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps = append(w.steps, name)
}

func (w *world) taken() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.steps, " ")
}

func (w *world) Booking(ctx context.Context, ref followup.Ref) (*followup.Booking, time.Time, error) {
	w.step("read")
	return w.DB.Booking(ctx, ref)
}

func (w *world) Update(ctx context.Context, seen followup.Booking, next followup.Task) (bool, error) {
	w.step("update")
	w.beforeUpdate()
	if w.updateFails != nil {
		return false, w.updateFails
	}
	return w.DB.Update(ctx, seen, next)
}

func (w *world) CreateScheduledHTTPTask(ctx context.Context, b followup.Booking, next followup.Task) (string, error) {
	w.step("create")
	if w.createFails != nil {
		return "", w.createFails
	}
	return w.queue.Client.CreateScheduledHTTPTask(ctx, b, next)
}

func (w *world) Waits(ctx context.Context, task followup.Task) (bool, error) {
	w.step("look")
	if w.waitsFails != nil {
		return false, w.waitsFails
	}
	return w.queue.Client.Waits(ctx, task)
}

func (w *world) Delete(ctx context.Context, name string) error {
	w.step("delete")
	if w.deleteFails != nil {
		return w.deleteFails
	}
	return w.queue.Client.Delete(ctx, name)
}

func (w *world) reconciler(t *testing.T) *reconcile.Reconciler {
	t.Helper()
	r, err := reconcile.New(functiontest.Rules(), w, w, w.log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// scheduled is a booking that has a task, and has since been moved.
func (w *world) scheduledAndMoved(t *testing.T) followup.Booking {
	t.Helper()
	b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour)})
	if _, err := w.reconciler(t).Booking(t.Context(), b.Ref); err != nil {
		t.Fatal(err)
	}
	w.Change(b.Ref, "scheduled_at = scheduled_at + interval '1 hour'")
	w.steps = nil
	return w.Row(b.Ref)
}

func TestTheNewTaskExistsBeforeTheRowSaysSoAndTheOldOneGoesLast(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.scheduledAndMoved(t)
	w.beforeUpdate = func() {
		if n := len(w.queue.List()); n != 2 {
			t.Errorf("%d tasks while the row is stored, want the old and the new one", n)
		}
	}
	d, err := w.reconciler(t).Booking(t.Context(), b.Ref)
	if err != nil || d.Effect != followup.Arm {
		t.Fatalf("%+v, %v", d, err)
	}
	if got := w.taken(); got != "read create update delete" {
		t.Errorf("the order was %s", got)
	}
	after := w.Row(b.Ref)
	if all := w.queue.List(); len(all) != 1 || all[0].GetName() != after.Task.Name || after.Task.Name == b.Task.Name {
		t.Errorf("%d tasks, the row is %+v", len(all), after.Task)
	}
}

func TestAFaultOnTheWayLeavesACallOnItsWay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	away := errors.New("it is away")
	for name, tc := range map[string]struct {
		fault func(error)
		steps string
	}{
		"no task is created":     {func(err error) { w.createFails = err }, "read create"},
		"the row is not updated": {func(err error) { w.updateFails = err }, "read create update"},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.scheduledAndMoved(t)
			tc.fault(away)
			_, err := w.reconciler(t).Booking(t.Context(), b.Ref)
			tc.fault(nil)
			if !errors.Is(err, away) || w.taken() != tc.steps {
				t.Errorf("error %v after %s", err, w.taken())
			}
			if after := w.Row(b.Ref); after.Task != b.Task || w.queue.Named(b.Task.Name) == nil {
				t.Errorf("the row is %+v, and its task may be gone", after.Task)
			}
			if _, err := w.reconciler(t).Booking(t.Context(), b.Ref); err != nil || w.Row(b.Ref).Task.Revision != 2 {
				t.Errorf("the next try: %v", err)
			}
		})
	}
}

func TestATaskThatCannotBeDeletedIsOnlyLogged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.scheduledAndMoved(t)
	w.deleteFails = errors.New("it is away")
	if _, err := w.reconciler(t).Booking(t.Context(), b.Ref); err != nil {
		t.Error(err)
	}
	if after := w.Row(b.Ref); after.Task.Revision != 2 || after.Task.Key != b.Key() {
		t.Errorf("the row is %+v", after.Task)
	}
	lines := w.log.Events("task_delete_failed")
	if len(lines) != 1 || lines[0]["severity"] != "WARNING" || lines[0]["booking_id"] != b.BookingID.String() {
		t.Errorf("logged %v", lines)
	}
}

// spend uses up the names of a booking's next n tasks, as planners do who create
// a task and lose the row.
func (w *world) spend(t *testing.T, b followup.Booking, n int) {
	t.Helper()
	d := functiontest.Rules().Plan(&b, time.Now())
	for range n {
		name, err := w.queue.Client.CreateScheduledHTTPTask(t.Context(), b, d.Next)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.queue.Client.Delete(t.Context(), name); err != nil {
			t.Fatal(err)
		}
		d.Next.Revision++
	}
}

func TestANameThatIsUsedUpIsPassedOver(t *testing.T) {
	t.Parallel()
	for _, spent := range []int{1, 2, 7} {
		t.Run(strconv.Itoa(spent), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.scheduledAndMoved(t)
			w.spend(t, b, spent)
			if _, err := w.reconciler(t).Booking(t.Context(), b.Ref); err != nil {
				t.Fatal(err)
			}
			after := w.Row(b.Ref)
			if want := b.Task.Revision + 1 + spent; after.Task.Revision != want || after.Task.Status != followup.Scheduled {
				t.Errorf("the row is %+v, want revision %d", after.Task, want)
			}
			if w.queue.Named(after.Task.Name) == nil || len(w.queue.List()) != 1 {
				t.Errorf("the task %s is not there, or another is", after.Task.Name)
			}
			if n := len(w.log.Events("task_name_used")); n != spent {
				t.Errorf("it is logged %d times", n)
			}
		})
	}
}

func TestARowGoesOnToANewRevisionHoweverManyNamesAreUsedUp(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.scheduledAndMoved(t)
	w.spend(t, b, 20)
	if _, err := w.reconciler(t).Booking(t.Context(), b.Ref); err != nil {
		t.Fatal(err)
	}
	after := w.Row(b.Ref)
	if after.Task.Status != followup.Scheduled || after.Task.Revision != b.Task.Revision+8 || after.Task.Key != b.Key() {
		t.Errorf("the row is %+v", after.Task)
	}
	if n := strings.Count(w.taken(), "create"); n != 8 {
		t.Errorf("%d tasks were tried", n)
	}
}

func TestARowThatMovesUnderThePlanIsPlannedAgain(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		set    string
		status followup.TaskStatus
		steps  string
	}{
		"to another time": {"scheduled_at = scheduled_at + interval '1 hour'", followup.Scheduled, "read create update read create update"},
		"out of LAD":      {"is_deleted = true", followup.Cancelled, "read create update read update"},
		"by an operator": {"task_status = 'cancelled', task_reason = 'by_operator', idempotency_key = $1, planned_for = scheduled_at",
			followup.Cancelled, "read create update read update"}, // whose time is written with it
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour)})
			var args []any
			if strings.Contains(tc.set, "$1") {
				args = append(args, b.Key())
			}
			w.beforeUpdate = func() {
				w.beforeUpdate = func() {}
				w.Change(b.Ref, tc.set, args...)
			}
			if _, err := w.reconciler(t).Booking(t.Context(), b.Ref); err != nil {
				t.Fatal(err)
			}
			after := w.Row(b.Ref)
			if after.Task.Status != tc.status || after.Task.Key != after.Key() || w.taken() != tc.steps {
				t.Errorf("the row is %+v after %s", after.Task, w.taken())
			}
			if after.Task.Status == followup.Scheduled && w.queue.Named(after.Task.Name) == nil {
				t.Error("the row names a task that does not exist")
			}
		})
	}
}

func TestARivalWithTheSamePlanIsNoFault(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour)})
	rival, err := reconcile.New(functiontest.Rules(), w.DB, w.queue.Client, w.log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	w.beforeUpdate = func() {
		w.beforeUpdate = func() {}
		if _, err := rival.Booking(t.Context(), b.Ref); err != nil {
			t.Error(err)
		}
	}
	d, err := w.reconciler(t).Booking(t.Context(), b.Ref)
	if err != nil || d.Rule != followup.RuleOnItsWay {
		t.Errorf("%+v, %v", d, err)
	}
	after := w.Row(b.Ref)
	if all := w.queue.List(); len(all) != 1 || after.Task.Revision != 1 || all[0].GetName() != after.Task.Name {
		t.Errorf("%d tasks, the row is %+v", len(all), after.Task)
	}
}

// LAD keeps a lead's minute for one booking that waits (its index exists in
// tenant A's schema).
func TestDuplicate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	lead, at := uuid.New(), time.Now().Add(-time.Hour)
	first := w.Insert(functiontest.Seed{At: at, LeadID: lead, Task: followup.Task{
		Status: followup.Failed, Reason: followup.NotStarted, Revision: 1, Attempts: 1, Key: functiontest.CurrentKey, ClaimedAt: at, DueAt: at}})
	second := w.Insert(functiontest.Seed{At: at, LeadID: lead, Task: followup.Task{
		Status: followup.Scheduled, Revision: 1, Key: functiontest.CurrentKey, DueAt: time.Now()}})
	if _, err := w.reconciler(t).Booking(t.Context(), first.Ref); err != nil {
		t.Fatal(err)
	}
	if row := w.Row(first.Ref).Task; row.Status != followup.Cancelled || row.Reason != followup.Duplicate || row.Name != "" || row.Key != first.Key() {
		t.Errorf("the row is %+v", row)
	}
	if row := w.Row(second.Ref).Task; row != second.Task {
		t.Errorf("the other booking's row is %+v", row)
	}
	if got := w.taken(); got != "read look create update update delete" || len(w.queue.List()) != 0 {
		t.Errorf("%d tasks are left after %s", len(w.queue.List()), got)
	}
	lines := w.log.Events("booking_planned")
	if len(lines) != 1 || lines[0]["rule"] != "duplicate" || strings.Contains(w.log.String(), `"severity":"ERROR"`) {
		t.Errorf("logged\n%s", w.log)
	}
	w.steps = nil
	if d, err := w.reconciler(t).Booking(t.Context(), first.Ref); err != nil || d.Rule != followup.RuleSettled || w.taken() != "read" {
		t.Errorf("planned again: %+v, %v after %s", d, err, w.taken())
	}
}

func TestARowThatKeepsMovingIsGivenBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour)})
	w.beforeUpdate = func() { w.Change(b.Ref, "scheduled_at = scheduled_at + interval '1 minute'") }
	_, err := w.reconciler(t).Booking(t.Context(), b.Ref)
	if err == nil || !strings.Contains(err.Error(), b.BookingID.String()) || strings.Count(w.taken(), "read") != 5 {
		t.Errorf("error %v after %s", err, w.taken())
	}
	if after := w.Row(b.Ref); after.Task != b.Task {
		t.Errorf("the row is %+v", after.Task)
	}
}

func TestOnlyEffectsOnRowAndTaskAreCarriedOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.Insert(functiontest.Seed{})
	for _, effect := range []followup.Effect{followup.None, followup.Dial, followup.Wait, "nonsense"} {
		if stored, err := w.reconciler(t).CarryOut(t.Context(), b, followup.Decision{Effect: effect}); err == nil || stored {
			t.Errorf("%s was carried out", effect)
		}
	}
	if w.taken() != "" {
		t.Errorf("something was done: %s", w.taken())
	}
}

func TestAReconcilerWithoutAllItsPartsIsRefused(t *testing.T) {
	t.Parallel()
	w := &world{log: &functiontest.Log{}}
	_, err1 := reconcile.New(followup.Rules{}, nil, w, w.log.Logger())
	_, err2 := reconcile.New(followup.Rules{}, w, nil, w.log.Logger())
	_, err3 := reconcile.New(followup.Rules{}, w, w, nil)
	if err1 == nil || err2 == nil || err3 == nil {
		t.Errorf("a reconciler was made: %v, %v, %v", err1, err2, err3)
	}
}
