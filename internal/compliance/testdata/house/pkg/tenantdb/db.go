// Package tenantdb is a fixture: each line that says want breaks the rule of
// that number, and no other line breaks any.
package tenantdb

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"lad.internal/house/internal/text"
)

// query is SQL.
type query string

// Tx is a driver that takes nothing else.
type Tx interface {
	Exec(ctx context.Context, sql query, args ...any) error
	Query(ctx context.Context, sql query, args ...any) error
	QueryRow(ctx context.Context, sql query, args ...any) error
}

// Batch is another.
type Batch struct{}

// Queue takes SQL.
func (b *Batch) Queue(sql query, args ...any) {}

const (
	columns = `id, tenant_id`
	head    = `SELECT ` + columns + ` FROM leads`                 // want #2: a part of the next ones only, and no word of SQL is taken for one
	good    = head + ` WHERE tenant_id = $1`                      // the whole
	bad     = head + ` WHERE phone = $1`                          // want #2
	alone   = "SELECT id FROM leads"                              // want #2
	literal = "select id from LAD_DEV.leads where tenant_id = $1" // want #1
	long    = `
SELECT b.id
FROM lead_bookings b
JOIN leads l ON l.id = b.lead_id -- want #2
WHERE b.tenant_id = $1`
)

// Never used, and not constant: still SQL.
var (
	perStatus = map[string]query{
		"a": `UPDATE lead_bookings SET status = 'a' WHERE tenant_id = $1`,
		"b": `UPDATE lead_bookings SET status = 'b' WHERE id = $1`, // want #2
	}
	list   = []string{"DELETE FROM lead_notes WHERE id = $1"} // want #2
	inside = struct{ sql query }{sql: `TABLE leads`}          // want #2
	bytes  = []byte("DELETE FROM leads")                      // want #2
	typed  = statement("DELETE FROM leads")                   // want #2
)

type statement string

func constants(ctx context.Context, tx Tx) {
	_ = tx.Exec(ctx, good)
	_ = tx.Exec(ctx, bad)
	_ = tx.Exec(ctx, alone)
	_ = tx.Exec(ctx, "DELETE FROM leads"+" WHERE id = $1") // want #2
	_ = tx.Exec(ctx, text.Outside)
	_ = tx.Exec(ctx, perStatus["a"], inside.sql)
	_ = tx.Exec(ctx, "UPDATE leads SET phone = @phone WHERE tenant_id = @tenant")
	_ = tx.Exec(ctx, "SELCT 1 FROM leads WHERE tenant_id = $1") // want #2
	_ = tx.Exec(ctx, query("SELCT 1"))                          // want #2
	const local = `DELETE FROM leads`                           // want #2
	_ = tx.Exec(ctx, local)
	_, _, _, _ = list, bytes, typed, literal
	_ = long
}

func variables(ctx context.Context, tx Tx, narrow bool) {
	sql := query(`SELECT id FROM leads WHERE tenant_id = $1`)
	if narrow {
		sql = `SELECT id FROM leads WHERE tenant_id = $1 AND id = $2`
	}
	_ = tx.Query(ctx, sql)

	// Neither half is a statement; the whole is.
	where := ` FROM leads WHERE id = $1`
	_ = tx.Query(ctx, `SELECT id`+where) // want #2
	filtered := ` FROM leads WHERE tenant_id = $1`
	_ = tx.Query(ctx, `SELECT id`+filtered) // want #2: nor is what would be right

	grown := query(`SELECT id FROM leads WHERE tenant_id = $1`)
	grown += ` OR true` // want #2
	_ = tx.Query(ctx, grown)

	for _, each := range []query{good} {
		_ = tx.Query(ctx, each)
	}
}

func dynamic(ctx context.Context, tx Tx, b *Batch, table query) {
	_ = tx.Exec(ctx, fmt.Sprintf(`DELETE FROM %s WHERE tenant_id = $1`, table))         // want #2
	_ = tx.Exec(ctx, "DELETE FROM leads WHERE tenant_id = $1 AND id IN ("+table+")")    // want #2
	_ = tx.Exec(ctx, strings.Join([]string{"SELECT id", "FROM leads"}, " "))            // want #2
	_ = tx.Exec(ctx, strings.ReplaceAll(`SELECT id FROM x WHERE id = 1`, "x", "leads")) // want #2
	var builder strings.Builder
	builder.WriteString("SELECT id FROM ")
	builder.WriteString("leads")
	_ = tx.QueryRow(ctx, builder.String()) // want #2
	b.Queue(table)                         // what callers pass
	var scanned query
	_, _ = fmt.Sscan("x", &scanned) // want #2
	_ = tx.Exec(ctx, scanned)
	var driver *pgx.Conn
	run := driver.Exec // want #2
	_ = run(ctx, "x")
	_ = tx.Exec(ctx, composed("a")) // want #2
	_ = tx.Exec(ctx, query("SET search_path = "+cut(table)))
	_ = tx.Exec(ctx, query("SET search_path = "+cut(table)+"")) // want #2: another text
	_ = tx.Exec(ctx, table[1:])                                 // want #2
}

func cut(s query) string { return string(s)[1:] }

func composed(s string) string { return "DELETE FROM " + s }

// registry has SQL in a field, put together where it is made.
type registry struct{ lookup, other query }

func newRegistry(name string) registry {
	from := ` FROM ` + name
	return registry{
		lookup: `SELECT 1` + from, // want #2
		other:  `SELECT 1`,
	}
}

func (r registry) ask(ctx context.Context, tx Tx) {
	_ = tx.Query(ctx, r.lookup)
	_ = tx.Query(ctx, r.other)
}

// through hands its text on, so that what callers pass counts.
func through(ctx context.Context, tx Tx, sql query) error { return tx.Query(ctx, sql) }

func callers(ctx context.Context, tx Tx, b *Batch) {
	_ = through(ctx, tx, good)
	_ = through(ctx, tx, fmt.Sprint("SELECT 1")) // want #2
	variables(ctx, tx, true)
	constants(ctx, tx)
	dynamic(ctx, tx, b, fmt.Sprint("x")) // want #2
	newRegistry(fmt.Sprint("leads")).ask(ctx, tx)
}
