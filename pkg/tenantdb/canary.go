package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/followup"
)

// The statements of a smoke test. They are the only ones that write LAD's own
// columns, and need the login of the tables' owner: followup_app has no right on
// LAD's tables, and gets none for this.
const (
	// A lead that is there keeps its name; its number is made the made-up one
	// again, so that nothing that somebody has typed in can ring.
	ensureCanaryLeadSQL = `INSERT INTO leads (id, tenant_id, first_name, last_name, phone)
VALUES ($2, $1, 'Canary', 'Example', $3)
ON CONFLICT (id) DO UPDATE SET phone = EXCLUDED.phone
WHERE leads.tenant_id = EXCLUDED.tenant_id`

	insertCanarySQL = `INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at, timezone, status)
VALUES ($1, $2, $3, 'followup smoke', now() + $4::interval, 'UTC', 'scheduled')
RETURNING id`

	cancelCanarySQL = `UPDATE lead_bookings SET status = 'cancelled', updated_at = now()
WHERE tenant_id = $1 AND id = $2 AND lead_id = $3`
)

// CanaryNumber is the canary lead's: among those that the North American Numbering
// Plan sets aside for fiction (555-0100 to 555-0199), which ring nowhere.
const CanaryNumber = "+12025550100"

// canaryLead is the id of a tenant's canary lead, always the same.
func canaryLead(tenant uuid.UUID) uuid.UUID {
	return uuid.NewSHA1(tenant, []byte("followup canary lead"))
}

// BookCanary books a follow-up of the type for the tenant's canary lead, at a time
// from now by the database's clock, as LAD would; the lead is made if it is
// missing. The login must be that of the owner of LAD's tables.
func (db *DB) BookCanary(ctx context.Context, tenant uuid.UUID, bookingType string, in time.Duration) (followup.Ref, error) {
	ref := followup.Ref{TenantID: tenant}
	lead := canaryLead(tenant)
	err := db.inTenant(ctx, tenant, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, ensureCanaryLeadSQL, tenant, lead, CanaryNumber)
		if err != nil {
			return fmt.Errorf("make the lead: %w", err)
		}
		if tag.RowsAffected() == 0 {
			return errors.New("the lead's id belongs to another tenant")
		}
		return tx.QueryRow(ctx, insertCanarySQL, tenant, lead, bookingType, milliseconds(in)).Scan(&ref.BookingID)
	})
	if errors.Is(err, errUnknownTenant) {
		return ref, fmt.Errorf("book a canary: tenant %s has no schema", tenant)
	}
	if err != nil {
		return ref, fmt.Errorf("book a canary: %w", err)
	}
	return ref, nil
}

// CancelCanary cancels a booking of BookCanary as LAD would, and no other: the next
// sweep takes its task away. The login must be that of the owner of LAD's tables.
func (db *DB) CancelCanary(ctx context.Context, ref followup.Ref) error {
	err := db.inTenant(ctx, ref.TenantID, func(tx pgx.Tx) error {
		tag, err := tx.Exec(ctx, cancelCanarySQL, ref.TenantID, ref.BookingID, canaryLead(ref.TenantID))
		if err == nil && tag.RowsAffected() == 0 {
			err = errors.New("there is no such booking of the canary lead")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("cancel canary %s: %w", ref, err)
	}
	return nil
}
