package crash_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// rival is what somebody else does meanwhile.
type rival string

const (
	nobody rival = "none"
	// again: the same event, task or tick is delivered a second time.
	again rival = "again"
	// cancel: LAD cancels the booking, and says so.
	cancel rival = "cancel"
	// revive: LAD cancels the booking and revives it, and says so.
	revive rival = "revive"
	// move: LAD reschedules the booking to a later time, and says so.
	move rival = "move"
	// sweep: the sweep comes by.
	sweep rival = "sweep"
	// stop: an operator cancels the call.
	stop rival = "stop"
	// redo: an operator has the call made after all, or resolves it by what the
	// voice agent knows.
	redo rival = "redo"
	// overwrite: LAD writes every task column that it knows back as it read them when
	// the booking was new, and says so.
	overwrite rival = "overwrite"
	// rewind: the same, with what it read just before the last change.
	rewind rival = "rewind"
	// hold: LAD locks the booking for a while.
	hold rival = "hold"
)

var rivals = []rival{again, cancel, revive, move, sweep, stop, redo, overwrite, rewind, hold}

// holdFor is for how long LAD holds the lock at most: longer than anybody waits for
// it (DB_LOCK_TIMEOUT), and so short that a finish outlasts it.
const holdFor = 2 * lockTimeout

// harmless: the rival wants nothing of the booking.
func (k rival) harmless() bool {
	return slices.Contains([]rival{nobody, again, sweep, overwrite, rewind, hold}, k)
}

// movedBy is how much later LAD's rival moves a booking.
const movedBy = 2 * minute

// act carries the rival's act out. What it is refused is no error: the row had
// moved, or its lock was not to be had.
func (r *run) act(kind rival) error {
	ref := r.ref
	switch kind {
	case again:
		r.again()
		return nil
	case cancel:
		err := r.lad(ref, `status = 'cancelled'`)
		_ = r.hear(functiontest.Cancelled, ref) // or the sweep finds it
		return err
	case revive:
		err := errors.Join(r.lad(ref, `status = 'cancelled'`), r.lad(ref, `status = 'scheduled'`))
		_ = r.hear(functiontest.Updated, ref)
		return err
	case move:
		err := r.lad(ref, `scheduled_at = scheduled_at + $3::interval`, movedBy)
		_ = r.hear(functiontest.Updated, ref)
		return err
	case sweep:
		r.healthy.Schedule.Sweep(context.Background())
		return nil
	case stop:
		return r.operate(followup.Rules.Cancel)
	case redo:
		return r.operate(r.afterAll)
	case overwrite, rewind:
		err := r.writeBack(kind)
		_ = r.hear(functiontest.Updated, ref)
		return err
	case hold:
		return r.holdLock()
	default:
		return fmt.Errorf("there is no rival %q", kind)
	}
}

// writeBack writes the columns that LAD knows as they were once. What LAD writes
// always belongs together: it was read at one moment.
func (r *run) writeBack(kind rival) error {
	read := "n LIMIT 1"
	if kind == rewind {
		read = "n DESC OFFSET 1 LIMIT 1"
	}
	schema := r.Schema(r.ref.TenantID)
	_, err := r.Owner.Exec(context.Background(), `UPDATE `+schema+`.lead_bookings AS now SET
			task_status = (b).task_status, task_name = (b).task_name, task_scheduled_at = (b).task_scheduled_at,
			executed_at = (b).executed_at, execution_attempts = (b).execution_attempts,
			last_execution_error = (b).last_execution_error, idempotency_key = (b).idempotency_key
		FROM (SELECT b FROM `+schema+`.crash_history WHERE (b).id = $2 ORDER BY `+read+`) AS once
		WHERE tenant_id = $1 AND id = $2`, r.ref.TenantID, r.ref.BookingID)
	if err != nil {
		return fmt.Errorf("as LAD: %w", err)
	}
	return nil
}

// holdLock locks the booking until the victim's work is over, or for as long as a
// bulk update may take.
func (r *run) holdLock() error {
	ctx := context.Background()
	tx, err := r.Owner.Begin(ctx)
	if err != nil {
		return fmt.Errorf("as LAD: %w", err)
	}
	defer func() { _ = tx.Rollback(ctx) }() // nothing was changed
	_, err = tx.Exec(ctx, `SELECT FROM `+r.Schema(r.ref.TenantID)+`.lead_bookings WHERE id = $1 FOR UPDATE`, r.ref.BookingID)
	if err != nil {
		return fmt.Errorf("as LAD: %w", err)
	}
	close(r.locked)
	select {
	case <-r.free:
	case <-time.After(holdFor):
	}
	return nil
}

// again delivers what the victim is at work on to a healthy instance as well.
func (r *run) again() {
	switch r.plan.by {
	case byTask:
		if d := r.dispatched.Load(); d != nil {
			d.To(r.healthy.Execute)
		}
	case byEvent:
		r.delivered.To(r.healthy.Schedule)
	}
}

type decider func(followup.Rules, followup.Booking, time.Time) (followup.Decision, error)

// operate does what the command does for an operator.
func (r *run) operate(decide decider) error {
	ctx := context.Background()
	b, now, err := r.DB.Booking(ctx, r.ref)
	if errors.Is(err, tenantdb.ErrLocked) {
		return nil
	}
	if err != nil || b == nil {
		return fmt.Errorf("the operator looks: %v, %w", b, err)
	}
	d, refused := decide(r.rules, *b, now)
	if refused != nil {
		return nil //nolint:nilerr // an operator may be refused
	}
	stored, err := r.DB.Update(ctx, *b, d.Next)
	if err != nil || !stored {
		return nil //nolint:nilerr // the row is locked or has moved, and the operator is told so
	}
	r.healthy.Reconciler.Drop(ctx, r.ref, d)
	_, _ = r.healthy.Reconciler.Booking(ctx, r.ref) // or the sweep does it
	return nil
}

// afterAll is the operator who wants the call. One in doubt is looked up in the
// voice agent's book.
func (r *run) afterAll(rules followup.Rules, b followup.Booking, now time.Time) (followup.Decision, error) {
	if b.Task.Reason != followup.OutcomeUnknown {
		return rules.Retry(b, now)
	}
	if r.rung(b.Task.Key) > 0 {
		return rules.ResolveCalled(b, "", now)
	}
	return rules.ResolveNotCalled(b, now)
}

// letAct has the rival act, and waits until it has, holds the lock that it wants,
// or is blocked by a lock of the victim's: then it goes on beside it.
func (r *run) letAct(kind rival) {
	done := make(chan struct{})
	r.rivals.Go(func() {
		defer close(done)
		if err := r.act(kind); err != nil {
			r.fail("the rival %s: %v", kind, err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	look := time.NewTicker(4 * time.Millisecond)
	defer look.Stop()
	for {
		select {
		case <-done:
			return
		case <-r.locked:
			return
		case <-ctx.Done():
			r.fail("the rival %s neither ends nor waits for a lock", kind)
			return
		case <-look.C:
			if r.blocked(ctx) {
				return
			}
		}
	}
}
