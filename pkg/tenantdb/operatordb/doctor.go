package operatordb

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/migrations"
	"lad.internal/followup/pkg/tenantdb"
)

// Clock reads the database's clock.
func (db DB) Clock(ctx context.Context) (now time.Time, err error) {
	err = db.InTx(ctx, func(tx pgx.Tx) error { return tx.QueryRow(ctx, clockSQL).Scan(&now) })
	if err != nil {
		return time.Time{}, fmt.Errorf("read the database's clock: %w", err)
	}
	return db.At(now), nil
}

// Schemas lists the schemas that hold tenants' tables, in alphabetical order:
// the shared one, or those that the registry names.
func (db DB) Schemas(ctx context.Context) ([]string, error) {
	if shared := db.SharedSchema(); shared != "" {
		return []string{shared}, nil
	}
	tenants, err := db.Tenants(ctx)
	if err != nil {
		return nil, err
	}
	var schemas []string
	for _, tenant := range tenants {
		schema, err := db.SchemaOf(ctx, tenant)
		if errors.Is(err, tenantdb.ErrUnknownTenant) {
			continue // gone since it was listed
		}
		if err != nil {
			return nil, fmt.Errorf("list schemas: %w", err)
		}
		schemas = append(schemas, schema)
	}
	slices.Sort(schemas)
	return slices.Compact(schemas), nil
}

// Migrations says how far a schema is migrated.
func (db DB) Migrations(ctx context.Context, schema string) (status []migrations.MigrationStatus, err error) {
	err = db.OnSession(ctx, func(conn *pgx.Conn) error {
		status, err = migrations.Status(ctx, conn, schema)
		return err
	})
	return status, err
}

// Durability is what the server does for a commit to outlive a crash.
type Durability struct {
	SynchronousCommit string // the login's; this package's own transactions raise it
	Fsync             bool
	FullPageWrites    bool
}

const durabilitySQL = `SELECT current_setting('synchronous_commit'), current_setting('fsync')::boolean, current_setting('full_page_writes')::boolean`

// Durability reads it.
func (db DB) Durability(ctx context.Context) (d Durability, err error) {
	err = db.InTx(ctx, func(tx pgx.Tx) error {
		return tx.QueryRow(ctx, durabilitySQL).Scan(&d.SynchronousCommit, &d.Fsync, &d.FullPageWrites)
	})
	if err != nil {
		return d, fmt.Errorf("read what the server does for durability: %w", err)
	}
	return d, nil
}

// dangerousSQL: every role that the login may become counts, since it need only
// say SET ROLE.
const dangerousSQL = `
SELECT r.rolname::text, r.rolname = session_user, what
FROM pg_roles r, LATERAL (VALUES (r.rolsuper, 'SUPERUSER'), (r.rolbypassrls, 'BYPASSRLS'),
	(r.rolcreaterole, 'CREATEROLE'), (r.rolcreatedb, 'CREATEDB'), (r.rolreplication, 'REPLICATION')) AS attribute (has, what)
WHERE has AND pg_has_role(session_user, r.oid, 'MEMBER')
ORDER BY r.rolname <> session_user, r.rolname, what`

// RoleExcess lists what the login may do to the server that it should not: one
// phrase each, none if all is well.
func (db DB) RoleExcess(ctx context.Context) (excess []string, err error) {
	err = db.InTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, dangerousSQL)
		if err != nil {
			return err
		}
		var role, what string
		var itself, superuser bool
		excess = nil
		_, err = pgx.ForEachRow(rows, []any{&role, &itself, &what}, func() error {
			switch {
			case superuser: // who may become anybody: the rest says nothing more
			case itself:
				excess = append(excess, "it is "+what)
				superuser = what == "SUPERUSER"
			default:
				excess = append(excess, "it is a member of "+role+", which is "+what)
			}
			return nil
		})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the login's attributes: %w", err)
	}
	return excess, nil
}

// schemaExcessSQL lists the rights in a schema beyond those that migration 002
// grants to followup_app: $2 are the views and $3 the columns it may update, $4
// what else may be read. has_any_column_privilege is true for a right on the
// whole table, too.
const schemaExcessSQL = `
WITH me AS (
	SELECT oid FROM pg_roles WHERE pg_has_role(session_user, oid, 'MEMBER')
), relation AS (
	SELECT c.oid, c.relname::text AS name, c.relname = ANY ($2) AS ours
	FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
	WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'v', 'm', 'f')
), excess (relation, what) AS (
	SELECT r.name, what
	FROM relation r, me, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'REFERENCES']) AS what
	WHERE has_any_column_privilege(me.oid, r.oid, what)
		AND NOT (r.ours AND what IN ('SELECT', 'UPDATE'))
		AND NOT (what = 'SELECT' AND $1 || '.' || r.name = ANY ($4))
	UNION
	SELECT r.name, what
	FROM relation r, me, unnest(ARRAY['DELETE', 'TRUNCATE', 'TRIGGER']) AS what
	WHERE has_table_privilege(me.oid, r.oid, what)
	UNION
	SELECT r.name, 'UPDATE of ' || a.attname
	FROM relation r, me, pg_attribute a
	WHERE r.ours AND a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
		AND NOT (r.name = 'followup_bookings' AND a.attname = ANY ($3))
		AND has_column_privilege(me.oid, r.oid, a.attnum, 'UPDATE')
)
SELECT string_agg(what, ', ' ORDER BY what) || ' on ' || relation FROM excess GROUP BY relation
UNION ALL
SELECT 'CREATE in the schema' FROM pg_namespace n
WHERE n.nspname = $1 AND EXISTS (SELECT FROM me WHERE has_schema_privilege(me.oid, n.oid, 'CREATE'))
ORDER BY 1`

// views are what the login may read, taskColumns what it may change in the
// first of them (migration 002).
var (
	views       = []string{"followup_bookings", "followup_leads", "followup_tenants", "followup_agents", "followup_numbers", "followup_call_log"}
	taskColumns = []string{
		"task_status", "task_reason", "task_name", "task_scheduled_at", "task_revision", "planned_for", "execution_attempts",
		"claimed_at", "executed_at", "call_id", "last_execution_error", "idempotency_key",
		"called_at", "call_at", "call_at_wall", "call_at_zone", "call_at_rule",
	}
)

// SchemaExcess lists what the login may do in a schema that it should not: one
// phrase each, none if all is well. readable are the relations, as
// schema.table, that it may read besides the views: the registry.
func (db DB) SchemaExcess(ctx context.Context, schema string, readable ...string) (excess []string, err error) {
	if readable == nil {
		readable = []string{}
	}
	err = db.InTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, schemaExcessSQL, schema, views, taskColumns, readable)
		if err != nil {
			return err
		}
		excess, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read the login's rights in schema %s: %w", schema, err)
	}
	return excess, nil
}

// visibleSQL asks the views that hold a tenant's data.
const visibleSQL = `SELECT EXISTS (SELECT FROM followup_bookings), EXISTS (SELECT FROM followup_leads),
	EXISTS (SELECT FROM followup_agents WHERE tenant_id IS NOT NULL), EXISTS (SELECT FROM followup_numbers), EXISTS (SELECT FROM followup_call_log)`

// Leaks lists what the login sees in a schema of tenants that it has not named:
// without the setting app.tenant_id, and with that of a tenant that nobody is.
// One phrase each, none if the views keep tenants apart. An empty table leaks
// nothing.
func (db DB) Leaks(ctx context.Context, schema string) (leaks []string, err error) {
	for _, bound := range []bool{false, true} {
		err = db.InSchema(ctx, schema, func(tx pgx.Tx) error {
			when := "without the setting app.tenant_id"
			if bound {
				when = "of other tenants than the one in app.tenant_id"
				if _, err := tx.Exec(ctx, `SELECT set_config('app.tenant_id', $1, true)`, uuid.NewString()); err != nil {
					return err
				}
			}
			var shows [5]bool
			if err := tx.QueryRow(ctx, visibleSQL).Scan(&shows[0], &shows[1], &shows[2], &shows[3], &shows[4]); err != nil {
				return err
			}
			for i, view := range []string{"followup_bookings", "followup_leads", "followup_agents", "followup_numbers", "followup_call_log"} {
				if shows[i] {
					leaks = append(leaks, view+" shows rows "+when)
				}
			}
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("look for leaks in schema %s: %w", schema, err)
		}
	}
	return leaks, nil
}

// The names of LAD's own way to announce a booking.
const (
	ladTrigger = "trigger_schedule_followup_cloud_task"
	ladChannel = "booking_followup_created"
)

// ladTriggerSQL also finds the trigger under another name, by what it notifies.
// Disabled ones do not count.
const ladTriggerSQL = `
SELECT t.tgname::text
FROM pg_trigger t
JOIN pg_class c ON c.oid = t.tgrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_proc p ON p.oid = t.tgfoid
WHERE n.nspname = $1 AND c.relname = 'lead_bookings' AND NOT t.tgisinternal AND t.tgenabled <> 'D'
	AND (t.tgname = $2 OR position($3 IN p.prosrc) > 0)
ORDER BY t.tgname`

// LADTriggers lists the enabled triggers in a schema by which LAD's own
// scheduler hears of new follow-ups. While that runs, two systems dial.
func (db DB) LADTriggers(ctx context.Context, schema string) (names []string, err error) {
	err = db.InTx(ctx, func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, ladTriggerSQL, schema, ladTrigger, ladChannel)
		if err != nil {
			return err
		}
		names, err = pgx.CollectRows(rows, pgx.RowTo[string])
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for LAD's trigger in schema %s: %w", schema, err)
	}
	return names, nil
}
