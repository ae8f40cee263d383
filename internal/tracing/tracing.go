// Package tracing follows one booking from its event through the Cloud Task to
// the call, in the terms of OpenTelemetry: a span for each step, one trace for
// all of them, although days lie between. The trace travels in the headers of
// the task (package tasks writes them) and of the call.
//
// Spans are made from the context: a request that came through Tracer.Handler
// has them, everybody else's cost a look into the context. So off means off:
// without FOLLOWUP_TRACES there is no Tracer, no exporter and no goroutine.
//
// # What it refuses
//
// It never stands between a lead and its call. What cannot be exported within
// two seconds at the end of a request is given up, and after a failure nothing
// is tried for a while; nobody but the log hears of it. Its attributes are ids,
// counts and names of this system, never a text from outside. It takes no
// tracestate and no baggage from outside, since it cannot know what they hold
// and they would lie in a queue for days. It sets nothing global, so no library
// makes spans of its own.
package tracing

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"
)

// flushTime bounds what a request waits, when its work is done, for its spans to
// be exported. A Cloud Run instance has no CPU after its response, so they are
// exported before it. It fits between the schedule function's own deadline and
// Pub/Sub's.
const flushTime = 2 * time.Second

// Options say who traces.
type Options struct {
	Function  string // the entry point
	Service   string // K_SERVICE; "" is Function
	Revision  string // K_REVISION
	ProjectID string // the Google Cloud project that the traces belong to
	Location  string // region
	// Log hears of spans that were lost.
	Log *slog.Logger
	// OTLP is added to the options of the exporters gcp and otlp; it is for tests.
	OTLP []otlptracegrpc.Option
}

// Tracer records the spans of one function's requests. A nil Tracer is one that
// is off. It is safe for concurrent use.
type Tracer struct {
	tracer   trace.Tracer
	provider *sdktrace.TracerProvider
	exporter *resting
}

// Open makes a Tracer, or nil if c says off. It contacts nobody; what fails is a
// wrong setting, missing credentials or a file that cannot be written.
func Open(ctx context.Context, c Config, o Options) (*Tracer, error) {
	if kind, _ := c.exporter(); kind == off {
		return nil, nil //nolint:nilnil // off is no failure, and a nil Tracer is ready for use
	}
	exporter, err := newExporter(ctx, c, o)
	if err != nil {
		return nil, err
	}
	guarded := &resting{SpanExporter: exporter, log: o.Log}
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSampler(sampler(c.Ratio)),
		sdktrace.WithResource(describe(o)),
		sdktrace.WithBatcher(guarded, sdktrace.WithExportTimeout(flushTime)),
	)
	return &Tracer{
		tracer:   provider.Tracer("lad.internal/followup/internal/tracing"),
		provider: provider,
		exporter: guarded,
	}, nil
}

// sampler decides by the trace's id, so that both functions decide alike. Cloud
// Run hands every request a traceparent, and samples at most one in ten seconds
// (https://cloud.google.com/run/docs/trace): that is its own decision about its
// own span, and no reason to lose a booking's trace.
func sampler(ratio float64) sdktrace.Sampler {
	byID := sdktrace.TraceIDRatioBased(ratio)
	return sdktrace.ParentBased(byID, sdktrace.WithRemoteParentNotSampled(byID))
}

// describe is the resource that all spans have in common. Google's endpoint
// finds the project in gcp.project_id.
func describe(o Options) *resource.Resource {
	attrs := []attribute.KeyValue{
		semconv.ServiceName(cmp.Or(o.Service, o.Function)),
		semconv.FaaSName(o.Function),
		attribute.String("gcp.project_id", o.ProjectID),
	}
	if o.Service != "" { // on Cloud Run
		attrs = append(attrs, semconv.ServiceVersion(o.Revision),
			semconv.CloudProviderGCP, semconv.CloudPlatformGCPCloudRun, semconv.CloudRegion(o.Location))
	}
	return resource.NewWithAttributes(semconv.SchemaURL, attrs...)
}

// request is what the spans of one request share.
type request struct {
	tracer *Tracer
	// came is the trace that the request's own headers name.
	came trace.SpanContext
	// recorded: there is something to export.
	recorded atomic.Bool
}

// Handler lets the requests to next be traced, and exports their spans before
// they are answered. Of a nil Tracer it is next itself.
func (t *Tracer) Handler(next http.Handler) http.Handler {
	if t == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		in := &request{tracer: t, came: parse(r.Header.Get("Traceparent"))}
		ctx := context.WithValue(r.Context(), scopeKey{}, &scope{request: in})
		defer func() {
			if in.recorded.Load() {
				t.flush(context.WithoutCancel(ctx))
			}
		}()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

// flush exports what has ended.
func (t *Tracer) flush(ctx context.Context) {
	if t.exporter.rests() {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	if err := t.provider.ForceFlush(ctx); err != nil {
		// Not even the exporter has come back, as when its credentials hang.
		t.exporter.failed(err)
	}
}

// Close exports what is left and ends the exporter, within two seconds. What is
// lost by then is lost, and no reason to call the end unclean.
func (t *Tracer) Close(ctx context.Context) {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, flushTime)
	defer cancel()
	if err := t.provider.Shutdown(ctx); err != nil {
		t.exporter.failed(err)
	}
}
