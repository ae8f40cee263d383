package migrations

import (
	"context"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// query is the text of a statement, as in pkg/tenantdb: text that is made at run time
// needs a conversion that says so, and a reason that make compliance knows.
type query string

// database is a connection or a transaction.
type database interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

func exec(ctx context.Context, db database, sql query, args ...any) error {
	_, err := db.Exec(ctx, string(sql), args...)
	return err
}

func read(ctx context.Context, db database, sql query, args ...any) (pgx.Rows, error) {
	return db.Query(ctx, string(sql), args...)
}

func readRow(ctx context.Context, db database, sql query, args ...any) pgx.Row {
	return db.QueryRow(ctx, string(sql), args...)
}
