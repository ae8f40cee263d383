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
	dir     string
	command bool                    // it may print
	passed  map[*ast.Ident]bool     // what the call around it makes harmless
	values  map[types.Object]string // of variables that begin as a constant
}

// packages judges the Go code of the product: not tests, nor what only they may
// import. The rest is not built.
func (c *checker) packages(ctx context.Context) error {
	config := &packages.Config{Context: ctx, Dir: c.root, Mode: packages.NeedName | packages.NeedFiles | packages.NeedImports}
	all, err := packages.Load(config, "./...")
	var product []string
	for _, p := range all {
		if helper := p.Imports["testing"] != nil && p.Name != "main"; len(p.GoFiles) > 0 && !helper && !within(c.rel(filepath.Dir(p.GoFiles[0])), c.rules.Outside) {
			product = append(product, p.PkgPath)
		}
	}
	if err != nil || len(product) == 0 {
		return cmp.Or(err, errors.New("there are no packages"))
	}
	config.Mode |= packages.NeedCompiledGoFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedTypesSizes
	all, err = packages.Load(config, product...)
	for _, p := range all {
		if len(p.Errors) > 0 && len(p.TypeErrors) == 0 {
			return p.Errors[0]
		}
		dir := c.rel(filepath.Dir(p.GoFiles[0]))
		g := &code{p, c, dir, strings.HasPrefix(dir, "cmd/"), map[*ast.Ident]bool{}, map[types.Object]string{}}
		for _, e := range p.TypeErrors { // as is SQL that is made at run time
			g.say(TenantFilter, e.Pos, "does not compile: "+e.Msg)
		}
		for _, file := range p.Syntax {
			ast.Inspect(file, g.remember)
		}
		delete(g.values, nil) // what was declared before
		for e := range p.TypesInfo.Types {
			g.judge(e)
		}
		for id, used := range p.TypesInfo.Uses {
			g.use(id, used)
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
	named, ok := types.Unalias(g.TypesInfo.TypeOf(e)).(*types.Named)
	return ok && strings.EqualFold(named.Obj().Name(), "query")
}

// remember notes what variables begin as.
func (g *code) remember(n ast.Node) bool {
	if assign, ok := n.(*ast.AssignStmt); ok && assign.Tok == token.DEFINE && len(assign.Lhs) == len(assign.Rhs) {
		for i, left := range assign.Lhs {
			g.values[g.TypesInfo.Defs[left.(*ast.Ident)]], _ = g.text(assign.Rhs[i])
		}
	}
	return true
}

// judge judges an expression. A constant is judged where it stands, not where it is
// named.
func (g *code) judge(e ast.Expr) {
	text, isConstant := g.text(e)
	switch n := e.(type) {
	case *ast.BasicLit:
		g.constant(e, text)
	case *ast.CompositeLit:
		if strings.HasSuffix(g.TypesInfo.TypeOf(n).String(), "pgx/v5.Identifier") {
			g.schema(n.Elts[0])
		}
	case *ast.BinaryExpr, *ast.SliceExpr:
		if g.made(e, g.isQuery(e) && !isConstant); isConstant {
			g.constant(e, text)
		}
	case *ast.UnaryExpr: // whoever has the address may write
		g.made(e, n.Op == token.AND && g.isQuery(n.X))
	case *ast.CallExpr:
		g.call(n, isConstant)
	}
}

// made reports SQL that is made at run time, if it is that.
func (g *code) made(e ast.Expr, isSQL bool) {
	var text strings.Builder
	_ = format.Node(&text, g.Fset, e) // a builder takes all
	if isSQL && !g.excused(g.dir, "⟨"+text.String()+"⟩") {
		g.say(TenantFilter, e.Pos(), "SQL that is made at run time cannot be checked: "+shorten(text.String()))
	}
}

// schema reports a schema that is written down in no statement, but as an argument,
// an identifier or a setting.
func (g *code) schema(e ast.Expr) {
	text, _ := g.text(e)
	for name := range strings.SplitSeq(text, ",") {
		name, _, _ = strings.Cut(name, ".") // what may follow is the schema's
		if name = strings.Trim(name, ` "`); !slices.Contains(slices.Concat(serverSchemas, g.rules.TenantRelations), name) {
			g.say(SchemaNames, e.Pos(), "the schema "+name+" is named")
		}
	}
}

var (
	oneWord     = regexp.MustCompile(`^[\w.:/=@%+-]*$`) // is no statement
	english     = regexp.MustCompile(`^(?i)\s*(begin|start|commit|end|abort|rollback|show|listen|notify|fetch|close|load|checkpoint|execute)\b[^;]*$`)
	pathSetting = regexp.MustCompile(`(?i)^[^ ]*search_path(=|%3D|$)`)
	stream      = regexp.MustCompile(`^/dev/(stdout|stderr|tty|console|fd/\d+|pts/\d+)$|^/proc/[^/]+/fd/\d+$`)
	prints      = regexp.MustCompile(`^(universe\.print(ln)?|fmt\.Print\w*|log\.\w+|os\.(Stdout|Stderr|NewFile)|(syscall|golang.org/x/sys/unix)\.(Stdout|Stderr|Write)|` +
		`runtime/debug\.(PrintStack|SetCrashOutput)|flag\.(PrintDefaults|Usage)|google.golang.org/grpc/grpclog\.\w+|` +
		`log/slog\.(Default|With|Log|LogAttrs|(Debug|Info|Warn|Error)(Context)?))$`)
	driver = regexp.MustCompile(`^((Query|QueryRow|Exec|Prepare)(Context)?|Queue|ExecParams|CopyTo|CopyFrom)$`)
)

// constant judges a constant that may be SQL, or name a schema or a stream.
func (g *code) constant(e ast.Expr, text string) {
	if stream.MatchString(text) && !g.command {
		g.say(Printing, e.Pos(), text+" goes past the log")
	}
	if pathSetting.MatchString(text) { // it is set in SQL, for a transaction
		g.say(SchemaNames, e.Pos(), "the connection's search_path is set")
	}
	at := g.Fset.PositionFor(e.Pos(), false)
	if oneWord.MatchString(text) {
		return
	}
	statements, err := g.sql(source{file: g.rel(at.Filename), dir: g.dir}.within(text, at.Line))
	if err != nil && g.isQuery(e) {
		g.say(TenantFilter, e.Pos(), "SQL that does not parse cannot be checked: "+err.Error())
	}
	if len(statements) > 0 && !english.MatchString(text) && !within(g.dir, repositoryLayer) {
		g.say(TenantFilter, e.Pos(), "SQL stands in pkg/tenantdb and migrations, and nowhere else: "+shorten(text))
	}
}

// use reports what prints, and methods that take SQL as a plain string.
func (g *code) use(id *ast.Ident, used types.Object) {
	scope := "universe"
	if used.Pkg() != nil {
		scope = used.Pkg().Path()
	}
	method, _ := used.(*types.Func)
	switch isMethod := method != nil && method.Signature().Recv() != nil; {
	case g.passed[id]:
	case isMethod && driver.MatchString(id.Name) && (id.Name == "CopyFrom" || strings.Contains(method.Signature().Params().String(), " string")):
		g.say(TenantFilter, id.Pos(), id.Name+" takes any text, which cannot be checked: pass a query")
	case !isMethod && !g.command && prints.MatchString(scope+"."+used.Name()): // an injected logger's method is fine
		g.say(Printing, id.Pos(), scope+"."+used.Name()+" goes past the log")
	}
}

// call looks at what is made of SQL, and at its arguments.
func (g *code) call(n *ast.CallExpr, isConstant bool) {
	for i, arg := range n.Args {
		g.made(arg, g.isQuery(n) && !isConstant && g.TypesInfo.Types[n.Fun].IsType())
		method, isMethod := n.Fun.(*ast.SelectorExpr)
		switch arg := arg.(type) {
		case *ast.SelectorExpr: // a logger has to write somewhere
			g.passed[arg.Sel] = types.TypeString(g.TypesInfo.TypeOf(n), nil) == "*log/slog.Logger"
		case *ast.CallExpr: // string(q)
			if isMethod && len(arg.Args) == 1 && g.isQuery(arg.Args[0]) {
				g.passed[method.Sel] = true
			}
		}
		if text, ok := g.text(arg); ok && g.isQuery(arg) {
			parameters := schemas(words(positional(text)))
			for number, value := range n.Args[i+1:] { // a schema's parameter, or any that has a name
				named, ok := value.(*ast.CompositeLit)
				if slices.Contains(parameters, "$"+strconv.Itoa(number+1)) {
					g.schema(value)
				}
				for i := 0; ok && len(parameters) > 0 && i < len(named.Elts); i++ {
					g.schema(named.Elts[i].(*ast.KeyValueExpr).Value)
				}
			}
		}
	}
}
