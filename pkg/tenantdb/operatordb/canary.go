package operatordb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// The statements of a smoke test. They are the only ones that write LAD's own
// columns, and need the login of the tables' owner: followup_app has no right on
// LAD's tables, and gets none for this.
const (
	// A booking needs a user, whom LAD's trigger takes from its lead.
	canaryUserSQL = `SELECT assigned_user_id FROM leads WHERE tenant_id = $1 AND assigned_user_id IS NOT NULL ORDER BY id LIMIT 1`

	insertCanaryLeadSQL = `INSERT INTO leads (id, tenant_id, first_name, last_name, phone, assigned_user_id)
VALUES ($2, $1, 'Canary', 'Example', $3, $4)`

	// The transaction's time zone is UTC, so that a column of either type takes the
	// clock reading as it is.
	insertCanarySQL = `INSERT INTO lead_bookings (tenant_id, lead_id, assigned_user_id, booking_type, booking_source, scheduled_at, timezone, status)
VALUES ($1, $2, $3, $4, 'followup smoke', (now() + $5::interval) AT TIME ZONE 'UTC', 'UTC', 'scheduled')
RETURNING id`

	cancelCanarySQL = `UPDATE lead_bookings SET status = 'cancelled', updated_at = now()
WHERE tenant_id = $1 AND id = $2 AND booking_source = 'followup smoke'`
)

// CanaryNumber is a canary lead's: among those that the North American Numbering
// Plan sets aside for fiction (555-0100 to 555-0199), which ring nowhere.
const CanaryNumber = "+12025550100"

// ErrNoUser says that a canary's lead could be assigned to nobody.
var ErrNoUser = errors.New("no lead of the tenant is assigned to a user")

// BookCanary books a follow-up of the type, at a time from now by the database's
// clock, as LAD would. It is for a lead of its own: a second one for the same lead
// would be a duplicate, or one call too many. The lead is assigned to the user, or if
// that is nil, to one to whom another lead of the tenant is. The login must be that
// of the owner of LAD's tables.
func (db DB) BookCanary(ctx context.Context, tenant uuid.UUID, user uuid.NullUUID, bookingType string, in time.Duration) (followup.Ref, error) {
	ref := followup.Ref{TenantID: tenant}
	err := db.InTenant(ctx, tenant, func(tx pgx.Tx) error {
		if !user.Valid {
			err := tx.QueryRow(ctx, canaryUserSQL, tenant).Scan(&user)
			if errors.Is(err, pgx.ErrNoRows) {
				return ErrNoUser
			}
			if err != nil {
				return fmt.Errorf("find a user: %w", err)
			}
		}
		lead := uuid.New()
		if _, err := tx.Exec(ctx, insertCanaryLeadSQL, tenant, lead, CanaryNumber, user); err != nil {
			return fmt.Errorf("make the lead: %w", err)
		}
		return tx.QueryRow(ctx, insertCanarySQL, tenant, lead, user, bookingType, fmt.Sprintf("%dms", in.Milliseconds())).Scan(&ref.BookingID)
	})
	if errors.Is(err, tenantdb.ErrUnknownTenant) {
		return ref, fmt.Errorf("book a canary: tenant %s has no schema", tenant)
	}
	if err != nil {
		return ref, fmt.Errorf("book a canary: %w", err)
	}
	return ref, nil
}

// CancelCanary cancels a booking of BookCanary as LAD would, and no other: the next
// sweep takes its task away. The login must be that of the owner of LAD's tables.
func (db DB) CancelCanary(ctx context.Context, ref followup.Ref) error {
	err := db.InTenant(ctx, ref.TenantID, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, cancelCanarySQL, ref.TenantID, ref.BookingID)
		if err == nil && tag.RowsAffected() == 0 {
			err = errors.New("there is no such booking of a smoke test")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cancel canary %s: %w", ref, err)
	}
	return nil
}
