package tenantdb

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// query is the text of a statement. A constant without a type becomes one by itself,
// and text that is made at run time only by a conversion that says so; make
// compliance asks each of these for a reason.
type query string

// transaction takes no other SQL than a query.
type transaction struct{ pgx.Tx }

func (t transaction) Exec(ctx context.Context, sql query, args ...any) (pgconn.CommandTag, error) {
	return t.Tx.Exec(ctx, string(sql), args...)
}

func (t transaction) Query(ctx context.Context, sql query, args ...any) (pgx.Rows, error) {
	return t.Tx.Query(ctx, string(sql), args...)
}

func (t transaction) QueryRow(ctx context.Context, sql query, args ...any) pgx.Row {
	return t.Tx.QueryRow(ctx, string(sql), args...)
}

// batch takes no other SQL than a query.
type batch struct{ pgx.Batch }

func (b *batch) Queue(sql query, args ...any) *pgx.QueuedQuery {
	return b.Batch.Queue(string(sql), args...)
}
