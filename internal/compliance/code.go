package compliance

import (
	"cmp"
	"context"
	"errors"
	"go/ast"
	"go/constant"
	"go/format"
	"go/token"
	"go/types"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/tools/go/packages"
)

// code is the judging of one package's Go.
type code struct {
	*packages.Package
	*checker
	dir    string
	passed map[*ast.Ident]bool     // what the call around it makes harmless
	values map[types.Object]string // of variables that begin as a constant
}

// packages judges the Go code of the product. The rest is not built.
func (c *checker) packages(ctx context.Context) error {
	config := &packages.Config{Context: ctx, Dir: c.root, Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports}
	all, err := packages.Load(config, "./...")
	var product []string
	for _, p := range all {
		helper := p.Imports["testing"] != nil && p.Name != "main"
		if len(p.GoFiles) > 0 && !helper && !c.outside(filepath.Dir(p.GoFiles[0])) {
			product = append(product, p.PkgPath)
		}
	}
	if err != nil || len(product) == 0 {
		return cmp.Or(err, errors.New("there are none"))
	}
	config.Mode |= packages.NeedCompiledGoFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedTypesSizes
	all, err = packages.Load(config, product...)
	for _, p := range all {
		if len(p.Errors) > 0 && len(p.TypeErrors) == 0 {
			return p.Errors[0]
		}
		g := &code{p, c, c.rel(filepath.Dir(p.GoFiles[0])), map[*ast.Ident]bool{}, map[types.Object]string{}}
		for _, e := range p.TypeErrors { // as is SQL that is made at run time
			g.say(TenantFilter, e.Pos, "does not compile: "+e.Msg)
		}
		for _, name := range p.IgnoredFiles {
			if strings.HasSuffix(name, ".go") && !strings.HasSuffix(name, "_test.go") {
				c.report.add(TenantFilter, Finding{File: c.rel(name), Text: "is not built on this system and cannot be checked"})
			}
		}
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool { return n == nil || g.visit(n) })
		}
	}
	return err
}

func (g *code) say(issue Issue, at token.Pos, text string) {
	p := g.Fset.PositionFor(at, false)
	g.report.add(issue, Finding{g.rel(p.Filename), p.Line, text})
}

// text is what an expression is, or begins as, if that is written down.
func (g *code) text(e ast.Expr) (text string, isConstant bool) {
	if v := g.TypesInfo.Types[e].Value; v != nil && v.Kind() == constant.String {
		return constant.StringVal(v), true
	}
	id, _ := e.(*ast.Ident)
	return g.values[g.TypesInfo.Uses[id]], false
}

// isQuery reports whether an expression is SQL by its type.
func (g *code) isQuery(e ast.Expr) bool {
	named, ok := g.TypesInfo.TypeOf(e).(*types.Named)
	return ok && named.Obj().Name() == "query"
}

// visit judges a node, and says whether what is below it remains to be judged.
func (g *code) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			right := n.Rhs[min(i, len(n.Rhs)-1)]
			switch left := left.(type) {
			case *ast.Ident:
				if n.Tok == token.ADD_ASSIGN && g.isQuery(left) {
					g.made(right)
				}
				if variable := g.TypesInfo.Defs[left]; variable != nil {
					g.values[variable], _ = g.text(right)
				}
			case *ast.IndexExpr:
				g.searchPath(left.Index, right)
			}
		}
	case *ast.KeyValueExpr:
		g.searchPath(n.Key, n.Value)
	case *ast.CompositeLit:
		if strings.HasSuffix(types.TypeString(g.TypesInfo.TypeOf(n), nil), "pgx/v5.Identifier") {
			g.schema(n.Elts[0])
		}
	case *ast.Ident:
		g.identifier(n)
	case *ast.CallExpr:
		g.call(n)
	}
	e, _ := n.(ast.Expr)
	text, isConstant := g.text(e)
	switch e := e.(type) {
	case *ast.Ident, *ast.SelectorExpr: // a constant is judged where it is declared
		return true
	case *ast.BinaryExpr, *ast.SliceExpr:
		if !isConstant && g.isQuery(e) {
			g.made(e)
		}
	case *ast.UnaryExpr:
		if e.Op == token.AND && g.isQuery(e.X) { // whoever has the address may write
			g.made(e)
		}
	}
	if isConstant {
		g.constant(e, text)
	}
	return !isConstant
}

// made reports SQL that is made at run time.
func (g *code) made(e ast.Expr) {
	var text strings.Builder
	_ = format.Node(&text, g.Fset, e) // a builder takes all
	if !g.excused(g.dir, "⟨"+text.String()+"⟩") {
		g.say(TenantFilter, e.Pos(), "SQL that is made at run time cannot be checked: "+shorten(text.String()))
	}
}

var (
	oneWord     = regexp.MustCompile(`^[\w.:/=@%+-]*$`) // is no statement
	english     = regexp.MustCompile(`^(?i)\s*(begin|start|commit|end|abort|rollback|show|listen|notify|fetch|close|load|checkpoint|execute)\b`)
	pathSetting = regexp.MustCompile(`(?i)^[^ ]*search_path(?:=|%3D)("?[\pL_][^\s&]*)`)
	stream      = regexp.MustCompile(`^/dev/(stdout|stderr|tty|console|fd/\d+|pts/\d+)$|^/proc/[^/]+/fd/\d+$`)
	prints      = regexp.MustCompile(`^(print(ln)?|fmt\.Print\w*|log\.\w+|os\.(Stdout|Stderr|NewFile)|(syscall|golang.org/x/sys/unix)\.(Stdout|Stderr|Write)|` +
		`runtime/debug\.(PrintStack|SetCrashOutput)|flag\.(PrintDefaults|Usage)|google.golang.org/grpc/grpclog\.\w+|` +
		`log/slog\.(Default|With|Log|LogAttrs|(Debug|Info|Warn|Error)(Context)?))$`)
	driver = regexp.MustCompile(`^((Query|QueryRow|Exec|Prepare)(Context)?|Queue|ExecParams|CopyTo|CopyFrom)$`)
)

// constant judges a constant that may be SQL, or name a schema or stream.
func (g *code) constant(e ast.Expr, text string) {
	if stream.MatchString(text) && !g.command() {
		g.say(Printing, e.Pos(), text+" goes past the log")
	}
	if m := pathSetting.FindStringSubmatch(text); m != nil {
		g.schemaText(e, m[1])
	}
	if oneWord.MatchString(text) {
		return
	}
	start := g.Fset.PositionFor(e.Pos(), false)
	statements, err := g.sql(source{file: g.rel(start.Filename), dir: g.dir}.within(text, start.Line))
	if err != nil && g.isQuery(e) {
		g.say(TenantFilter, e.Pos(), "SQL that does not parse cannot be checked: "+err.Error())
	}
	if len(statements) > 0 && !english.MatchString(text) && !slices.Contains(repositoryLayer, g.dir) {
		g.say(TenantFilter, e.Pos(), "SQL stands in pkg/tenantdb and migrations, and nowhere else: "+shorten(text))
	}
}

// schema reports a schema that is written down in no statement, but as an argument,
// an identifier or a setting.
func (g *code) schema(e ast.Expr) {
	text, _ := g.text(e)
	g.schemaText(e, text)
}

func (g *code) schemaText(e ast.Expr, text string) {
	for name := range strings.SplitSeq(text, ",") {
		name, _, _ = strings.Cut(name, ".") // what may follow is the schema's
		if name = strings.Trim(name, ` "`); !slices.Contains(slices.Concat(serverSchemas, g.rules.TenantRelations), name) {
			g.say(SchemaNames, e.Pos(), "the schema "+name+" is named")
		}
	}
}

func (g *code) searchPath(key, value ast.Expr) {
	if name, _ := g.text(key); strings.EqualFold(name, "search_path") {
		g.schema(value)
	}
}

func (g *code) command() bool { return strings.HasPrefix(g.dir, "cmd/") } // it may print

// identifier reports what prints, and methods that take SQL as a plain string.
func (g *code) identifier(id *ast.Ident) {
	used := g.TypesInfo.Uses[id]
	if used == nil || g.passed[id] {
		return
	}
	name := id.Name
	if used.Pkg() != nil && used.Parent() == used.Pkg().Scope() {
		name = used.Pkg().Path() + "." + used.Name()
	}
	if prints.MatchString(name) && (used.Parent() == types.Universe || name != id.Name) && !g.command() {
		g.say(Printing, id.Pos(), name+" goes past the log")
	}
	method, ok := used.(*types.Func)
	if ok && method.Signature().Recv() != nil && driver.MatchString(id.Name) &&
		(id.Name == "CopyFrom" || strings.Contains(method.Signature().Params().String(), " string")) {
		g.say(TenantFilter, id.Pos(), id.Name+" takes any text, which cannot be checked: pass a query")
	}
}

// call looks at what is made of SQL, and at its arguments.
func (g *code) call(n *ast.CallExpr) {
	if _, isConstant := g.text(n); g.TypesInfo.Types[n.Fun].IsType() && g.isQuery(n) && !isConstant {
		g.made(n.Args[0])
	}
	logger := types.TypeString(g.TypesInfo.TypeOf(n), nil) == "*log/slog.Logger"
	for i, arg := range n.Args {
		if to, ok := arg.(*ast.SelectorExpr); ok && logger { // it has to write somewhere
			g.passed[to.Sel] = true
		}
		method, _ := n.Fun.(*ast.SelectorExpr)
		if back, ok := arg.(*ast.CallExpr); ok && method != nil && len(back.Args) == 1 && g.isQuery(back.Args[0]) { // string(q)
			g.passed[method.Sel] = true
		}
		if text, isConstant := g.text(arg); isConstant && g.isQuery(arg) {
			g.arguments(schemas(words(positional(text))), n.Args[i+1:])
		}
	}
}

// arguments looks at the arguments that stand for schemas, by their numbers.
func (g *code) arguments(numbers []string, args []ast.Expr) {
	for _, number := range numbers {
		for i, arg := range args {
			if number == "$"+strconv.Itoa(i+1) {
				g.schema(arg)
			}
			if named, ok := arg.(*ast.CompositeLit); ok && number[0] == '$' { // whichever it is
				for _, e := range named.Elts {
					g.schema(e.(*ast.KeyValueExpr).Value)
				}
			}
		}
	}
}
