package schedule_test

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/tracing"
	"lad.internal/followup/internal/tracing/tracingtest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

const (
	publishersTrace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	deliverysTrace  = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
)

// traceID is the id in a traceparent.
func traceID(traceparent string) string { return traceparent[3:35] }

// traced serves a handler whose traces go to a collector.
func (w *world) traced() (url string, collected *tracingtest.Receiver) {
	w.t.Helper()
	receiver := tracingtest.NewReceiver(w.t)
	tracer, err := tracing.Open(w.t.Context(), tracing.Config{To: "otlp:" + receiver.Addr, Ratio: 1},
		tracing.Options{Function: schedule.Name, Log: w.log.Logger()})
	if err != nil {
		w.t.Fatal(err)
	}
	h, err := schedule.New(functiontest.Rules(), w.DB, w.queue.Client, w.log.Logger())
	if err != nil {
		w.t.Fatal(err)
	}
	server := httptest.NewServer(tracer.Handler(h))
	w.t.Cleanup(func() {
		server.Close()
		tracer.Close(context.WithoutCancel(w.t.Context()))
	})
	return server.URL, receiver
}

// span is the one span of that name in a trace; of any trace for "".
func span(t *testing.T, spans []tracingtest.Span, trace, name string) tracingtest.Span {
	t.Helper()
	var found []tracingtest.Span
	for _, s := range spans {
		if s.Name == name && (trace == "" || s.TraceID == trace) {
			found = append(found, s)
		}
	}
	if len(found) != 1 {
		t.Fatalf("there are %d spans %q in trace %q: %+v", len(found), name, trace, spans)
	}
	return found[0]
}

func TestAnEventsTraceGoesIntoItsTask(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url, collected := w.traced()
	for _, c := range []struct {
		name      string
		form      form
		attribute any    // of the message
		extension string // of the CloudEvent
		header    string
		want      string // trace id; "" for a new one
		links     []string
	}{
		{"the publisher's", binary, publishersTrace, "", deliverysTrace, traceID(publishersTrace), []string{traceID(deliverysTrace)}},
		{"the publisher's, structured", structured, publishersTrace, "", "", traceID(publishersTrace), nil},
		{"the publisher's, plain", plain, publishersTrace, "", "", traceID(publishersTrace), nil},
		{"CloudEvents'", binary, nil, publishersTrace, deliverysTrace, traceID(publishersTrace), []string{traceID(deliverysTrace)}},
		{"the delivery's", binary, nil, "", deliverysTrace, traceID(deliverysTrace), nil},
		{"none", plain, nil, "", "", "", nil},
		{"attributes that are no trace", plain, "rubbish", "", "", "", nil},
		{"attributes that are no text", plain, 5, "", "", "", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour)})
			data := `{"type":"booking.created","tenantId":"` + b.TenantID.String() + `","bookingId":"` + b.BookingID.String() + `"}`
			body := envelope([]byte(data), time.Now())
			if c.attribute != nil {
				body["message"].(map[string]any)["attributes"] = map[string]any{"googclient_traceparent": c.attribute}
			}
			r := c.form.request(url, body)
			if c.extension != "" {
				r.Header.Set("ce-traceparent", c.extension)
			}
			if c.header != "" {
				r.Header.Set("Traceparent", c.header)
			}
			if got := w.send(r); got.Effect != "arm" {
				t.Fatalf("answered %s", got)
			}

			spans := slices.DeleteFunc(collected.Spans(), func(s tracingtest.Span) bool { return s.Attributes["booking_id"] != b.BookingID.String() })
			event, plan, create := span(t, spans, "", "schedule event"), span(t, spans, "", "plan"), span(t, spans, "", "create task")
			if c.want != "" && event.TraceID != c.want || !slices.Equal(event.Links, c.links) {
				t.Errorf("the event's span is %+v", event)
			}
			if plan.ParentID != event.SpanID || create.ParentID != plan.SpanID || create.TraceID != event.TraceID || create.Kind != "SPAN_KIND_PRODUCER" {
				t.Errorf("the trace is torn: %+v", spans)
			}
			if event.Attributes["tenant_id"] != b.TenantID.String() || event.Attributes["rule"] != "arm" ||
				plan.Attributes["task_revision"] != "1" || plan.Attributes["stored"] != "true" {
				t.Errorf("the attributes are %v and %v", event.Attributes, plan.Attributes)
			}
			headers := w.queue.Named(w.Row(b.Ref).Task.Name).GetHttpRequest().GetHeaders()
			want := "00-" + create.TraceID + "-" + create.SpanID + "-01"
			if headers["traceparent"] != want || headers[tasks.OriginHeader] != want {
				t.Errorf("the task's headers are %v, want the trace %s", headers, want)
			}
			w.expectLogIn(t, "booking_planned", b.Ref, plan)
			w.expectLogIn(t, "event_handled", b.Ref, event)
		})
	}
}

// expectLogIn wants the booking's line of that event to belong to the span.
func (w *world) expectLogIn(t *testing.T, event string, ref followup.Ref, s tracingtest.Span) {
	t.Helper()
	for _, line := range w.log.Events(event) {
		if line["booking_id"] == ref.BookingID.String() {
			if line["logging.googleapis.com/trace"] != s.TraceID || line["logging.googleapis.com/spanId"] != s.SpanID ||
				line["logging.googleapis.com/trace_sampled"] != true {
				t.Errorf("the line %v does not belong to the span %+v", line, s)
			}
			return
		}
	}
	t.Errorf("the log has no %s of booking %s", event, ref)
}

func TestABookingThatTheSweepArmsHasATraceOfItsOwn(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url, collected := w.traced()
	bookings := []followup.Booking{
		w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour)}), w.Insert(functiontest.Seed{At: time.Now().Add(2 * time.Hour)}),
	}
	if got, _ := w.tick(url, time.Now()); got.Result != "swept" {
		t.Fatalf("answered %s", got)
	}
	spans := collected.Spans()
	sweep := span(t, spans, "", "sweep")
	traces := map[string]bool{sweep.TraceID: true}
	for _, b := range bookings {
		own := slices.DeleteFunc(slices.Clone(spans), func(s tracingtest.Span) bool { return s.Attributes["booking_id"] != b.BookingID.String() })
		plan, create := span(t, own, "", "plan"), span(t, own, "", "create task")
		if plan.ParentID != "" || !slices.Equal(plan.Links, []string{sweep.TraceID}) || create.TraceID != plan.TraceID {
			t.Errorf("the booking's trace is %+v", own)
		}
		traces[plan.TraceID] = true
		if got := w.queue.Named(w.Row(b.Ref).Task.Name).GetHttpRequest().GetHeaders()["traceparent"]; traceID(got) != plan.TraceID {
			t.Errorf("the task's trace is %s, the plan's %s", got, plan.TraceID)
		}
		w.expectLogIn(t, "booking_planned", b.Ref, plan)
	}
	if len(traces) != 1+len(bookings) {
		t.Errorf("there are the traces %v", traces)
	}
}

func TestWithoutTracesATaskNamesNone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour)})
	if got := w.event(w.serve(), binary, "booking.created", b.Ref); got.Effect != "arm" {
		t.Fatalf("answered %s", got)
	}
	headers := w.queue.Named(w.Row(b.Ref).Task.Name).GetHttpRequest().GetHeaders()
	text, err := json.Marshal(headers)
	if err != nil || len(headers) != 1 || headers["Content-Type"] != "application/json" {
		t.Errorf("the task's headers are %s, %v", text, err)
	}
}
