package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/logging"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

var changeHeader = []string{"BOOKING", "DUE", "WAS", "NOW", "RESULT", "DETAIL"}

// The results of a change, of one booking.
const (
	resultDone    = "done"
	resultPlanned = "would"   // it was not tried yet
	resultRefused = "refused" // the rules do not allow it
	resultMoved   = "moved"   // somebody was faster; nothing was done
	resultFailed  = "failed"  // nobody knows whether it was done: the row says
)

// work is a change of some bookings.
type work struct {
	*environment
	how   change
	items []item
}

type item struct {
	seen     followup.Booking
	decision followup.Decision
	result   string
	detail   string
	now      *followup.Booking // as it is after the change; nil before it
}

// look reads a booking and decides about it.
func (w *work) look(ctx context.Context, ref followup.Ref) error {
	b, now, err := readBooking(ctx, w.environment, ref)
	if err != nil {
		return err
	}
	return w.consider(b, now)
}

// consider decides about a booking.
func (w *work) consider(b followup.Booking, now time.Time) error {
	it := item{seen: b, result: resultPlanned}
	d, err := w.how.decide(w.Rules, b, now)
	if refused := (*followup.RefusedError)(nil); errors.As(err, &refused) {
		it.result, it.detail = resultRefused, refused.Why
	} else if err != nil {
		return err
	} else {
		it.decision, it.detail = d, w.foretell(b, d, now)
	}
	w.items = append(w.items, it)
	return nil
}

// foretell says what the plan will make of a booking right after the change.
func (w *work) foretell(b followup.Booking, d followup.Decision, now time.Time) string {
	b.Task = d.Next
	if next := w.Rules.Plan(&b, now); next.Effect != followup.None {
		return sentence(next)
	}
	return "it becomes " + standing(d.Next)
}

func (w *work) count(result string) (n int) {
	for _, it := range w.items {
		if it.result == result {
			n++
		}
	}
	return n
}

func (w *work) willing() int { return w.count(resultPlanned) }

func (w *work) carryOut(ctx context.Context) {
	for i := range w.items {
		it := &w.items[i]
		if it.result != resultPlanned {
			continue
		}
		if ctx.Err() != nil {
			it.detail = "interrupted before it was tried"
			continue
		}
		w.apply(ctx, it)
		// What has begun is finished and reported, interrupted or not.
		b, now, err := w.DB.Booking(context.WithoutCancel(ctx), it.seen.Ref)
		if err != nil || b == nil {
			continue
		}
		it.now = b
		if it.result == resultMoved && it.detail == movedMeanwhile {
			it.detail += ": " + w.Rules.Advice(*b, now)
		}
	}
}

// duplicateMinute: LAD has a unique index on a lead's pending and scheduled bookings.
const duplicateMinute = "another booking of this lead holds this minute: move this one to another time, or cancel that one first"

const movedMeanwhile = "it has moved meanwhile, and nothing was done"

// apply stores the change if the row is as it was seen, and brings row and task
// to what the rules then say.
func (w *work) apply(ctx context.Context, it *item) {
	ref, d := it.seen.Ref, it.decision
	log := w.log.With("tenant_id", ref.TenantID.String(), "booking_id", ref.BookingID.String(), "rule", string(d.Rule))
	stored, err := w.DB.Update(ctx, it.seen, d.Next)
	switch {
	case errors.Is(err, tenantdb.ErrDuplicate):
		it.result, it.detail = resultRefused, duplicateMinute
		log.InfoContext(ctx, "an operator's change was refused: LAD's index keeps the minute for another booking", "event", "operator_refused")
		return
	case errors.Is(err, tenantdb.ErrLocked):
		it.result, it.detail = resultMoved, "somebody else holds its row, and nothing was done: try again"
		log.InfoContext(ctx, "an operator's change met a lock", "event", "operator_too_late")
		return
	case err != nil:
		it.result, it.detail = resultFailed, err.Error()
		log.ErrorContext(ctx, "an operator's change failed", "event", "operator_failed", "error", err)
		return
	case !stored:
		it.result, it.detail = resultMoved, movedMeanwhile
		log.InfoContext(ctx, "an operator's change came too late: the row had moved", "event", "operator_too_late")
		return
	}
	it.result, it.detail = resultDone, ""
	log.Log(ctx, logging.LevelNotice, "an operator has changed a booking", "event", w.how.event,
		"from", standing(it.seen.Task), "to", standing(d.Next), "task_revision", d.Next.Revision)
	// A change that is stored is seen through: its row must not wait for the
	// sweep because somebody pressed Ctrl-C.
	ctx = context.WithoutCancel(ctx)
	w.reconciler.Drop(ctx, ref, d)
	if _, err := w.reconciler.Booking(ctx, ref); err != nil {
		it.detail = "not planned yet, the next sweep does it: " + err.Error()
		log.WarnContext(ctx, "a changed booking could not be planned; the next sweep does it", "event", "operator_unplanned", "error", err)
	}
}

// verdict is an error if something that was asked for is not done.
func (w *work) verdict(dryRun bool) error {
	all, done := len(w.items), w.count(resultDone)
	switch {
	case done == all, dryRun && w.willing() == all:
		return nil
	case w.count(resultRefused) == all:
		return fmt.Errorf("none of the %s can be %s as it stands", cli.Plural(all, "booking"), w.how.done)
	case dryRun:
		return fmt.Errorf("%d of the %s cannot be %s as they stand", all-w.willing(), cli.Plural(all, "booking"), w.how.done)
	default:
		return fmt.Errorf("%d of the %s not %s", all-done, cli.Plural(all, "booking"), w.how.done)
	}
}

// changeView is what became of one booking, for machines.
type changeView struct {
	BookingID string `json:"bookingId"`
	Was       string `json:"was"`    // as failed/rejected
	Result    string `json:"result"` // done, would, refused, moved, failed
	Detail    string `json:"detail,omitempty"`
	// Booking is the booking as it is now.
	Booking bookingView `json:"booking"`
}

func (it item) booking() followup.Booking {
	if it.now != nil {
		return *it.now
	}
	return it.seen
}

func (w *work) views() []changeView {
	views := make([]changeView, len(w.items))
	for i, it := range w.items {
		views[i] = changeView{
			BookingID: it.seen.BookingID.String(), Was: standing(it.seen.Task),
			Result: it.result, Detail: it.detail, Booking: viewOf(w.Rules, it.booking()),
		}
	}
	return views
}

func (w *work) rows() [][]string {
	rows := make([][]string, len(w.items))
	for i, it := range w.items {
		b := it.booking()
		rows[i] = []string{
			b.BookingID.String(), moment(due(w.Rules, b)), standing(it.seen.Task), standing(b.Task),
			it.result, orDash(it.detail),
		}
	}
	return rows
}
