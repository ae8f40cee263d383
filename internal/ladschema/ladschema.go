// Package ladschema holds LAD's tables as they stand today, for tests and for the local stack.
//
// There is more than one LAD: databases of different age exist, and Variants lists them. LAD owns
// these tables; this project never creates them in production, and no product package may import this
// one. Names are unqualified, as in the migrations.
package ladschema

import (
	"context"
	_ "embed"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// Parts of LAD's schema, SQL of several statements each. Dump comes first; the others need it, and
// what their comment names besides.
var (
	// Dump is LAD's shared schema: lead_bookings with times without a zone and without any task
	// column, and the tables round it.
	//go:embed dump.sql
	Dump string

	// Timestamptz gives scheduled_at and buffer_until a time zone. It goes before Own001, and there is
	// no Duplicates for it.
	//go:embed timestamptz.sql
	Timestamptz string

	// NaiveCreated takes the time zone from created_at and updated_at.
	//go:embed naive_created.sql
	NaiveCreated string

	// Minimal drops the tables and columns that not every LAD has.
	//go:embed minimal.sql
	Minimal string

	// NotesDeleted adds lead_notes.is_deleted.
	//go:embed notes_deleted.sql
	NotesDeleted string

	// Own001 adds what LAD's own form of migration 001 adds: the task columns, a status check without
	// in_progress, and a unique index under a name of LAD's.
	//go:embed own001.sql
	Own001 string

	// Duplicates is LAD's unique index against two bookings of one lead in one minute; it needs Own001.
	//go:embed duplicates.sql
	Duplicates string

	// Trigger is LAD's AFTER INSERT trigger with its NOTIFY booking_followup_created, which cut-over
	// must switch off; it needs Own001 by the first insert.
	//go:embed trigger.sql
	Trigger string
)

// Default is the LAD of tests and of the local stack: the dump after LAD's own 001, with the index
// against duplicates and the trigger.
var Default = []string{Dump, Own001, Duplicates, Trigger}

// Variant is a LAD that exists.
type Variant struct {
	Name  string
	Parts []string
}

// Variants lists LAD's databases. The second is Default.
func Variants() []Variant {
	return []Variant{
		{"dump", []string{Dump}},
		{"with_001", Default},
		{"timestamptz", []string{Dump, Timestamptz, Own001}},
		{"naive_created", []string{Dump, NaiveCreated, Own001, Duplicates}},
		{"minimal", []string{Dump, Minimal}},
	}
}

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
