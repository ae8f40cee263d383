package tasks

import (
	"context"

	"go.opentelemetry.io/otel/propagation"
)

// OriginHeader is the header of a task with a copy of its traceparent (W3C Trace
// Context), so that the trace that made the task goes on when it fires. Google's
// front end keeps a traceparent's trace but puts a span of its own in the place of
// its parent, one that is hardly ever recorded, and sets the sampled flag as it
// likes; it does not know this name.
const OriginHeader = "Followup-Traceparent"

// headers are those that a task sets itself.
func headers(ctx context.Context) map[string]string {
	h := map[string]string{"Content-Type": "application/json"}
	propagation.TraceContext{}.Inject(ctx, propagation.MapCarrier(h))
	if traceparent, ok := h["traceparent"]; ok {
		h[OriginHeader] = traceparent
	}
	return h
}
