// Package compliance holds this repository to LAD's rules: SQL that names no schema
// and filters on the tenant, handlers that are idempotent, nothing printed past the
// log. Command compliance runs it. What the house asks besides of its files and
// imports are tests of this package.
//
// PostgreSQL's own parser reads the SQL, and Go's type checker the rest. What they
// cannot read is a violation, and so is SQL that is made at run time: the repository
// layer has a type for SQL, to which it does not convert by itself. rules.json lists
// what is excepted, with reasons; an exception of nothing is a violation.
//
// A tenant filter is an equality of a relation's own tenant_id with the caller's
// tenant (a parameter; in a view the setting app.tenant_id), or with that of a
// relation that is so filtered, in the WHERE or an inner JOIN of the very query
// that names the relation. What a subquery or an outer join hands on is refused.
// Tests, and what only they may import, are not judged.
package compliance

import (
	"context"
	_ "embed" // the rules
	"encoding/json"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Rules are what the repository is held to.
type Rules struct {
	TenantRelations []string          // the tables and views that hold rows of many tenants
	Setting         string            // names the caller's tenant to the database
	Exceptions      []Exception       // SQL that may do what the rules forbid
	Idempotency     []IdempotencyTest // must be there and pass
	Outside         []string          // folders that are no part of the product
}

// Exception is SQL in a folder. … stands for any constant text, and what stands
// between ⟨ and ⟩ is Go that makes it at run time.
type Exception struct{ Package, SQL, Reason string }

// IdempotencyTest is a test of a folder that proves a handler idempotent.
type IdempotencyTest struct{ Package, Name, Proves string }

//go:embed rules.json
var lad []byte

// LAD is what LAD asks of its services.
func LAD() (r Rules) {
	if err := json.Unmarshal(lad, &r); err != nil {
		panic(err) // it is part of the program
	}
	return r
}

// repositoryLayer is where SQL may stand.
var repositoryLayer = []string{"pkg/tenantdb", "migrations"}

// checker is one run.
type checker struct {
	root   string
	rules  Rules
	report Report
	used   map[int]bool // the exceptions that something was found for
}

// Check holds the repository at root to the rules. An error means that it could
// not be judged, which is not the same as ready.
func Check(ctx context.Context, root string, rules Rules) (Report, error) {
	root, err := filepath.Abs(root)
	c := &checker{root, rules, Report{}, map[int]bool{}}
	for _, check := range []func(context.Context) error{c.files, c.packages, c.idempotency} {
		if err == nil {
			err = check(ctx)
		}
	}
	for i, e := range rules.Exceptions {
		if !c.used[i] {
			c.report.add(TenantFilter, Finding{File: e.Package, Text: "nothing needs the exception " + shorten(e.SQL)})
		}
	}
	c.report.tidy()
	return c.report, err
}

// files judges the files of SQL.
func (c *checker) files(context.Context) error {
	return filepath.WalkDir(c.root, func(name string, entry fs.DirEntry, err error) error {
		switch base := entry.Name(); {
		case err != nil:
			return err
		case entry.IsDir() && (name != c.root && base[0] == '.' || slices.Contains([]string{"node_modules", "testdata", "bin"}, base)):
			return filepath.SkipDir
		case !strings.EqualFold(path.Ext(base), ".sql") || c.outside(name):
			return nil
		}
		text, err := os.ReadFile(name)
		src := source{file: c.rel(name), dir: c.rel(filepath.Dir(name))}.within(string(text), 1)
		if !slices.Contains(repositoryLayer, src.dir) {
			c.report.add(TenantFilter, Finding{File: src.file, Text: "SQL stands in pkg/tenantdb and migrations, and nowhere else"})
		}
		c.mustSQL(src)
		return err
	})
}

// rel is a path relative to the repository, with slashes.
func (c *checker) rel(name string) string {
	r, _ := filepath.Rel(c.root, name) // both are absolute
	return filepath.ToSlash(r)
}

// outside reports whether a path is in a folder that is no part of the product.
func (c *checker) outside(name string) bool {
	return slices.ContainsFunc(c.rules.Outside, func(f string) bool { return strings.HasPrefix(c.rel(name)+"/", f+"/") })
}
