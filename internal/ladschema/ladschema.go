// Package ladschema holds LAD's tables as they stand today, for tests and for the local stack.
//
// LAD owns these tables; this project never creates them in production, and no product package may
// import this one. Names are unqualified, as in the migrations.
package ladschema

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Parts of LAD's schema, SQL of several statements each, to be run in this order.
var (
	// Bare is leads, lead_notes and lead_bookings without any task column.
	//go:embed bare.sql
	Bare string

	// Own001 adds what LAD's own form of migration 001 adds: the task columns, a status check without
	// in_progress, and a unique index under a name of LAD's.
	//go:embed own001.sql
	Own001 string

	// Trigger is LAD's AFTER INSERT trigger with its NOTIFY booking_followup_created, which cut-over
	// must switch off.
	//go:embed trigger.sql
	Trigger string
)

// Create creates the schema if it is not there and runs the parts in it, in one transaction.
func Create(ctx context.Context, conn *pgx.Conn, schema string, parts ...string) error {
	name := pgx.Identifier{schema}.Sanitize()
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		statements := append([]string{
			"CREATE SCHEMA IF NOT EXISTS " + name,
			"SET LOCAL search_path = " + name,
		}, parts...)
		_, err := tx.Exec(ctx, strings.Join(statements, ";\n"))
		return err
	})
	if err != nil {
		return fmt.Errorf("create LAD's tables in schema %s: %w", schema, err)
	}
	return nil
}
