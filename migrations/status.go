package migrations

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// MigrationStatus says how far a migration is in force in a schema.
type MigrationStatus struct {
	// Name is one of Names.
	Name string

	// Present and Missing are what the migration adds, as a person would call it: "column call_id",
	// "index followup_pending_idx", "view followup_leads".
	Present, Missing []string
}

// State is "applied", "partial" or "absent".
func (s MigrationStatus) State() string {
	switch {
	case len(s.Missing) == 0:
		return "applied"
	case len(s.Present) == 0:
		return "absent"
	default:
		return "partial"
	}
}

// Status reads from the catalogue what is in force in a schema. It changes nothing and needs no right
// beyond seeing the schema. What LAD has made itself counts, whatever its name.
func Status(ctx context.Context, conn *pgx.Conn, schema string) (_ []MigrationStatus, err error) {
	// Local to a transaction, so that the connection stays as it is.
	tx, err := conn.BeginTx(ctx, pgx.TxOptions{AccessMode: pgx.ReadOnly})
	if err != nil {
		return nil, fmt.Errorf("status of schema %s: %w", schema, err)
	}
	defer func() { err = errors.Join(err, tx.Rollback(context.WithoutCancel(ctx))) }()

	if _, err := tx.Exec(ctx, "SET LOCAL search_path = "+pgx.Identifier{schema}.Sanitize()); err != nil {
		return nil, fmt.Errorf("status of schema %s: %w", schema, err)
	}
	if err := requireSchema(ctx, conn, schema); err != nil {
		return nil, fmt.Errorf("status of schema %s: %w", schema, err)
	}
	var found bool
	if err := tx.QueryRow(ctx, `SELECT to_regclass('lead_bookings') IS NOT NULL`).Scan(&found); err != nil {
		return nil, fmt.Errorf("status of schema %s: %w", schema, err)
	}
	if !found {
		return nil, fmt.Errorf("status of schema %s: no table lead_bookings there: is this a schema of LAD's, and does this login see it?", schema)
	}
	rows, err := tx.Query(ctx, statusSQL, Columns, Safety)
	if err != nil {
		return nil, fmt.Errorf("status of schema %s: %w", schema, err)
	}
	return collectStatus(rows)
}

func collectStatus(rows pgx.Rows) ([]MigrationStatus, error) {
	statuses := []MigrationStatus{{Name: Columns}, {Name: Safety}}
	var name, item string
	var present bool
	_, err := pgx.ForEachRow(rows, []any{&name, &item, &present}, func() error {
		for i := range statuses {
			switch {
			case statuses[i].Name != name:
			case present:
				statuses[i].Present = append(statuses[i].Present, item)
			default:
				statuses[i].Missing = append(statuses[i].Missing, item)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	return statuses, nil
}

// uniqueKeySQL finds unique indexes on tenant and key. NULLs are distinct to a unique index, so that
// one without a condition does as well.
const uniqueKeySQL = `
	SELECT FROM pg_index i
	WHERE i.indrelid = 'lead_bookings'::regclass AND i.indisunique AND i.indisvalid
		AND i.indnkeyatts = 2 AND i.indexprs IS NULL
		AND (i.indpred IS NULL OR pg_get_expr(i.indpred, i.indrelid) = '(idempotency_key IS NOT NULL)')
		AND ARRAY['tenant_id', 'idempotency_key']::name[] <@ (
			SELECT array_agg(a.attname) FROM pg_attribute a
			WHERE a.attrelid = i.indrelid AND a.attnum IN (i.indkey[0], i.indkey[1]))`

const statusSQL = `
WITH has_column AS (
	SELECT attname FROM pg_attribute
	WHERE attrelid = 'lead_bookings'::regclass AND attnum > 0 AND NOT attisdropped
), status_check AS (
	SELECT c.convalidated AND pg_get_constraintdef(c.oid) LIKE '%in_progress%' AS wide
	FROM pg_constraint c
	JOIN pg_attribute a ON a.attrelid = c.conrelid AND c.conkey = ARRAY[a.attnum]
	WHERE c.conrelid = 'lead_bookings'::regclass AND c.contype = 'c' AND a.attname = 'task_status'
), app AS (
	SELECT oid FROM pg_roles WHERE rolname = 'followup_app'
)
SELECT $1, 'column ' || name, name IN (SELECT attname FROM has_column)
FROM unnest(ARRAY['task_name', 'task_scheduled_at', 'task_status', 'executed_at', 'execution_attempts',
	'last_execution_error', 'idempotency_key']) AS name
UNION ALL
SELECT $1, 'check on task_status', EXISTS (SELECT FROM status_check)
UNION ALL
SELECT $1, 'unique index on tenant_id, idempotency_key', EXISTS (` + uniqueKeySQL + `)
UNION ALL
SELECT $2, 'column ' || name, name IN (SELECT attname FROM has_column)
FROM unnest(ARRAY['task_revision', 'task_reason', 'claimed_at', 'planned_for', 'call_id']) AS name
UNION ALL
SELECT $2, 'check on task_status that admits in_progress', COALESCE((SELECT bool_and(wide) FROM status_check), false)
UNION ALL
SELECT $2, 'check on task_reason', EXISTS (
	SELECT FROM pg_constraint
	WHERE conrelid = 'lead_bookings'::regclass AND conname = 'followup_task_reason_check' AND convalidated)
UNION ALL
SELECT $2, 'index ' || name, EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(name) AND indisvalid)
FROM unnest(ARRAY['followup_pending_idx', 'followup_waiting_idx', 'followup_in_progress_idx', 'followup_changed_idx']) AS name
UNION ALL
SELECT $2, 'view ' || name, to_regclass(name) IS NOT NULL
FROM unnest(ARRAY['followup_bookings', 'followup_leads', 'followup_tenants']) AS name
UNION ALL
SELECT $2, 'rights of followup_app on ' || name, COALESCE((
	SELECT has_schema_privilege(app.oid, current_schema(), 'USAGE')
		AND has_table_privilege(app.oid, to_regclass(name), 'SELECT')
		AND (name <> 'followup_bookings' OR has_any_column_privilege(app.oid, to_regclass(name), 'UPDATE'))
	FROM app), false)
FROM unnest(ARRAY['followup_bookings', 'followup_leads', 'followup_tenants']) AS name`
