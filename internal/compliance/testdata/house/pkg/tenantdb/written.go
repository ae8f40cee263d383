package tenantdb

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// SQL needs no white space.
const (
	unspaced = `DELETE/**/FROM/**/leads` // want #2
	quoted   = `TABLE"leads"`            // want #2
)

// connection takes no other SQL than a query.
type connection struct{ *pgx.Conn }

func (c connection) Exec(ctx context.Context, sql query, args ...any) error {
	_ = c.Conn.Exec(ctx, "SELECT 1")      // want #2: but it is the driver's
	_ = c.Conn.Exec(ctx, string(sql)+";") // want #2
	return c.Conn.Exec(ctx, string(sql), args...)
}

//go:embed queries.sql
var queries string

// Judged where they stand, and not again where they are run.
func unspacedRuns(ctx context.Context, conn connection) {
	_ = conn.Exec(ctx, unspaced)
	_ = conn.Exec(ctx, quoted)
}

// Schemas that no statement's text names.
func schemas(ctx context.Context, conn connection, given string) {
	schema := "lad_dev"
	_ = pgx.Identifier{"lad_dev", "registry"}.Sanitize() // want #1
	_ = pgx.Identifier{schema}.Sanitize()                // want #1
	_ = pgx.Identifier{given, "registry"}.Sanitize()
	_ = pgx.Identifier{"leads"}.Sanitize()

	_ = conn.Exec(ctx, `SELECT set_config('search_path', $1, true)`, "lad_dev")                                     // want #1
	_ = conn.Exec(ctx, `SELECT set_config('search_path', $1, true)`, schema)                                        // want #1
	_ = conn.Exec(ctx, `SELECT to_regclass($1)`, "lad_dev.registry")                                                // want #1
	_ = conn.Exec(ctx, `SELECT 1 FROM pg_namespace WHERE nspname = $1`, `"Lad_Dev"`)                                // want #1
	_ = conn.Exec(ctx, `SELECT 1 FROM pg_namespace WHERE nspname::text = @s`, pgx.NamedArgs{"s": schema, "x": "y"}) // want #1
	_ = conn.Exec(ctx, `SELECT to_regclass($1)`, "leads")
	_ = conn.Exec(ctx, `SELECT 1 FROM pg_tables WHERE schemaname = $2 AND tablename = $1`, "registry", given)
	_ = conn.Exec(ctx, `SELECT set_config('search_path', $1, true), $2::text`, given, "5s")

	conn.Config.RuntimeParams["search_path"] = "lad_dev"                      // want #1
	conn.Config.RuntimeParams = map[string]string{"search_path": "a, public"} // want #1
	_ = fmt.Sprint("postgres://host/lad?sslmode=require&search_path=lad_dev") // want #1
	conn.Config.RuntimeParams["search_path"] = given                          // want #1: nor is any other

	_ = conn.Exec(ctx, queries)                                               // want #2
	_ = conn.Exec(ctx, fmt.Sprintf(`TABLE %s.leads`, "lad_dev"))              // want #2
	_ = conn.CopyFrom(ctx, pgx.Identifier{"leads"}, []string{"id"})           // want #2
	_ = conn.Exec(ctx, `DELETE FROM "`+schema+`".leads WHERE tenant_id = $1`) // want #2
	schemas(ctx, conn, fmt.Sprint("x"))
}
