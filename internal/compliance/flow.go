package compliance

import (
	"go/ast"
	"go/printer"
	"go/token"
	"go/types"
	"strings"

	"golang.org/x/tools/go/types/typeutil"
)

// flow is what may be in the variables of the product: all that is assigned to
// each, wherever and in whatever order. Fields count as one variable for all
// values of their type, and parameters as what callers pass.
type flow map[types.Object][]flowing

// flowing is a value on its way.
type flowing struct {
	p    pkg
	expr ast.Expr
	// element: what is assigned is an element of expr.
	element bool
	// opaque: nothing is known but that there is a value.
	opaque bool
}

func newFlow(product []pkg) flow {
	f := flow{}
	for _, p := range product {
		for _, file := range p.Syntax {
			ast.Inspect(file, func(n ast.Node) bool {
				f.note(p, n)
				return true
			})
		}
	}
	return f
}

func (f flow) note(p pkg, n ast.Node) {
	switch n := n.(type) {
	case *ast.AssignStmt:
		for i, left := range n.Lhs {
			right := n.Rhs[min(i, len(n.Rhs)-1)]
			v := flowing{p: p, expr: right, opaque: n.Tok != token.ASSIGN && n.Tok != token.DEFINE}
			if n.Tok == token.ADD_ASSIGN {
				v = flowing{p: p, expr: &ast.BinaryExpr{X: left, Op: token.ADD, OpPos: n.TokPos, Y: right}}
			}
			f.assign(p, left, v)
		}
	case *ast.ValueSpec:
		for i, name := range n.Names {
			if len(n.Values) > 0 {
				f.assign(p, name, flowing{p: p, expr: n.Values[min(i, len(n.Values)-1)]})
			}
		}
	case *ast.RangeStmt:
		for _, left := range []ast.Expr{n.Key, n.Value} {
			if left != nil {
				f.assign(p, left, flowing{p: p, expr: n.X, element: true})
			}
		}
	case *ast.UnaryExpr:
		if n.Op == token.AND { // whoever has the address may write
			if _, ok := n.X.(*ast.CompositeLit); !ok {
				f.assign(p, n.X, flowing{p: p, expr: n, opaque: true})
			}
		}
	case *ast.CompositeLit:
		f.fields(p, n)
	case *ast.CallExpr:
		f.arguments(p, n)
	}
}

// assign notes a value for the variable, field or container on the left.
func (f flow) assign(p pkg, left ast.Expr, v flowing) {
	if index, ok := ast.Unparen(left).(*ast.IndexExpr); ok {
		f.assign(p, index.X, flowing{p: p, expr: &ast.CompositeLit{Elts: []ast.Expr{v.expr}}, opaque: v.opaque || v.element})
		return
	}
	if o := variable(p, left); o != nil {
		f[o] = append(f[o], v)
	}
}

func (f flow) fields(p pkg, n *ast.CompositeLit) {
	t := p.TypesInfo.TypeOf(n)
	if pointer, ok := t.Underlying().(*types.Pointer); ok {
		t = pointer.Elem()
	}
	s, ok := t.Underlying().(*types.Struct)
	if !ok {
		return
	}
	for i, e := range n.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if field, ok := p.TypesInfo.Uses[kv.Key.(*ast.Ident)].(*types.Var); ok {
				f[field.Origin()] = append(f[field.Origin()], flowing{p: p, expr: kv.Value})
			}
			continue
		}
		f[s.Field(i).Origin()] = append(f[s.Field(i).Origin()], flowing{p: p, expr: e})
	}
}

func (f flow) arguments(p pkg, n *ast.CallExpr) {
	callee, ok := typeutil.Callee(p.TypesInfo, n).(*types.Func)
	if !ok {
		return
	}
	parameters := callee.Origin().Signature().Params()
	for i, arg := range n.Args {
		if i >= parameters.Len() || callee.Signature().Variadic() && i == parameters.Len()-1 {
			return // the elements of the last: nothing is said of them
		}
		parameter := parameters.At(i)
		f[parameter] = append(f[parameter], flowing{p: p, expr: arg})
	}
}

// variable is the variable or field that an expression names, or nil.
func variable(p pkg, e ast.Expr) types.Object {
	var o types.Object
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		o = p.TypesInfo.ObjectOf(e)
	case *ast.SelectorExpr:
		o = p.TypesInfo.Uses[e.Sel]
	}
	if v, ok := o.(*types.Var); ok {
		return v.Origin()
	}
	return nil
}

// composition is one text that an expression may be.
type composition struct {
	text string
	// unknown: a part is in it as Go source.
	unknown bool
	// whole: it is the constant that stands at pos, and nothing else.
	whole bool
	p     pkg
	pos   token.Pos
}

const maxCompositions = 200

// texts are all that an expression may be. Parts that cannot be known stand in
// the text as the Go expression that makes them.
func (f flow) texts(v flowing, busy map[types.Object]bool) []composition {
	e := ast.Unparen(v.expr)
	switch {
	case v.opaque:
		return unknown(v)
	case v.element:
		return f.elements(v, busy)
	}
	if text, ok := constantText(v.p, e); ok {
		return []composition{{text: text, whole: true, p: v.p, pos: e.Pos()}}
	}
	switch e := e.(type) {
	case *ast.BinaryExpr:
		if e.Op == token.ADD {
			return f.concatenated(v.p, e, busy)
		}
	case *ast.CallExpr:
		if t := v.p.TypesInfo.Types[e.Fun]; t.IsType() && len(e.Args) == 1 && isString(v.p.TypesInfo.TypeOf(e.Args[0])) {
			return f.texts(flowing{p: v.p, expr: e.Args[0]}, busy)
		}
	case *ast.IndexExpr:
		if !isString(v.p.TypesInfo.TypeOf(e.X)) {
			return f.elements(flowing{p: v.p, expr: e.X}, busy)
		}
	case *ast.Ident, *ast.SelectorExpr:
		return f.follow(v, busy, f.texts)
	}
	return unknown(v)
}

func unknown(v flowing) []composition {
	var source strings.Builder
	if err := printer.Fprint(&source, v.p.Fset, v.expr); err != nil {
		source.WriteString(types.ExprString(v.expr)) // without what literals hold
	}
	return []composition{{text: "⟨" + source.String() + "⟩", unknown: true, p: v.p, pos: v.expr.Pos()}}
}

// follow collects what may be in a variable.
func (f flow) follow(v flowing, busy map[types.Object]bool, read func(flowing, map[types.Object]bool) []composition) []composition {
	o := variable(v.p, v.expr)
	if o == nil || busy[o] || len(f[o]) == 0 {
		return unknown(v)
	}
	busy[o] = true
	defer delete(busy, o)
	var all []composition
	for _, from := range f[o] {
		all = append(all, read(from, busy)...)
	}
	return all
}

func (f flow) concatenated(p pkg, e *ast.BinaryExpr, busy map[types.Object]bool) []composition {
	var all []composition
	for _, left := range f.texts(flowing{p: p, expr: e.X}, busy) {
		for _, right := range f.texts(flowing{p: p, expr: e.Y}, busy) {
			both := composition{text: left.text + right.text, unknown: left.unknown || right.unknown, p: p, pos: e.Pos()}
			if all = append(all, both); len(all) > maxCompositions {
				return unknown(flowing{p: p, expr: e})
			}
		}
	}
	return all
}

// elements are what the elements of a map, slice or array may be.
func (f flow) elements(v flowing, busy map[types.Object]bool) []composition {
	if v.opaque {
		return unknown(v)
	}
	switch e := ast.Unparen(v.expr).(type) {
	case *ast.CompositeLit:
		var all []composition
		for _, element := range e.Elts {
			if kv, ok := element.(*ast.KeyValueExpr); ok {
				element = kv.Value
			}
			all = append(all, f.texts(flowing{p: v.p, expr: element}, busy)...)
		}
		return all
	case *ast.Ident, *ast.SelectorExpr:
		v.element = false
		return f.follow(v, busy, f.elements)
	case *ast.CallExpr:
		if id, ok := e.Fun.(*ast.Ident); ok && id.Name == "make" {
			return nil // empty
		}
	}
	return unknown(v)
}

func isString(t types.Type) bool {
	basic, ok := t.Underlying().(*types.Basic)
	return ok && basic.Info()&types.IsString != 0
}
