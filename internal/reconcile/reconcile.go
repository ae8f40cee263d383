// Package reconcile brings a booking's row and its Cloud Task to what the rules
// say they should be. The event handler, the sweep, the execute function and
// the command all change a booking's plan through it.
//
// It does not decide (package followup does), holds no SQL, and does not overwrite a
// row that has changed since it was read: it reads the row and asks again.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"lad.internal/followup/internal/tracing"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
)

// Store is what reconcile needs of the database.
type Store interface {
	// Booking reads a booking, nil if there is none, and the database's clock.
	Booking(ctx context.Context, ref followup.Ref) (*followup.Booking, time.Time, error)
	// Update stores next if the row is still as it was seen.
	Update(ctx context.Context, seen followup.Booking, next followup.Task) (stored bool, err error)
}

// Queue is what reconcile needs of Cloud Tasks.
type Queue interface {
	// CreateScheduledHTTPTask creates the task of next. With tasks.ErrNameUsed, the
	// next revision is to be tried.
	CreateScheduledHTTPTask(ctx context.Context, b followup.Booking, next followup.Task) (name string, err error)
	// Waits reports whether the task of a row is still on the queue. With
	// tasks.ErrDenied nobody knows.
	Waits(ctx context.Context, task followup.Task) (bool, error)
	Delete(ctx context.Context, name string) error
}

// Reconciler applies the rules. It is safe for concurrent use.
type Reconciler struct {
	rules followup.Rules
	store Store
	queue Queue
	log   *slog.Logger
}

// New returns an error if a dependency is nil.
func New(rules followup.Rules, store Store, queue Queue, log *slog.Logger) (*Reconciler, error) {
	if store == nil || queue == nil || log == nil {
		return nil, errors.New("reconcile: store, queue and log are needed")
	}
	return &Reconciler{rules: rules, store: store, queue: queue, log: log}, nil
}

// maxConflicts is how often a row may change under a plan before that is an error.
// Each conflict is a change by somebody else, so progress is being made.
const maxConflicts = 5

// Booking reads a booking, plans and carries the plan out. The answer is the
// decision that was carried out.
func (r *Reconciler) Booking(ctx context.Context, ref followup.Ref) (followup.Decision, error) {
	for range maxConflicts {
		b, now, err := r.store.Booking(ctx, ref)
		if err != nil {
			return followup.Decision{}, err
		}
		d := r.rules.Plan(b, now)
		if d.Rule == followup.RuleOverdue && d.Effect == followup.Arm {
			waits, err := r.waits(ctx, *b, d)
			if err != nil {
				return followup.Decision{}, err
			}
			if waits {
				return followup.Decision{Effect: followup.None, Rule: followup.RuleOverdue}, nil
			}
		}
		if d.Effect == followup.None {
			r.log.InfoContext(ctx, "nothing to change", append(attrs(ref, d), "event", "booking_unchanged")...)
			return d, nil
		}
		stored, err := r.CarryOut(ctx, *b, d)
		if err != nil || stored {
			return d, err
		}
		r.log.InfoContext(ctx, "optimistic lock conflict, planning again", append(attrs(ref, d), "event", "booking_moved")...)
	}
	return followup.Decision{}, fmt.Errorf("plan booking %s: the row moved %d times", ref, maxConflicts)
}

// waits reports whether the task of an overdue row is only late: the queue is slow
// or paused, or dialling is paused. A task more would cost the others their turn.
func (r *Reconciler) waits(ctx context.Context, b followup.Booking, d followup.Decision) (bool, error) {
	task := b.Task
	task.Key = d.Next.Key // LAD may have written over it
	waits, err := r.queue.Waits(ctx, task)
	if err != nil && !errors.Is(err, tasks.ErrDenied) {
		return false, fmt.Errorf("plan booking %s: %w", b.Ref, err)
	}
	if waits {
		r.log.InfoContext(ctx, "the call is late, and its task still waits", append(attrs(b.Ref, d), "event", "booking_late",
			"due_at", b.Task.DueAt, "paused", r.rules.Paused.Covers(b.TenantID))...)
	}
	return waits, nil
}

// CarryOut does what an Arm or Update decision about b asks for, and reports
// false if the row had moved. The order is what keeps a call from being lost:
// the task exists before the row says so, and the row is stored before the old
// task goes. A new task that the row never comes to name is left alone: it does
// nothing when it fires, and a rival may be about to use that very name.
func (r *Reconciler) CarryOut(ctx context.Context, b followup.Booking, d followup.Decision) (stored bool, err error) {
	ctx, span := tracing.Start(ctx, "plan", trace.SpanKindInternal, b.Ref)
	span.SetDecision(d)
	defer func() {
		span.Set(attribute.Bool("stored", stored)) // false without an error: the row had moved
		span.End(err)
	}()
	switch d.Effect {
	case followup.Update:
	case followup.Arm:
		if d.Next, err = r.arm(ctx, b, d.Next); err != nil {
			return false, err
		}
	default:
		return false, fmt.Errorf("carry out %q for booking %s: not an effect on row and task", d.Effect, b.Ref)
	}
	stored, err = r.store.Update(ctx, b, d.Next)
	if errors.Is(err, tenantdb.ErrDuplicate) {
		d = r.giveWay(b, d)
		stored, err = r.store.Update(ctx, b, d.Next)
	}
	if err != nil || !stored {
		return false, err
	}
	r.log.InfoContext(ctx, "stored the plan", append(attrs(b.Ref, d),
		"event", "booking_planned",
		"task_status", string(d.Next.Status), "task_reason", string(d.Next.Reason),
		"task_revision", d.Next.Revision, "due_at", d.Next.DueAt)...)
	r.Drop(ctx, b.Ref, d)
	return true, nil
}

// giveWay ends a booking whose minute LAD's index keeps for another one of the
// same lead, which will be called instead. The task that was made for it is
// dropped; it, and the one before it, would do nothing when they fire.
func (r *Reconciler) giveWay(b followup.Booking, d followup.Decision) followup.Decision {
	created := d.Next.Name
	d = r.rules.Duplicates(b)
	if created != "" {
		d.Drop = created
	}
	return d
}

// maxNames is how many of a row's next names may be tombstoned before the plan is
// stored under one of them all the same. Then the row has gone on to a new
// revision at least, and the sweep finds it overdue after the grace.
const maxNames = 8

// arm creates the task of a plan. A planner that died between its task and its
// UPDATE, or lost the row to a rival, leaves a task that the row never names; once
// that has fired, its name, which is the row's next, cannot be used again for up
// to a day. Revisions only have to grow, so the next one does as well.
func (r *Reconciler) arm(ctx context.Context, b followup.Booking, next followup.Task) (followup.Task, error) {
	for tried := 1; ; tried++ {
		name, err := r.createTask(ctx, b, next)
		switch {
		case err == nil:
			next.Name = name
			return next, nil
		case !errors.Is(err, tasks.ErrNameUsed):
			return next, err
		}
		r.log.InfoContext(ctx, "the task's name is tombstoned", "event", "task_name_used",
			"tenant_id", b.TenantID.String(), "booking_id", b.BookingID.String(), "task_revision", next.Revision)
		if tried == maxNames {
			next.Name = name
			return next, nil
		}
		next.Revision++
	}
}

// createTask is where a trace leaves for the days until the task fires: the task
// carries the traceparent of this span.
func (r *Reconciler) createTask(ctx context.Context, b followup.Booking, next followup.Task) (name string, err error) {
	ctx, span := tracing.Start(ctx, "create task", trace.SpanKindProducer, b.Ref, attribute.Int("task_revision", next.Revision))
	defer func() { span.Set(attribute.String("task_name", name)); span.End(err) }()
	return r.queue.CreateScheduledHTTPTask(ctx, b, next)
}

// Drop deletes the task that a decision has made superfluous, best effort: if
// it fires it does nothing, so a failure is only worth a line.
func (r *Reconciler) Drop(ctx context.Context, ref followup.Ref, d followup.Decision) {
	if d.Drop == "" {
		return
	}
	if err := r.queue.Delete(ctx, d.Drop); err != nil {
		r.log.WarnContext(ctx, "could not delete a superfluous task; it will do nothing when it fires",
			append(attrs(ref, d), "event", "task_delete_failed", "error", err)...)
	}
}

func attrs(ref followup.Ref, d followup.Decision) []any {
	return []any{
		"tenant_id", ref.TenantID.String(), "booking_id", ref.BookingID.String(),
		"effect", string(d.Effect), "rule", string(d.Rule),
	}
}
