package execute_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/tracing"
	"lad.internal/followup/internal/tracing/tracingtest"
	"lad.internal/followup/pkg/tasks"
)

const (
	tasksTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	// What Google's front end makes of it.
	rewrittenTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-b7ad6b7169203331-00"
)

// traced serves a handler of w's parts whose traces go to the collector at addr.
func (w *world) traced(addr string, change ...func(*execute.Parts)) *endpoint {
	w.t.Helper()
	e := w.serve(change...)
	h, err := execute.New(e.parts)
	if err != nil {
		w.t.Fatal(err)
	}
	tracer, err := tracing.Open(w.t.Context(), tracing.Config{To: "otlp:" + addr, Ratio: 1},
		tracing.Options{Function: execute.Name, Log: w.log.Logger()})
	if err != nil {
		w.t.Fatal(err)
	}
	server := httptest.NewServer(tracer.Handler(h))
	w.t.Cleanup(func() {
		server.Close()
		tracer.Close(context.WithoutCancel(w.t.Context()))
	})
	return &endpoint{w: w, url: server.URL, parts: e.parts}
}

// hearing is a voice agent that takes every call and notes when, and of which
// trace.
type hearing struct {
	mu     sync.Mutex
	traces []string
	at     []time.Time
}

func (h *hearing) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.traces, h.at = append(h.traces, r.Header.Get("Traceparent")), append(h.at, time.Now())
}

func (h *hearing) heard() ([]string, []time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.traces), slices.Clone(h.at)
}

// agent makes h the voice agent of a handler.
func (h *hearing) agent(t *testing.T) func(*execute.Parts) {
	t.Helper()
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return func(p *execute.Parts) { p.Agent = functiontest.Client(t, server.URL, 5*time.Second) }
}

func spanNamed(t *testing.T, spans []tracingtest.Span, name string) tracingtest.Span {
	t.Helper()
	i := slices.IndexFunc(spans, func(s tracingtest.Span) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("there is no span %q in %+v", name, spans)
	}
	return spans[i]
}

func TestATasksTraceGoesOnIntoTheCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	agent, collected := &hearing{}, tracingtest.NewReceiver(t)
	e := w.traced(collected.Addr, agent.agent(t))
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	r := e.request(payload(b, 1))
	r.Header.Set(tasks.OriginHeader, tasksTrace)
	r.Header.Set("Traceparent", rewrittenTrace)
	if got := e.send(r); got.Result != "accepted" {
		t.Fatalf("answered %s", got)
	}
	spans := collected.Spans()
	root := spanNamed(t, spans, "execute task")
	if "00-"+root.TraceID+"-"+root.ParentID+"-01" != tasksTrace || root.Kind != "SPAN_KIND_CONSUMER" || root.Links != nil ||
		root.Attributes["http.response.status_code"] != "200" || root.Attributes["result"] != "accepted" || root.Attributes["task_revision"] != "1" {
		t.Errorf("the task's span is %+v", root)
	}
	for name, want := range map[string]map[string]string{
		"claim":      {"rule": "admitted", "effect": "dial", "task_status": "in_progress", "attempt": "1"},
		"start-call": {"outcome": "accepted", "http.response.status_code": "200"},
		"finish":     {"task_status": "executed", "stored": "true"},
	} {
		s := spanNamed(t, spans, name)
		if s.TraceID != root.TraceID || s.ParentID != root.SpanID || s.Failed ||
			s.Attributes["booking_id"] != b.BookingID.String() || s.Attributes["tenant_id"] != b.TenantID.String() {
			t.Errorf("%s is %+v", name, s)
		}
		for attribute, value := range want {
			if s.Attributes[attribute] != value {
				t.Errorf("%s of %s is %q, want %q", attribute, name, s.Attributes[attribute], value)
			}
		}
	}
	call := spanNamed(t, spans, "start-call")
	if heard, _ := agent.heard(); len(heard) != 1 || heard[0] != "00-"+call.TraceID+"-"+call.SpanID+"-01" {
		t.Errorf("the voice agent heard %q, the call's span is %+v", heard, call)
	}
	for _, event := range []string{"call_started", "call_finished"} {
		lines := w.log.Events(event)
		if len(lines) != 1 || lines[0]["logging.googleapis.com/trace"] != root.TraceID || lines[0]["logging.googleapis.com/spanId"] != root.SpanID {
			t.Errorf("%s does not belong to the span %+v: %v", event, root, lines)
		}
	}
	for _, s := range spans {
		for name, value := range s.Attributes {
			if strings.Contains(value, "12345678") || strings.Contains(value, "Lovelace") || strings.Contains(value, "engine") {
				t.Errorf("%s of %s is %q", name, s.Name, value)
			}
		}
	}
}

func TestACallThatFailsIsAFailedSpan(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	collected := tracingtest.NewReceiver(t)
	e := w.traced(collected.Addr)
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	w.agent.Must(answering(425))
	if got := e.deliver(b, 1); got.status != http.StatusBadGateway {
		t.Fatalf("answered %s", got)
	}
	root, call := spanNamed(t, collected.Spans(), "execute task"), spanNamed(t, collected.Spans(), "start-call")
	if !root.Failed || root.Message != "not_started" || !call.Failed || call.Attributes["http.response.status_code"] != "425" {
		t.Errorf("the spans are %+v and %+v", root, call)
	}
}

func TestATaskPutOffTakesItsTraceAlong(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.traced(tracingtest.NewReceiver(t).Addr)
	b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour), Task: task("scheduled", "", 1)})
	r := e.request(payload(b, 1))
	r.Header.Set(tasks.OriginHeader, tasksTrace)
	if got := e.send(r); got.Result != "too_early" {
		t.Fatalf("answered %s", got)
	}
	headers := w.queue.Named(w.Row(b.Ref).Task.Name).GetHttpRequest().GetHeaders()
	if got := headers[tasks.OriginHeader]; len(got) != len(tasksTrace) || got[:35] != tasksTrace[:35] || got == tasksTrace {
		t.Errorf("the next task's headers are %v", headers)
	}
}

func TestAStrangerBeginsNoTrace(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	collected := tracingtest.NewReceiver(t)
	e := w.traced(collected.Addr)
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	r := e.request(payload(b, 1))
	r.Header.Set("Traceparent", tasksTrace)
	r.Header.Set("Authorization", "Bearer none")
	if got := e.send(r); got.status != http.StatusUnauthorized {
		t.Fatalf("answered %s", got)
	}
	if n := collected.Requests(); n != 0 {
		t.Errorf("the stranger's request was traced: %+v", collected.Spans())
	}
}

func TestACollectorThatHangsDelaysNoCallAndFailsNoRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	agent, collector := &hearing{}, tracingtest.NewHanging(t)
	e := w.traced(collector.Addr, agent.agent(t))
	bare := w.serve(agent.agent(t))
	ring := func(e *endpoint) (dialled, answered time.Duration) {
		t.Helper()
		before, _ := agent.heard()
		b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
		r := e.request(payload(b, 1))
		started := time.Now()
		if got := e.send(r); got.status != http.StatusOK || got.Result != "accepted" {
			t.Fatalf("answered %s", got)
		}
		answered = time.Since(started)
		traces, at := agent.heard()
		if len(traces) != len(before)+1 || state(w.Row(b.Ref)) != executedRow {
			t.Fatalf("the agent heard %v, the row is %q", traces, state(w.Row(b.Ref)))
		}
		return at[len(at)-1].Sub(started), answered
	}
	ring(bare) // whatever is done once
	_, plain := ring(bare)
	dialled, first := ring(e)
	_, second := ring(e)
	t.Logf("without traces answered after %v; with a collector that hangs dialled after %v, answered after %v, the next time after %v", plain, dialled, first, second)
	if collector.Requests() == 0 {
		t.Fatal("nothing was exported")
	}
	// The export begins when the work is done: the call cannot have waited for it.
	if dialled >= first-time.Second {
		t.Errorf("the call was dialled after %v, and the request answered after %v", dialled, first)
	}
	if first > 20*time.Second || second > 15*time.Second {
		t.Errorf("the requests took %v and %v", first, second)
	}
}
