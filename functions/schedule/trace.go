package schedule

import (
	"cmp"
	"context"
	"encoding/json"

	cloudevents "github.com/cloudevents/sdk-go/v2"
	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"lad.internal/followup/internal/tracing"
)

// startSpan starts the span of an event. It goes on with the trace of who
// published the message, and else with that of the delivery.
func startSpan(ctx context.Context, e cloudevents.Event, m message) (context.Context, tracing.Span) {
	if !tracing.On(ctx) {
		return ctx, tracing.Span{}
	}
	name := "schedule event"
	if m.kind == sweepTick {
		name = "sweep"
	}
	ctx, span := tracing.StartRequest(ctx, name, trace.SpanKindConsumer, origin(e, m), m.ref,
		semconv.MessagingSystemGCPPubSub, semconv.MessagingOperationTypeProcess,
		semconv.MessagingMessageID(m.id), attribute.String("message_type", m.kind))
	if m.kind == sweepTick {
		ctx = tracing.Apart(ctx)
	}
	return ctx, span
}

// origin is the traceparent of who published the message: the attribute that
// Pub/Sub's clients write when they trace
// (https://cloud.google.com/pubsub/docs/open-telemetry-tracing), or CloudEvents'
// extension "distributed tracing".
func origin(e cloudevents.Event, m message) string {
	var attributes map[string]any
	_ = json.Unmarshal(m.attributes, &attributes) // none, or none that can be read: no trace
	published, _ := attributes["googclient_traceparent"].(string)
	extension, _ := e.Extensions()["traceparent"].(string)
	return cmp.Or(published, extension)
}

func endSpan(span tracing.Span, result Result, err error) {
	span.Set(attribute.String("result", result.Result),
		attribute.String("rule", result.Rule), attribute.String("effect", result.Effect))
	span.End(err)
}
