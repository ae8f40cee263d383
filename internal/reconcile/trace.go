package reconcile

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"lad.internal/followup/internal/tracing"
	"lad.internal/followup/pkg/followup"
)

// startPlan starts the span of a plan that changes something.
func startPlan(ctx context.Context, ref followup.Ref, d followup.Decision) (context.Context, tracing.Span) {
	return tracing.Start(ctx, "plan", trace.SpanKindInternal, ref,
		attribute.String("effect", string(d.Effect)), attribute.String("rule", string(d.Rule)),
		attribute.String("task_status", string(d.Next.Status)), attribute.String("task_reason", string(d.Next.Reason)),
		attribute.Int("task_revision", d.Next.Revision))
}

func endPlan(span tracing.Span, stored bool, err error) {
	span.Set(attribute.Bool("stored", stored)) // false without an error: the row had moved
	span.End(err)
}

// createTask is where a trace leaves for the days until the task fires: the task
// carries the traceparent of this span.
func (r *Reconciler) createTask(ctx context.Context, b followup.Booking, next followup.Task) (string, error) {
	ctx, span := tracing.Start(ctx, "create task", trace.SpanKindProducer, b.Ref, attribute.Int("task_revision", next.Revision))
	name, err := r.queue.CreateScheduledHTTPTask(ctx, b, next)
	span.Set(attribute.String("task_name", name))
	span.End(err)
	return name, err
}
