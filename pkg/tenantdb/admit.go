package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"lad.internal/followup/pkg/followup"
)

// Admission is what Admit found and did.
type Admission struct {
	Decision followup.Decision
	// Booking is the row as it was before the decision; nil if there is none.
	Booking *followup.Booking
	Facts   followup.Facts
	// At is the database's time at which it was decided.
	At time.Time
}

// Decide is asked about a locked row. It must not do any I/O.
type Decide func(*followup.Booking, followup.Facts, time.Time) followup.Decision

// Admit locks the booking, asks decide about it and, if the answer is an Update,
// a Queue or a Dial, stores it before the lock is given up. What decide is told
// of other bookings (of the same lead, and of all tenants under rules.Limit) holds
// until then, too: whoever else admits one of these waits.
//
// If the error is ErrUnclear the admission is returned all the same: the claim
// may hold, and nobody may dial on it. If it is ErrDuplicate, nothing is stored.
func (db *DB) Admit(ctx context.Context, ref followup.Ref, rules followup.Rules, decide Decide) (Admission, error) {
	var a Admission
	err := db.inTenant(ctx, ref.TenantID, func(tx transaction) error {
		b, now, err := db.queryBooking(ctx, tx, lockBookingSQL, ref)
		if err != nil {
			return err
		}
		a = Admission{Booking: b}
		if b != nil {
			if a.Facts, now, err = db.facts(ctx, tx, *b, rules, now, true); err != nil {
				return err
			}
		}
		a.At = db.clock(now)
		a.Decision = decide(b, a.Facts, a.At)
		switch a.Decision.Effect {
		case followup.Update, followup.Queue, followup.Dial:
			if b == nil {
				return fmt.Errorf("asked to %s a booking that is not there", a.Decision.Effect)
			}
			stored, err := db.updateTask(ctx, tx, *b, a.Decision.Next)
			if err == nil && !stored {
				err = errors.New("the locked row has moved")
			}
			return err
		default:
			return nil
		}
	})
	if errors.Is(err, errUnknownTenant) {
		return Admission{Decision: decide(nil, followup.Facts{}, time.Time{})}, nil
	}
	if err != nil {
		return a, fmt.Errorf("admit booking %s: %w", ref, err)
	}
	return a, nil
}
