package execute

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.41.0"
	"go.opentelemetry.io/otel/trace"

	"lad.internal/followup/internal/tracing"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/voiceagent"
)

// execute takes one task from admission to outcome. The statuses are chosen for
// Cloud Tasks: 409 and 502 bring this task again; 503 slows the whole queue
// down, for all tenants, and is kept for this function's own overload.
func (h *Handler) execute(ctx context.Context, in admitted) answer {
	ref := in.payload.Ref
	log := h.Log.With("tenant_id", ref.TenantID.String(), "booking_id", ref.BookingID.String(), "task_revision", in.ticket.Revision)

	// Whoever has waited for a lease's length would be too late to dial.
	ctx, cancel := context.WithTimeout(ctx, h.Rules.Lease)
	defer cancel()
	// All that can fail without dialling fails before the claim.
	creds, err := h.agentOf(ref.TenantID).Authorize(ctx)
	if err != nil {
		log.ErrorContext(ctx, "no credentials for the voice agent; nothing was claimed", "event", "agent_credentials_failed", "error", err)
		return answer{status: http.StatusBadGateway, Result: "agent_credentials_failed"}
	}
	started := startWatch()
	a, err := h.admit(ctx, ref, func(b *followup.Booking, f followup.Facts, now time.Time) followup.Decision {
		return h.Rules.Admit(b, f, in.ticket, now)
	})
	if errors.Is(err, tenantdb.ErrDuplicate) {
		return h.carryOut(ctx, log, *a.Booking, spare(in.ticket.TaskName, h.Rules.Duplicates(*a.Booking)))
	}
	if err != nil {
		return h.admissionFailed(ctx, log, a, err)
	}
	d := spare(in.ticket.TaskName, a.Decision)
	log = log.With("rule", string(d.Rule), "effect", string(d.Effect))
	switch d.Effect {
	case followup.Dial:
		return h.dial(context.WithoutCancel(ctx), log, creds, in.traceparent, a, started)
	case followup.Wait:
		log.InfoContext(ctx, "task deferred, will be retried", "event", "task_deferred")
		again := answer{status: http.StatusConflict, Result: string(d.Rule)}
		if d.Rule == followup.RulePaused {
			again.retryAfter = h.maxRetryAfter()
		}
		return again
	case followup.Queue:
		log.InfoContext(ctx, "the call waits for its slot", "event", "task_paced", "due_at", d.Next.DueAt)
		wait := d.Next.DueAt.Sub(a.At.Add(started.elapsed()))
		return answer{status: http.StatusConflict, Result: string(d.Rule), retryAfter: min(max(wait, time.Second), maxQueueWait)}
	case followup.Arm:
		return h.carryOut(ctx, log, *a.Booking, d)
	case followup.Update:
		log.InfoContext(ctx, "settled the booking without a call", "event", "task_settled",
			"task_status", string(d.Next.Status), "task_reason", string(d.Next.Reason))
		h.reconciler.Drop(ctx, ref, d)
	default:
		log.InfoContext(ctx, "nothing to do for this task", "event", "task_ignored")
	}
	return answer{status: http.StatusOK, Result: string(d.Rule)}
}

// spare keeps the task at work from being deleted: it ends by its answer.
func spare(task string, d followup.Decision) followup.Decision {
	if d.Drop == task {
		d.Drop = ""
	}
	return d
}

// admitTimeout bounds an admission: above what locks and statements may take, and
// far below the lease, which a connection that has gone silent would use up.
const admitTimeout = 20 * time.Second

func (h *Handler) admit(ctx context.Context, ref followup.Ref, decide tenantdb.Decide) (a tenantdb.Admission, err error) {
	ctx, cancel := context.WithTimeout(ctx, admitTimeout)
	defer cancel()
	ctx, span := tracing.Start(ctx, "claim", trace.SpanKindInternal, ref)
	defer func() { span.SetDecision(a.Decision); span.End(err) }()
	return h.Store.Admit(ctx, ref, h.Rules, decide)
}

// maxQueueWait bounds how long a task is told to wait for its slot at a time. A
// task that comes back before its slot is told again.
const maxQueueWait = 30 * time.Minute

// maxRetryAfter is how long a task may be asked to wait: well below the grace, after
// which the sweep would think it lost and make another. All tenants share the
// queue's rate, so what cannot dial for long should not come often.
func (h *Handler) maxRetryAfter() time.Duration { return h.Rules.Grace / 2 }

// admissionFailed answers for a claim that did not come about, or may not have.
func (h *Handler) admissionFailed(ctx context.Context, log *slog.Logger, a tenantdb.Admission, err error) answer {
	status, event := http.StatusInternalServerError, "admission_failed"
	switch {
	case errors.Is(err, tenantdb.ErrUnclear):
		event = "claim_unclear"
		status = http.StatusBadGateway
		if a.Decision.Effect == followup.Dial {
			h.release(context.WithoutCancel(ctx), log, a, "the claim's commit was unclear, so nothing was dialled")
		}
	case errors.Is(err, tenantdb.ErrLocked):
		return rowLocked(ctx, log)
	case errors.Is(err, tenantdb.ErrTimeline):
		log.ErrorContext(ctx, "the database may have forgotten calls: nothing is dialled until a person has seen to it; the task will come again",
			"event", "timeline_changed", "error", err)
		return answer{status: http.StatusConflict, Result: "timeline_changed", retryAfter: h.maxRetryAfter()}
	case errors.Is(err, tenantdb.ErrBusy):
		status, event = http.StatusServiceUnavailable, "database_busy"
	}
	log.ErrorContext(ctx, "the task could not be admitted; it will come again", "event", event, "fault", string(tenantdb.FaultOf(err)), "error", err)
	return answer{status: status, Result: event}
}

func rowLocked(ctx context.Context, log *slog.Logger) answer {
	log.InfoContext(ctx, "the booking's row is locked; its task will come again", "event", "row_locked")
	return answer{status: http.StatusConflict, Result: "row_locked"}
}

// carryOut gives the booking another task, or ends it, in this task's place.
func (h *Handler) carryOut(ctx context.Context, log *slog.Logger, b followup.Booking, d followup.Decision) answer {
	stored, err := h.reconciler.CarryOut(ctx, b, d)
	switch {
	case errors.Is(err, tenantdb.ErrLocked):
		return rowLocked(ctx, log)
	case err != nil:
		log.ErrorContext(ctx, "the booking could not be put off; its task will come again", "event", "task_rearm_failed", "fault", string(tenantdb.FaultOf(err)), "error", err)
		return answer{status: http.StatusInternalServerError, Result: "task_rearm_failed"}
	case !stored:
		return answer{status: http.StatusConflict, Result: "booking_moved"}
	default:
		return answer{status: http.StatusOK, Result: string(d.Rule)}
	}
}

// dial places the call that a committed claim entitles to. ctx is no longer the
// request's: whoever hangs up on this function must not break off the call.
func (h *Handler) dial(ctx context.Context, log *slog.Logger, creds voiceagent.Credentials, traceparent string, a tenantdb.Admission, started watch) answer {
	claimed := a.Decision.Next
	// With what `followup replay-log` needs to record the call in a database that has
	// forgotten it.
	log = log.With("attempt", claimed.Attempts, "claimed_at", claimed.ClaimedAt, "planned_for", claimed.PlannedFor)
	if started.elapsed() > h.Rules.Lease-h.CallTimeout {
		// This process was paused so long that the call might outlive the lease.
		h.release(ctx, log, a, "the function was paused after its claim, so nothing was dialled")
		return answer{status: http.StatusBadGateway, Result: string(followup.RuleClaimLapsed)}
	}
	log.InfoContext(ctx, "starting call", "event", "call_started", "dial_lag_ms", h.lag(a).Milliseconds())
	call := h.call(a)
	call.Traceparent = traceparent
	result := h.startCall(ctx, creds, a.Booking.Ref, call)

	report := followup.Report{Outcome: result.Outcome, CallID: cmp.Or(result.CallID, result.JobID), Detail: result.Detail}
	next := h.Rules.Finish(claimed, report)
	log = log.With("outcome", string(report.Outcome), "http_status", result.Status, "call_id", report.CallID,
		"task_status", string(next.Status), "task_reason", string(next.Reason), "call_ms", started.elapsed().Milliseconds())
	if err := h.finish(ctx, log, a.Booking.Ref, claimed, next, h.Rules.Lease-started.elapsed()); err != nil {
		log.ErrorContext(ctx, "the outcome of a call could not be recorded; its booking will need review",
			"event", "outcome_lost", "detail", report.Detail, "fault", string(tenantdb.FaultOf(err)), "error", err)
		return answer{status: http.StatusInternalServerError, Result: "outcome_lost"}
	}
	level := slog.LevelInfo
	if next.Status != followup.Executed {
		level = slog.LevelWarn
	}
	log.Log(ctx, level, "call finished", "event", "call_finished", "detail", report.Detail)
	if report.Outcome == followup.CallMisconfigured {
		log.ErrorContext(ctx, "every call of this tenant, or of all, will end so until the credentials or the tenant's feature are mended",
			"event", "agent_misconfigured", "detail", report.Detail)
	}
	b := *a.Booking
	b.Task = next
	switch report.Outcome {
	case followup.CallLimited:
		return h.putOff(ctx, log, b, followup.RateLimited, a.At.Add(started.elapsed()).Add(result.RetryAfter), a.At.Add(started.elapsed()))
	case followup.CallClosed:
		return h.putOff(ctx, log, b, followup.OutsideHours, result.OpensAt, a.At.Add(started.elapsed()))
	case followup.CallAccepted:
		if job := h.awaitJob(ctx, log, creds, call, b, claimed, result); job != nil {
			report, next = *job, h.Rules.Finish(claimed, *job)
		}
	default: // the row says it all
	}
	if next.Reason == followup.NotStarted {
		return answer{status: http.StatusBadGateway, Result: string(next.Reason), Detail: report.Detail, retryAfter: min(result.RetryAfter, h.maxRetryAfter())}
	}
	return answer{status: http.StatusOK, Result: string(report.Outcome), Detail: report.Detail}
}

// startCall asks the agent for the call, as a step of the trace that goes on with it.
func (h *Handler) startCall(ctx context.Context, creds voiceagent.Credentials, ref followup.Ref, call voiceagent.Call) voiceagent.Result {
	ctx, span := tracing.Start(ctx, "start-call", trace.SpanKindClient, ref, semconv.HTTPRequestMethodPost)
	call.Traceparent = cmp.Or(tracing.Traceparent(ctx), call.Traceparent)
	result := h.agentOf(ref.TenantID).StartCall(ctx, creds, call)
	span.Set(attribute.String("outcome", string(result.Outcome)), attribute.String("call_id", result.CallID))
	if result.Status != 0 {
		span.Set(semconv.HTTPResponseStatusCode(result.Status))
	}
	var failure error
	if result.Outcome != followup.CallAccepted {
		failure = errors.New(string(result.Outcome))
	}
	span.End(failure)
	return result
}

// lag is how long after its time a call is claimed. That of a booking made for a
// moment already past is the moment it was made.
func (h *Handler) lag(a tenantdb.Admission) time.Duration {
	due := a.Booking.ScheduledAt.Add(-h.Rules.LeadTime)
	if a.Booking.CreatedAt.After(due) {
		due = a.Booking.CreatedAt
	}
	return a.Decision.Next.ClaimedAt.Sub(due)
}

// call is LAD's request for this booking.
func (h *Handler) call(a tenantdb.Admission) voiceagent.Call {
	b, lead := a.Booking, a.Facts.Lead
	agent := h.Rules.Agent(*b, a.Facts.Agents)
	call := voiceagent.Call{
		TenantID:       b.TenantID.String(),
		BookingID:      b.BookingID.String(),
		To:             lead.Number,
		LeadName:       lead.Name(),
		Context:        lead.LatestNote,
		IdempotencyKey: a.Decision.Next.Key,
		AgentID:        agent.ID,
		From:           agent.From,
	}
	if b.LeadID.Valid {
		call.LeadID = b.LeadID.UUID.String()
	}
	if b.AssignedUserID.Valid {
		call.InitiatedBy = b.AssignedUserID.UUID.String()
	}
	return call
}

// watch measures how long this process has had its claim, by whichever clock
// says more: the monotonic one stands still while a machine is suspended, the
// wall clock may be set back.
type watch struct {
	monotonic time.Time
	wall      int64 // Unix time in nanoseconds
}

func startWatch() watch {
	now := time.Now()
	return watch{monotonic: now, wall: now.UnixNano()}
}

func (w watch) elapsed() time.Duration {
	now := time.Now()
	return max(now.Sub(w.monotonic), time.Duration(now.UnixNano()-w.wall))
}
