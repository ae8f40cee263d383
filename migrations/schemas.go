package migrations

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Schemas lists the schemas of the connected database that hold a table
// lead_bookings and that the connected role may use, in alphabetical order.
func Schemas(ctx context.Context, conn *pgx.Conn) ([]string, error) {
	rows, err := read(ctx, conn, `SELECT n.nspname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relname = 'lead_bookings' AND c.relkind IN ('r', 'p') AND has_schema_privilege(n.oid, 'USAGE')
		ORDER BY n.nspname`)
	if err != nil {
		return nil, fmt.Errorf("list LAD's schemas: %w", err)
	}
	schemas, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list LAD's schemas: %w", err)
	}
	return schemas, nil
}
