package logging

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"slices"
	"strconv"

	"go.opentelemetry.io/otel/propagation"
	oteltrace "go.opentelemetry.io/otel/trace"
)

type (
	attrsKey struct{}
	traceKey struct{}
)

// With returns a context whose records carry the given attributes, after those it
// carries already. They are top-level fields of the line, whatever groups the
// logger has open.
func With(ctx context.Context, attrs ...slog.Attr) context.Context {
	return context.WithValue(ctx, attrsKey{}, slices.Concat(FromContext(ctx), attrs))
}

// FromContext returns the attributes that With has put into the context.
func FromContext(ctx context.Context) []slog.Attr {
	attrs, _ := ctx.Value(attrsKey{}).([]slog.Attr)
	return attrs
}

type trace struct {
	id, span string
	sampled  bool
}

// WithTrace returns a context whose records belong to the trace that the request's
// headers name: traceparent (W3C Trace Context) or X-Cloud-Trace-Context. Without
// a well-formed one the context is returned as it is. The headers come from
// outside: they are good for finding lines, never for trusting them.
func WithTrace(ctx context.Context, header http.Header) context.Context {
	t, ok := parseTrace(header)
	if !ok {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, t)
}

// traceOf is the trace that a record belongs to: that of the span which is being
// recorded, where traces are (package tracing), or else that of the request.
func traceOf(ctx context.Context) (trace, bool) {
	if span := oteltrace.SpanContextFromContext(ctx); span.IsValid() {
		return spanTrace(span), true
	}
	t, ok := ctx.Value(traceKey{}).(trace)
	return t, ok
}

func spanTrace(span oteltrace.SpanContext) trace {
	return trace{id: span.TraceID().String(), span: span.SpanID().String(), sampled: span.IsSampled()}
}

// legacyTrace is the form of X-Cloud-Trace-Context:
// https://cloud.google.com/trace/docs/trace-context#legacy-http-header
var legacyTrace = regexp.MustCompile(`^([0-9a-f]{32})(?:/([0-9]{1,20}))?(?:;o=([01]))?$`)

func parseTrace(header http.Header) (trace, bool) {
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.HeaderCarrier(header))
	if span := oteltrace.SpanContextFromContext(ctx); span.IsValid() {
		return spanTrace(span), true
	}
	m := legacyTrace.FindStringSubmatch(header.Get("X-Cloud-Trace-Context"))
	if m == nil {
		return trace{}, false
	}
	t := trace{id: m[1], sampled: m[3] == "1"}
	if span, err := strconv.ParseUint(m[2], 10, 64); err == nil {
		t.span = fmt.Sprintf("%016x", span) // decimal there, hexadecimal in an entry
	}
	return t, true
}
