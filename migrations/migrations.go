// Package migrations holds the SQL that adds follow-up calls to a schema of LAD's, and runs it.
//
// The files are plain SQL with unqualified names and may be run by anybody: by this package, by LAD's
// own runner as one string, by psql. Each may be run any number of times. There is no version table:
// Status reads the catalogue.
//
// What this package adds to the files is care for a table in use. It runs statement by statement,
// each in a transaction of its own, builds indexes concurrently, and never waits in a queue for a
// lock longer than LAD's own traffic can bear to wait behind it.
//
// It refuses to create LAD's tables, to run in a schema without them, and to run twice at once in a database.
package migrations

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// Files are the migrations, named NNN_what.sql and NNN_what_rollback.sql.
//
//go:embed *.sql
var Files embed.FS

// Names of the migrations in the order in which they are run.
const (
	Columns = "001_add_followup_task_columns"
	Safety  = "002_followup_safety"
)

// Names lists the migrations in the order in which they are run.
func Names() []string { return []string{Columns, Safety} }

// Options are the choices of a run. The zero value is a good one.
type Options struct {
	// Logger gets a line per statement (debug) and per lock that had to be waited for (info). Nil
	// discards them.
	Logger *slog.Logger

	// LockTimeout is how long a statement may wait for a lock, and so how long LAD's traffic may have
	// to wait behind it, before it steps back and tries again; 0 means 500 ms.
	LockTimeout time.Duration

	// Patience is for how long a statement is tried again; 0 means 2 minutes.
	Patience time.Duration
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.LockTimeout == 0 {
		o.LockTimeout = 500 * time.Millisecond
	}
	if o.Patience == 0 {
		o.Patience = 2 * time.Minute
	}
	return o
}

// Up brings a schema up to date. The connection must be of a role that owns LAD's tables, which then
// owns the views too, and must not be inside a transaction nor behind a pooler that changes servers
// between statements.
//
// A migration that was absent before and cannot be completed is rolled back, and the error says so. Of
// one that was there, what an error finds stays; Up can be run again.
func Up(ctx context.Context, conn *pgx.Conn, schema string, options Options) error {
	return inSession(ctx, conn, schema, options, func(s *session) error {
		before, err := s.begun(ctx)
		if err != nil {
			return err
		}
		if err := s.run(ctx, Columns+".sql", Safety+".sql"); err != nil {
			return errors.Join(err, s.undo(ctx, before))
		}
		return nil
	})
}

// Down takes away from a schema all that Up has added, and what was stored in it. What LAD had before
// stays. The functions must have been stopped. The role followup_app stays, for other schemas.
func Down(ctx context.Context, conn *pgx.Conn, schema string, options Options) error {
	return inSession(ctx, conn, schema, options, func(s *session) error {
		return s.run(ctx, Safety+"_rollback.sql", Columns+"_rollback.sql")
	})
}

func inSession(ctx context.Context, conn *pgx.Conn, schema string, options Options, do func(*session) error) (err error) {
	s, err := openSession(ctx, conn, schema, options.withDefaults())
	if err != nil {
		return fmt.Errorf("migrate schema %s: %w", schema, err)
	}
	defer func() { err = errors.Join(err, s.close(context.WithoutCancel(ctx))) }()
	if err := do(s); err != nil {
		return fmt.Errorf("migrate schema %s: %w", schema, err)
	}
	return nil
}

var blankLine = regexp.MustCompile(`\n[ \t]*\n`)

// Statements splits a migration where a line is blank, which none of its statements contains.
func Statements(file string) []string {
	var statements []string
	for _, piece := range blankLine.Split(file, -1) {
		if piece = strings.TrimSpace(piece); piece != "" {
			statements = append(statements, piece)
		}
	}
	return statements
}

// summary is the first line, of the comment if there is one: that of a DO block says more than its SQL.
func summary(statement string) string {
	if index := createIndex.FindStringSubmatch(statement); index != nil {
		return "index " + index[2]
	}
	line, _, _ := strings.Cut(strings.TrimPrefix(statement, "-- "), "\n")
	return line[:min(len(line), 100)]
}
