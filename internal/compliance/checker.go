package compliance

import (
	"context"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// checker is one run.
type checker struct {
	root   string
	rules  Rules
	report Report
	// What the rules except and something was found for.
	usedExceptions map[int]bool
	usedViews      map[string]bool
}

// Check holds the repository at root to the rules. An error means that it could
// not be judged, which is not the same as ready.
func Check(ctx context.Context, root string, rules Rules) (Report, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, fmt.Errorf("find the repository: %w", err)
	}
	c := &checker{root: root, rules: rules, report: Report{}, usedExceptions: map[int]bool{}, usedViews: map[string]bool{}}
	packages, err := c.load(ctx)
	if err != nil {
		return nil, err
	}
	if err := c.files(); err != nil {
		return nil, err
	}
	c.imports(packages)
	for _, p := range packages.product {
		c.printing(p)
	}
	c.goSQL(packages)
	c.unused()
	if err := c.idempotency(ctx); err != nil {
		return nil, err
	}
	c.report.tidy()
	return c.report, nil
}

// sql judges a piece of SQL, and says whether it is any.
func (c *checker) sql(src source) (statements []*pg.RawStmt, err error) {
	tree, err := parse(src.text)
	if err != nil {
		return nil, err
	}
	src.text = positional(src.text)
	for _, raw := range tree.GetStmts() {
		trim(src.text, raw)
		c.schemaNames(src, raw)
		c.tenantFilter(src, raw)
		c.bodies(src, raw)
		c.literals(src, raw)
	}
	return tree.GetStmts(), nil
}

// literals judges string literals that are SQL themselves: somebody may run them.
func (c *checker) literals(src source, raw *pg.RawStmt) {
	walk(raw.GetStmt(), func(m proto.Message) bool {
		if a, ok := m.(*pg.A_Const); ok && touchesRows(a.GetSval().GetSval()) {
			// What does not parse is no SQL.
			_, _ = c.sql(src.within(a.GetSval().GetSval(), src.line(max(int(a.GetLocation()), 0))))
		}
		return true
	})
}

var rowVerb = regexp.MustCompile(`(?i)^\s*(select|with|insert|update|delete|merge|copy|truncate|table)\s`)

// touchesRows is a quick look at the beginning of a text.
func touchesRows(text string) bool { return rowVerb.MatchString(text) }

var lead = regexp.MustCompile(`^(\s+|--[^\n]*\n|/\*(?s:.*?)\*/)*`)

// trim lets a statement begin at its first word: PostgreSQL counts the comments
// before it in.
func trim(text string, raw *pg.RawStmt) {
	before := int32(len(lead.FindString(statementText(text, raw))))
	raw.StmtLocation += before
	if raw.StmtLen > 0 {
		raw.StmtLen -= before
	}
}

// statementText is a statement without what surrounds it.
func statementText(text string, raw *pg.RawStmt) string {
	start := int(raw.GetStmtLocation())
	end := len(text)
	if raw.GetStmtLen() > 0 {
		end = start + int(raw.GetStmtLen())
	}
	return text[start:end]
}

// excused says whether a text is listed as an exception of a package.
func (c *checker) excused(dir, text string) bool {
	text = normalise(positional(text))
	i := slices.IndexFunc(c.rules.Exceptions, func(e Exception) bool { return e.Package == dir && e.matches(text) })
	if i < 0 {
		return false
	}
	c.usedExceptions[i] = true
	return true
}

// matches: an ellipsis stands for any constant text, but for no part that is made
// at run time.
func (e Exception) matches(text string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(normalise(positional(e.SQL))), "…", "[^⟨⟩]*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(text)
}

// unused reports exceptions that no longer except anything: whoever writes such a
// statement again should have to give the reason again.
func (c *checker) unused() {
	for i, e := range c.rules.Exceptions {
		if !c.usedExceptions[i] {
			c.report.add(HouseRules, Finding{File: e.Package, Text: "there is no such statement any more as the exception " + shorten(e.SQL)})
		}
	}
	for view := range c.rules.Views {
		if !c.usedViews[view] {
			c.report.add(HouseRules, Finding{File: "migrations", Text: "there is no such view any more as the exception " + view})
		}
	}
}

func shorten(text string) string {
	text = normalise(text)
	if runes := []rune(text); len(runes) > 80 {
		return string(runes[:80]) + "…"
	}
	return text
}

// rel is a path relative to the repository, with slashes.
func (c *checker) rel(path string) string {
	if r, err := filepath.Rel(c.root, path); err == nil {
		path = r
	}
	return filepath.ToSlash(path)
}

// within says whether a folder is one of the given ones or below it.
func within(dir string, folders ...string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return dir == f || strings.HasPrefix(dir, f+"/") })
}
