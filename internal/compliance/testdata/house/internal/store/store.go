// Package store is a fixture: a second repository, with the first one's SQL.
package store

import (
	"context"

	"github.com/jackc/pgx/v5" // want #0

	"lad.internal/house/internal/text"
)

// All asks past the repository layer.
func All(ctx context.Context, conn *pgx.Conn) error { return conn.Exec(ctx, text.Outside) } // want #2
