package tracing

import (
	"context"
	"slices"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"

	"lad.internal/followup/pkg/followup"
)

type scopeKey struct{}

// scope is where a context stands.
type scope struct {
	*request
	// apart is the span whose children begin traces of their own; see Apart.
	apart trace.SpanContext
}

func scopeOf(ctx context.Context) *scope {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	return s
}

// On reports whether the request may be traced; whether its trace is sampled is
// known once it has a span.
func On(ctx context.Context) bool { return scopeOf(ctx) != nil }

// Span is a step that is being recorded. The zero Span is one that is not: its
// methods do nothing.
type Span struct{ span trace.Span }

// StartRequest starts the first span of a request. Its parent is the trace that
// origin names, a W3C traceparent from where the work was asked for; or else the
// one of the request's own headers, which is merely linked if both are there.
func StartRequest(ctx context.Context, name string, kind trace.SpanKind, origin string, ref followup.Ref, attrs ...attribute.KeyValue) (context.Context, Span) {
	s := scopeOf(ctx)
	if s == nil {
		return ctx, Span{}
	}
	parent, opts := s.came, []trace.SpanStartOption{}
	if from := parse(origin); from.IsValid() {
		if s.came.IsValid() && s.came.TraceID() != from.TraceID() {
			opts = append(opts, trace.WithLinks(trace.Link{SpanContext: s.came}))
		}
		parent = from
	}
	return s.start(trace.ContextWithRemoteSpanContext(ctx, parent), name, kind, ref, slices.Clone(attrs), opts...)
}

// Start starts a step within a request that is being recorded.
func Start(ctx context.Context, name string, kind trace.SpanKind, ref followup.Ref, attrs ...attribute.KeyValue) (context.Context, Span) {
	s := scopeOf(ctx)
	if s == nil {
		return ctx, Span{}
	}
	current := trace.SpanFromContext(ctx)
	switch {
	case s.apart.IsValid() && s.apart.Equal(current.SpanContext()):
		return s.start(ctx, name, kind, ref, slices.Clone(attrs), trace.WithNewRoot(), trace.WithLinks(trace.Link{SpanContext: s.apart}))
	case current.IsRecording():
		return s.start(ctx, name, kind, ref, slices.Clone(attrs))
	default: // not sampled, or not begun; the trace's id is passed on all the same
		return ctx, Span{}
	}
}

func (s *scope) start(ctx context.Context, name string, kind trace.SpanKind, ref followup.Ref, attrs []attribute.KeyValue, opts ...trace.SpanStartOption) (context.Context, Span) {
	ctx, span := s.tracer.tracer.Start(ctx, name, append(opts, trace.WithSpanKind(kind))...)
	if !span.IsRecording() {
		return ctx, Span{}
	}
	s.recorded.Store(true)
	if ref != (followup.Ref{}) {
		span.SetAttributes(attribute.String("tenant_id", ref.TenantID.String()), attribute.String("booking_id", ref.BookingID.String()))
	}
	span.SetAttributes(attrs...)
	return ctx, Span{span}
}

// Apart makes the steps that start directly below the current span begin traces
// of their own, linked to it: a sweep looks at many bookings, and a trace is to
// be about one.
func Apart(ctx context.Context) context.Context {
	s := scopeOf(ctx)
	if s == nil {
		return ctx
	}
	return context.WithValue(ctx, scopeKey{}, &scope{request: s.request, apart: trace.SpanContextFromContext(ctx)})
}

// Traceparent is the W3C traceparent of the current span, for who is called
// next. It is "" where nothing is traced.
func Traceparent(ctx context.Context) string {
	if scopeOf(ctx) == nil {
		return ""
	}
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(ctx, carrier)
	return carrier["traceparent"]
}

// parse reads a W3C traceparent. What is none is the zero SpanContext.
func parse(traceparent string) trace.SpanContext {
	if traceparent == "" {
		return trace.SpanContext{}
	}
	ctx := propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": traceparent})
	return trace.SpanContextFromContext(ctx)
}

// Set adds attributes to the span.
func (s Span) Set(attrs ...attribute.KeyValue) {
	if s.span != nil {
		// A copy, so that the caller's need not live on the heap where nothing is recorded.
		s.span.SetAttributes(slices.Clone(attrs)...)
	}
}

// SetDecision says what was decided, and the task's state after it.
func (s Span) SetDecision(d followup.Decision) {
	if s.span != nil {
		s.Set(attribute.String("effect", string(d.Effect)), attribute.String("rule", string(d.Rule)))
		s.SetTask(d.Next)
	}
}

// SetTask says a task's state.
func (s Span) SetTask(t followup.Task) {
	if s.span != nil {
		s.Set(attribute.String("task_status", string(t.Status)), attribute.String("task_reason", string(t.Reason)),
			attribute.Int("task_revision", t.Revision), attribute.Int("attempt", t.Attempts))
	}
}

// End ends the step, as failed if there is an error. Ending it again does nothing.
func (s Span) End(err error) {
	if s.span == nil {
		return
	}
	if err != nil {
		s.span.SetStatus(codes.Error, err.Error())
	}
	s.span.End()
}
