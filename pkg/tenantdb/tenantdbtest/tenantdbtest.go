// Package tenantdbtest gives a test LAD's tables, migrated, in a database of its
// own, and the repository opened on them as in production: by the role
// followup_app, which has no right on the tables.
//
// What LAD does to its tables a test does as their owner, with [Fixture.Insert]
// and [Fixture.LAD]. The package is for tests only, and refuses to let one test
// see another's rows. TestMain must call postgrestest.Main.
package tenantdbtest

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/internal/ladschema"
	"lad.internal/followup/internal/localstack/lad"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/migrations"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// Password is that of the logins followup_app and lad_owner.
const Password = "secret"

// Names in the database.
const (
	// SharedSchema is the schema of all tenants in shared mode. LAD has not run
	// its own migration 001 there, so task_status may be NULL.
	SharedSchema = "lad_dev"
	// Registry is the registry's table. It knows both tenants.
	Registry = "lad_registry.tenants"
	// SchemaA is tenant A's schema in registry mode: ladschema.Default.
	SchemaA = "tenant_a"
	// SchemaB is tenant B's. Its booking times have a time zone, and there is no
	// index against duplicates.
	SchemaB = "tenant_b"
)

// The two tenants.
var (
	TenantA = uuid.MustParse("aaaaaaaa-0000-4000-8000-000000000001")
	TenantB = uuid.MustParse("bbbbbbbb-0000-4000-8000-000000000002")
)

// Agent is the id of a tenant's voice agent, which has an active number: 7 for
// TenantA, 8 for TenantB.
func Agent(tenant uuid.UUID) int64 {
	switch tenant {
	case TenantA:
		return 7
	case TenantB:
		return 8
	}
	return 1000 + int64(binary.BigEndian.Uint32(tenant[12:])) // AddTenants's differ there
}

// Fixture is a database with LAD's tables, and the repository opened on it.
type Fixture struct {
	// DB is open as followup_app, in shared mode unless an option says otherwise.
	DB *tenantdb.DB
	// Config is what DB was opened with.
	Config tenantdb.Config
	// Owner is a pool of the tables' owner, to do what LAD does.
	Owner *pgxpool.Pool
	// AdminURL is the superuser's connection URL.
	AdminURL string

	t       testing.TB
	schemas map[uuid.UUID]string // of the registry
}

// Option changes how a fixture opens its repository.
type Option func(*tenantdb.Config)

// WithRegistry opens the repository in registry mode.
func WithRegistry() Option {
	return func(c *tenantdb.Config) { c.Schema, c.Registry = "", Registry }
}

// New sets a database up and opens it. Everything is closed when the test ends.
func New(t testing.TB, options ...Option) *Fixture {
	t.Helper()
	database := postgrestest.NewDatabase(t, template)
	if err := letOwnerCreate(t.Context(), database.AdminURL); err != nil {
		t.Fatal(err)
	}
	f := &Fixture{
		t:        t,
		AdminURL: database.AdminURL,
		schemas:  map[uuid.UUID]string{TenantA: SchemaA, TenantB: SchemaB},
		Config: tenantdb.Config{
			URL:              settings.NewSecret(database.URL("followup_app", Password)),
			Schema:           SharedSchema,
			RegistryTTL:      time.Minute,
			MaxConns:         4,
			LockTimeout:      5 * time.Second,
			StatementTimeout: 20 * time.Second,
		},
	}
	for _, option := range options {
		option(&f.Config)
	}
	owner, err := pgxpool.New(t.Context(), database.URL("lad_owner", Password)+"&pool_max_conns=4")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(owner.Close)
	f.Owner = owner
	f.DB = f.Open()
	return f
}

// Open opens the repository once more, with its own pool, as Config says unless
// options change it.
func (f *Fixture) Open(options ...Option) *tenantdb.DB {
	f.t.Helper()
	config := f.Config
	for _, option := range options {
		option(&config)
	}
	db, err := tenantdb.Open(f.t.Context(), config)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() {
		if err := db.Close(); err != nil {
			f.t.Error(err)
		}
	})
	return db
}

// Schema is where the tenant's tables are.
func (f *Fixture) Schema(tenant uuid.UUID) string {
	if f.Config.Registry == "" {
		return f.Config.Schema
	}
	return f.schemas[tenant]
}

// AddTenant creates a migrated schema of LAD's dump and further parts, with the
// tenant's voice agent, and enters it into the registry for the tenant, in place
// of the one that it may have had.
func (f *Fixture) AddTenant(t testing.TB, tenant uuid.UUID, schema string, parts ...string) {
	t.Helper()
	err := f.Owner.AcquireFunc(t.Context(), func(conn *pgxpool.Conn) error {
		if err := createSchema(t.Context(), conn.Conn(), schema, parts...); err != nil {
			return err
		}
		return lad.SeedAgent(t.Context(), conn, schema, tenant.String(), Agent(tenant))
	})
	if err != nil {
		t.Fatal(err)
	}
	f.Register(t, tenant, schema)
}

// Register enters a schema into the registry, whether it exists or not.
func (f *Fixture) Register(t testing.TB, tenant uuid.UUID, schema string) {
	t.Helper()
	_, err := f.Owner.Exec(t.Context(), `INSERT INTO `+Registry+` VALUES ($1, $2)
		ON CONFLICT (tenant_id) DO UPDATE SET schema_name = EXCLUDED.schema_name`, tenant, schema)
	if err != nil {
		t.Fatalf("register schema %q: %v", schema, err)
	}
	f.schemas[tenant] = schema
}

// LAD runs a statement as the tables' owner in the tenant's schema, and returns
// how many rows it has hit.
func (f *Fixture) LAD(t testing.TB, tenant uuid.UUID, sql string, args ...any) int64 {
	t.Helper()
	var hit int64
	err := f.inSchema(t.Context(), tenant, func(tx pgx.Tx) error {
		tag, err := tx.Exec(t.Context(), sql, args...)
		hit = tag.RowsAffected()
		return err
	})
	if err != nil {
		t.Fatalf("as LAD: %s: %v", sql, err)
	}
	return hit
}

// Admin runs statements as the superuser.
func (f *Fixture) Admin(t testing.TB, statements ...string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), f.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(t.Context()) }() // nothing is under way on it
	for _, s := range statements {
		if _, err := conn.Exec(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

// ReadOnly makes the database read-only, or writable again, for sessions to come:
// those that there are stay as they are.
func (f *Fixture) ReadOnly(t testing.TB, on bool) {
	t.Helper()
	f.Admin(t, `SET default_transaction_read_only = off`, fmt.Sprintf(
		`DO $$ BEGIN EXECUTE format('ALTER DATABASE %%I SET default_transaction_read_only = %v', current_database()); END $$`, on))
}

// EndSessions ends the functions' sessions.
func (f *Fixture) EndSessions(t testing.TB) {
	t.Helper()
	f.Admin(t, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = 'followup_app' AND datname = current_database()`)
}

// Read is the booking as the repository sees it, and the database's clock. It
// fails the test if there is none.
func (f *Fixture) Read(t testing.TB, ref followup.Ref) (followup.Booking, time.Time) {
	t.Helper()
	b, now, err := f.DB.Booking(t.Context(), ref)
	if err != nil {
		t.Fatal(err)
	}
	if b == nil {
		t.Fatalf("no booking %s", ref)
	}
	return *b, now
}

func (f *Fixture) inSchema(ctx context.Context, tenant uuid.UUID, fn func(pgx.Tx) error) error {
	return pgx.BeginFunc(ctx, f.Owner, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, "SET LOCAL search_path = "+pgx.Identifier{f.Schema(tenant)}.Sanitize()); err != nil {
			return err
		}
		return fn(tx)
	})
}

var template = postgrestest.Template{Key: "tenantdbtest", Setup: setup}

func setup(ctx context.Context, adminURL string) error {
	admin, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close(ctx) }() // nothing is under way on it
	if _, err := admin.Exec(ctx, rolesSQL); err != nil {
		return fmt.Errorf("create the roles: %w", err)
	}
	if err := letOwnerCreate(ctx, adminURL); err != nil {
		return err
	}
	if _, err := admin.Exec(ctx, "SET ROLE lad_owner"); err != nil {
		return fmt.Errorf("become LAD's owner: %w", err)
	}
	for _, s := range []struct {
		name    string
		parts   []string
		tenants []uuid.UUID
	}{
		{SharedSchema, nil, []uuid.UUID{TenantA, TenantB}},
		{SchemaA, ladschema.Default[1:], []uuid.UUID{TenantA}},
		{SchemaB, []string{ladschema.Timestamptz, ladschema.Own001, ladschema.Trigger}, []uuid.UUID{TenantB}},
	} {
		if err := createSchema(ctx, admin, s.name, s.parts...); err != nil {
			return err
		}
		for _, tenant := range s.tenants {
			if err := lad.SeedAgent(ctx, admin, s.name, tenant.String(), Agent(tenant)); err != nil {
				return err
			}
		}
	}
	_, err = admin.Exec(ctx, registrySQL, pgx.QueryExecModeSimpleProtocol, TenantA, SchemaA, TenantB, SchemaB)
	return err
}

// letOwnerCreate lets LAD's owner create schemas: a right on a database, which
// its clones do not inherit.
func letOwnerCreate(ctx context.Context, adminURL string) error {
	admin, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		return err
	}
	defer func() { _ = admin.Close(ctx) }() // nothing is under way on it
	database := pgx.Identifier{admin.Config().Database}.Sanitize()
	if _, err := admin.Exec(ctx, "GRANT CREATE ON DATABASE "+database+" TO lad_owner"); err != nil {
		return fmt.Errorf("let LAD's owner create schemas: %w", err)
	}
	return nil
}

// createSchema creates LAD's tables as LAD has them, parts on top of the dump, and
// migrates them.
func createSchema(ctx context.Context, conn *pgx.Conn, schema string, parts ...string) error {
	if err := ladschema.Create(ctx, conn, schema, append([]string{ladschema.Dump}, parts...)...); err != nil {
		return err
	}
	return migrations.Up(ctx, conn, schema, migrations.Options{})
}

// rolesSQL makes LAD's owner, who migrates and is no superuser, and the
// functions' login.
const rolesSQL = `
CREATE ROLE lad_owner LOGIN CREATEROLE PASSWORD '` + Password + `';
CREATE ROLE followup_app LOGIN PASSWORD '` + Password + `';`

const registrySQL = `
CREATE SCHEMA lad_registry;
CREATE TABLE lad_registry.tenants (tenant_id uuid PRIMARY KEY, schema_name text);
INSERT INTO lad_registry.tenants VALUES ($1, $2), ($3, $4);
GRANT USAGE ON SCHEMA lad_registry TO followup_app;
GRANT SELECT ON lad_registry.tenants TO followup_app;`

// Login makes a role of its own, since roles belong to the whole server, and
// opens the repository as it.
func (f *Fixture) Login(t testing.TB, attributes string, statements ...string) *tenantdb.DB {
	t.Helper()
	role := "r" + strings.ReplaceAll(uuid.NewString(), "-", "")
	all := []string{"CREATE ROLE " + role + " LOGIN IN ROLE followup_app PASSWORD '" + Password + "' " + attributes}
	for _, s := range statements {
		all = append(all, strings.ReplaceAll(s, "$role", role))
	}
	f.Admin(t, all...)
	return f.Open(func(c *tenantdb.Config) {
		c.URL = settings.NewSecret(strings.Replace(c.URL.Reveal(), "followup_app", role, 1))
	})
}

// NewLead inserts a lead of LAD's, and the user whom it is assigned to.
func (f *Fixture) NewLead(t testing.TB, tenant uuid.UUID) uuid.UUID {
	t.Helper()
	id := uuid.New()
	f.LAD(t, tenant, `INSERT INTO users (id, tenant_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, User(tenant), tenant)
	f.LAD(t, tenant, `INSERT INTO leads (id, tenant_id, first_name, phone, assigned_user_id) VALUES ($1, $2, 'Ada', '+4915112345678', $3)`,
		id, tenant, User(tenant))
	return id
}

// Loosen lets a column be NULL, as a LAD of another age may have it.
func (f *Fixture) Loosen(t testing.TB, tenant uuid.UUID, columns ...string) {
	t.Helper()
	for _, c := range columns {
		f.LAD(t, tenant, `ALTER TABLE lead_bookings ALTER COLUMN `+c+` DROP NOT NULL`)
	}
}
