package execute

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strconv"
	"time"

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
	a, err := h.admit(ctx, ref, func(b *followup.Booking, lead followup.Lead, now time.Time) followup.Decision {
		return h.Rules.Admit(b, lead, in.ticket, now)
	})
	if err != nil {
		return h.admissionFailed(ctx, log, a, err)
	}
	d := a.Decision
	log = log.With("rule", string(d.Rule), "effect", string(d.Effect))
	if d.Drop == in.ticket.TaskName {
		d.Drop = "" // the task at work ends by this answer
	}
	switch d.Effect {
	case followup.Dial:
		return h.dial(context.WithoutCancel(ctx), log, creds, in.traceparent, a, started)
	case followup.Wait:
		log.InfoContext(ctx, "the task is to come again", "event", "task_deferred")
		again := answer{status: http.StatusConflict, Result: string(d.Rule)}
		if d.Rule == followup.RulePaused {
			again.retryAfter = h.longestWait()
		}
		return again
	case followup.Arm:
		return h.rearm(ctx, log, *a.Booking, d)
	case followup.Update:
		log.InfoContext(ctx, "settled the booking without a call", "event", "task_settled",
			"task_status", string(d.Next.Status), "task_reason", string(d.Next.Reason))
		h.reconciler.Drop(ctx, ref, d)
	default:
		log.InfoContext(ctx, "the task has nothing to do", "event", "task_ignored")
	}
	return answer{status: http.StatusOK, Result: string(d.Rule)}
}

// admitWithin bounds an admission: above what locks and statements may take, and
// far below the lease, which a connection that has gone silent would use up.
const admitWithin = 20 * time.Second

func (h *Handler) admit(ctx context.Context, ref followup.Ref, decide func(*followup.Booking, followup.Lead, time.Time) followup.Decision) (tenantdb.Admission, error) {
	ctx, cancel := context.WithTimeout(ctx, admitWithin)
	defer cancel()
	return h.Store.Admit(ctx, ref, decide)
}

// longestWait is how long a task may be asked to wait: well below the grace, after
// which the sweep would think it lost and make another. All tenants share the
// queue's rate, so what cannot dial for long should not come often.
func (h *Handler) longestWait() time.Duration { return h.Rules.Grace / 2 }

// admissionFailed answers for a claim that did not come about, or may not have.
func (h *Handler) admissionFailed(ctx context.Context, log *slog.Logger, a tenantdb.Admission, err error) answer {
	status, event := http.StatusInternalServerError, "admission_failed"
	switch {
	case errors.Is(err, tenantdb.ErrUnclear):
		event = "claim_unclear"
		status = http.StatusBadGateway
		if a.Decision.Effect == followup.Dial {
			h.giveBack(context.WithoutCancel(ctx), log, a, "the claim's commit was unclear, so nothing was dialled")
		}
	case errors.Is(err, tenantdb.ErrBusy):
		status, event = http.StatusServiceUnavailable, "database_busy"
	}
	log.ErrorContext(ctx, "the task could not be admitted; it will come again", "event", event, "error", err)
	return answer{status: status, Result: event}
}

// rearm sends a task that fired before its time to the right one.
func (h *Handler) rearm(ctx context.Context, log *slog.Logger, b followup.Booking, d followup.Decision) answer {
	stored, err := h.reconciler.CarryOut(ctx, b, d)
	switch {
	case err != nil:
		log.ErrorContext(ctx, "the task fired early and could not be put off; it will come again", "event", "task_rearm_failed", "error", err)
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
	log = log.With("attempt", claimed.Attempts)
	if started.elapsed() > h.Rules.Lease-h.CallTimeout {
		// This process was paused so long that the call might outlive the lease.
		h.giveBack(ctx, log, a, "the function was paused after its claim, so nothing was dialled")
		return answer{status: http.StatusBadGateway, Result: string(followup.RuleClaimLapsed)}
	}
	log.InfoContext(ctx, "calling", "event", "call_started", "dial_lag_ms", h.lag(a).Milliseconds())
	call := h.call(ctx, log, a)
	call.Traceparent = traceparent
	result := h.agentOf(a.Booking.TenantID).StartCall(ctx, creds, call)

	report := followup.Report{Outcome: outcome(result.Outcome), CallID: result.CallID, Detail: result.Detail}
	next := h.Rules.Finish(claimed, report)
	log = log.With("outcome", string(report.Outcome), "http_status", result.Status, "call_id", result.CallID,
		"task_status", string(next.Status), "task_reason", string(next.Reason), "call_ms", started.elapsed().Milliseconds())
	if err := h.finish(ctx, log, a.Booking.Ref, claimed, next, h.Rules.Lease-started.elapsed()); err != nil {
		log.ErrorContext(ctx, "the outcome of a call could not be recorded; its booking will be held for a person",
			"event", "outcome_lost", "detail", report.Detail, "error", err)
		return answer{status: http.StatusInternalServerError, Result: "outcome_lost"}
	}
	level := slog.LevelInfo
	if next.Status != followup.Executed {
		level = slog.LevelWarn
	}
	log.Log(ctx, level, "called", "event", "call_finished", "detail", report.Detail)
	if next.Reason == followup.NotStarted {
		return answer{status: http.StatusBadGateway, Result: string(next.Reason), Detail: report.Detail, retryAfter: min(result.RetryAfter, h.longestWait())}
	}
	return answer{status: http.StatusOK, Result: string(report.Outcome), Detail: report.Detail}
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

// giveBack ends a claim on which nothing was dialled. If it cannot, the lease
// runs out and the booking is held: late, but never called twice.
func (h *Handler) giveBack(ctx context.Context, log *slog.Logger, a tenantdb.Admission, why string) {
	claimed := a.Decision.Next
	next := h.Rules.Finish(claimed, followup.Report{Outcome: followup.CallNotStarted, Detail: why})
	err := h.finish(ctx, log, a.Booking.Ref, claimed, next, finishWithoutCall)
	log.WarnContext(ctx, "gave a claim back without dialling", "event", "claim_given_back", "detail", why, "error", err)
}

const (
	// finishWithoutCall bounds the recording of a claim that was given back.
	finishWithoutCall = 5 * time.Second
	// minFinish is tried even by a call that took its whole lease.
	minFinish = 5 * time.Second
	// finishAttempt bounds one try, so that a connection that hangs does not
	// use up them all.
	finishAttempt = 10 * time.Second
)

// finish records an outcome, again and again within the budget: the call has
// been made, and this row is the only one who knows. A claim that no longer
// holds is no error: somebody else has settled the row meanwhile, and says so.
func (h *Handler) finish(ctx context.Context, log *slog.Logger, ref followup.Ref, claimed, next followup.Task, budget time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max(budget, minFinish))
	defer cancel()
	unclear := false
	for pause := 50 * time.Millisecond; ; pause = min(2*pause, 2*time.Second) {
		stored, err := h.finishOnce(ctx, ref, claimed, next)
		if err == nil {
			if !stored && !unclear { // after an unclear commit it may be our own state that is found
				log.WarnContext(ctx, "the claim no longer held when its outcome came", "event", "finish_superseded")
			}
			return nil
		}
		unclear = unclear || errors.Is(err, tenantdb.ErrUnclear)
		log.WarnContext(ctx, "recording the outcome failed; trying again", "event", "finish_retry", "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func (h *Handler) finishOnce(ctx context.Context, ref followup.Ref, claimed, next followup.Task) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, finishAttempt)
	defer cancel()
	return h.Store.Finish(ctx, ref, claimed, next)
}

// call is LAD's request for this booking.
func (h *Handler) call(ctx context.Context, log *slog.Logger, a tenantdb.Admission) voiceagent.Call {
	b := a.Booking
	call := voiceagent.Call{
		TenantID:       b.TenantID.String(),
		BookingID:      b.BookingID.String(),
		To:             a.Lead.Number(),
		LeadName:       a.Lead.Name(),
		Context:        a.Lead.LatestNote,
		IdempotencyKey: a.Decision.Next.Key,
	}
	if b.LeadID.Valid {
		call.LeadID = b.LeadID.UUID.String()
	}
	if b.AssignedUserID.Valid {
		call.InitiatedBy = b.AssignedUserID.UUID.String()
	}
	if b.AgentID != "" {
		id, err := strconv.ParseInt(b.AgentID, 10, 64)
		if err != nil || id < 1 {
			log.WarnContext(ctx, "metadata.agent_id is not the number of an agent; using the default agent", "event", "agent_id_ignored")
		} else {
			call.AgentID = &id
		}
	}
	return call
}

func outcome(o voiceagent.Outcome) followup.Outcome {
	switch o {
	case voiceagent.Accepted:
		return followup.CallAccepted
	case voiceagent.NotStarted:
		return followup.CallNotStarted
	case voiceagent.Rejected:
		return followup.CallRejected
	default:
		return followup.CallUnknown
	}
}

// watch measures how long this process has had its claim, by whichever clock
// says more: the monotonic one stands still while a machine is suspended, the
// wall clock may be set back.
type watch struct{ monotonic, wall time.Time }

func startWatch() watch {
	now := time.Now()
	return watch{monotonic: now, wall: now.Round(0)}
}

func (w watch) elapsed() time.Duration {
	now := time.Now()
	return max(now.Sub(w.monotonic), now.Round(0).Sub(w.wall))
}
