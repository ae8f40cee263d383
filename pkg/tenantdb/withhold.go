package tenantdb

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// withheld is an error whose words may quote a row. They stay out of the text;
// the SQLSTATE and the chain remain.
type withheld struct {
	err  error
	text string
}

func (w *withheld) Error() string { return w.text }
func (w *withheld) Unwrap() error { return w.err }

// withhold takes out of an error's text what may quote a row: PostgreSQL's words,
// of which its own log has all, and those of a value that could not be read.
// Detail, hint and context are never part of an error's text.
func withhold(err error) error {
	var pg *pgconn.PgError
	var scan pgx.ScanArgError
	switch {
	case errors.As(err, &pg) && pg.Message != "" && !harmless(pg):
		instead := "its words are withheld, for they may quote the row"
		if pg.Where == "" && pg.ConstraintName != "" {
			instead = fmt.Sprintf("violates constraint %q", pg.ConstraintName)
		}
		return &withheld{err: err, text: strings.ReplaceAll(err.Error(), pg.Message, instead)}
	case errors.As(err, &scan) && scan.Err != nil:
		return &withheld{err: err, text: strings.ReplaceAll(err.Error(), scan.Err.Error(), "its value cannot be read")}
	default:
		return err
	}
}

// harmless are the classes of errors whose words are about the session, the
// server, rights and names of the schema (PostgreSQL documentation, appendix A).
// What goes wrong inside of a function or trigger (it has a context, or a query of
// its own) has words that its author chose, and with EXECUTE any name may be a value.
func harmless(e *pgconn.PgError) bool {
	classes := []string{"08", "25", "28", "3D", "3F", "40", "42", "53", "54", "55", "57", "58"}
	return e.Where == "" && e.InternalQuery == "" && len(e.Code) == 5 && slices.Contains(classes, e.Code[:2])
}
