package tenantdb

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
)

// errUnknownTenant stays inside the package: to callers an unknown tenant looks
// like a booking that is not there.
var errUnknownTenant = errors.New("unknown tenant")

// directory knows which schema holds a tenant's tables.
type directory interface {
	schema(ctx context.Context, tenant uuid.UUID) (string, error)
	list(ctx context.Context) ([]uuid.UUID, error)
	forget(tenant uuid.UUID)
}

// Tenants lists the tenants that may have follow-ups to look after.
func (db *DB) Tenants(ctx context.Context) ([]uuid.UUID, error) {
	tenants, err := db.tenants.list(ctx)
	if err != nil {
		return nil, fmt.Errorf("list tenants: %w", err)
	}
	return tenants, nil
}

// shared is one schema for everybody.
type shared struct {
	db   *DB
	name string
}

func (s *shared) schema(context.Context, uuid.UUID) (string, error) { return s.name, nil }
func (s *shared) forget(uuid.UUID)                                  {}

const listSharedSQL = `SELECT tenant_id FROM followup_tenants ORDER BY tenant_id`

// list asks the one view that is not filtered by tenant: it shows nothing but
// tenant ids. The nil UUID binds the transaction to the schema and to nobody.
func (s *shared) list(ctx context.Context) ([]uuid.UUID, error) {
	var tenants []uuid.UUID
	err := s.db.inTenant(ctx, uuid.Nil, func(tx transaction) error {
		rows, err := tx.Query(ctx, listSharedSQL)
		if err != nil {
			return err
		}
		tenants, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	return tenants, err
}

// maxCached bounds the registry's cache; a fresh one is started beyond it.
const maxCached = 50_000

// registry is a table that names each tenant's schema.
type registry struct {
	db        *DB
	ttl       time.Duration
	timeout   time.Duration // bounds a question: no transaction's timeouts do here
	lookupSQL query
	listSQL   query
	now       func() time.Time // the process's clock, by which answers age

	mu    sync.Mutex
	cache map[uuid.UUID]cached
}

type cached struct {
	schema  string // "": the registry does not know the tenant
	expires time.Time
}

// newRegistry composes the only two statements of this package whose text
// depends on a setting; the name is quoted by pgx.
func newRegistry(db *DB, relation pgx.Identifier, ttl, timeout time.Duration) *registry {
	from := ` FROM ` + relation.Sanitize()
	return &registry{
		db: db, ttl: ttl, timeout: timeout, now: time.Now, cache: map[uuid.UUID]cached{},
		lookupSQL: query(`SELECT schema_name::text` + from + ` WHERE tenant_id = $1`),
		listSQL:   query(`SELECT tenant_id` + from + ` WHERE schema_name IS NOT NULL ORDER BY tenant_id`),
	}
}

func (r *registry) schema(ctx context.Context, tenant uuid.UUID) (string, error) {
	name, known := r.cached(tenant)
	if !known {
		var err error
		if name, err = r.lookup(ctx, tenant); err != nil {
			return "", fmt.Errorf("look up schema of tenant %s: %w", tenant, err)
		}
		r.remember(tenant, name)
	}
	if name == "" {
		return "", errUnknownTenant
	}
	return name, nil
}

func (r *registry) lookup(ctx context.Context, tenant uuid.UUID) (string, error) {
	var name *string
	err := r.ask(ctx, r.lookupSQL, func(rows pgx.Rows) (err error) {
		name, err = pgx.CollectExactlyOneRow(rows, pgx.RowTo[*string])
		return err
	}, tenant)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return "", nil
	case errors.Is(err, pgx.ErrTooManyRows):
		return "", errors.New("the registry names more than one schema")
	case err != nil:
		return "", err
	case name == nil:
		return "", nil
	}
	if err := checkIdentifier(*name); err != nil {
		return "", fmt.Errorf("the registry's schema_name cannot be a schema: %w", err)
	}
	return *name, nil
}

func (r *registry) list(ctx context.Context) (tenants []uuid.UUID, err error) {
	err = r.ask(ctx, r.listSQL, func(rows pgx.Rows) (err error) {
		tenants, err = pgx.CollectRows(rows, pgx.RowTo[uuid.UUID])
		return err
	})
	return tenants, err
}

func (r *registry) ask(ctx context.Context, sql query, collect func(pgx.Rows) error, args ...any) error {
	ctx, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	return r.db.onSession(ctx, func(conn *pgx.Conn) error {
		rows, err := conn.Query(ctx, string(sql), args...)
		if err != nil {
			return err
		}
		return collect(rows)
	})
}

func (r *registry) cached(tenant uuid.UUID) (schema string, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.cache[tenant]
	return c.schema, ok && r.now().Before(c.expires)
}

func (r *registry) remember(tenant uuid.UUID, schema string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.cache) >= maxCached {
		r.cache = map[uuid.UUID]cached{}
	}
	r.cache[tenant] = cached{schema: schema, expires: r.now().Add(r.ttl)}
}

func (r *registry) forget(tenant uuid.UUID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.cache, tenant)
}
