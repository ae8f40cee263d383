package tenantdbtest

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"golang.org/x/sync/errgroup"

	"lad.internal/followup/internal/ladschema"
	"lad.internal/followup/internal/localstack/lad"
	"lad.internal/followup/migrations"
)

// AddTenants creates n tenants, each with a migrated schema of its own and a
// voice agent, and enters them into the registry. Every second schema is
// ladschema.Default, the others are the dump alone. Each migration runs as one string, as LAD's own runner does it: many
// times as fast as migrations.Up, which is kind to a table in use.
func (f *Fixture) AddTenants(t testing.TB, n int) []uuid.UUID {
	t.Helper()
	tenants := make([]uuid.UUID, n)
	group, ctx := errgroup.WithContext(t.Context())
	group.SetLimit(2)
	for i := range tenants {
		tenants[i] = uuid.MustParse(fmt.Sprintf("cccccccc-0000-4000-8000-%012d", i))
		name := fmt.Sprintf("tenant_%04d", i)
		f.schemas[tenants[i]] = name
		group.Go(func() error {
			return f.Owner.AcquireFunc(ctx, func(conn *pgxpool.Conn) error {
				return createAtOnce(ctx, conn.Conn(), tenants[i], name, i%2 == 1)
			})
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	return tenants
}

func createAtOnce(ctx context.Context, conn *pgx.Conn, tenant uuid.UUID, schema string, own001 bool) error {
	parts := []string{"BEGIN", "CREATE SCHEMA " + pgx.Identifier{schema}.Sanitize(),
		"SET LOCAL search_path = " + pgx.Identifier{schema}.Sanitize(), ladschema.Dump}
	if own001 {
		parts = append(parts, ladschema.Default[1:]...)
	}
	for _, name := range migrations.Names() {
		content, err := migrations.Files.ReadFile(name + ".sql")
		if err != nil {
			return err
		}
		parts = append(parts, string(content))
	}
	parts = append(parts, fmt.Sprintf("INSERT INTO %s VALUES ('%s', '%s')", Registry, tenant, schema), "COMMIT")
	if _, err := conn.PgConn().Exec(ctx, strings.Join(parts, ";\n")).ReadAll(); err != nil {
		return fmt.Errorf("create schema %s at once: %w", schema, err)
	}
	return lad.SeedAgent(ctx, conn, schema, tenant.String(), Agent(tenant))
}
