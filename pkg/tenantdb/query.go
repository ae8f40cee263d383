package tenantdb

import "lad.internal/followup/pkg/tenantdb/internal/typed"

// A transaction takes a query and no other text.
type (
	query       = typed.Query
	transaction = typed.Tx
	batch       = typed.Batch
)
