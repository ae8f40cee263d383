package stack

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/emulators/postgres"
	"lad.internal/followup/internal/ladschema"
	"lad.internal/followup/internal/localstack/lad"
	"lad.internal/followup/migrations"
)

// The first tenants, each in a schema of its own, named as LAD names them.
var tenantIDs = []uuid.UUID{
	uuid.MustParse("a11ce000-0000-4000-8000-000000000001"),
	uuid.MustParse("b0b00000-0000-4000-8000-000000000002"),
}

const (
	// sharedSchema is that of all further tenants.
	sharedSchema = "lad_shared"
	databaseName = "lad"
	ownerRole    = "lad_owner"
	appRole      = "followup_app"
	// registryName is the table of tenant → schema, in a schema beside the
	// tenants'.
	registryName = "followup_dev.tenants"
	// FirstAgent is the id of the first tenant's voice agent; each further tenant's
	// is the next.
	FirstAgent = 101
	// connectTime bounds the wait for a database that was given.
	connectTime = 10 * time.Second
)

// startDatabase sets the tenants up, in a throw-away server or in the database
// that was given.
func (s *Stack) startDatabase(ctx context.Context) error {
	ownerURL := s.options.DatabaseURL
	if ownerURL == "" {
		s.options.Progress("starting a throw-away PostgreSQL")
		server, err := postgres.Start(ctx, postgres.Options{Logger: s.options.Log})
		if err != nil {
			return fmt.Errorf("start PostgreSQL: %w", err)
		}
		s.database = server
		s.onClose(server.Stop)
		password := randomToken()
		ownerURL = server.URL(ownerRole, password, databaseName)
		if err := createOwner(ctx, server, password); err != nil {
			return err
		}
	}
	what := "creating two tenants"
	if n := s.options.Tenants; n > 0 {
		what = fmt.Sprintf("creating %d tenants", n)
	}
	s.options.Progress(what)
	appPassword, err := derivePassword(ownerURL)
	if err != nil {
		return err
	}
	if s.AppURL, err = withUser(ownerURL, appRole, appPassword); err != nil {
		return err
	}
	if err := s.createTenants(ctx, ownerURL, appPassword); err != nil {
		return fmt.Errorf("set up the tenants: %w", err)
	}
	return nil
}

// createOwner makes LAD's database in a fresh server, owned by a role that is
// no superuser, as LAD's is.
func createOwner(ctx context.Context, server *postgres.Server, password string) error {
	admin, err := pgx.Connect(ctx, server.AdminURL())
	if err != nil {
		return fmt.Errorf("connect to the fresh server: %w", err)
	}
	defer closeConn(admin)
	for _, statement := range []string{
		`CREATE ROLE ` + ownerRole + ` LOGIN CREATEROLE PASSWORD '` + password + `'`,
		`CREATE DATABASE ` + databaseName + ` OWNER ` + ownerRole,
	} {
		if _, err := admin.Exec(ctx, statement); err != nil {
			return fmt.Errorf("create LAD's owner and database: %w", err)
		}
	}
	return nil
}

func (s *Stack) createTenants(ctx context.Context, ownerURL, appPassword string) error {
	patience, cancel := context.WithTimeout(ctx, connectTime)
	defer cancel()
	conn, err := pgx.Connect(patience, ownerURL)
	if err != nil {
		return fmt.Errorf("connect as LAD's owner: %w", err)
	}
	defer closeConn(conn)
	if _, err := conn.Exec(ctx, registrySQL); err != nil {
		return fmt.Errorf("create the registry: %w", err)
	}
	prepared := map[string]bool{}
	for i, t := range tenantsOf(s.options.Tenants) {
		if !prepared[t.Schema] {
			if err := s.createSchema(ctx, conn, t.Schema); err != nil {
				return fmt.Errorf("create schema %s: %w", t.Schema, err)
			}
			prepared[t.Schema] = true
		}
		if err := lad.SeedAgent(ctx, conn, t.Schema, t.ID, FirstAgent+int64(i)); err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, registerSQL, t.ID, t.Schema); err != nil {
			return fmt.Errorf("register tenant %s: %w", t.ID, err)
		}
		t.DatabaseURL = ownerURL
		s.Tenants = append(s.Tenants, t)
	}
	// Migration 002 has made the role; here it may log in. The password is hex.
	for _, statement := range []string{
		`ALTER ROLE ` + appRole + ` LOGIN PASSWORD '` + appPassword + `'`,
		`GRANT USAGE ON SCHEMA followup_dev TO ` + appRole,
		`GRANT SELECT ON followup_dev.tenants TO ` + appRole,
	} {
		if _, err := conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("let %s log in: %w", appRole, err)
		}
	}
	return nil
}

const registrySQL = `
CREATE SCHEMA IF NOT EXISTS followup_dev;
CREATE TABLE IF NOT EXISTS followup_dev.tenants (tenant_id uuid PRIMARY KEY, schema_name text NOT NULL);`

const registerSQL = `
INSERT INTO followup_dev.tenants (tenant_id, schema_name) VALUES ($1, $2)
ON CONFLICT (tenant_id) DO UPDATE SET schema_name = EXCLUDED.schema_name`

// tenantsOf are n tenants, or as many as have a schema of their own if n is 0.
func tenantsOf(n int) []lad.Tenant {
	if n == 0 {
		n = len(tenantIDs)
	}
	tenants := make([]lad.Tenant, n)
	for i := range tenants {
		if i < len(tenantIDs) {
			id := tenantIDs[i].String()
			tenants[i] = lad.Tenant{ID: id, Schema: "tenant_" + id}
			continue
		}
		tenants[i] = lad.Tenant{ID: fmt.Sprintf("c0ffee00-0000-4000-8000-%012x", i+1), Schema: sharedSchema}
	}
	return tenants
}

// switchOff is what the cut-over does to LAD's own way of announcing bookings.
const switchOff = `ALTER TABLE lead_bookings DISABLE TRIGGER trigger_schedule_followup_cloud_task`

// createSchema makes LAD's tables, where they are not yet, and what this system
// adds to them.
func (s *Stack) createSchema(ctx context.Context, conn *pgx.Conn, schema string) error {
	quoted := pgx.Identifier{schema}.Sanitize()
	var there bool
	if err := conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, quoted+".lead_bookings").Scan(&there); err != nil {
		return err
	}
	if !there {
		if err := ladschema.Create(ctx, conn, schema, append(slices.Clip(ladschema.Default), switchOff)...); err != nil {
			return err
		}
	}
	return migrations.Up(ctx, conn, schema, migrations.Options{Logger: s.options.Log})
}

// derivePassword makes the functions' password of the owner's login. A role
// belongs to the whole server, so two stacks in two of its databases must agree.
func derivePassword(ownerURL string) (string, error) {
	u, err := parseURL(ownerURL)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256([]byte("followup dev " + u.Host + u.User.String()))
	return hex.EncodeToString(sum[:16]), nil
}

func parseURL(databaseURL string) (*url.URL, error) {
	u, err := url.Parse(databaseURL)
	if err != nil || u.Host == "" && u.Query().Get("host") == "" {
		return nil, errors.New("--database-url must be a URL, as postgres://owner:password@localhost:5432/lad")
	}
	return u, nil
}

// withUser is the same database for another login.
func withUser(databaseURL, user, password string) (string, error) {
	u, err := parseURL(databaseURL)
	if err != nil {
		return "", err
	}
	u.User = url.UserPassword(user, password)
	return u.String(), nil
}

func closeConn(conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	_ = conn.Close(ctx) // nothing is under way on it
}
