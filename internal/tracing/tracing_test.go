package tracing_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/internal/tracing"
	"lad.internal/followup/internal/tracing/tracingtest"
	"lad.internal/followup/pkg/followup"
)

var ref = followup.Ref{TenantID: uuid.MustParse("a11ce000-0000-4000-8000-000000000001"), BookingID: uuid.MustParse("5f0c0000-0000-4000-8000-000000000002")}

const (
	traceA, parentA = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
	traceB, parentB = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	sampledA        = "00-" + traceA + "-" + parentA + "-01"
	unsampledA      = "00-" + traceA + "-" + parentA + "-00"
	sampledB        = "00-" + traceB + "-" + parentB + "-01"
	unsampledB      = "00-" + traceB + "-" + parentB + "-00"
)

// open opens a tracer that ends with the test.
func open(t testing.TB, c tracing.Config, o tracing.Options) (*tracing.Tracer, *functiontest.Log) {
	t.Helper()
	log := &functiontest.Log{}
	o.Function, o.Log = "ExecuteFollowUp", log.Logger()
	tracer, err := tracing.Open(t.Context(), c, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tracer.Close(context.WithoutCancel(t.Context())) })
	return tracer, log
}

// to is a Config that exports everything to r.
func to(r *tracingtest.Receiver) tracing.Config {
	return tracing.Config{To: "otlp:" + r.Addr, Ratio: 1}
}

// serve lets do handle one request with this traceparent.
func serve(t testing.TB, tracer *tracing.Tracer, traceparent string, do func(context.Context)) {
	t.Helper()
	h := tracer.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { do(r.Context()) }))
	r := httptest.NewRequest(http.MethodPost, "/", nil)
	if traceparent != "" {
		r.Header.Set("Traceparent", traceparent)
	}
	h.ServeHTTP(httptest.NewRecorder(), r)
}

// begin starts the first span and ends it.
func begin(ctx context.Context, origin string) {
	_, span := tracing.StartRequest(ctx, "execute task", trace.SpanKindConsumer, origin, ref)
	span.End(nil)
}

func named(t testing.TB, spans []tracingtest.Span, name string) tracingtest.Span {
	t.Helper()
	i := slices.IndexFunc(spans, func(s tracingtest.Span) bool { return s.Name == name })
	if i < 0 {
		t.Fatalf("there is no span %q in %+v", name, spans)
	}
	return spans[i]
}

func TestTheSpansOfARequestAreWithTheCollectorBeforeItIsAnswered(t *testing.T) {
	t.Parallel()
	receiver := tracingtest.NewReceiver(t)
	tracer, _ := open(t, to(receiver), tracing.Options{Service: "follow-up-execute", Revision: "r-7", ProjectID: "p-1", Location: "europe-west3"})
	serve(t, tracer, sampledA, func(ctx context.Context) {
		ctx, span := tracing.StartRequest(ctx, "execute task", trace.SpanKindConsumer, "", ref)
		_, call := tracing.Start(ctx, "start-call", trace.SpanKindClient, ref, attribute.Int("task_revision", 3))
		call.Set(attribute.String("outcome", "accepted"), attribute.Bool("stored", true))
		call.End(nil)
		span.End(errors.New("it went wrong"))
	})
	spans := receiver.Spans() // at once
	task, call := named(t, spans, "execute task"), named(t, spans, "start-call")
	if task.TraceID != traceA || task.ParentID != parentA || call.TraceID != traceA || call.ParentID != task.SpanID {
		t.Errorf("the trace is torn: %+v, %+v", task, call)
	}
	if task.Kind != "SPAN_KIND_CONSUMER" || call.Kind != "SPAN_KIND_CLIENT" || !task.Failed || task.Message != "it went wrong" || call.Failed {
		t.Errorf("kinds and ends: %+v, %+v", task, call)
	}
	for name, want := range map[string]string{"tenant_id": ref.TenantID.String(), "booking_id": ref.BookingID.String(),
		"task_revision": "3", "outcome": "accepted", "stored": "true"} {
		if call.Attributes[name] != want {
			t.Errorf("%s is %q, want %q", name, call.Attributes[name], want)
		}
	}
	for name, want := range map[string]string{"service.name": "follow-up-execute", "service.version": "r-7", "faas.name": "ExecuteFollowUp",
		"gcp.project_id": "p-1", "cloud.region": "europe-west3", "cloud.platform": "gcp_cloud_run"} {
		if task.Resource[name] != want {
			t.Errorf("the resource's %s is %q, want %q", name, task.Resource[name], want)
		}
	}
}

func TestATraceGoesOnWhereItsOriginSaysAndTheDeliverysIsLinked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, came, origin          string
		wantTrace, wantParent, link string
	}{
		{"both", sampledB, sampledA, traceA, parentA, traceB},
		{"both of one trace", "00-" + traceA + "-" + parentB + "-01", sampledA, traceA, parentA, ""},
		{"the delivery's alone", sampledB, "", traceB, parentB, ""},
		{"an origin that is none", sampledB, "00-zz-zz-01", traceB, parentB, ""},
		{"the origin alone", "", sampledA, traceA, parentA, ""},
		{"a future version", "", "cc" + sampledA[2:] + "-more", traceA, parentA, ""},
		{"none", "", "", "", "", ""},
		{"zeros", "00-00000000000000000000000000000000-0000000000000000-01", "", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			receiver := tracingtest.NewReceiver(t)
			tracer, _ := open(t, to(receiver), tracing.Options{})
			serve(t, tracer, c.came, func(ctx context.Context) { begin(ctx, c.origin) })
			got := named(t, receiver.Spans(), "execute task")
			if c.wantTrace != "" && got.TraceID != c.wantTrace || got.ParentID != c.wantParent || strings.Join(got.Links, " ") != c.link {
				t.Errorf("got %+v", got)
			}
			if c.wantTrace == "" && (len(got.TraceID) != 32 || got.TraceID == strings.Repeat("0", 32)) {
				t.Errorf("the new trace is %q", got.TraceID)
			}
		})
	}
}

func TestTheSampledFlagIsHonouredAndCarriedAndBothFunctionsDecideAlike(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, came string
		ratio      float64
		recorded   bool
	}{
		{"sampled, and nothing else is recorded", sampledA, 0, true},
		{"not sampled by the platform, and all is recorded", unsampledA, 1, true},
		{"not sampled", unsampledA, 0, false},
		{"new, and nothing is recorded", "", 0, false},
		// The ratio is one of the trace's id: its last eight bytes (OpenTelemetry SDK).
		{"an id below the ratio", unsampledB, 0.6, true},  // 0x8448… of 2⁶⁴ is 0.52
		{"an id above the ratio", unsampledA, 0.6, false}, // 0xa3ce…: 0.64
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			receiver := tracingtest.NewReceiver(t)
			tracer, _ := open(t, tracing.Config{To: "otlp:" + receiver.Addr, Ratio: c.ratio}, tracing.Options{})
			var carried, inner string
			serve(t, tracer, c.came, func(ctx context.Context) {
				ctx, span := tracing.StartRequest(ctx, "execute task", trace.SpanKindConsumer, "", ref)
				carried = tracing.Traceparent(ctx)
				ctx, step := tracing.Start(ctx, "start-call", trace.SpanKindClient, ref)
				inner = tracing.Traceparent(ctx)
				step.End(nil)
				span.End(nil)
			})
			flag := map[bool]string{true: "-01", false: "-00"}[c.recorded]
			if got := len(receiver.Spans()) > 0; got != c.recorded || !strings.HasSuffix(carried, flag) || !strings.HasSuffix(inner, flag) {
				t.Errorf("recorded %v, carried %s and %s", got, carried, inner)
			}
			if c.came != "" && (carried[:35] != c.came[:35] || inner[:35] != c.came[:35]) {
				t.Errorf("%s became %s and %s", c.came, carried, inner)
			}
			if !c.recorded && receiver.Requests() != 0 {
				t.Error("there was nothing to export, and it was exported")
			}
		})
	}
}

func TestABookingThatASweepChangesHasATraceOfItsOwnLinkedToTheSweep(t *testing.T) {
	t.Parallel()
	receiver := tracingtest.NewReceiver(t)
	tracer, _ := open(t, to(receiver), tracing.Options{})
	serve(t, tracer, sampledA, func(ctx context.Context) {
		ctx, span := tracing.StartRequest(ctx, "sweep", trace.SpanKindConsumer, "", followup.Ref{})
		ctx = tracing.Apart(ctx)
		for range 2 {
			ctx, plan := tracing.Start(ctx, "plan", trace.SpanKindInternal, ref)
			_, create := tracing.Start(ctx, "create task", trace.SpanKindProducer, ref)
			create.End(nil)
			plan.End(nil)
		}
		span.End(nil)
	})
	traces := map[string][]tracingtest.Span{}
	for _, s := range receiver.Spans() {
		traces[s.TraceID] = append(traces[s.TraceID], s)
	}
	if len(traces) != 3 || len(traces[traceA]) != 1 {
		t.Fatalf("the traces are %+v", traces)
	}
	delete(traces, traceA)
	for _, spans := range traces {
		plan, create := named(t, spans, "plan"), named(t, spans, "create task")
		if plan.ParentID != "" || create.ParentID != plan.SpanID || !slices.Equal(plan.Links, []string{traceA}) || create.Links != nil {
			t.Errorf("the booking's trace is %+v", spans)
		}
	}
}

func TestASweepThatIsNotSampledLeavesTheBookingsTheirOwnChance(t *testing.T) {
	t.Parallel()
	receiver := tracingtest.NewReceiver(t)
	tracer, _ := open(t, tracing.Config{To: "otlp:" + receiver.Addr, Ratio: 0.2}, tracing.Options{})
	const bookings = 500
	serve(t, tracer, unsampledA, func(ctx context.Context) {
		ctx, _ = tracing.StartRequest(ctx, "sweep", trace.SpanKindConsumer, "", followup.Ref{})
		ctx = tracing.Apart(ctx)
		for range bookings {
			_, plan := tracing.Start(ctx, "plan", trace.SpanKindInternal, ref)
			plan.End(nil)
		}
	})
	// Fewer than 50 or more than 200 of 500 at 0.2 are not seen in a lifetime.
	if n := len(receiver.Spans()); n < 50 || n > 200 {
		t.Errorf("%d of %d bookings were recorded at a ratio of 0.2", n, bookings)
	}
}

func TestSpan_private(t *testing.T) {
	t.Parallel()
	receiver := tracingtest.NewReceiver(t)
	tracer, _ := open(t, to(receiver), tracing.Options{})
	serve(t, tracer, "", func(ctx context.Context) {
		ctx, span := tracing.StartRequest(ctx, "execute task", trace.SpanKindConsumer, "", ref, attribute.Stringer("first", followup.Phone("+4915112345678")))
		_, step := tracing.Start(ctx, "start-call", trace.SpanKindClient, ref, attribute.Stringer("second", settings.NewSecret("swordfish-1")))
		step.End(fmt.Errorf("rang %v with %v", followup.Phone("+4915112345678"), settings.NewSecret("swordfish-1")))
		span.End(nil)
	})
	for _, s := range receiver.Spans() {
		text := s.Message
		for _, v := range s.Attributes {
			text += " " + v
		}
		if strings.Contains(text, "swordfish-1") || strings.Contains(text, "12345678") {
			t.Errorf("%s shows %s", s.Name, text)
		}
		if !strings.Contains(text, ref.BookingID.String()) {
			t.Errorf("%s lacks its booking: %s", s.Name, text)
		}
	}
}

func TestThePanicOfARequestKeepsNoSpanBack(t *testing.T) {
	t.Parallel()
	receiver := tracingtest.NewReceiver(t)
	tracer, _ := open(t, to(receiver), tracing.Options{})
	func() {
		defer func() { _ = recover() }()
		serve(t, tracer, "", func(ctx context.Context) {
			_, span := tracing.StartRequest(ctx, "execute task", trace.SpanKindConsumer, "", ref)
			defer span.End(nil)
			panic("out of order")
		})
	}()
	named(t, receiver.Spans(), "execute task")
}
