// Package tenantdb is a fixture that breaks no rule.
package tenantdb

import "context"

// query is SQL.
type query string

// Tx is a driver.
type Tx interface {
	Exec(ctx context.Context, sql query, args ...any) error
}

const cancelSQL = `UPDATE followup_bookings SET task_status = 'cancelled' WHERE tenant_id = $1 AND id = $2`

// Cancel cancels a booking.
func Cancel(ctx context.Context, tx Tx, tenant, booking string) error {
	return tx.Exec(ctx, cancelSQL, tenant, booking)
}
