package tenantdb

import (
	"context"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/followup"
)

// What package operatordb makes its statements of: what people ask stands apart
// from what the functions link. It is of this layer, as nobody else can name a pgx.Tx.
const (
	BookingColumns = bookingColumns
	ClockSQL       = clockSQL
)

// ErrUnknownTenant says that a tenant has no schema.
var ErrUnknownTenant = errUnknownTenant

// InTenant runs fn in a transaction that sees one tenant, and commits if fn returns nil.
func (db *DB) InTenant(ctx context.Context, tenant uuid.UUID, fn func(pgx.Tx) error) error {
	return db.inTenant(ctx, tenant, fn)
}

// InSchema runs fn in a read-only transaction that is bound to a schema and to no tenant.
func (db *DB) InSchema(ctx context.Context, schema string, fn func(pgx.Tx) error) error {
	return db.inTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, `SET TRANSACTION READ ONLY`); err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `SELECT set_config('search_path', $1, true), set_config('lock_timeout', $2, true), set_config('statement_timeout', $3, true)`,
			pgx.Identifier{schema}.Sanitize()+", pg_temp", db.timeouts.lock, db.timeouts.statement); err != nil {
			return err
		}
		return unmigrated(fn(tx))
	})
}

// InTx runs fn in a transaction that is bound to nothing.
func (db *DB) InTx(ctx context.Context, fn func(pgx.Tx) error) error { return db.inTx(ctx, fn) }

// OnSession runs use on a connection, perhaps twice.
func (db *DB) OnSession(ctx context.Context, use func(*pgx.Conn) error) error {
	return db.onSession(ctx, use)
}

// ScanBooking reads BookingColumns, and what stands before them into first.
func (db *DB) ScanBooking(row pgx.CollectableRow, first *time.Time) (followup.Booking, error) {
	return db.scanBooking(row, first)
}

// At is the rules' time for a time of the database's.
func (db *DB) At(database time.Time) time.Time { return db.clock(database) }

// SchemaOf is the schema of a tenant's tables, and SharedSchema that of all tenants, ""
// if each has its own.
func (db *DB) SchemaOf(ctx context.Context, tenant uuid.UUID) (string, error) {
	return db.tenants.schema(ctx, tenant)
}

// SharedSchema is the schema that all tenants share, "" if a registry names theirs.
func (db *DB) SharedSchema() string {
	if s, ok := db.tenants.(*shared); ok {
		return s.name
	}
	return ""
}
