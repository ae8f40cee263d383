// Package execute is the function ExecuteFollowUp: called by Cloud Tasks when a
// follow-up is due, it claims the booking, asks the voice agent to ring the
// lead, and records what came of it.
//
// The claim's COMMIT is the point of no return. Before it nothing dials; after
// it only an outcome that is proven not to have started a call is tried again.
// The package serves nobody but Cloud Tasks, holds no lock and no connection while
// the phone rings, and makes no call on a claim whose commit is ambiguous.
package execute

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"lad.internal/followup/internal/httpjson"
	"lad.internal/followup/internal/logging"
	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/internal/tracing"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/voiceagent"
)

// Store is what the function needs of the database.
type Store interface {
	reconcile.Store
	Admit(ctx context.Context, ref followup.Ref, rules followup.Rules, decide tenantdb.Decide) (tenantdb.Admission, error)
	Finish(ctx context.Context, ref followup.Ref, claimed, next followup.Task) (stored bool, err error)
}

// Agent is what the function needs of the voice agent.
type Agent interface {
	Authorize(ctx context.Context) (voiceagent.Credentials, error)
	StartCall(ctx context.Context, creds voiceagent.Credentials, call voiceagent.Call) voiceagent.Result
	// Job asks what has become of a call that was accepted.
	Job(ctx context.Context, creds voiceagent.Credentials, call voiceagent.Call, jobID string) voiceagent.JobResult
}

// Parts are what a Handler is made of. All but Canary are needed.
type Parts struct {
	Rules    followup.Rules
	Store    Store
	Queue    reconcile.Queue
	Agent    Agent
	Verifier Verifier
	// Canary gets one tenant's calls, if there is one.
	Canary Canary
	// QueueName is the short name of the queue, TaskPath makes a full task name
	// of a short one.
	QueueName string
	TaskPath  func(id string) string
	// CallTimeout is how long the agent's StartCall takes at most.
	CallTimeout time.Duration
	// JobAfter is how long after a call was accepted its job is asked for; 0: never.
	JobAfter time.Duration
	Log      *slog.Logger
}

// Handler answers the requests of Cloud Tasks. It is safe for concurrent use.
type Handler struct {
	Parts
	gate       gate
	reconciler *reconcile.Reconciler
}

// New returns an error if a dependency is nil.
func New(p Parts) (*Handler, error) {
	if p.Store == nil || p.Agent == nil || p.Verifier == nil || p.QueueName == "" || p.TaskPath == nil || p.CallTimeout <= 0 {
		return nil, errors.New("execute: store, agent, verifier, queue name, task path and call timeout are needed")
	}
	if err := p.Canary.check(); err != nil {
		return nil, err
	}
	reconciler, err := reconcile.New(p.Rules, p.Store, p.Queue, p.Log)
	if err != nil {
		return nil, err
	}
	return &Handler{
		Parts:      p,
		gate:       gate{verifier: p.Verifier, queue: p.QueueName, taskPath: p.TaskPath},
		reconciler: reconciler,
	}, nil
}

// answer is what a request gets: a status, and JSON that says why.
type answer struct {
	status     int
	Result     string `json:"result"`           // the rule or outcome that decided
	Detail     string `json:"detail,omitempty"` // for people
	retryAfter time.Duration
}

// ServeHTTP implements http.Handler.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	ctx := logging.WithTrace(r.Context(), r.Header)
	in, refused := h.gate.check(w, r)
	if refused != nil {
		level := slog.LevelWarn
		if refused.Status >= 500 { // not the caller's fault
			level = slog.LevelError
		}
		h.Log.Log(ctx, level, "refused a request", "event", "request_refused",
			"status", refused.Status, "code", refused.Code, "error", refused.Cause)
		refused.Write(w)
		return
	}
	// It goes on with the trace in which the task was made.
	ctx, span := tracing.StartRequest(ctx, "execute task", trace.SpanKindConsumer, r.Header.Get(tasks.OriginHeader), in.payload.Ref,
		semconv.MessagingOperationTypeProcess, attribute.Int("task_revision", in.ticket.Revision),
		attribute.String("task_retry_count", r.Header.Get("X-CloudTasks-TaskRetryCount")))
	defer span.End(nil) // where it panics
	a := h.execute(ctx, in)
	var failure error
	if a.status >= http.StatusInternalServerError {
		failure = errors.New(a.Result)
	}
	span.Set(semconv.HTTPResponseStatusCode(a.status), attribute.String("result", a.Result))
	span.End(failure)
	if a.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int((a.retryAfter+time.Second-1)/time.Second))) // rounded up: not before
	}
	httpjson.Write(w, a.status, a)
}
