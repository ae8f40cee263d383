package migrations

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// SQLSTATE codes (PostgreSQL documentation, appendix A) of a lock that is held by somebody else.
const (
	lockNotAvailable = "55P03"
	deadlockDetected = "40P01"
)

// session is a connection made ready to migrate one schema.
type session struct {
	conn    *pgx.Conn
	schema  string
	options Options
	role    string // who the caller's session is, SET ROLE included
	turn    bool   // this session holds the advisory lock
}

// turnKey is the advisory lock of a run, one for all schemas of a database: two CREATE INDEX
// CONCURRENTLY wait for each other's transactions even on different tables, and deadlock.
const turnKey = `hashtextextended('followup migrate', 0)`

func openSession(ctx context.Context, conn *pgx.Conn, schema string, options Options) (*session, error) {
	s := &session{conn: conn, schema: schema, options: options}
	// A role's own statement_timeout must not end the building of an index half-way.
	err := exec(ctx, conn, query("SET search_path = "+pgx.Identifier{schema}.Sanitize()+"; SET statement_timeout = 0"))
	if err != nil {
		return nil, fmt.Errorf("choose the schema: %w", err)
	}
	if err := readRow(ctx, conn, `SELECT current_user::text`).Scan(&s.role); err != nil {
		return nil, fmt.Errorf("read the role: %w", err)
	}
	if err := requireSchema(ctx, conn, schema); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	if err := s.requireTables(ctx); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	if err := s.takeTurn(ctx); err != nil {
		return nil, errors.Join(err, s.close(ctx))
	}
	return s, nil
}

// requireSchema refuses a name that search_path takes for another schema's: one
// beyond 63 bytes is cut off, and "$user" is the login's, even in quotes.
func requireSchema(ctx context.Context, conn *pgx.Conn, schema string) error {
	var current *string
	if err := readRow(ctx, conn, `SELECT current_schema()::text`).Scan(&current); err != nil {
		return fmt.Errorf("choose the schema: %w", err)
	}
	if current != nil && *current != schema { // nil: there is none of that name
		return fmt.Errorf("%q cannot be a schema's name: PostgreSQL takes it for %q", schema, *current)
	}
	return nil
}

func (s *session) requireTables(ctx context.Context) error {
	rows, err := read(ctx, s.conn, `
		SELECT name FROM unnest(ARRAY['lead_bookings', 'leads', 'lead_notes']) AS name
		WHERE to_regclass(name) IS NULL`)
	if err != nil {
		return fmt.Errorf("look for LAD's tables: %w", err)
	}
	missing, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("look for LAD's tables: %w", err)
	}
	if len(missing) > 0 {
		return fmt.Errorf("no table %s there: is this a schema of LAD's, and does this login see it?", strings.Join(missing, ", "))
	}
	return nil
}

// takeTurn keeps two runs in one database from meeting. It asks again and again instead of waiting in
// the database: CREATE INDEX CONCURRENTLY waits for every statement that is under way, so a runner
// that waits for the other there would be waited for by it.
func (s *session) takeTurn(ctx context.Context) error {
	deadline := time.Now().Add(s.options.Patience)
	for {
		err := readRow(ctx, s.conn, `SELECT pg_try_advisory_lock(`+turnKey+`)`).Scan(&s.turn)
		if err != nil {
			return fmt.Errorf("wait for other migrations of this database: %w", err)
		}
		if s.turn {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("another migration has been running in this database for %s", s.options.Patience)
		}
		if err := sleep(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}

// close gives the connection back as it was.
func (s *session) close(ctx context.Context) error {
	if s.conn.IsClosed() {
		return nil // and with it everything that was set
	}
	err := exec(ctx, s.conn, "RESET search_path; RESET statement_timeout; RESET lock_timeout")
	if s.turn {
		unlockErr := exec(ctx, s.conn, `SELECT pg_advisory_unlock(`+turnKey+`)`)
		err = errors.Join(err, unlockErr)
	}
	if err != nil {
		return fmt.Errorf("give the connection back as it was: %w", err)
	}
	return nil
}

// run runs files, statement by statement.
func (s *session) run(ctx context.Context, files ...string) error {
	for _, file := range files {
		content, err := Files.ReadFile(file)
		if err != nil {
			return fmt.Errorf("read migration: %w", err)
		}
		for number, ofFile := range Statements(string(content)) {
			if err := s.execute(ctx, query(ofFile)); err != nil {
				return fmt.Errorf("%s, statement %d (%s): %w", file, number+1, summary(ofFile), err)
			}
		}
	}
	return nil
}

// begunSQL finds what a migration marks as its own ($1 is its number), and the index that 001 may add
// to a table with columns of LAD's own 001.
const begunSQL = `SELECT EXISTS (
	SELECT FROM pg_description
	WHERE description LIKE '%[followup ' || $1 || ']'
		AND (objoid = 'lead_bookings'::regclass OR objoid IN (SELECT oid FROM pg_constraint WHERE conrelid = 'lead_bookings'::regclass)))
	OR $1 = '001' AND to_regclass('followup_idempotency_key_idx') IS NOT NULL`

// begun are the migrations that have left something in the schema.
func (s *session) begun(ctx context.Context) (map[string]bool, error) {
	begun := map[string]bool{}
	for _, name := range Names() {
		number, _, _ := strings.Cut(name, "_")
		var found bool
		if err := readRow(ctx, s.conn, begunSQL, number).Scan(&found); err != nil {
			return nil, fmt.Errorf("look for what %s has left: %w", name, err)
		}
		begun[name] = found
	}
	return begun, nil
}

// undoTime bounds the rollback of what a failed run has added.
const undoTime = 5 * time.Minute

// undo rolls back what was not there before a run that failed, and says so in its error. It does so too
// when the run failed because its context ended: pgx has closed the connection then, and another one is
// opened like it.
func (s *session) undo(ctx context.Context, before map[string]bool) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), undoTime)
	defer cancel()
	if s.conn.IsClosed() {
		conn, err := pgx.ConnectConfig(ctx, s.conn.Config())
		if err != nil {
			return fmt.Errorf("what this run has added stays, run it again or roll it back: %w", err)
		}
		defer func() { err = errors.Join(err, conn.Close(ctx)) }()
		if err := exec(ctx, conn, `SELECT set_config('role', $1, false)`, s.role); err != nil {
			return fmt.Errorf("become %s again: %w", s.role, err)
		}
		if s, err = openSession(ctx, conn, s.schema, s.options); err != nil {
			return fmt.Errorf("what this run has added stays, run it again or roll it back: %w", err)
		}
	}
	after, err := s.begun(ctx)
	if err != nil {
		return err
	}
	var files []string
	for _, name := range slices.Backward(Names()) {
		if after[name] && !before[name] {
			files = append(files, name+"_rollback.sql")
		}
	}
	if len(files) == 0 {
		return nil
	}
	if err := s.run(ctx, files...); err != nil {
		return fmt.Errorf("what this run has added could not be rolled back, run it again or roll it back: %w", err)
	}
	return fmt.Errorf("what this run had added was rolled back: %s", strings.Join(files, ", "))
}

var createIndex = regexp.MustCompile(`(?m)^CREATE (UNIQUE )?INDEX (?:CONCURRENTLY )?IF NOT EXISTS (\w+)`)

func (s *session) execute(ctx context.Context, statement query) error {
	index := createIndex.FindStringSubmatch(string(statement))
	if index == nil {
		return s.withLockTimeout(ctx, statement)
	}
	if index[1] != "" {
		exists, err := s.hasUniqueKey(ctx)
		if err != nil || exists {
			return err
		}
	}
	if err := s.dropInvalid(ctx, index[2]); err != nil {
		return err
	}
	// Its locks conflict with nothing that LAD's traffic takes, so that it may wait as long as it must
	// for old transactions to end.
	return s.exec(ctx, 0, query(createIndex.ReplaceAllString(string(statement), "CREATE ${1}INDEX CONCURRENTLY IF NOT EXISTS $2")))
}

// withLockTimeout tries again when somebody holds a lock that the statement needs. To wait in the
// queue instead would let everything that comes later wait behind it.
func (s *session) withLockTimeout(ctx context.Context, statement query) error {
	deadline := time.Now().Add(s.options.Patience)
	for pause := s.options.LockTimeout; ; pause = min(2*pause, 5*time.Second) {
		err := s.exec(ctx, s.options.LockTimeout, statement)
		if !isLockConflict(err) {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("somebody has held a lock on these tables for %s (pg_locks and pg_stat_activity tell who): %w", s.options.Patience, err)
		}
		s.options.Logger.InfoContext(ctx, "stepping back from a lock",
			slog.String("schema", s.schema), slog.String("statement", summary(string(statement))), slog.Duration("pause", pause))
		if err := sleep(ctx, pause); err != nil {
			return err
		}
	}
}

func (s *session) exec(ctx context.Context, lockTimeout time.Duration, statement query) error {
	if err := exec(ctx, s.conn, query(fmt.Sprintf("SET lock_timeout = %d", lockTimeout.Milliseconds()))); err != nil {
		return fmt.Errorf("set lock_timeout: %w", err)
	}
	started := time.Now()
	err := exec(ctx, s.conn, statement)
	s.options.Logger.DebugContext(ctx, "statement run",
		slog.String("schema", s.schema), slog.String("statement", summary(string(statement))),
		slog.Duration("took", time.Since(started)), slog.Bool("ok", err == nil))
	return err
}

// hasUniqueKey says whether a unique index on tenant and key is there, whoever made it.
func (s *session) hasUniqueKey(ctx context.Context) (exists bool, err error) {
	if err := readRow(ctx, s.conn, `SELECT EXISTS (`+uniqueKeySQL+`)`).Scan(&exists); err != nil {
		return false, fmt.Errorf("look for the unique index on the key: %w", err)
	}
	return exists, nil
}

// dropInvalid removes what a CREATE INDEX CONCURRENTLY leaves when it is interrupted: an index of the
// right name that is kept up to date and never used.
func (s *session) dropInvalid(ctx context.Context, name string) error {
	var invalid bool
	err := readRow(ctx, s.conn, `SELECT EXISTS (
		SELECT FROM pg_index WHERE indexrelid = to_regclass($1) AND NOT indisvalid)`, name).Scan(&invalid)
	if err != nil {
		return fmt.Errorf("look for an invalid index %s: %w", name, err)
	}
	if !invalid {
		return nil
	}
	return s.exec(ctx, 0, query("DROP INDEX CONCURRENTLY IF EXISTS "+pgx.Identifier{name}.Sanitize()))
}

func isLockConflict(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr) && (pgErr.Code == lockNotAvailable || pgErr.Code == deadlockDetected)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
