package compliance

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// repositoryLayer is where SQL may stand.
var repositoryLayer = []string{"pkg/tenantdb", "migrations"}

// goSQL judges the SQL in Go: every constant string that is SQL, wherever it
// stands, and every text that a driver is handed.
func (c *checker) goSQL(set packageSet) {
	uses := constantUses{inside: map[types.Object]bool{}, alone: map[types.Object]bool{}}
	for _, p := range set.product {
		constants(p, func(e ast.Expr, _ *ast.ValueSpec) { uses.note(p, e) })
	}
	local := map[*types.Package]bool{}
	for _, p := range set.product {
		local[p.Types] = true
	}
	for _, p := range set.product {
		constants(p, func(e ast.Expr, spec *ast.ValueSpec) {
			if used := constantObject(p, e); used != nil && local[used.Pkg()] {
				return // judged where it is declared
			}
			if spec != nil && uses.onlyInside(p, spec, e) {
				return // a part, judged in the whole
			}
			c.constantSQL(p, e)
		})
	}
	f := newFlow(set.product)
	c.drivers(f, set)
	c.writtenNames(f, set)
}

// constantUses tells constants that are only parts of others.
type constantUses struct{ inside, alone map[types.Object]bool }

func (u constantUses) note(p pkg, e ast.Expr) {
	if used := constantObject(p, e); used != nil {
		u.alone[used] = true
		return
	}
	ast.Inspect(e, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			if used, ok := p.TypesInfo.Uses[id].(*types.Const); ok {
				u.inside[used] = true
			}
		}
		return true
	})
}

func (u constantUses) onlyInside(p pkg, spec *ast.ValueSpec, e ast.Expr) bool {
	i := slices.Index(spec.Values, e)
	if i < 0 || i >= len(spec.Names) {
		return false
	}
	declared := p.TypesInfo.Defs[spec.Names[i]]
	return u.inside[declared] && !u.alone[declared]
}

// constants calls fn for every constant string, as large as it is, with the
// declaration that it is directly in.
func constants(p pkg, fn func(ast.Expr, *ast.ValueSpec)) {
	for _, file := range p.Syntax {
		var spec *ast.ValueSpec
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.ValueSpec); ok {
				spec = s
			}
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			if _, ok := constantText(p, e); !ok {
				return true
			}
			if id, ok := e.(*ast.Ident); ok && p.TypesInfo.Defs[id] != nil {
				return true // the name of what is declared
			}
			if spec != nil && slices.Contains(spec.Values, e) {
				fn(e, spec)
			} else {
				fn(e, nil)
			}
			return false
		})
	}
}

func constantText(p pkg, e ast.Expr) (string, bool) {
	v := p.TypesInfo.Types[e].Value
	if v == nil || v.Kind() != constant.String {
		return "", false
	}
	return constant.StringVal(v), true
}

// constantObject is the constant that an expression names, or nil.
func constantObject(p pkg, e ast.Expr) types.Object {
	var id *ast.Ident
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		id = e
	case *ast.SelectorExpr:
		id = e.Sel
	default:
		return nil
	}
	if used, ok := p.TypesInfo.Uses[id].(*types.Const); ok {
		return used
	}
	return nil
}

func (c *checker) constantSQL(p pkg, e ast.Expr) {
	text, _ := constantText(p, e)
	if oneWord.MatchString(text) {
		return
	}
	src := c.goSource(p, e)
	statements, err := c.sql(src)
	if err != nil || within(p.dir, repositoryLayer...) || !slices.ContainsFunc(statements, isWork) {
		return
	}
	c.report.add(HouseRules, src.finding(0, "SQL stands in pkg/tenantdb and migrations, and nowhere else: "+shorten(text)))
}

// oneWord is text that no statement can be: SQL needs no white space between its
// words, but a quote or a comment then.
var oneWord = regexp.MustCompile(`^[\w.:/=@%+-]*$`)

// isWork tells statements from English that happens to be SQL: "begin …", "show …",
// "execute …" (which would need a PREPARE, and that is no English).
func isWork(raw *pg.RawStmt) bool {
	switch raw.GetStmt().GetNode().(type) {
	case *pg.Node_TransactionStmt, *pg.Node_VariableShowStmt, *pg.Node_ListenStmt, *pg.Node_NotifyStmt,
		*pg.Node_FetchStmt, *pg.Node_ClosePortalStmt, *pg.Node_LoadStmt, *pg.Node_CheckPointStmt,
		*pg.Node_ExecuteStmt:
		return false
	}
	return true
}

// goSource is a constant with the lines of its parts.
func (c *checker) goSource(p pkg, e ast.Expr) source {
	text, _ := constantText(p, e)
	parts := literals(p, e)
	position := func(pos token.Pos) token.Position { return p.Fset.PositionFor(pos, false) }
	file := c.rel(position(e.Pos()).Filename)
	return source{text: text, file: file, dir: path.Dir(file), line: func(offset int) int {
		for _, part := range parts {
			if offset < len(part.text) {
				line := position(part.pos).Line
				if part.raw {
					line += strings.Count(part.text[:offset], "\n")
				}
				return line
			}
			offset -= len(part.text)
		}
		return position(e.Pos()).Line
	}}
}

// literal is a part of a constant.
type literal struct {
	text string
	pos  token.Pos
	raw  bool // its lines are those of the file
}

func literals(p pkg, e ast.Expr) []literal {
	switch e := ast.Unparen(e).(type) {
	case *ast.BinaryExpr:
		return append(literals(p, e.X), literals(p, e.Y)...)
	case *ast.BasicLit:
		if text, err := strconv.Unquote(e.Value); err == nil {
			return []literal{{text, e.Pos(), e.Value[0] == '`'}}
		}
	case *ast.CallExpr: // a conversion
		if len(e.Args) == 1 {
			return literals(p, e.Args[0])
		}
	}
	text, _ := constantText(p, e)
	return []literal{{text, e.Pos(), false}}
}
