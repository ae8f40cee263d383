package compliance

import (
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// writtenNames reports schemas that Go code writes down and hands to the
// database in another way than in a statement's text: as a quoted identifier, or
// as a connection's search_path.
func (c *checker) writtenNames(f flow, set packageSet) {
	for _, p := range set.product {
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CompositeLit:
					c.identifier(f, p, n)
				case *ast.AssignStmt:
					for i, left := range n.Lhs {
						if index, ok := ast.Unparen(left).(*ast.IndexExpr); ok && len(n.Rhs) == len(n.Lhs) {
							c.parameter(f, p, index.Index, n.Rhs[i])
						}
					}
				case *ast.KeyValueExpr:
					c.parameter(f, p, n.Key, n.Value)
				case ast.Expr:
					if text, ok := constantText(p, n); ok {
						c.connectionString(p, n.Pos(), text)
					}
				}
				return true
			})
		}
	}
}

// identifier looks at a pgx.Identifier. What is known before run time is written
// into the statement, where it can be checked; here it can only be a schema.
func (c *checker) identifier(f flow, p pkg, n *ast.CompositeLit) {
	named, ok := types.Unalias(p.TypesInfo.TypeOf(n)).(*types.Named)
	if !ok || named.Obj().Name() != "Identifier" || named.Obj().Pkg() == nil || !isDriver(named.Obj().Pkg().Path()) {
		return
	}
	for i, e := range n.Elts {
		if i == 0 || i < len(n.Elts)-1 {
			c.written(f, p, e, "an identifier")
		}
	}
}

// parameter looks at what is set under the name search_path, as in a
// connection's RuntimeParams.
func (c *checker) parameter(f flow, p pkg, name, value ast.Expr) {
	if text, ok := constantText(p, name); ok && strings.EqualFold(text, "search_path") {
		c.written(f, p, value, "search_path")
	}
}

var pathSetting = regexp.MustCompile(`(?i)^[^ ]*search_path(?:=|%3D)("?[\pL_][^\s&]*)`)

// connectionString looks at a connection's URL or options.
func (c *checker) connectionString(p pkg, at token.Pos, text string) {
	if m := pathSetting.FindStringSubmatch(text); m != nil {
		c.schemaWritten(p, at, m[1], "a connection string")
	}
}

// schemaParameter is a parameter in the place of a schema's name.
var schemaParameter = regexp.MustCompile(`(?i)` +
	`(?:search_path'\s*,|to_reg\w+\s*\(|\b(?:` + strings.Join(schemaColumns, "|") + `)(?:::\w+)?\s*(?:=|<>|!=|LIKE|IN)\s*(?:ANY\s*)?\(?)\s*[@$](\w+)` +
	`|[@$](\w+)::reg\w+`)

// writtenArguments looks at the arguments of SQL that stand for schemas: the nth
// one, or that of a name in a map of arguments.
func (c *checker) writtenArguments(f flow, p pkg, sql string, args []ast.Expr) {
	for _, m := range schemaParameter.FindAllStringSubmatch(sql, -1) {
		name := m[1] + m[2]
		if n, err := strconv.Atoi(name); err == nil {
			if n > 0 && n <= len(args) && isString(p.TypesInfo.TypeOf(args[n-1])) {
				c.written(f, p, args[n-1], "an argument")
			}
			continue
		}
		for _, arg := range args {
			ast.Inspect(arg, func(node ast.Node) bool {
				kv, ok := node.(*ast.KeyValueExpr)
				if !ok {
					return true
				}
				if key, ok := constantText(p, kv.Key); ok && key == name && isString(p.TypesInfo.TypeOf(kv.Value)) {
					c.written(f, p, kv.Value, "an argument")
				}
				return false
			})
		}
	}
}

// written reports what an expression may be, as far as that is known: a value
// that comes from outside is not.
func (c *checker) written(f flow, p pkg, e ast.Expr, where string) {
	for _, t := range f.texts(flowing{p: p, expr: e}, map[types.Object]bool{}) {
		if !t.unknown && t.text != "" {
			c.schemaWritten(p, e.Pos(), t.text, where)
		}
	}
}

var identifierText = regexp.MustCompile(`^\s*"?[\pL_]`)

func (c *checker) schemaWritten(p pkg, at token.Pos, text, where string) {
	for name := range strings.SplitSeq(text, ",") {
		name, _, _ = strings.Cut(name, ".") // what may follow is the schema's
		name = strings.Trim(name, ` "`)
		if serverSchema(name) || slices.Contains(c.rules.TenantRelations, name) || !identifierText.MatchString(name) {
			continue
		}
		position := p.Fset.PositionFor(at, false)
		c.report.add(SchemaNames, Finding{File: c.rel(position.Filename), Line: position.Line,
			Text: fmt.Sprintf("%s names the schema %q", where, name)})
	}
}

func isDriver(path string) bool {
	return strings.HasPrefix(path, "github.com/jackc/") || path == "database/sql"
}
