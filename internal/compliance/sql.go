package compliance

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	pgquery "github.com/wasilibs/go-pgquery"
)

// tree is a part of PostgreSQL's parse tree as libpg_query writes it in JSON: a
// node, whose only key is its type, or the fields of one.
type tree = map[string]any

// get follows a path of keys. What is not there is nil.
func get(n any, path string) any {
	for key := range strings.SplitSeq(path, ".") {
		fields, _ := n.(tree)
		n = fields[key]
	}
	return n
}

func str(n any, path string) string { s, _ := get(n, path).(string); return s }
func list(n any, path string) []any { l, _ := get(n, path).([]any); return l }
func num(n any, path string) int    { i, _ := get(n, path).(float64); return int(i) }

// names are the parts of a qualified name, or one that is empty.
func names(n any, path string) []string {
	all := make([]string, max(1, len(list(n, path))))
	for i, part := range list(n, path) {
		all[i] = str(part, "String.sval")
	}
	return all
}

// last is the name proper of a qualified one.
func last(n any, path string) string { all := names(n, path); return all[len(all)-1] }

// walk visits all fields of n and below, with the nearest location, but not below
// those for which visit says no.
func walk(n any, at int, visit func(key string, value any, at int) bool) {
	switch n := n.(type) {
	case []any:
		for _, below := range n {
			walk(below, at, visit)
		}
	case tree:
		at = max(at, num(n, "location"), num(n, "lineno"))
		for key, below := range n {
			if visit(key, below, at) {
				walk(below, at, visit)
			}
		}
	}
}

// source is a piece of SQL and where it stands.
type source struct {
	text, file, dir string
	line            func(offset int) int
	variables       map[string]bool // PL/pgSQL's, in reach
}

// within is other text inside s, which begins on a line.
func (s source) within(text string, line int) source {
	s.text, s.line = text, func(offset int) int { return line + strings.Count(text[:min(offset, len(text))], "\n") }
	return s
}

func (c *checker) found(issue Issue, s source, at int, text string) {
	c.report.add(issue, Finding{s.file, s.line(at), text})
}

var (
	argument = regexp.MustCompile(`@[A-Za-z_]\w*`)
	comments = regexp.MustCompile(`^(\s+|--[^\n]*\n|/\*(?s:.*?)\*/)*`)
	rowVerb  = regexp.MustCompile(`(?i)^\s*(select|with|insert|update|delete|merge|copy|truncate|table)\s`)
)

// positional makes parameters, of the same length, of pgx's named arguments, whose
// @ PostgreSQL takes for an operator.
func positional(text string) string {
	return argument.ReplaceAllStringFunc(text, func(name string) string { return fmt.Sprintf("%-*s", len(name), "$1") })
}

func parse(text string) (statements []any, err error) {
	parsed, err := pgquery.ParseToJSON(text)
	var root any
	if err == nil {
		err = json.Unmarshal([]byte(parsed), &root)
	}
	return list(root, "stmts"), err
}

// sql judges a piece of SQL, and returns its statements.
func (c *checker) sql(src source) ([]any, error) {
	src.text = positional(src.text)
	statements, err := parse(src.text)
	for _, raw := range statements {
		text, stmt := src.text[num(raw, "stmt_location"):], get(raw, "stmt")
		if n := num(raw, "stmt_len"); n > 0 {
			text = text[:n]
		}
		before := len(comments.FindString(text)) // PostgreSQL counts them in
		at := num(raw, "stmt_location") + before
		c.schemas(src, at, text[before:], stmt)
		c.tenants(src, at, text[before:], stmt)
		c.body(src, at, text, stmt)
		walk(stmt, at, func(key string, n any, at int) bool {
			if text := str(n, "sval.sval"); key == "A_Const" && rowVerb.MatchString(text) { // somebody may run it
				_, _ = c.sql(src.within(text, src.line(at))) // what does not parse is no SQL
			}
			return true
		})
	}
	return statements, err
}

// mustSQL judges what has to be SQL.
func (c *checker) mustSQL(src source) {
	if _, err := c.sql(src); err != nil {
		c.found(TenantFilter, src, 0, "SQL that does not parse cannot be checked: "+shorten(src.text))
	}
}

// excused reports whether a folder's text is excepted. White space does not count.
func (c *checker) excused(dir, text string) bool {
	i := slices.IndexFunc(c.rules.Exceptions, func(e Exception) bool { return e.Package == dir && e.matches(text) })
	if i >= 0 {
		c.used[i] = true
	}
	return i >= 0
}

func (e Exception) matches(text string) bool {
	pattern := strings.ReplaceAll(regexp.QuoteMeta(normalise(e.SQL)), "…", "[^⟨⟩]*")
	return regexp.MustCompile("^" + pattern + "$").MatchString(normalise(text))
}

func normalise(text string) string { return strings.Join(strings.Fields(positional(text)), " ") }

func shorten(text string) string { return fmt.Sprintf("%.80s", normalise(text)) }
