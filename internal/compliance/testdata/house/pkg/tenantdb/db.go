// Package tenantdb is a fixture: each line that says want breaks the rule of
// that number, and no other line breaks any.
package tenantdb

import (
	"context"
	"fmt"
	"strings"

	"lad.internal/house/internal/text"
)

// Tx is a driver, as far as the checks can see.
type Tx interface {
	Exec(ctx context.Context, sql string, args ...any) error
	Query(ctx context.Context, sql string, args ...any) error
	QueryRow(ctx context.Context, sql string, args ...any) error
}

// Batch is another.
type Batch struct{}

// Queue takes SQL.
func (b *Batch) Queue(sql string, args ...any) {}

const (
	columns = `id, tenant_id`
	head    = `SELECT ` + columns + ` FROM leads`                 // a part of the next ones only
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
	perStatus = map[string]string{
		"a": `UPDATE lead_bookings SET status = 'a' WHERE tenant_id = $1`,
		"b": `UPDATE lead_bookings SET status = 'b' WHERE id = $1`, // want #2
	}
	list   = []string{"DELETE FROM lead_notes WHERE id = $1"} // want #2
	inside = struct{ sql string }{sql: `TABLE leads`}         // want #2
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
	const local = `DELETE FROM leads`                           // want #2
	_ = tx.Exec(ctx, local)
	_, _, _, _ = list, bytes, typed, literal
	_ = long
}

func variables(ctx context.Context, tx Tx, narrow bool) {
	sql := `SELECT id FROM leads WHERE tenant_id = $1`
	if narrow {
		sql = `SELECT id FROM leads WHERE tenant_id = $1 AND id = $2`
	}
	_ = tx.Query(ctx, sql)

	// Neither half is a statement; the whole is.
	where := ` FROM leads WHERE id = $1`
	_ = tx.Query(ctx, `SELECT id`+where) // want #2
	filtered := ` FROM leads WHERE tenant_id = $1`
	_ = tx.Query(ctx, `SELECT id`+filtered)

	grown := `SELECT id FROM leads WHERE tenant_id = $1`
	grown += ` OR true` // want #2
	_ = tx.Query(ctx, grown)

	for _, each := range []string{good} {
		_ = tx.Query(ctx, each)
	}
}

func dynamic(ctx context.Context, tx Tx, b *Batch, table string) {
	_ = tx.Exec(ctx, fmt.Sprintf(`DELETE FROM %s WHERE tenant_id = $1`, table))         // want #2
	_ = tx.Exec(ctx, "DELETE FROM leads WHERE tenant_id = $1 AND id IN ("+table+")")    // want #2
	_ = tx.Exec(ctx, strings.Join([]string{"SELECT id", "FROM leads"}, " "))            // want #2
	_ = tx.Exec(ctx, strings.ReplaceAll(`SELECT id FROM x WHERE id = 1`, "x", "leads")) // want #2
	var builder strings.Builder
	builder.WriteString("SELECT id FROM ")
	builder.WriteString("leads")
	_ = tx.QueryRow(ctx, builder.String()) // want #2
	b.Queue(table)                         // what callers pass
	var scanned string
	_, _ = fmt.Sscan("x", &scanned) // want #2
	_ = tx.Exec(ctx, scanned)
	run := tx.Exec // want #2
	_ = run(ctx, "x")
	_ = tx.Exec(ctx, composed("a")) // want #2
	_ = tx.Exec(ctx, "SET search_path = "+cut(table))
}

func cut(s string) string { return s[1:] }

func composed(s string) string { return "DELETE FROM " + s }

// registry has SQL in a field, put together where it is made.
type registry struct{ lookup, other string }

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
func through(ctx context.Context, tx Tx, sql string) error { return tx.Query(ctx, sql) }

func callers(ctx context.Context, tx Tx, b *Batch) {
	_ = through(ctx, tx, good)
	_ = through(ctx, tx, fmt.Sprint("SELECT 1")) // want #2
	variables(ctx, tx, true)
	constants(ctx, tx)
	dynamic(ctx, tx, b, fmt.Sprint("x")) // want #2
	newRegistry(fmt.Sprint("leads")).ask(ctx, tx)
}
