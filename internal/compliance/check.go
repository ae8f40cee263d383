// Package compliance holds this repository to LAD's rules: SQL that names no schema
// and filters on the tenant, handlers that are idempotent, nothing printed past the
// log. Command compliance runs it. What the house asks besides of files and imports
// are tests of this package.
//
// PostgreSQL's own parser reads the SQL, and Go's type checker the rest. What they
// cannot read is a violation, and so is SQL that is made at run time: it does not
// convert by itself to the type that SQL has. rules.json lists what is excepted,
// with reasons; an exception of nothing is a violation.
//
// A tenant filter is an equality of a relation's own tenant_id with the caller's
// tenant (a parameter; in a view the setting app.tenant_id), or with that of a
// relation that is so filtered, in the WHERE or an inner JOIN of the very query
// that names the relation. What a subquery or an outer join hands on is refused.
package compliance

import (
	"context"
	_ "embed" // the rules
	"encoding/json"
	"os"
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
	return c.report, err
}

// files judges the repository layer's files of SQL. Elsewhere there are none.
func (c *checker) files(context.Context) error {
	for _, dir := range repositoryLayer {
		files, _ := filepath.Glob(filepath.Join(c.root, dir, "*.[sS][qQ][lL]"))
		for _, name := range files {
			text, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			c.mustSQL(source{file: c.rel(name), dir: dir}.within(string(text), 1))
		}
	}
	return nil
}

// rel is a path relative to the repository, with slashes.
func (c *checker) rel(name string) string {
	r, _ := filepath.Rel(c.root, name) // both are absolute
	return filepath.ToSlash(r)
}

// within reports whether a folder is one of others, or below it.
func within(dir string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return strings.HasPrefix(dir+"/", f+"/") })
}
