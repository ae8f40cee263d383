package tenantdb

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/internal/settings"
)

// FuzzSchemaName: a name that is accepted is one identifier to PostgreSQL, and
// that very name, where this package quotes it.
func FuzzSchemaName(f *testing.F) {
	for _, seed := range []string{
		"lad_dev", "tenant_6f9619ff", "Tenant A", `a"b`, `"`, `""`, `a"; DROP SCHEMA public; --`, "a.b", "a, pg_catalog", "$user", "pg_temp", "PG_temp", "schön", "名前", "a\x00b", "a\xffb", "a\nb", "a'b", `a\b`, "--", "/*", "%d%s",
		strings.Repeat("x", 63), strings.Repeat("x", 64), strings.Repeat("ü", 31) + "x", strings.Repeat("ü", 32), "select", "", " ",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if err := checkIdentifier(name); err != nil {
			if strings.Contains(err.Error(), "%!") {
				t.Errorf("%q: %v", name, err)
			}
			return
		}
		if name == "" || len(name) > 63 || !utf8.ValidString(name) || strings.ContainsRune(name, 0) {
			t.Fatalf("accepted %q", name)
		}
		if got, rest := identifier(pgx.Identifier{name}.Sanitize() + ", pg_temp"); got != name || rest != ", pg_temp" {
			t.Errorf("%q becomes %q and %q in search_path", name, got, rest)
		}
	})
}

// FuzzRegistryName: a registry that is accepted is one relation, and what it is
// was taken as it stands.
func FuzzRegistryName(f *testing.F) {
	for _, seed := range []string{"public.tenants", "tenants", "a.b.c", `Pub"lic.ten"ants`, ".", "a.", ".b", "$user.t", "public.pg_class", "a b.c d", "a\x00.b", "public.tenants WHERE true", "%s.%d"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		relation, err := parseRelation(s)
		if err != nil {
			if relation != nil {
				t.Errorf("%q: %v and %v", s, relation, err)
			}
			return
		}
		if len(relation) != 2 || strings.Join(relation, ".") != s {
			t.Fatalf("%q is %v", s, relation)
		}
		r := newRegistry(nil, relation, 1, 1)
		for sql, end := range map[string]string{string(r.lookupSQL): " WHERE tenant_id = $1", string(r.listSQL): " WHERE schema_name IS NOT NULL ORDER BY tenant_id"} {
			_, from, _ := strings.Cut(sql, " FROM ")
			schema, dot := identifier(from)
			table, rest := identifier(strings.TrimPrefix(dot, "."))
			if schema != relation[0] || table != relation[1] || dot[0] != '.' || rest != end {
				t.Errorf("%q makes %s", s, sql)
			}
		}
	})
}

// identifier reads a quoted identifier as PostgreSQL does ("Lexical Structure",
// 4.1.1): it ends at the first quote that is not doubled.
func identifier(sql string) (name, rest string) {
	var b strings.Builder
	rest, ok := strings.CutPrefix(sql, `"`)
	for ok {
		var part string
		if part, rest, ok = strings.Cut(rest, `"`); !ok {
			break
		}
		b.WriteString(part)
		if !strings.HasPrefix(rest, `"`) {
			return b.String(), rest
		}
		b.WriteByte('"')
		rest = rest[1:]
	}
	return "", sql // it does not begin or does not end
}

// FuzzDatabaseURL: a connection string that cannot be read is refused without a
// word of it, since it holds a password.
func FuzzDatabaseURL(f *testing.F) {
	for _, seed := range []string{
		"postgres://app:swordfish@db/lad", "postgres://app:sword/fish@db/lad", "postgres://app:swordfish@db:port/lad", "host=db password=swordfish", "host=db password='swordfish", "postgres://%zz:swordfish@db", "postgres://app:swordfish@db/lad?sslmode=swordfish",
		"postgres://db/lad?pool_max_conns=swordfish", "\x00", "swordfish", "postgres://[::1:swordfish", "postgres://app:swordfish@db/lad?connect_timeout=-1",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, url string) {
		if url == "" {
			t.Skip("none: that is Cloud SQL")
		}
		for _, word := range []string{"file", "sslcert", "sslkey", "sslrootcert", "service"} {
			if strings.Contains(url, word) {
				t.Skip("it names a file of this machine's")
			}
		}
		pool, _, err := poolConfig(t.Context(), Config{URL: settings.NewSecret(url), MaxConns: 4}, nil)
		switch {
		case err == nil:
			if pool.MaxConns != 4 || pool.ConnConfig.RuntimeParams["application_name"] != "followup" {
				t.Errorf("%q changed the pool: %d connections, %v", url, pool.MaxConns, pool.ConnConfig.RuntimeParams)
			}
		case !strings.HasPrefix(err.Error(), "read DATABASE_URL: it is not a PostgreSQL connection string"):
			t.Errorf("%q: %v", url, err)
		case len(url) > 60 && strings.Contains(err.Error(), url):
			t.Errorf("the error quotes %q", url)
		}
	})
}
