package tenantdb

import (
	"context"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// InTenantTx runs fn in a transaction that is bound to a tenant, as every method
// of the repository does.
func (db *DB) InTenantTx(ctx context.Context, tenant uuid.UUID, fn func(pgx.Tx) error) error {
	return db.inTenant(ctx, tenant, func(tx transaction) error { return fn(tx.Tx) })
}
