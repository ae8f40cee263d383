package stack_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/internal/localstack/stack"
	"lad.internal/followup/internal/localstack/stack/stacktest"
)

// heard is what passed through the stack, by name.
type heard struct {
	mu      sync.Mutex
	agent   map[string]string // booking id → traceparent of the call
	task    []string          // traceparents of the tasks that were dispatched
	written bytes.Buffer      // what the functions logged
}

func (h *heard) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.written.Write(p)
}

func (h *heard) dispatched(task *cloudtaskspb.Task) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.task = append(h.task, task.GetHttpRequest().GetHeaders()["traceparent"])
	return 1
}

// ServeHTTP is a voice agent that takes every call.
func (h *heard) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	var call struct {
		BookingID string `json:"booking_id"`
	}
	_ = json.NewDecoder(r.Body).Decode(&call) // one that cannot be read names no booking
	h.mu.Lock()
	defer h.mu.Unlock()
	h.agent[call.BookingID] = r.Header.Get("Traceparent")
}

// fileSpan is what a line of the trace file says.
type fileSpan struct {
	Name        string
	SpanContext struct{ TraceID, SpanID string }
	Parent      struct{ SpanID string }
	Attributes  []struct {
		Key   string
		Value struct{ Value any }
	}
}

func (s fileSpan) attribute(key string) any {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value.Value
		}
	}
	return nil
}

func readSpans(t *testing.T, path, booking string) map[string]fileSpan {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	spans := map[string]fileSpan{}
	for line := range bytes.Lines(text[:bytes.LastIndexByte(text, '\n')+1]) { // without one that is being written
		var s fileSpan
		if err := json.Unmarshal(line, &s); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if s.attribute("booking_id") == booking {
			spans[s.Name] = s
		}
	}
	return spans
}

func TestOneTraceLeadsFromTheEventThroughTheTaskToTheCall(t *testing.T) {
	t.Parallel()
	h := &heard{agent: map[string]string{}}
	agent := httptest.NewServer(h)
	defer agent.Close()
	path := filepath.Join(t.TempDir(), "spans")
	// No sweep: the event alone can have armed the booking.
	s := start(t, stack.Options{
		VoiceAgent: agent.URL, FunctionLog: h,
		CloudTasksOptions: cloudtasks.Options{Deliveries: h.dispatched},
		Env:               map[string]string{"FOLLOWUP_TRACES": "file:" + path},
	})
	user := stacktest.LAD{URL: s.URL, Tenant: s.Tenants[0].ID}
	id := user.Book(t, time.Now(), nil)
	user.Await(t, id, "executed")

	// The spans of the last steps are written before the task is answered.
	var spans map[string]fileSpan
	for deadline := time.Now().Add(stacktest.Patience); ; time.Sleep(20 * time.Millisecond) {
		if spans = readSpans(t, path, id); len(spans) == 7 || time.Now().After(deadline) {
			break
		}
	}
	event, call := spans["schedule event"], spans["start-call"]
	trace := event.SpanContext.TraceID
	for name, parent := range map[string]string{
		"schedule event": "", "plan": "schedule event", "create task": "plan",
		"execute task": "create task", "claim": "execute task", "start-call": "execute task", "finish": "execute task",
	} {
		got, want := spans[name], spans[parent].SpanContext.SpanID
		if got.SpanContext.TraceID != trace || trace == "" || parent != "" && got.Parent.SpanID != want {
			t.Errorf("%q is %+v, want it below %q in trace %s", name, got, parent, trace)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if want := "00-" + trace + "-" + call.SpanContext.SpanID + "-01"; h.agent[id] != want {
		t.Errorf("the voice agent got the trace %q, want %s", h.agent[id], want)
	}
	if want := "00-" + trace + "-" + spans["create task"].SpanContext.SpanID + "-01"; !slices.Contains(h.task, want) {
		t.Errorf("the tasks dispatched have the traces %q, want %s", h.task, want)
	}
	for _, line := range []string{"event_handled", "call_finished"} {
		if !inTrace(h.written.Bytes(), line, id, trace) {
			t.Errorf("no line %s of the booking is in trace %s", line, trace)
		}
	}
}

// inTrace looks for a line of the log.
func inTrace(log []byte, event, booking, trace string) bool {
	for text := range bytes.Lines(log) {
		line := map[string]any{}
		if json.Unmarshal(text, &line) != nil || line["event"] != event || line["booking_id"] != booking {
			continue
		}
		name, _ := line["logging.googleapis.com/trace"].(string)
		return strings.HasSuffix(name, "/traces/"+trace)
	}
	return false
}
