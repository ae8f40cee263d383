package migrations

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"
)

// appRole is the role that migration 002 makes and gives its rights to.
const appRole = "followup_app"

// Access says who may work with what Up has made.
type Access struct {
	// Logins are made members of followup_app. They must exist.
	Logins []string
	// Registry is the table of tenants, as "schema.table", that followup_app is
	// to read; "" if there is none.
	Registry string
}

// Grant gives the functions' logins what they need, and leaves alone what they
// have, so that a role with fewer rights may run it again. The connected role must have made followup_app, or be an administrator; to grant
// the registry it must own it. What cannot be granted does not stop the rest.
func Grant(ctx context.Context, conn *pgx.Conn, access Access) error {
	var failed []error
	for _, login := range access.Logins {
		if err := grantMembership(ctx, conn, login); err != nil {
			failed = append(failed, fmt.Errorf("let %s work: %w", login, err))
		}
	}
	if access.Registry != "" {
		if err := grantRegistry(ctx, conn, access.Registry); err != nil {
			failed = append(failed, fmt.Errorf("let the functions read %s: %w", access.Registry, err))
		}
	}
	return errors.Join(failed...)
}

// membershipSQL does not ask pg_has_role, to which a superuser is a member of
// everything.
const membershipSQL = `SELECT
	EXISTS (SELECT FROM pg_roles WHERE rolname = $1),
	EXISTS (SELECT FROM pg_roles WHERE rolname = $2),
	EXISTS (SELECT FROM pg_auth_members m JOIN pg_roles member ON member.oid = m.member JOIN pg_roles app ON app.oid = m.roleid
		WHERE member.rolname = $1 AND app.rolname = $2)`

func grantMembership(ctx context.Context, conn *pgx.Conn, login string) error {
	var exists, migrated, member bool
	if err := readRow(ctx, conn, membershipSQL, login, appRole).Scan(&exists, &migrated, &member); err != nil {
		return fmt.Errorf("read the roles: %w", err)
	}
	switch {
	case !exists:
		return errors.New("there is no such login: create it first (Terraform makes those of Cloud SQL)")
	case !migrated:
		return fmt.Errorf("there is no role %s: migrate a schema first", appRole)
	case member:
		return nil
	}
	if err := grant(ctx, conn, grantMembershipSQL, login, ""); err != nil {
		return fmt.Errorf("grant %s: %w", appRole, err)
	}
	return nil
}

// Names cannot be parameters of a GRANT: the database itself quotes them, out of
// settings that last as long as the transaction.
const (
	grantMembershipSQL = `DO $followup$
BEGIN
	EXECUTE format('GRANT followup_app TO %I', current_setting('followup.grant'));
END
$followup$`
	grantRegistrySQL = `DO $followup$
BEGIN
	IF NOT has_schema_privilege('followup_app', current_setting('followup.grant'), 'USAGE') THEN
		EXECUTE format('GRANT USAGE ON SCHEMA %I TO followup_app', current_setting('followup.grant'));
	END IF;
	EXECUTE format('GRANT SELECT ON %I.%I TO followup_app', current_setting('followup.grant'), current_setting('followup.grant_table'));
END
$followup$`
)

func grant(ctx context.Context, conn *pgx.Conn, statement query, name, table string) error {
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		if err := exec(ctx, tx, `SELECT set_config('followup.grant', $1, true), set_config('followup.grant_table', $2, true)`, name, table); err != nil {
			return err
		}
		err := exec(ctx, tx, statement)
		return err
	})
}

// readableSQL is true once followup_app may read the table. A schema or table
// that is not there makes it an error.
const readableSQL = `SELECT has_schema_privilege($1, $2, 'USAGE') AND has_table_privilege($1, $3, 'SELECT')`

func grantRegistry(ctx context.Context, conn *pgx.Conn, registry string) error {
	schema, table, ok := strings.Cut(registry, ".")
	if !ok || schema == "" || table == "" || strings.Contains(table, ".") {
		return errors.New("it is not of the form schema.table")
	}
	relation := pgx.Identifier{schema, table}.Sanitize() // a value, as has_table_privilege reads it
	readable := func() (yes bool, err error) {
		if err = readRow(ctx, conn, readableSQL, appRole, schema, relation).Scan(&yes); err != nil {
			err = fmt.Errorf("read its rights: %w", err)
		}
		return yes, err
	}
	if yes, err := readable(); err != nil || yes {
		return err
	}
	if err := grant(ctx, conn, grantRegistrySQL, schema, table); err != nil {
		return fmt.Errorf("grant: %w", err)
	}
	// A role that may use a thing and not pass that on gets a warning, no error
	// (PostgreSQL documentation, GRANT).
	if yes, err := readable(); err != nil || yes {
		return err
	}
	return errors.New("this login may not grant it: have its owner grant SELECT on it, and USAGE on its schema, to " + appRole)
}
