package integration_test

import (
	"bytes"
	"net/http"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/internal/localstack/lad"
	"lad.internal/followup/internal/localstack/stack"
	"lad.internal/followup/internal/localstack/stack/stacktest"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

// world is a running stack and what was seen of it.
type world struct {
	*stack.Stack
	log    logBuffer
	left   leaving
	traces string // the file

	mu    sync.Mutex
	tasks map[string]sent // by name
}

// sent is a task that Cloud Tasks has dispatched.
type sent struct {
	booking  uuid.UUID // the zero one if the payload names none
	attempts []cloudtasks.Attempt
}

// onDispatch notes a dispatch, which goes out once.
func (w *world) onDispatch(t *cloudtaskspb.Task) int {
	w.keepTask(t)
	payload, err := tasks.ParsePayload(t.GetHttpRequest().GetBody())
	if err != nil {
		return 1 // malformed on purpose
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.tasks[t.GetName()]
	seen.booking = payload.BookingID
	w.tasks[t.GetName()] = seen
	return 1
}

func (w *world) onAttempt(a cloudtasks.Attempt) {
	w.mu.Lock()
	defer w.mu.Unlock()
	seen := w.tasks[a.Task]
	seen.attempts = append(seen.attempts, a)
	w.tasks[a.Task] = seen
}

// attempts are those of the tasks of a booking, in the order in which they ended
// for each task.
func (w *world) attempts(booking string) []cloudtasks.Attempt {
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []cloudtasks.Attempt
	for _, s := range w.tasks {
		if s.booking.String() == booking {
			all = append(all, s.attempts...)
		}
	}
	return all
}

func (w *world) postAs(t testing.TB, token, url string, body []byte) (status int, answer string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("X-CloudTasks-TaskName", "by-hand")
	req.Header.Set("X-CloudTasks-QueueName", "follow-up-calls")
	resp, err := stacktest.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	w.left.keepAnswer(resp.StatusCode, resp.Header, text.Bytes())
	return resp.StatusCode, text.String()
}

// user is a user of one of the two tenants.
func (w *world) user(tenant int) stacktest.LAD {
	return stacktest.LAD{URL: w.URL, Tenant: w.Tenants[tenant].ID}
}

// task reads the task that the booking's row stands for.
func (w *world) task(t testing.TB, b lad.Booking) (*cloudtaskspb.Task, bool) {
	t.Helper()
	return w.getTask(t, w.taskName(key(t, b), b.TaskRevision))
}

func (w *world) taskName(key string, revision int) string {
	return w.QueuePath() + "/tasks/" + followup.TaskID(key, revision)
}

func (w *world) getTask(t testing.TB, name string) (*cloudtaskspb.Task, bool) {
	t.Helper()
	task, err := w.Tasks.GetTask(t.Context(), &cloudtaskspb.GetTaskRequest{Name: name, ResponseView: cloudtaskspb.Task_FULL})
	if err != nil && status.Code(err) != codes.NotFound {
		t.Fatal(err)
	}
	return task, err == nil
}

// expectCalls waits for two whole sweeps more, and for what their tasks do, and
// then counts what the voice agent has read and dialled.
func (w *world) expectCalls(t testing.TB, booking string, posts, calls int) []voiceagent.Call {
	t.Helper()
	w.awaitSweeps(t, 2)
	dialled := w.Agent.Calls(booking)
	if got := w.Agent.PostsRead(booking); got != posts || len(dialled) != calls {
		t.Fatalf("booking %s: the voice agent read %d POSTs and dialled %d calls, want %d and %d", booking, got, len(dialled), posts, calls)
	}
	return dialled
}

// awaitSweeps waits until n sweeps have begun and ended.
func (w *world) awaitSweeps(t testing.TB, n int) {
	t.Helper()
	before := w.log.count("sweep_done", "")
	// One of them may have begun before.
	await(t, "sweeps", func() bool { return w.log.count("sweep_done", "") > before+n })
}

func (w *world) publish(t testing.TB, data []byte) {
	t.Helper()
	if _, err := w.Bus.Publish(t.Context(), data, nil); err != nil {
		t.Fatal(err)
	}
}

// key is the idempotency key of a booking at its present time.
func key(t testing.TB, b lad.Booking) string {
	t.Helper()
	return keyAt(t, b, *b.ScheduledAt)
}

func keyAt(t testing.TB, b lad.Booking, at time.Time) string {
	t.Helper()
	ref := followup.Ref{TenantID: uuid.MustParse(b.TenantID), BookingID: uuid.MustParse(b.ID)}
	return followup.Booking{Ref: ref, ScheduledAt: at}.Key()
}

// in is a time from now, as exact as LAD's keys are.
func in(d time.Duration) time.Time { return time.Now().Add(d).Truncate(time.Millisecond) }

func await(t testing.TB, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(stacktest.Patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, stacktest.Patience)
		}
	}
}
