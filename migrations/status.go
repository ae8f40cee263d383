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
func Status(ctx context.Context, conn *pgx.Conn, schema string) (statuses []MigrationStatus, err error) {
	err = inSchema(ctx, conn, schema, func(tx pgx.Tx) error {
		rows, err := read(ctx, tx, statusSQL, Columns, Safety)
		if err != nil {
			return err
		}
		statuses, err = collectStatus(rows)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("status of schema %s: %w", schema, err)
	}
	return statuses, nil
}

// Optional lists the tables and columns that this schema of LAD's does not have and need not have, such
// as "column leads.is_archived" or "table voice_agents". The views do without them.
func Optional(ctx context.Context, conn *pgx.Conn, schema string) (missing []string, err error) {
	err = inSchema(ctx, conn, schema, func(tx pgx.Tx) error {
		rows, err := read(ctx, tx, optionalSQL)
		if err != nil {
			return err
		}
		missing, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("optional tables and columns of schema %s: %w", schema, err)
	}
	return missing, nil
}

// inSchema reads a schema of LAD's. The search_path is local to a transaction, so that the connection
// stays as it is.
func inSchema(ctx context.Context, conn *pgx.Conn, schema string, read func(pgx.Tx) error) error {
	return pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		if err := exec(ctx, tx, query("SET LOCAL search_path = "+pgx.Identifier{schema}.Sanitize())); err != nil {
			return err
		}
		if err := requireSchema(ctx, conn, schema); err != nil {
			return err
		}
		var found bool
		if err := readRow(ctx, tx, `SELECT to_regclass('lead_bookings') IS NOT NULL`).Scan(&found); err != nil {
			return err
		}
		if !found {
			return errors.New("no table lead_bookings there: is this a schema of LAD's, and does this login see it?")
		}
		return read(tx)
	})
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
), view (name, source) AS (
	-- The last three are made of a table if there is one: LAD may have got it since.
	VALUES ('followup_bookings', 'lead_bookings'), ('followup_leads', 'leads'), ('followup_tenants', 'lead_bookings'),
		('followup_agents', 'voice_agents'), ('followup_numbers', 'voice_agent_numbers'), ('followup_call_log', 'voice_call_logs')
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
FROM unnest(ARRAY['task_revision', 'task_reason', 'claimed_at', 'planned_for', 'call_id',
	'called_at', 'call_at', 'call_at_wall', 'call_at_zone', 'call_at_rule']) AS name
UNION ALL
SELECT $2, 'check on task_status that admits in_progress', COALESCE((SELECT bool_and(wide) FROM status_check), false)
UNION ALL
SELECT $2, 'check on task_reason', EXISTS (
	SELECT FROM pg_constraint
	WHERE conrelid = 'lead_bookings'::regclass AND conname = 'followup_task_reason_check' AND convalidated)
UNION ALL
SELECT $2, 'index ' || name, EXISTS (SELECT FROM pg_index WHERE indexrelid = to_regclass(name) AND indisvalid)
FROM unnest(ARRAY['followup_pending_idx', 'followup_ahead_idx', 'followup_untimed_idx', 'followup_waiting_idx', 'followup_in_progress_idx', 'followup_changed_idx',
	'followup_rule_idx', 'followup_calls_idx', 'followup_claimed_idx', 'followup_paced_idx']) AS name
UNION ALL
SELECT $2, 'view ' || name, COALESCE(to_regclass(source) IS NULL OR position(source IN pg_get_viewdef(to_regclass(name))) > 0, false) AND to_regclass(name) IS NOT NULL
FROM view
UNION ALL
SELECT $2, 'rights of followup_app on ' || name, COALESCE((
	SELECT has_schema_privilege(app.oid, current_schema(), 'USAGE')
		AND has_table_privilege(app.oid, to_regclass(name), 'SELECT')
		AND (name <> 'followup_bookings' OR has_any_column_privilege(app.oid, to_regclass(name), 'UPDATE'))
	FROM app), false)
FROM view
UNION ALL
SELECT $2, 'function followup_pace', to_regprocedure('followup_pace(timestamptz, timestamptz)') IS NOT NULL
UNION ALL
SELECT $2, 'rights of followup_app on followup_pace', COALESCE((
	SELECT has_function_privilege(app.oid, to_regprocedure('followup_pace(timestamptz, timestamptz)'), 'EXECUTE') FROM app), false)`

// optionalSQL lists what of LAD's tables may be missing. A column is not said to be missing with its
// table.
const optionalSQL = `
SELECT CASE WHEN name = '' THEN 'table ' || relation ELSE 'column ' || relation || '.' || name END
FROM (VALUES
	(1, 'leads', 'is_deleted'), (2, 'leads', 'is_archived'), (3, 'leads', 'country_code'), (4, 'leads', 'base_number'),
	(5, 'lead_notes', 'is_deleted'), (6, 'voice_agents', ''), (7, 'voice_agent_numbers', ''), (8, 'voice_call_logs', '')
) AS optional (position, relation, name)
WHERE CASE WHEN name = '' THEN to_regclass(relation) IS NULL ELSE NOT EXISTS (
	SELECT FROM pg_attribute WHERE attrelid = to_regclass(relation) AND attname = name AND NOT attisdropped) END
ORDER BY position`
