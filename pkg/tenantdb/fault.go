package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Fault is what went wrong in the database or on the way to it: an error to look
// for in a chain, and a word for logs and alerts that quotes nothing.
type Fault string

// The faults that callers tell apart. After any but ErrUnclear nothing is stored.
const (
	// ErrUnclear: the COMMIT was sent and its answer lost, so nobody knows
	// whether the change holds.
	ErrUnclear Fault = "commit_unclear"
	// ErrLocked: somebody else holds the row. That somebody may be LAD, which may
	// hold many rows of a tenant for long.
	ErrLocked Fault = "locked"
	// ErrBusy: all connections are in use, or the server's memory is.
	ErrBusy Fault = "busy"
	// ErrSlow: a statement took longer than DB_STATEMENT_TIMEOUT.
	ErrSlow Fault = "slow"
	// ErrDuplicate: LAD's index keeps the booking's minute for another booking of
	// the same lead.
	ErrDuplicate Fault = "duplicate"
	// ErrUnmigrated: the tenant's schema lacks the views of migration 002.
	ErrUnmigrated Fault = "unmigrated"
	// ErrUnwritable: the database is read-only, as after a failover, or its disk
	// is full.
	ErrUnwritable Fault = "unwritable"
	// ErrUnknownHost: the database's name has no address.
	ErrUnknownHost Fault = "unknown_host"
	// ErrRefused: the address takes no connections.
	ErrRefused Fault = "connection_refused"
	// ErrLogin: the login or its password is wrong, or it lacks a right.
	ErrLogin Fault = "login_refused"
	// ErrNoDatabase: the server has no database of this name.
	ErrNoDatabase Fault = "no_database"
	// ErrUnreachable: no answer, a connection that broke, or a server that is
	// starting or stopping.
	ErrUnreachable Fault = "unreachable"
	// ErrOther: none of these.
	ErrOther Fault = "other"
)

// Error is the fault in words.
func (f Fault) Error() string {
	switch f {
	case ErrUnclear:
		return "the outcome of the commit is unclear"
	case ErrLocked:
		return "the row is locked by somebody else"
	case ErrBusy:
		return "the database is busy"
	case ErrSlow:
		return "the statement took too long"
	case ErrDuplicate:
		return "another booking of this lead holds this minute"
	case ErrUnmigrated:
		return "the schema is not migrated; run `followup migrate up`"
	case ErrUnwritable:
		return "the database takes no writes"
	case ErrUnknownHost:
		return "the database's host is not known"
	case ErrRefused:
		return "connection refused"
	case ErrLogin:
		return "the database refuses the login, its password, or a right that it needs"
	case ErrNoDatabase:
		return "there is no database of this name"
	case ErrUnreachable:
		return "the database cannot be reached"
	default:
		return "the database failed"
	}
}

// FaultOf is the fault in an error's chain, ErrOther if there is none.
func FaultOf(err error) Fault {
	fault := ErrOther
	errors.As(err, &fault)
	return fault
}

// meaning is what a SQLSTATE says.
type meaning struct {
	fault Fault // ErrOther: nothing that callers tell apart
	// session: the session is no good any more, nor may the pool's others be. The
	// same transaction is worth trying at once on a new one.
	session bool
	// unclear: said of a COMMIT, it does not prove that nothing holds.
	unclear bool
}

// meanings are those of SQLSTATEs, or of their classes (PostgreSQL documentation,
// appendix A). What is not listed means ErrOther and is said by a session that is
// well, of a transaction that was rolled back.
var meanings = map[string]meaning{
	"08": {ErrUnreachable, true, true}, // connection exception; PgBouncer says 08P01 of whatever it meets

	"25":    {ErrOther, true, false},      // invalid transaction state, which somebody has left behind
	"25006": {ErrUnwritable, true, false}, // read_only_sql_transaction: a session stays so, however the database has changed

	"53":    {ErrBusy, true, false},        // insufficient resources; a session gives back what it has gathered
	"53100": {ErrUnwritable, false, false}, // disk_full
	"53400": {ErrOther, false, false},      // configuration_limit_exceeded

	"55006": {ErrLocked, false, false}, // object_in_use
	"55P03": {ErrLocked, false, false}, // lock_not_available

	"57014": {ErrSlow, false, false},       // query_canceled
	"57P01": {ErrUnreachable, true, true},  // admin_shutdown
	"57P02": {ErrUnreachable, true, true},  // crash_shutdown
	"57P03": {ErrUnreachable, true, false}, // cannot_connect_now
	"57P04": {ErrNoDatabase, true, true},   // database_dropped
	"57P05": {ErrUnreachable, true, true},  // idle_session_timeout

	"23505": {ErrDuplicate, false, false},  // unique_violation
	"28":    {ErrLogin, false, false},      // invalid authorization
	"3D000": {ErrNoDatabase, false, false}, // invalid_catalog_name
	"40003": {ErrOther, false, true},       // statement_completion_unknown
	"40P01": {ErrLocked, false, false},     // deadlock_detected
	"42501": {ErrLogin, false, false},      // insufficient_privilege
}

func meaningOf(code string) meaning {
	if m, ok := meanings[code]; ok {
		return m
	}
	if m, ok := meanings[code[:min(2, len(code))]]; ok {
		return m
	}
	return meaning{fault: ErrOther}
}

// classify puts what callers tell apart into an error's chain, and says whether
// the session on which it came is no good any more.
func classify(ctx context.Context, conn *pgx.Conn, err error) (spoilt bool, _ error) {
	var answer *pgconn.PgError
	m := meaning{fault: ErrOther}
	switch {
	case err == nil:
		return false, nil
	case errors.As(err, &answer):
		m = meaningOf(answer.Code)
	case conn.IsClosed() && ctx.Err() == nil: // else it was closed because ctx has ended
		m = meaning{fault: ErrUnreachable, session: true}
	}
	if FaultOf(err) == ErrOther && m.fault != ErrOther {
		err = fmt.Errorf("%w: %w", m.fault, err)
	}
	return m.session, err
}

// unmigrated is err with ErrUnmigrated in its chain if something is missing in a
// tenant's schema: the view (undefined_table) or a column of it (undefined_column).
func unmigrated(err error) error {
	var answer *pgconn.PgError
	if errors.As(err, &answer) && (answer.Code == "42P01" || answer.Code == "42703") {
		return fmt.Errorf("%w: %w", ErrUnmigrated, err)
	}
	return err
}

// connectError is a connection that could not be made. It quotes nobody whose
// words are known anyway.
type connectError struct {
	fault  Fault
	target string
	cause  error
}

func (e *connectError) Error() string {
	text := "cannot connect to the database" + e.target
	if e.fault == ErrUnreachable {
		return text + ": " + e.cause.Error()
	}
	var answer *pgconn.PgError
	if errors.As(e.cause, &answer) {
		return fmt.Sprintf("%s: %v (SQLSTATE %s)", text, e.fault, answer.Code)
	}
	return fmt.Sprintf("%s: %v", text, e.fault)
}

func (e *connectError) Unwrap() []error { return []error{e.fault, e.cause} }

// acquireFailed says why the pool has no connection. taken: some were in use, so that
// the database can be reached.
func acquireFailed(err error, taken bool) error {
	var connect *pgconn.ConnectError
	if taken && !errors.As(err, &connect) {
		return fmt.Errorf("%w: no connection was free in time: %w", ErrBusy, err)
	}
	return ConnectFailed(err)
}

// ConnectFailed puts the fault into the chain of the error with which a connection
// could not be made.
func ConnectFailed(err error) error {
	var connect *pgconn.ConnectError
	var answer *pgconn.PgError
	var dns *net.DNSError
	fault, target := ErrUnreachable, ""
	if errors.As(err, &connect) {
		c := connect.Config
		target = " " + c.Database + " as " + c.User
		if !strings.HasPrefix(c.Host, "/") { // a socket, or what stands in for Cloud SQL
			target += " at " + net.JoinHostPort(c.Host, fmt.Sprint(c.Port))
		}
	}
	switch {
	case errors.As(err, &answer):
		if m := meaningOf(answer.Code); m.fault != ErrOther {
			fault = m.fault
		}
	case errors.As(err, &dns):
		fault = ErrUnknownHost
	case errors.Is(err, syscall.ECONNREFUSED):
		fault = ErrRefused
	}
	return &connectError{fault: fault, target: target, cause: err}
}
