package compliance

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// tenants is the judging of one statement's tenant filters.
type tenants struct {
	source
	relations []string     // that hold rows of many tenants
	setting   string       // names the caller's tenant
	view      bool         // where only the setting will do
	seen      map[int]bool // the relations that were judged, by location
	report    func(at int, text string)
}

// definition is a statement that names relations and touches no rows.
var definition = regexp.MustCompile(`^(Create(Trig|Policy|Stats)?|Alter\w+|Index|Rename|Grant|Vacuum|Lock|Reindex|Cluster)Stmt$`)

// tenants reports what a statement does to tenant relations without a filter on
// their tenant_id, or in a way that is not understood.
func (c *checker) tenants(src source, at int, text string, stmt any) {
	exempt, view := c.excused(src.dir, text), get(stmt, "ViewStmt.view")
	t := &tenants{src, c.rules.TenantRelations, c.rules.Setting, view != nil, map[int]bool{num(view, "location"): view != nil}, func(relation int, text string) {
		if !exempt {
			c.found(TenantFilter, src, max(relation, at), text)
		}
	}}
	t.judge(stmt, map[string]bool{})
	walk(stmt, at, func(key string, n any, at int) bool {
		if t.holds(n) && !t.seen[num(n, "location")] {
			t.report(at, "reaches "+nameOf(n)+" in a way that cannot be checked")
		}
		return !definition.MatchString(key) && key != "lockedRels" // aliases of what is judged
	})
}

func (t *tenants) holds(relation any) bool {
	return slices.Contains(t.relations, str(relation, "relname"))
}

// judge judges the queries below n. scope has the relations around them by name, and
// whether their tenant_id is the caller's.
func (t *tenants) judge(n any, scope map[string]bool) {
	walk(n, 0, func(key string, below any, _ int) bool {
		query := get(below, "op") != nil || key == "InsertStmt" || key == "UpdateStmt" || key == "DeleteStmt" // a SELECT has an op
		if query {
			t.query(strings.TrimSuffix(key, "Stmt"), below, maps.Clone(scope))
		}
		return !query
	})
}

// query judges one level of a query: each tenant relation must be filtered in the
// WHERE or an inner JOIN, by the tenant itself or by what is so filtered.
func (t *tenants) query(verb string, n any, scope map[string]bool) {
	conditions, rels, tenants := []any{get(n, "whereClause")}, []any{}, 0
	walk(tree{"RangeVar": get(n, "relation"), "from": get(n, "fromClause"), "using": get(n, "usingClause")}, 0, func(key string, r any, _ int) bool {
		if str(r, "jointype") == "JOIN_INNER" {
			conditions = append(conditions, get(r, "quals"))
		}
		if key == "RangeTableSample" || !strings.HasPrefix(key, "Range") {
			return key != "quals"
		}
		if scope[nameOf(r)] = false; t.holds(r) {
			tenants++
		}
		if !t.holds(r) || get(r, "alias.colnames") == nil { // or tenant_id may be another column
			rels, t.seen[num(r, "location")] = append(rels, r), true
		}
		return false
	})
	equal := equalities(conditions)
	for range rels { // what follows from one, and then from another
		for _, r := range rels {
			scope[nameOf(r)] = scope[nameOf(r)] || slices.ContainsFunc(equal, func(eq [2]any) bool {
				of := tenantOf(eq[0])
				return (of != "" && of == nameOf(r) || of == "." && tenants == 1 && t.holds(r)) && (t.isTenant(eq[1]) || scope[tenantOf(eq[1])])
			})
		}
	}
	tenantAt := func(columns string) int {
		return slices.IndexFunc(list(n, columns), func(c any) bool { return str(c, "ResTarget.name") == "tenant_id" })
	}
	i, rows := tenantAt("cols"), list(n, "selectStmt.SelectStmt.valuesLists")
	// Another tenant's row may be in the way of an INSERT: none is overwritten.
	inserts := i >= 0 && len(rows) > 0 && str(n, "onConflictClause.action") != "ONCONFLICT_UPDATE" &&
		!slices.ContainsFunc(rows, func(row any) bool { return !t.isTenant(list(row, "List.items")[i]) })
	for _, r := range rels {
		if t.holds(r) && (!scope[nameOf(r)] && !inserts || verb == "Update" && tenantAt("targetList") >= 0) {
			t.report(num(r, "location"), verb+" reaches "+str(r, "relname")+" without a filter on its tenant_id, or sets it")
		}
	}
	t.judge(n, scope)
}

// nameOf is the name by which columns refer to a relation.
func nameOf(r any) string { return cmp.Or(str(r, "alias.aliasname"), str(r, "relname")) }

// tenantOf is the name of the relation whose tenant_id an expression is: "." if it
// has none, "" if it is no tenant_id.
func tenantOf(n any) string {
	f := names(uncast(n), "ColumnRef.fields")
	if f[len(f)-1] != "tenant_id" {
		return ""
	}
	return append([]string{"."}, f...)[len(f)-1]
}

// equalities are those that hold whenever conditions are true, in both directions.
// What stands under OR or NOT holds only at times.
func equalities(conditions []any) (all [][2]any) {
	for _, n := range conditions {
		if str(n, "BoolExpr.boolop") == "AND_EXPR" {
			all = append(all, equalities(list(n, "BoolExpr.args"))...)
		}
		if left, right := get(n, "A_Expr.lexpr"), get(n, "A_Expr.rexpr"); str(n, "A_Expr.kind") == "AEXPR_OP" && last(n, "A_Expr.name") == "=" {
			all = append(all, [2]any{left, right}, [2]any{right, left})
		}
	}
	return all
}

// uncast takes away casts that keep a UUID what it is.
func uncast(n any) any {
	for last(n, "TypeCast.typeName.names") == "uuid" || last(n, "TypeCast.typeName.names") == "text" {
		n = get(n, "TypeCast.arg")
	}
	return n
}

// isTenant reports whether an expression names the caller's tenant: a parameter, a
// variable or the setting, as it is.
func (t *tenants) isTenant(n any) bool {
	n = uncast(n)
	if str(n, "A_Expr.kind") == "AEXPR_NULLIF" {
		return get(n, "A_Expr.rexpr.A_Const") != nil && t.isTenant(get(n, "A_Expr.lexpr"))
	}
	if last(n, "FuncCall.funcname") == "current_setting" {
		return str(list(n, "FuncCall.args")[0], "A_Const.sval.sval") == t.setting
	}
	field := names(n, "ColumnRef.fields")
	return t.variables[field[0]] && (len(field) == 1 || field[1] == "tenant_id") || get(n, "ParamRef") != nil && !t.view
}
