package compliance

import (
	"fmt"
	"go/ast"
	"go/types"
	"path"
	"slices"

	"golang.org/x/tools/go/types/typeutil"
)

// drivers judges what is handed to a database driver. A text that is not a
// constant of Go is judged if it can be put together from constants; otherwise
// it is a violation, unless the very text is listed as an exception.
func (c *checker) drivers(f flow, set packageSet) {
	for _, p := range set.product {
		called := map[*ast.Ident]bool{}
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				switch n := n.(type) {
				case *ast.CallExpr:
					c.driverCall(f, p, n, called)
				case *ast.Ident:
					c.driverValue(p, n, called)
				}
				return true
			})
		}
	}
}

func (c *checker) driverCall(f flow, p pkg, call *ast.CallExpr, called map[*ast.Ident]bool) {
	callee, ok := typeutil.Callee(p.TypesInfo, call).(*types.Func)
	if !ok {
		return
	}
	if callee.Name() == "CopyFrom" && ofDriver(callee) {
		position := p.Fset.PositionFor(call.Pos(), false)
		c.report.add(TenantFilter, Finding{File: c.rel(position.Filename), Line: position.Line, Text: "COPY cannot be checked: use INSERT"})
	}
	arg := sqlParameter(callee)
	if arg < 0 {
		return
	}
	if selector, ok := ast.Unparen(call.Fun).(*ast.SelectorExpr); ok {
		called[selector.Sel] = true
	}
	for _, text := range f.texts(flowing{p: p, expr: call.Args[arg]}, map[types.Object]bool{}) {
		c.driverText(text)
		c.writtenArguments(f, p, text.text, call.Args[arg+1:])
	}
}

func (c *checker) driverText(t composition) {
	position := t.p.Fset.PositionFor(t.pos, false)
	file := c.rel(position.Filename)
	src := source{text: t.text, file: file, dir: path.Dir(file), line: func(int) int { return position.Line }}
	if t.unknown {
		if !c.excused(src.dir, t.text) {
			c.report.add(TenantFilter, src.finding(0, "SQL that is put together at run time cannot be checked: "+shorten(t.text)))
		}
		return
	}
	var err error
	if t.whole {
		_, err = parse(t.text) // judged where the constant stands
	} else {
		_, err = c.sql(src)
	}
	if err != nil {
		c.report.add(TenantFilter, src.finding(0, fmt.Sprintf("SQL that does not parse cannot be checked: %v: %s", err, shorten(t.text))))
	}
}

// driverValue reports a driver's method that is not called but passed on: what
// it is called with then is out of sight.
func (c *checker) driverValue(p pkg, id *ast.Ident, called map[*ast.Ident]bool) {
	callee, ok := p.TypesInfo.Uses[id].(*types.Func)
	if !ok || called[id] || sqlParameter(callee) < 0 {
		return
	}
	position := p.Fset.PositionFor(id.Pos(), false)
	c.report.add(TenantFilter, Finding{File: c.rel(position.Filename), Line: position.Line,
		Text: id.Name + " is passed on as a value, so that its SQL cannot be checked"})
}

// driverMethods are the methods of pgx and database/sql that take SQL.
var driverMethods = []string{
	"Query", "QueryRow", "Exec", "Queue", "Prepare", "ExecParams", "CopyTo",
	"QueryContext", "QueryRowContext", "ExecContext", "PrepareContext",
}

// sqlParameter is the parameter that takes SQL, or -1. Interfaces of our own with
// a driver's methods count, whatever is behind them.
func sqlParameter(f *types.Func) int {
	signature := f.Signature()
	if signature.Recv() == nil || !slices.Contains(driverMethods, f.Name()) {
		return -1
	}
	texts := stringParameters(signature)
	if len(texts) == 0 || !ofDriver(f) && !signature.Variadic() && signature.Params().Len() < 2 {
		return -1
	}
	return texts[len(texts)-1] // Prepare takes a name before it
}

func stringParameters(signature *types.Signature) []int {
	var all []int
	for i := range signature.Params().Len() {
		if isString(signature.Params().At(i).Type()) {
			all = append(all, i)
		}
	}
	return all
}

func ofDriver(f *types.Func) bool {
	return f.Pkg() != nil && isDriver(f.Pkg().Path())
}
