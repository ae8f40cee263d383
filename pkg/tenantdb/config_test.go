package tenantdb_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-envconfig"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/tenantdb"
)

func secret(s string) settings.Secret { return settings.NewSecret(s) }

func valid() tenantdb.Config {
	return tenantdb.Config{
		URL: secret("postgres://u:hush@h/d"), Schema: "lad_dev", RegistryTTL: time.Minute, MaxConns: 4,
		LockTimeout: 2 * time.Second, StatementTimeout: 15 * time.Second,
	}
}

func cloudSQL(instance, user, database string) func(*tenantdb.Config) {
	return func(c *tenantdb.Config) {
		c.URL, c.Instance, c.User, c.Database = settings.Secret{}, instance, user, database
	}
}

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(*tenantdb.Config)
		wrong  []string // the variables, one sentence each
	}{
		{"as it should be", func(*tenantdb.Config) {}, nil},
		{"Cloud SQL", cloudSQL("p:r:i", "sa@p.iam", "lad"), nil},
		{"Cloud SQL in a project of a domain", cloudSQL("example.com:p:r:i", "sa@p.iam", "lad"), nil},
		{"a registry", func(c *tenantdb.Config) { c.Schema, c.Registry = "", "lad.tenants" }, nil},
		{"no database", cloudSQL("", "", ""), []string{"DATABASE_URL"}},
		{"two databases", func(c *tenantdb.Config) { c.Instance = "p:r:i" }, []string{"DATABASE_URL"}},
		{"Cloud SQL without user and name", cloudSQL("p:r:i", "", ""), []string{"DB_USER", "DB_NAME"}},
		{"Cloud SQL without instance", cloudSQL("", "u", "d"), []string{"INSTANCE_CONNECTION_NAME"}},
		{"an instance of two parts", cloudSQL("p:i", "u", "d"), []string{"INSTANCE_CONNECTION_NAME"}},
		{"no tenants", func(c *tenantdb.Config) { c.Schema = "" }, []string{"TENANT_SCHEMA"}},
		{"both kinds of tenants", func(c *tenantdb.Config) { c.Registry = "lad.tenants" }, []string{"TENANT_SCHEMA"}},
		{"a schema too long", func(c *tenantdb.Config) { c.Schema = strings.Repeat("s", 64) }, []string{"TENANT_SCHEMA"}},
		{"a schema with a NUL", func(c *tenantdb.Config) { c.Schema = "a\x00b" }, []string{"TENANT_SCHEMA"}},
		{"a schema that is no UTF-8", func(c *tenantdb.Config) { c.Schema = "a\xff" }, []string{"TENANT_SCHEMA"}},
		{"PostgreSQL's own schema", func(c *tenantdb.Config) { c.Schema = "pg_catalog" }, []string{"TENANT_SCHEMA"}},
		{"whoever logs in", func(c *tenantdb.Config) { c.Schema = "$user" }, []string{"TENANT_SCHEMA"}},
		{"a registry without schema", func(c *tenantdb.Config) { c.Schema, c.Registry = "", "tenants" }, []string{"TENANT_REGISTRY"}},
		{"a registry of three parts", func(c *tenantdb.Config) { c.Schema, c.Registry = "", "a.b.c" }, []string{"TENANT_REGISTRY"}},
		{"a registry without table", func(c *tenantdb.Config) { c.Schema, c.Registry = "", "lad." }, []string{"TENANT_REGISTRY"}},
		{"a registry too long", func(c *tenantdb.Config) { c.Schema, c.Registry = "", "lad."+strings.Repeat("t", 64) }, []string{"TENANT_REGISTRY"}},
		{"no TTL", func(c *tenantdb.Config) { c.RegistryTTL = 0 }, []string{"TENANT_REGISTRY_TTL"}},
		{"a TTL too long", func(c *tenantdb.Config) { c.RegistryTTL = time.Hour + 1 }, []string{"TENANT_REGISTRY_TTL"}},
		{"no connections", func(c *tenantdb.Config) { c.MaxConns = 0 }, []string{"DB_MAX_CONNS"}},
		{"no lock timeout", func(c *tenantdb.Config) { c.LockTimeout = time.Microsecond }, []string{"DB_LOCK_TIMEOUT"}},
		{"a statement that ends before its lock", func(c *tenantdb.Config) { c.StatementTimeout = c.LockTimeout }, []string{"DB_STATEMENT_TIMEOUT"}},
		{"nothing at all", func(c *tenantdb.Config) { *c = tenantdb.Config{} }, []string{
			"DATABASE_URL", "TENANT_SCHEMA", "TENANT_REGISTRY_TTL", "DB_MAX_CONNS", "DB_LOCK_TIMEOUT", "DB_STATEMENT_TIMEOUT"}},
	} {
		config := valid()
		c.change(&config)
		var wrong []string
		if err := config.Validate(); err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				name, sentence, _ := strings.Cut(line, " ")
				wrong = append(wrong, name)
				if !strings.Contains(sentence, "set it") && !strings.Contains(sentence, "keep") && !strings.Contains(sentence, "cannot be") {
					t.Errorf("%s: says not what to do: %s", c.name, line)
				}
				if strings.Contains(line, "hush") {
					t.Errorf("%s: tells the password: %s", c.name, line)
				}
			}
		}
		if diff := cmp.Diff(c.wrong, wrong); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if c.wrong == nil {
			continue
		}
		if db, err := tenantdb.Open(t.Context(), config); err == nil {
			t.Errorf("%s: opened all the same, closed with %v", c.name, db.Close())
		}
	}
}

func TestAnUnreadableURLIsNotQuoted(t *testing.T) {
	t.Parallel()
	config := valid()
	for _, url := range []string{"postgres://u:hush@h:port/d", "hush", "postgres://u:hush@%zz/d"} {
		config.URL = secret(url)
		_, err := tenantdb.Open(t.Context(), config)
		if err == nil || !strings.Contains(err.Error(), "DATABASE_URL") || strings.Contains(err.Error(), "hush") {
			t.Errorf("%q: %v", url, err)
		}
	}
}

func TestTheEnvironmentsDefaultsAreValid(t *testing.T) {
	t.Parallel()
	var config tenantdb.Config
	err := settings.Load(t.Context(), envconfig.MapLookuper(map[string]string{"DATABASE_URL": "postgres://h/d", "TENANT_SCHEMA": "lad_dev"}), &config)
	if err != nil {
		t.Fatal(err)
	}
	if !config.PrivateIP || config.MaxConns != 4 || config.RegistryTTL != time.Minute || config.LockTimeout != 2*time.Second || config.StatementTimeout != 15*time.Second {
		t.Errorf("%+v", config)
	}
}
