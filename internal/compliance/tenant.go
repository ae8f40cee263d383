package compliance

import (
	"cmp"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// statement is the judging of one statement's tenant filters.
type statement struct {
	*checker
	src          source
	at           int
	view, exempt bool
	seen         map[int]bool // the relations that were judged, by location
}

// definition is a statement that names relations and touches no rows.
var definition = regexp.MustCompile(`^(Create(Trig|Policy|Stats)?|Alter\w+|Index|Rename|Grant|Vacuum|Lock|Reindex|Cluster)Stmt$`)

// tenants reports what a statement does to tenant relations without a filter on
// their tenant_id, or in a way that is not understood.
func (c *checker) tenants(src source, at int, text string, stmt any) {
	s := &statement{checker: c, src: src, at: at, exempt: c.excused(src.dir, text), seen: map[int]bool{}}
	if view := get(stmt, "ViewStmt.view"); view != nil {
		s.view, s.seen[num(view, "location")] = true, true
	}
	s.judge(stmt, map[string]bool{})
	walk(stmt, at, func(key string, n any, at int) bool {
		if table := s.tenantTable(n); table != "" && !s.seen[num(n, "location")] {
			s.report(at, "reaches "+table+" in a way that cannot be checked")
		}
		return !definition.MatchString(key) && key != "lockedRels" // aliases of what is judged
	})
}

// tenantTable is the tenant relation that n names, or "".
func (c *checker) tenantTable(n any) string {
	if table := str(n, "relname"); slices.Contains(c.rules.TenantRelations, table) {
		return table
	}
	return ""
}

func (s *statement) report(at int, text string) {
	if !s.exempt {
		s.found(TenantFilter, s.src, max(at, s.at), text)
	}
}

// judge judges the queries below n. scope has the relations around them by name, and
// whether their tenant_id is the caller's.
func (s *statement) judge(n any, scope map[string]bool) { // what has an op is a SELECT, or harmless
	walk(n, 0, func(key string, below any, _ int) bool {
		query := get(below, "op") != nil || slices.Contains([]string{"InsertStmt", "UpdateStmt", "DeleteStmt"}, key)
		if query {
			s.query(strings.TrimSuffix(key, "Stmt"), below, scope)
		}
		return !query
	})
}

// query judges one level of a query: each tenant relation must be filtered in the
// WHERE or an inner JOIN, by the tenant itself or by what is so filtered.
func (s *statement) query(verb string, n any, outer map[string]bool) {
	conditions, rels, scope, tenants := []any{get(n, "whereClause")}, []any{}, maps.Clone(outer), 0
	walk(tree{"RangeVar": get(n, "relation"), "from": get(n, "fromClause"), "using": get(n, "usingClause")}, 0, func(key string, r any, _ int) bool {
		if str(r, "jointype") == "JOIN_INNER" {
			conditions = append(conditions, get(r, "quals"))
		}
		if key == "RangeTableSample" || !strings.HasPrefix(key, "Range") {
			return key != "quals"
		}
		scope[nameOf(r)] = false
		if s.tenantTable(r) != "" {
			tenants++
		}
		if s.tenantTable(r) == "" || get(r, "alias.colnames") == nil { // or tenant_id may be another column
			rels, s.seen[num(r, "location")] = append(rels, r), true
		}
		return false
	})
	equal := equalities(conditions)
	for range rels { // what follows from one, and then from another
		for _, r := range rels {
			scope[nameOf(r)] = scope[nameOf(r)] || slices.ContainsFunc(equal, func(eq [2]any) bool {
				of := tenantOf(eq[0])
				return (of != "" && of == nameOf(r) || of == "." && tenants == 1 && s.tenantTable(r) != "") && (s.isTenant(eq[1]) || scope[tenantOf(eq[1])])
			})
		}
	}
	for _, r := range rels {
		if table := s.tenantTable(r); table != "" && !scope[nameOf(r)] && (verb != "Insert" || !s.inserts(n)) {
			s.report(num(r, "location"), verb+" reaches "+table+" without a filter on its tenant_id")
		}
	}
	if verb == "Update" && tenantAt(n, "targetList") >= 0 && s.tenantTable(get(n, "relation")) != "" {
		s.report(num(n, "relation.location"), "Update sets tenant_id: a row never changes its tenant")
	}
	s.judge(n, scope)
}

// inserts reports whether all rows are the caller's tenant's. Another's may be in
// the way, so that none is overwritten.
func (s *statement) inserts(n any) bool {
	i, rows := tenantAt(n, "cols"), list(n, "selectStmt.SelectStmt.valuesLists")
	return i >= 0 && len(rows) > 0 && str(n, "onConflictClause.action") != "ONCONFLICT_UPDATE" &&
		!slices.ContainsFunc(rows, func(row any) bool { return !s.isTenant(list(row, "List.items")[i]) })
}

// tenantAt is the place of tenant_id in a list of columns, or -1.
func tenantAt(n any, path string) int {
	return slices.IndexFunc(list(n, path), func(c any) bool { return str(c, "ResTarget.name") == "tenant_id" })
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
	kind := get(n, "TypeCast.typeName")
	if name := last(kind, "names"); name != "uuid" && name != "text" || get(kind, "typmods") != nil || get(kind, "arrayBounds") != nil {
		return n
	}
	return uncast(get(n, "TypeCast.arg"))
}

// isTenant reports whether an expression names the caller's tenant: a parameter, a
// variable or the setting, as it is. In a view only the setting will do.
func (s *statement) isTenant(n any) bool {
	n = uncast(n)
	field, args := names(n, "ColumnRef.fields"), list(n, "FuncCall.args")
	switch {
	case str(n, "A_Expr.kind") == "AEXPR_NULLIF":
		return get(n, "A_Expr.rexpr.A_Const") != nil && s.isTenant(get(n, "A_Expr.lexpr"))
	case last(n, "FuncCall.funcname") == "current_setting":
		return str(args[0], "A_Const.sval.sval") == s.rules.Setting
	}
	return s.src.variables[field[0]] && (len(field) == 1 || field[1] == "tenant_id") || get(n, "ParamRef") != nil && !s.view
}
