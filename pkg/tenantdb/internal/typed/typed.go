// Package typed is pgx with a type for SQL, which nobody outside of the repository
// layer can name.
package typed

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Query is the text of a statement. A constant without a type becomes one by itself,
// and text that is made at run time only by a conversion that says so; make
// compliance asks each of these for a reason.
type Query string

// Tx is a transaction that takes no other SQL than a Query.
type Tx struct{ pgx.Tx }

// Exec runs a statement.
func (t Tx) Exec(ctx context.Context, sql Query, args ...any) (pgconn.CommandTag, error) {
	return t.Tx.Exec(ctx, string(sql), args...)
}

// Query runs a statement and returns its rows.
func (t Tx) Query(ctx context.Context, sql Query, args ...any) (pgx.Rows, error) {
	return t.Tx.Query(ctx, string(sql), args...)
}

// QueryRow runs a statement and returns its one row.
func (t Tx) QueryRow(ctx context.Context, sql Query, args ...any) pgx.Row {
	return t.Tx.QueryRow(ctx, string(sql), args...)
}

// Batch is statements that are sent together.
type Batch struct{ pgx.Batch }

// Queue adds a statement.
func (b *Batch) Queue(sql Query, args ...any) *pgx.QueuedQuery {
	return b.Batch.Queue(string(sql), args...)
}
