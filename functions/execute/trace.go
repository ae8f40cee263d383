package execute

import (
	"context"
	"errors"
	"net/http"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"lad.internal/followup/internal/tracing"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/voiceagent"
)

// startSpan starts the span of a task that has passed the gate; strangers begin
// none. It goes on with the trace in which the task was made.
func startSpan(ctx context.Context, r *http.Request, in admitted) (context.Context, tracing.Span) {
	if !tracing.On(ctx) {
		return ctx, tracing.Span{}
	}
	return tracing.StartRequest(ctx, "execute task", trace.SpanKindConsumer, r.Header.Get(tasks.OriginHeader), in.payload.Ref,
		semconv.MessagingOperationTypeProcess, attribute.Int("task_revision", in.ticket.Revision),
		attribute.String("task_retry_count", r.Header.Get("X-CloudTasks-TaskRetryCount")))
}

func endSpan(span tracing.Span, a answer) {
	span.Set(semconv.HTTPResponseStatusCode(a.status), attribute.String("result", a.Result))
	var err error
	if a.status >= http.StatusInternalServerError {
		err = errors.New(a.Result)
	}
	span.End(err)
}

// tracedStore makes a span of each claim and of each try to record an outcome.
type tracedStore struct{ Store }

func (s tracedStore) Admit(ctx context.Context, ref followup.Ref, rules followup.Rules, decide tenantdb.Decide) (tenantdb.Admission, error) {
	ctx, span := tracing.Start(ctx, "claim", trace.SpanKindInternal, ref)
	a, err := s.Store.Admit(ctx, ref, rules, decide)
	span.Set(attribute.String("effect", string(a.Decision.Effect)), attribute.String("rule", string(a.Decision.Rule)))
	setTask(span, a.Decision.Next)
	span.End(err)
	return a, err
}

func (s tracedStore) Finish(ctx context.Context, ref followup.Ref, claimed, next followup.Task) (bool, error) {
	ctx, span := tracing.Start(ctx, "finish", trace.SpanKindInternal, ref)
	stored, err := s.Store.Finish(ctx, ref, claimed, next)
	span.Set(attribute.Bool("stored", stored)) // false without an error: the claim no longer held
	setTask(span, next)
	span.End(err)
	return stored, err
}

func setTask(span tracing.Span, t followup.Task) {
	span.Set(attribute.String("task_status", string(t.Status)), attribute.String("task_reason", string(t.Reason)),
		attribute.Int("task_revision", t.Revision), attribute.Int("attempt", t.Attempts))
}

// tracedAgent makes a span of the call, and hands its trace on to the agent.
type tracedAgent struct{ Agent }

func (t tracedAgent) StartCall(ctx context.Context, creds voiceagent.Credentials, call voiceagent.Call) voiceagent.Result {
	ctx, span := tracing.Start(ctx, "start-call", trace.SpanKindClient, followup.Ref{},
		attribute.String("tenant_id", call.TenantID), attribute.String("booking_id", call.BookingID),
		semconv.HTTPRequestMethodPost)
	if traceparent := tracing.Traceparent(ctx); traceparent != "" {
		call.Traceparent = traceparent
	}
	result := t.Agent.StartCall(ctx, creds, call)
	span.Set(attribute.String("outcome", string(result.Outcome)), attribute.String("call_id", result.CallID))
	if result.Status != 0 {
		span.Set(semconv.HTTPResponseStatusCode(result.Status))
	}
	var err error
	if result.Outcome != followup.CallAccepted {
		err = errors.New(string(result.Outcome))
	}
	span.End(err)
	return result
}
