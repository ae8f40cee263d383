package execute

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"lad.internal/followup/internal/tracing"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/voiceagent"
)

// putOff gives a booking that the voice service refused for now a task for later.
// If that fails, the task at work comes again.
func (h *Handler) putOff(ctx context.Context, log *slog.Logger, b followup.Booking, reason followup.Reason, until, now time.Time) answer {
	ctx, cancel := context.WithTimeout(ctx, admitTimeout)
	defer cancel()
	a := h.carryOut(ctx, log, b, spare(b.Task.Name, h.Rules.Defer(b, reason, until, now)))
	if a.status != http.StatusOK {
		a.retryAfter = min(max(until.Sub(now), 0), h.maxRetryAfter())
	}
	return a
}

// awaitJob asks, once, what has become of a call that was accepted before it was
// dialled, and records that; nil: nothing new. Whatever cannot be learnt leaves
// the call executed, with the job's id: accepted is accepted.
func (h *Handler) awaitJob(ctx context.Context, log *slog.Logger, creds voiceagent.Credentials, call voiceagent.Call,
	b followup.Booking, claimed followup.Task, result voiceagent.Result) *followup.Report {
	if result.JobID == "" || result.CallID != "" || h.JobAfter == 0 {
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case <-time.After(h.JobAfter):
	}
	job := h.agentOf(b.TenantID).Job(ctx, creds, call, result.JobID)
	var report followup.Report
	switch {
	case job.State == voiceagent.JobFailed:
		report = followup.Report{Outcome: followup.CallDispatchFailed, CallID: result.JobID,
			Detail: "the voice service took the call, and then failed to dispatch it: " + cmp.Or(string(job.Error), "it named no known cause")}
	case job.State == voiceagent.JobRunning && job.CallLogID != "":
		report = followup.Report{Outcome: followup.CallAccepted, CallID: job.CallLogID}
	default:
		log.InfoContext(ctx, "the call's job has nothing new", "event", "job_asked", "job_id", result.JobID, "job_state", string(job.State))
		return nil
	}
	next := h.Rules.Finish(claimed, report)
	level := slog.LevelInfo
	if next.Status != followup.Executed {
		level = slog.LevelError
	}
	log.Log(ctx, level, "the call's job has answered", "event", "job_asked", "job_id", result.JobID, "job_state", string(job.State),
		"call_id", report.CallID, "task_status", string(next.Status), "task_reason", string(next.Reason), "detail", report.Detail)
	if err := h.finish(ctx, log, b.Ref, b.Task, next, minFinish); err != nil {
		log.ErrorContext(ctx, "what became of a call's job could not be recorded", "event", "outcome_lost", "error", err)
	}
	return &report
}

// release ends a claim on which nothing was dialled. If it cannot, the lease
// runs out and the booking is held: late, but never called twice.
func (h *Handler) release(ctx context.Context, log *slog.Logger, a tenantdb.Admission, why string) {
	claimed := a.Decision.Next
	next := h.Rules.Finish(claimed, followup.Report{Outcome: followup.CallNotStarted, Detail: why})
	err := h.finish(ctx, log, a.Booking.Ref, claimed, next, finishWithoutCall)
	log.WarnContext(ctx, "claim released, no call was made", "event", "claim_given_back", "detail", why, "error", err)
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
		log.WarnContext(ctx, "recording the outcome failed; trying again", "event", "finish_retry", "fault", string(tenantdb.FaultOf(err)), "error", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}

func (h *Handler) finishOnce(ctx context.Context, ref followup.Ref, claimed, next followup.Task) (stored bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, finishAttempt)
	defer cancel()
	ctx, span := tracing.Start(ctx, "finish", trace.SpanKindInternal, ref)
	defer func() {
		span.Set(attribute.Bool("stored", stored)) // false without an error: the claim no longer held
		span.SetTask(next)
		span.End(err)
	}()
	return h.Store.Finish(ctx, ref, claimed, next)
}
