package compliance

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

const tenantColumn = "tenant_id"

// relation is one entry of a FROM, or the target of a statement.
type relation struct {
	name string // by which columns refer to it
	// table is the tenant relation that it is, or "" if it is none: another
	// table, a function, a subquery.
	table string
	// renamed: the columns have other names here, so tenant_id is another column.
	renamed bool
	// filtered: its tenant_id is the caller's in every row that counts.
	filtered bool
	at       int32
}

// level is one level of a query: its relations, and the conditions on them.
type level struct {
	outer *level
	ctes  map[string]output // that WITH names here
	rels  []*relation
	conds []condition
	// merged: JOIN … USING (tenant_id) has made one column of several.
	merged bool
	// lateral subqueries, which see the relations beside them.
	lateral []func()
}

// condition is an expression, and the relations of which no row counts unless it
// is true.
type condition struct {
	expr  *pg.Node
	binds []*relation
}

// output is the columns of a query, and which of them hold the caller's tenant.
type output struct {
	names  []string
	tenant []bool
	// star: there is a * among them, which hides their number.
	star, starTenant bool
}

func (o output) tenantID() bool {
	if i := slices.Index(o.names, tenantColumn); i >= 0 {
		return o.tenant[i]
	}
	return o.star && o.starTenant
}

// renamed gives the columns other names, as an alias does.
func (o output) renamed(aliases []*pg.Node) output {
	if len(aliases) == 0 {
		return o
	}
	if o.star {
		return output{}
	}
	o.names = slices.Clone(o.names)
	copy(o.names, names(aliases))
	return o
}

// union is what UNION, INTERSECT and EXCEPT make of two: columns match by place.
func union(a, b output) output {
	if a.star || b.star || len(a.tenant) != len(b.tenant) {
		return output{}
	}
	both := output{names: a.names, tenant: make([]bool, len(a.tenant))}
	for i := range both.tenant {
		both.tenant[i] = a.tenant[i] && b.tenant[i]
	}
	return both
}

// cte finds a name of a WITH at this level or around it.
func (l *level) cte(name string) (output, bool) {
	for ; l != nil; l = l.outer {
		if o, ok := l.ctes[name]; ok {
			return o, true
		}
	}
	return output{}, false
}

// beside is what a subquery in FROM sees: all but the relations next to it.
func (l *level) beside() *level { return &level{outer: l.outer, ctes: l.ctes} }

// tenantOf is the relations whose tenant_id an expression is: one, or several
// that were merged, or none if it is anything else.
func (l *level) tenantOf(n *pg.Node) []*relation {
	fields := names(uncast(n).GetColumnRef().GetFields())
	if len(fields) == 0 || fields[len(fields)-1] != tenantColumn {
		return nil
	}
	if len(fields) > 1 {
		return l.named(fields[len(fields)-2])
	}
	for ; l != nil; l = l.outer {
		if len(l.rels) > 0 {
			return l.unqualified()
		}
	}
	return nil
}

func (l *level) named(name string) []*relation {
	for ; l != nil; l = l.outer {
		for _, r := range l.rels {
			if r.name == name {
				return keepsTenant([]*relation{r})
			}
		}
	}
	return nil
}

// unqualified: PostgreSQL refuses a bare tenant_id that several relations have,
// so it is the one tenant relation's if there is one.
func (l *level) unqualified() []*relation {
	if l.merged {
		return keepsTenant(l.rels)
	}
	if len(l.rels) == 1 {
		return keepsTenant(l.rels)
	}
	var tenants []*relation
	for _, r := range l.rels {
		if r.table != "" {
			tenants = append(tenants, r)
		}
	}
	if len(tenants) != 1 {
		return nil
	}
	return keepsTenant(tenants)
}

func keepsTenant(rels []*relation) []*relation {
	return slices.DeleteFunc(slices.Clone(rels), func(r *relation) bool { return r.renamed })
}

// uncast takes away casts that keep a UUID what it is.
func uncast(n *pg.Node) *pg.Node {
	cast := n.GetTypeCast()
	if cast == nil || len(cast.GetTypeName().GetArrayBounds()) > 0 || len(cast.GetTypeName().GetTypmods()) > 0 {
		return n
	}
	switch kind := names(cast.GetTypeName().GetNames()); kind[len(kind)-1] {
	case "uuid", "text":
		return uncast(cast.GetArg())
	}
	return n
}

// settle finds the relations that the conditions filter, until no more follow.
func (l *level) settle(isTenant func(*pg.Node) bool) {
	for again := true; again; {
		again = false
		for _, c := range l.conds {
			for _, eq := range equalities(c.expr) {
				for _, r := range l.tenantOf(eq[0]) {
					if r.filtered || !slices.Contains(c.binds, r) {
						continue
					}
					r.filtered = isTenant(eq[1]) || l.filteredBesides(eq[1], r)
					again = again || r.filtered
				}
			}
		}
	}
}

// filteredBesides says whether an expression is the tenant_id of a filtered
// relation other than r.
func (l *level) filteredBesides(n *pg.Node, r *relation) bool {
	others := l.tenantOf(n)
	return len(others) > 0 && !slices.ContainsFunc(others, func(o *relation) bool { return !o.filtered || o == r })
}

// equalities are those that hold whenever an expression is true, each in both
// directions. What stands under OR or NOT holds only at times.
func equalities(n *pg.Node) [][2]*pg.Node {
	if b := n.GetBoolExpr(); b.GetBoolop() == pg.BoolExprType_AND_EXPR {
		var all [][2]*pg.Node
		for _, arg := range b.GetArgs() {
			all = append(all, equalities(arg)...)
		}
		return all
	}
	e := n.GetAExpr()
	if e.GetKind() != pg.A_Expr_Kind_AEXPR_OP || len(e.GetName()) != 1 || names(e.GetName())[0] != "=" {
		return nil
	}
	left, right := []*pg.Node{e.GetLexpr()}, []*pg.Node{e.GetRexpr()}
	if l, r := e.GetLexpr().GetRowExpr(), e.GetRexpr().GetRowExpr(); l != nil && r != nil && len(l.GetArgs()) == len(r.GetArgs()) {
		left, right = l.GetArgs(), r.GetArgs()
	}
	var all [][2]*pg.Node
	for i := range left {
		all = append(all, [2]*pg.Node{left[i], right[i]}, [2]*pg.Node{right[i], left[i]})
	}
	return all
}

// isTenant says whether an expression names the caller's tenant: a parameter, a
// variable or the setting, as it is and not what something else makes of it. In
// a view only the setting will do.
func (s *statement) isTenant(n *pg.Node) bool {
	switch e := uncast(n).GetNode().(type) {
	case *pg.Node_ParamRef:
		return !s.view
	case *pg.Node_ColumnRef:
		field := names(e.ColumnRef.GetFields())
		return s.src.variables[field[0]] && (len(field) == 1 || field[len(field)-1] == tenantColumn)
	case *pg.Node_AExpr: // NULLIF(…, '')
		_, constant := textOf(e.AExpr.GetRexpr())
		return e.AExpr.GetKind() == pg.A_Expr_Kind_AEXPR_NULLIF && constant && s.isTenant(e.AExpr.GetLexpr())
	case *pg.Node_FuncCall:
		function, args := names(e.FuncCall.GetFuncname()), e.FuncCall.GetArgs()
		if function[len(function)-1] != "current_setting" || len(args) == 0 {
			return false
		}
		setting, _ := textOf(args[0])
		return setting == s.c.rules.Setting
	}
	return false
}
