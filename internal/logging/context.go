package logging

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"

	"cloud.google.com/go/logging"
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
		return trace{id: span.TraceID().String(), span: span.SpanID().String(), sampled: span.IsSampled()}, true
	}
	t, ok := ctx.Value(traceKey{}).(trace)
	return t, ok
}

// traceHeaders are the headers that name a trace and their well-formed values: W3C
// Trace Context, section 3.2, and
// https://cloud.google.com/trace/docs/trace-context#legacy-http-header
var traceHeaders = map[string]*regexp.Regexp{
	"Traceparent":           regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`),
	"X-Cloud-Trace-Context": regexp.MustCompile(`^[0-9a-f]{32}(?:/[0-9]{1,20})?(?:;o=[0-9])?$`),
}

var sampledByW3C = regexp.MustCompile(`-[0-9a-f][13579bdf]$`)

// parseTrace leaves the reading to the logging package, which finds a trace in the
// headers of an entry's request. That takes a trace id out of any text and ignores
// the W3C sampled flag, so the form is checked and the flag read here.
func parseTrace(header http.Header) (trace, bool) {
	wellFormed := http.Header{}
	for name, form := range traceHeaders {
		if v := header.Get(name); form.MatchString(v) {
			wellFormed.Set(name, v)
		}
	}
	if len(wellFormed) == 0 {
		return trace{}, false
	}
	entry, err := logging.ToLogEntry(logging.Entry{
		Payload:     "",
		HTTPRequest: &logging.HTTPRequest{Request: &http.Request{URL: &url.URL{}, Header: wellFormed}},
	}, "projects/-")
	if err != nil {
		return trace{}, false
	}
	_, id, found := strings.Cut(entry.GetTrace(), "/traces/")
	return trace{
		id:      id,
		span:    entry.GetSpanId(),
		sampled: entry.GetTraceSampled() || sampledByW3C.MatchString(wellFormed.Get("Traceparent")),
	}, found
}
