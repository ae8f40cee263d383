package tenantdb

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/phone"
)

// Config says how to reach the database and where a tenant's tables are.
type Config struct {
	// URL is a PostgreSQL connection string; or else Instance, User and Database
	// name a Cloud SQL instance that is entered by IAM login.
	URL      settings.Secret `env:"DATABASE_URL"`
	Instance string          `env:"INSTANCE_CONNECTION_NAME"` // project:region:instance
	User     string          `env:"DB_USER"`                  // IAM user; a service account without .gserviceaccount.com
	Database string          `env:"DB_NAME"`
	// PrivateIP makes the Cloud SQL connector use the instance's private address.
	PrivateIP bool `env:"DB_PRIVATE_IP, default=true"`

	// Schema is the one schema that all tenants share; or else Registry is a
	// table or view, as "schema.table", with the columns tenant_id and
	// schema_name.
	Schema   string `env:"TENANT_SCHEMA"`
	Registry string `env:"TENANT_REGISTRY"`
	// RegistryTTL is how long an answer of the registry is believed.
	RegistryTTL time.Duration `env:"TENANT_REGISTRY_TTL, default=1m"`

	// Times says how LAD's times are read, Regions whose the numbers are that come
	// without a country.
	Times   followup.Times
	Regions phone.Regions `env:"FOLLOWUP_DEFAULT_REGION"`

	// MaxConns bounds the pool. The database sees instances × MaxConns.
	MaxConns int32 `env:"DB_MAX_CONNS, default=4"`
	// LockTimeout bounds the wait for a row's lock.
	LockTimeout time.Duration `env:"DB_LOCK_TIMEOUT, default=2s"`
	// StatementTimeout bounds each statement.
	StatementTimeout time.Duration `env:"DB_STATEMENT_TIMEOUT, default=15s"`

	// Timeline is the database's time line (Timeline) that calls are planned and made
	// on. On any other all but Finish is refused with ErrTimeline. 0: it is not asked.
	Timeline uint32 `env:"FOLLOWUP_TIMELINE"`

	// Clock makes the time that counts out of the database's. Nil leaves it as it
	// is; tests let days pass with it.
	Clock func(database time.Time) time.Time
}

// maxIdentifier is PostgreSQL's limit for names, in bytes (NAMEDATALEN - 1).
const maxIdentifier = 63

// Validate reports every setting that is missing or contradicts another, one
// sentence each.
func (c Config) Validate() error {
	var problems settings.Problems
	cloudSQL := c.Instance != "" || c.User != "" || c.Database != ""
	switch {
	case c.URL.IsSet() && c.Instance != "":
		problems.Add("DATABASE_URL", "and INSTANCE_CONNECTION_NAME are both set: keep the one that names your database")
	case !c.URL.IsSet() && !cloudSQL:
		problems.Add("DATABASE_URL", "is missing: set it to the database's connection string, or set INSTANCE_CONNECTION_NAME, DB_USER and DB_NAME for Cloud SQL")
	case !c.URL.IsSet():
		problems.Unless(strings.Count(c.Instance, ":") >= 2,
			"INSTANCE_CONNECTION_NAME", "is not valid: set it to project:region:instance")
		problems.Unless(c.User != "",
			"DB_USER", "is missing: set it to the IAM database user (a service account's address without .gserviceaccount.com)")
		problems.Unless(c.Database != "", "DB_NAME", "is missing: set it to the name of LAD's database")
	}
	switch {
	case c.Schema == "" && c.Registry == "":
		problems.Add("TENANT_SCHEMA", "is missing: set it to the schema that all tenants share, or set TENANT_REGISTRY to the table that names each tenant's schema")
	case c.Schema != "" && c.Registry != "":
		problems.Add("TENANT_SCHEMA", "and TENANT_REGISTRY are both set: keep TENANT_SCHEMA if all tenants share one schema, TENANT_REGISTRY otherwise")
	case c.Schema != "":
		if err := checkIdentifier(c.Schema); err != nil {
			problems.Add("TENANT_SCHEMA", "cannot be a schema: %v", err)
		}
	default:
		if _, err := parseRelation(c.Registry); err != nil {
			problems.Add("TENANT_REGISTRY", "cannot be a table: %v", err)
		}
	}
	problems.Unless(c.RegistryTTL > 0 && c.RegistryTTL <= time.Hour,
		"TENANT_REGISTRY_TTL", "is %v: set it above 0 and to at most 1h, the longest that a moved tenant may stay unnoticed", c.RegistryTTL)
	problems.Unless(c.MaxConns >= 1, "DB_MAX_CONNS", "is %d: set it to 1 or more", c.MaxConns)
	problems.Unless(c.LockTimeout >= time.Millisecond, "DB_LOCK_TIMEOUT", "is %v: set it to 1ms or more", c.LockTimeout)
	problems.Unless(c.StatementTimeout > c.LockTimeout,
		"DB_STATEMENT_TIMEOUT", "is %v: set it above DB_LOCK_TIMEOUT (%v), or a lock is never waited for", c.StatementTimeout, c.LockTimeout)
	return problems.Err()
}

// checkIdentifier says why name cannot be the name of a schema or table.
func checkIdentifier(name string) error {
	switch {
	case name == "":
		return fmt.Errorf("the name is empty")
	case len(name) > maxIdentifier:
		return fmt.Errorf("the name has %d bytes, PostgreSQL allows %d", len(name), maxIdentifier)
	case strings.ContainsRune(name, 0):
		return fmt.Errorf("the name contains a NUL")
	case !utf8.ValidString(name):
		return fmt.Errorf("the name is not UTF-8")
	case name == "$user" || strings.HasPrefix(name, "pg_"):
		return fmt.Errorf("PostgreSQL keeps the name %s for itself", name) // in search_path even when quoted
	}
	return nil
}

// parseRelation reads "schema.table". Neither part may contain a dot; both are
// taken as they are, capitals and quotes included.
func parseRelation(s string) (pgx.Identifier, error) {
	schema, table, ok := strings.Cut(s, ".")
	if !ok || strings.Contains(table, ".") {
		return nil, fmt.Errorf("%q is not of the form schema.table", s)
	}
	for _, part := range []string{schema, table} {
		if err := checkIdentifier(part); err != nil {
			return nil, fmt.Errorf("%q: %w", s, err)
		}
	}
	return pgx.Identifier{schema, table}, nil
}
