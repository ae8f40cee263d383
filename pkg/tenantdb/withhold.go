package tenantdb

import (
	"errors"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// withheld is an error of PostgreSQL whose words may quote a row. The lead's name
// in it is nothing that internal/mask could recognise, so the words stay out of
// the text; the SQLSTATE and the chain remain.
type withheld struct {
	err  error
	text string
}

func (w *withheld) Error() string { return w.text }
func (w *withheld) Unwrap() error { return w.err }

// withhold takes PostgreSQL's words out of an error's text if they may quote a
// row. PostgreSQL's own log has them.
func withhold(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || pg.Message == "" || !quotes(pg) {
		return err
	}
	return &withheld{err: err, text: strings.ReplaceAll(err.Error(), pg.Message, "its words are withheld, for they may quote the row")}
}

// quotes tells the errors whose message may hold values: a data exception quotes
// what it cannot read, and a trigger of LAD's says what its author likes, with
// whatever SQLSTATE. Constraints name themselves and keep the row for the detail,
// which is never part of an error's text (PostgreSQL documentation, appendix A;
// exec_stmt_raise is what PL/pgSQL's RAISE reports as its routine).
func quotes(e *pgconn.PgError) bool {
	if e.Routine == "exec_stmt_raise" {
		return true
	}
	for _, class := range []string{"22", "38", "39", "P0"} {
		if strings.HasPrefix(e.Code, class) {
			return true
		}
	}
	return false
}
