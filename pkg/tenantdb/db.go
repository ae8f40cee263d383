package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"cloud.google.com/go/cloudsqlconn"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

// The errors that callers tell apart. All others are faults of the database or
// of the way to it, after which the same operation may be tried again unless
// its error is ErrUnclear.
var (
	// ErrUnclear: the COMMIT was sent and its answer lost, so nobody knows
	// whether the change holds.
	ErrUnclear = errors.New("the outcome of the commit is unclear")
	// ErrBusy: the row's lock or a connection was not to be had in time.
	ErrBusy = errors.New("the database is busy")
	// ErrUnmigrated: the tenant's schema lacks the views of migration 002.
	ErrUnmigrated = errors.New("the schema is not migrated; run `followup migrate up`")
)

// DB is the tenants' bookings. It is safe for concurrent use.
type DB struct {
	pool     *pgxpool.Pool
	tenants  directory
	timeouts timeouts
	dialer   *cloudsqlconn.Dialer // nil without Cloud SQL
}

// timeouts are set in each transaction rather than at connection: PgBouncer
// refuses them as start-up parameters.
type timeouts struct{ lock, statement string }

// Open prepares the pool. It connects when it is first used: a database that
// is down must not keep an instance from starting, since whoever called it will
// call again.
func Open(ctx context.Context, c Config) (*DB, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("configure database: %w", err)
	}
	pc, dialer, err := poolConfig(ctx, c)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("open database pool: %w", err)
	}
	db := &DB{pool: pool, dialer: dialer, timeouts: timeouts{
		lock: milliseconds(c.LockTimeout), statement: milliseconds(c.StatementTimeout),
	}}
	if c.Schema != "" {
		db.tenants = &shared{db: db, name: c.Schema}
	} else {
		relation, err := parseRelation(c.Registry)
		if err != nil {
			return nil, fmt.Errorf("read TENANT_REGISTRY: %w", err)
		}
		db.tenants = newRegistry(db, relation, c.RegistryTTL)
	}
	return db, nil
}

// Close closes the pool, and waits for connections in use.
func (db *DB) Close() error {
	db.pool.Close()
	if db.dialer == nil {
		return nil
	}
	if err := db.dialer.Close(); err != nil {
		return fmt.Errorf("close Cloud SQL connector: %w", err)
	}
	return nil
}

func poolConfig(ctx context.Context, c Config) (*pgxpool.Config, *cloudsqlconn.Dialer, error) {
	dsn := c.URL.Reveal()
	if dsn == "" {
		dsn = "sslmode=disable" // the connector brings its own TLS
	}
	pc, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		// pgx's text quotes the string, and with it perhaps the password.
		return nil, nil, errors.New("read DATABASE_URL: it is not a PostgreSQL connection string, as postgres://user:password@host:5432/database")
	}
	pc.MaxConns = c.MaxConns
	pc.MaxConnIdleTime = 5 * time.Minute
	pc.ConnConfig.RuntimeParams["application_name"] = "followup"
	if c.URL.IsSet() {
		return pc, nil, nil
	}
	// Lazy refresh: between requests an instance may have no CPU to refresh
	// certificates in the background (cloudsqlconn, WithLazyRefresh).
	dialer, err := cloudsqlconn.NewDialer(ctx, cloudsqlconn.WithIAMAuthN(), cloudsqlconn.WithLazyRefresh())
	if err != nil {
		return nil, nil, fmt.Errorf("open Cloud SQL connector: %w", err)
	}
	pc.ConnConfig.User, pc.ConnConfig.Database = c.User, c.Database
	pc.ConnConfig.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) {
		if c.PrivateIP {
			return dialer.Dial(ctx, c.Instance, cloudsqlconn.WithPrivateIP())
		}
		return dialer.Dial(ctx, c.Instance)
	}
	return pc, dialer, nil
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// bindTenantSQL ends the transaction's idle time as well: a function that is
// frozen between two statements must not keep its row locked.
const bindTenantSQL = `SELECT
	set_config('app.tenant_id', $1, true),
	set_config('search_path', $2, true),
	set_config('lock_timeout', $3, true),
	set_config('statement_timeout', $4, true),
	set_config('idle_in_transaction_session_timeout', $4, true)`

// inTenant runs fn in a transaction that sees one tenant. It commits if fn
// returns nil and rolls back otherwise.
func (db *DB) inTenant(ctx context.Context, tenant uuid.UUID, fn func(pgx.Tx) error) error {
	schema, err := db.tenants.schema(ctx, tenant)
	if err != nil {
		return err
	}
	err = db.inTx(ctx, func(tx pgx.Tx) error {
		// pg_catalog is searched first in any case; naming pg_temp last keeps a
		// temporary table from standing in for a view.
		path := pgx.Identifier{schema}.Sanitize() + ", pg_temp"
		if _, err := tx.Exec(ctx, bindTenantSQL, tenant.String(), path, db.timeouts.lock, db.timeouts.statement); err != nil {
			return fmt.Errorf("bind transaction to tenant: %w", err)
		}
		return fn(tx)
	})
	if errors.Is(err, ErrUnmigrated) {
		db.tenants.forget(tenant) // it may have moved to another schema
	}
	return err
}

// inTx runs fn in a transaction.
func (db *DB) inTx(ctx context.Context, fn func(pgx.Tx) error) (err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		return classify(fmt.Errorf("acquire connection: %w", err), ErrBusy)
	}
	defer conn.Release()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return classify(fmt.Errorf("begin: %w", err), nil)
	}
	defer func() {
		// After a commit this does nothing. It must also happen when ctx has
		// ended or fn panicked, or the next user would inherit the transaction.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
		defer cancel()
		_ = tx.Rollback(ctx)
	}()
	if err := fn(tx); err != nil {
		return classify(err, nil)
	}
	if err := tx.Commit(ctx); err != nil {
		return classify(fmt.Errorf("commit: %w", err), commitError(err))
	}
	return nil
}

// commitError says whether a failed COMMIT may have taken effect. PostgreSQL's
// own refusal proves that it has not, and so does an error from before anything
// was sent; any other leaves it open.
func commitError(err error) error {
	var refused *pgconn.PgError
	if errors.As(err, &refused) || errors.Is(err, pgx.ErrTxCommitRollback) || pgconn.SafeToRetry(err) {
		return nil
	}
	return ErrUnclear
}

// SQLSTATE codes (PostgreSQL documentation, appendix A).
const (
	lockNotAvailable = "55P03"
	undefinedTable   = "42P01"
	undefinedColumn  = "42703"
	tooManyConns     = "53300"
)

// classify adds what callers tell apart to an error's chain.
func classify(err, kind error) error {
	var pg *pgconn.PgError
	if kind == nil && errors.As(err, &pg) {
		switch pg.Code {
		case lockNotAvailable, tooManyConns:
			kind = ErrBusy
		case undefinedTable, undefinedColumn:
			kind = ErrUnmigrated
		}
	}
	if kind == nil || errors.Is(err, kind) {
		return err
	}
	return fmt.Errorf("%w: %w", kind, err)
}
