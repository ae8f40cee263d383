// Package operatordb asks and writes what only people need: lists, reports, what
// doctor and drift look at, and a smoke test's bookings. The functions do not link
// it, and with it neither the migrations nor a statement that writes LAD's columns.
//
// It is part of the repository layer: package tenantdb's document holds here too.
package operatordb

import (
	"context"

	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

const (
	bookingColumns = tenantdb.BookingColumns
	clockSQL       = tenantdb.ClockSQL
)

// DB is the tenants' bookings, for people.
type DB struct{ *tenantdb.DB }

// Agents reads the voice agents and caller numbers that a tenant may use.
func (db DB) Agents(ctx context.Context, tenant uuid.UUID) (followup.Agents, error) {
	f, err := db.Facts(ctx, followup.Booking{Ref: followup.Ref{TenantID: tenant}}, followup.Rules{})
	return f.Agents, err
}
