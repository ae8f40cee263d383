package tracing_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"
	"go.uber.org/goleak"

	"lad.internal/followup/internal/tracing"
)

// step is what a function does for each span that it might make.
func step(ctx context.Context) context.Context {
	ctx, span := tracing.Start(ctx, "claim", trace.SpanKindInternal, ref, attribute.String("effect", "dial"), attribute.Int("task_revision", 3))
	span.Set(attribute.String("rule", "admitted"), attribute.Bool("stored", true))
	span.End(nil)
	return ctx
}

// request is what a function does for a whole request, traces apart.
func request(ctx context.Context) string {
	if tracing.On(ctx) {
		ctx, _ = tracing.StartRequest(ctx, "execute task", trace.SpanKindConsumer, "", ref)
	}
	for range 4 {
		ctx = step(ctx)
	}
	return tracing.Traceparent(tracing.Apart(ctx))
}

// Not parallel: it counts goroutines.
func TestOffIsNoTracerNoGoroutineAndNoAllocation(t *testing.T) {
	before := goleak.IgnoreCurrent()
	provider, propagator := otel.GetTracerProvider(), otel.GetTextMapPropagator()
	for _, c := range []tracing.Config{{}, {To: "off", Ratio: 1}} {
		tracer, err := tracing.Open(t.Context(), c, tracing.Options{})
		if tracer != nil || err != nil {
			t.Fatalf("%v: %v, %v", c, tracer, err)
		}
		next := http.NewServeMux()
		if got := tracer.Handler(next); got != http.Handler(next) {
			t.Errorf("%v: the handler is wrapped in %T", c, got)
		}
		tracer.Close(t.Context())
	}
	if n := testing.AllocsPerRun(100, func() { request(t.Context()) }); n != 0 {
		t.Errorf("a request allocates %v times for traces that are off", n)
	}
	goleak.VerifyNone(t, before)
	if !reflect.DeepEqual(provider, otel.GetTracerProvider()) || !reflect.DeepEqual(propagator, otel.GetTextMapPropagator()) {
		t.Error("OpenTelemetry's globals have changed")
	}
}

// BenchmarkOff compares a request's spans with the least that a request costs in
// Go: one that is answered by an empty handler, without a network.
func BenchmarkOff(b *testing.B) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	var bare, spans time.Duration
	ctx := context.Background()
	for b.Loop() {
		started := time.Now()
		r := httptest.NewRequest(http.MethodPost, "/", nil)
		answer.ServeHTTP(httptest.NewRecorder(), r)
		answered := time.Now()
		request(ctx)
		bare += answered.Sub(started)
		spans += time.Since(answered)
	}
	b.ReportMetric(spans.Seconds()/bare.Seconds(), "of-an-empty-request")
	b.ReportMetric(float64(spans.Nanoseconds())/float64(b.N), "ns-for-spans/op")
}
