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

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/phone"
)

// DB is the tenants' bookings. It is safe for concurrent use.
type DB struct {
	pool     *pgxpool.Pool
	tenants  directory
	timeouts timeouts
	timeline uint32 // the only one that is worked on; 0: any
	clock    func(time.Time) time.Time
	times    followup.Times
	regions  phone.Regions
	dialer   *cloudsqlconn.Dialer // nil without Cloud SQL
}

// timeouts are set in each transaction rather than at connection: PgBouncer
// refuses them as start-up parameters.
type timeouts struct{ lock, statement string }

// Open prepares the pool. It connects when it is first used: a database that
// is down must not keep an instance from starting, since whoever called it will
// call again.
func Open(ctx context.Context, c Config) (*DB, error) { return open(ctx, c) }

// open takes options that a test's Cloud SQL needs and Google's does not.
func open(ctx context.Context, c Config, cloudSQL ...cloudsqlconn.Option) (*DB, error) {
	if err := c.Validate(); err != nil {
		return nil, fmt.Errorf("configure database: %w", err)
	}
	pc, dialer, err := poolConfig(ctx, c, cloudSQL)
	if err != nil {
		return nil, err
	}
	pool, err := pgxpool.NewWithConfig(ctx, pc)
	if err != nil {
		return nil, fmt.Errorf("open database pool: %w", err)
	}
	db := &DB{pool: pool, dialer: dialer, clock: c.Clock, times: c.Times, regions: c.Regions, timeline: c.Timeline, timeouts: timeouts{
		lock: milliseconds(c.LockTimeout), statement: milliseconds(c.StatementTimeout),
	}}
	if db.clock == nil {
		db.clock = func(database time.Time) time.Time { return database }
	}
	if c.Schema != "" {
		db.tenants = &shared{db: db, name: c.Schema}
	} else {
		relation, err := parseRelation(c.Registry)
		if err != nil {
			return nil, fmt.Errorf("read TENANT_REGISTRY: %w", err)
		}
		db.tenants = newRegistry(db, relation, c.RegistryTTL, c.StatementTimeout)
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

func poolConfig(ctx context.Context, c Config, cloudSQL []cloudsqlconn.Option) (*pgxpool.Config, *cloudsqlconn.Dialer, error) {
	dsn := c.URL.Reveal()
	if dsn == "" {
		dsn = "sslmode=disable" // the connector brings its own TLS
	}
	pc, err := parseURL(dsn)
	if err != nil {
		return nil, nil, err
	}
	pc.MaxConns = c.MaxConns
	pc.MaxConnIdleTime = 5 * time.Minute
	// What a session was told when it began, by an ALTER DATABASE or by a server that
	// is a replica by now, it believes for as long as it lives.
	pc.MaxConnLifetime, pc.MaxConnLifetimeJitter = 10*time.Minute, 2*time.Minute
	// An idle connection may have gone silent without a word, behind a frozen
	// instance or a failover. Without a limit its ping waits for the caller's.
	pc.PingTimeout = 2 * time.Second
	pc.PrepareConn = func(_ context.Context, conn *pgx.Conn) (bool, error) { return len(served(conn)) <= maxSchemas, nil }
	pc.ConnConfig.RuntimeParams["application_name"] = "followup"
	if c.URL.IsSet() {
		return pc, nil, nil
	}
	// Lazy refresh: between requests an instance may have no CPU to refresh
	// certificates in the background (cloudsqlconn, WithLazyRefresh).
	dialer, err := cloudsqlconn.NewDialer(ctx, append(cloudSQL, cloudsqlconn.WithIAMAuthN(), cloudsqlconn.WithLazyRefresh())...)
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
// frozen between two statements must not keep its row locked. A claim that is lost
// in a crash is a second call, so it is durable whatever the database's default.
const bindTenantSQL = `SELECT
	set_config('app.tenant_id', $1, true),
	set_config('search_path', $2, true),
	set_config('timezone', 'UTC', true),
	set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') IN ('off', 'local') THEN 'on'
		ELSE current_setting('synchronous_commit') END, true),
	set_config('lock_timeout', $3, true),
	set_config('statement_timeout', $4, true),
	set_config('idle_in_transaction_session_timeout', $4, true)`

// inTenant runs fn in a transaction that sees one tenant. It commits if fn
// returns nil and rolls back otherwise.
func (db *DB) inTenant(ctx context.Context, tenant uuid.UUID, fn func(transaction) error) error {
	return db.inTenantWaiting(ctx, tenant, db.timeouts.lock, fn)
}

// inTenantWaiting is inTenant with another lock_timeout.
func (db *DB) inTenantWaiting(ctx context.Context, tenant uuid.UUID, lockTimeout string, fn func(transaction) error) error {
	schema, err := db.tenants.schema(ctx, tenant)
	if err != nil {
		return err
	}
	err = db.inTx(ctx, func(tx transaction) error {
		// pg_catalog is searched first in any case; naming pg_temp last keeps a
		// temporary table from standing in for a view.
		path := pgx.Identifier{schema}.Sanitize() + ", pg_temp"
		if _, err := tx.Exec(ctx, bindTenantSQL, tenant.String(), path, lockTimeout, db.timeouts.statement); err != nil {
			return fmt.Errorf("bind transaction to tenant: %w", err)
		}
		if err := db.guard(ctx, tx); err != nil {
			return err
		}
		served(tx.Conn())[schema] = struct{}{}
		return unmigrated(fn(tx))
	})
	if errors.Is(err, ErrUnmigrated) {
		db.tenants.forget(tenant) // it may have moved to another schema
	}
	return err
}

// maxSchemas is how many schemas a connection may have served and be used again.
// What PostgreSQL has once learnt of a table, view or index it remembers for as long
// as the connection lives, without a limit: 150 to 260 KB for each schema. A sweep
// shows its connections every schema (docs/operations.md, "Many tenants").
const maxSchemas = 100

// served are the schemas that a connection has been bound to.
func served(conn *pgx.Conn) map[string]struct{} {
	const key = "followup: schemas served"
	data := conn.PgConn().CustomData()
	schemas, ok := data[key].(map[string]struct{})
	if !ok {
		schemas = map[string]struct{}{}
		data[key] = schemas
	}
	return schemas
}

// onSession runs use on a connection of the pool. An error that is about the
// session costs it, and the pool's others, since what has befallen one may have
// befallen all; unless a COMMIT is unclear, use runs once more, on a new one. So use
// may run twice, and whatever the first time has done in the database is undone.
func (db *DB) onSession(ctx context.Context, use func(*pgx.Conn) error) error {
	spoilt, err := db.onceOnSession(ctx, use)
	if spoilt && ctx.Err() == nil && !errors.Is(err, ErrUnclear) {
		_, err = db.onceOnSession(ctx, use)
	}
	return withhold(err)
}

func (db *DB) onceOnSession(ctx context.Context, use func(*pgx.Conn) error) (spoilt bool, err error) {
	conn, err := db.pool.Acquire(ctx)
	if err != nil {
		stat := db.pool.Stat()
		return false, acquireFailed(err, stat.AcquiredConns() > 0)
	}
	defer conn.Release()
	spoilt, err = classify(ctx, conn.Conn(), use(conn.Conn()))
	if spoilt {
		db.pool.Reset() // this one is closed when it is released
	}
	return spoilt, err
}

// inTx runs fn in a transaction, as onSession does: perhaps twice.
func (db *DB) inTx(ctx context.Context, fn func(transaction) error) error {
	return db.onSession(ctx, func(conn *pgx.Conn) error {
		begun, err := conn.Begin(ctx)
		if err != nil {
			return fmt.Errorf("begin: %w", err)
		}
		tx := transaction{Tx: begun}
		defer func() {
			// After a commit this does nothing. It must also happen when ctx has
			// ended or fn panicked, or the next user would inherit the transaction.
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
			defer cancel()
			_ = tx.Rollback(ctx)
		}()
		if err := fn(tx); err != nil {
			return err
		}
		return commit(ctx, tx)
	})
}

// commit commits. A COMMIT that has failed may have taken effect all the same:
// only PostgreSQL's own refusal proves that it has not. pgconn.SafeToRetry does
// not: pgx 5.10.0 reports an answer that was lost as "conn closed", of which
// SafeToRetry says that nothing was sent. So what it would prove is asked
// before.
func commit(ctx context.Context, tx transaction) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("not committed: %w", err)
	}
	if tx.Conn().IsClosed() {
		return fmt.Errorf("not committed: %w", pgconn.ErrConnClosed)
	}
	err := tx.Commit(ctx)
	var answer *pgconn.PgError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &answer) && refusal(answer), errors.Is(err, pgx.ErrTxCommitRollback):
		return fmt.Errorf("commit: %w", err)
	default:
		return fmt.Errorf("commit: %w: %w", ErrUnclear, err)
	}
}

// refusal: the transaction was rolled back. FATAL ends a connection, and a
// pooler says so of the server's when it loses that in mid-COMMIT (PgBouncer:
// FATAL, 08P01), which proves nothing.
func refusal(e *pgconn.PgError) bool {
	return e.SeverityUnlocalized == "ERROR" && !meaningOf(e.Code).unclear
}
