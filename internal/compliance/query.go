package compliance

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
)

// with judges the queries that WITH names, each of which sees those before it.
func (s *statement) with(w *pg.WithClause, l *level) {
	l.ctes = map[string]output{}
	for _, n := range w.GetCtes() {
		cte := n.GetCommonTableExpr()
		if w.GetRecursive() {
			l.ctes[cte.GetCtename()] = output{} // of itself nothing is known yet
		}
		l.ctes[cte.GetCtename()] = s.judge(cte.GetCtequery(), l.beside()).renamed(cte.GetAliascolnames())
	}
}

func (s *statement) selects(n *pg.SelectStmt, outer *level) output {
	l := &level{outer: outer}
	s.with(n.GetWithClause(), l)
	if n.GetOp() != pg.SetOperation_SETOP_NONE {
		s.below(n, l)
		return union(s.selects(n.GetLarg(), l), s.selects(n.GetRarg(), l))
	}
	for _, item := range n.GetFromClause() {
		s.from(item, l)
	}
	l.conds = append(l.conds, condition{n.GetWhereClause(), l.rels})
	s.settle(l, "SELECT")
	s.below(n, l)
	if rows := n.GetValuesLists(); len(rows) > 0 {
		return s.values(rows)
	}
	return s.puts(n.GetTargetList(), l)
}

// settle finds what is filtered and reports what is not.
func (s *statement) settle(l *level, verb string) {
	l.settle(s.isTenant)
	for _, lateral := range l.lateral {
		lateral()
	}
	l.settle(s.isTenant) // by what the lateral subqueries put out
	for _, r := range l.rels {
		if r.table != "" && !r.filtered {
			s.report(r.at, verb+" reaches "+r.table+" without a filter on its tenant_id")
		}
	}
}

// puts is the output of a target list.
func (s *statement) puts(targets []*pg.Node, l *level) output {
	var out output
	for _, n := range targets {
		target := n.GetResTarget()
		fields := target.GetVal().GetColumnRef().GetFields()
		if len(fields) > 0 && fields[len(fields)-1].GetAStar() != nil {
			rels := l.rels
			if len(fields) > 1 {
				rels = l.named(fields[len(fields)-2].GetString_().GetSval())
			}
			out.star = true
			out.starTenant = len(rels) > 0 && !slices.ContainsFunc(rels, func(r *relation) bool { return !r.filtered || r.renamed })
			continue
		}
		name := target.GetName()
		if name == "" && len(fields) > 0 {
			name = fields[len(fields)-1].GetString_().GetSval()
		}
		out.names = append(out.names, name)
		out.tenant = append(out.tenant, s.isTenant(target.GetVal()) || l.filteredBesides(target.GetVal(), nil))
	}
	return out
}

// values is the output of VALUES: a column is the tenant if it is so in each row.
func (s *statement) values(rows []*pg.Node) output {
	var out output
	for _, row := range rows {
		for i, item := range row.GetList().GetItems() {
			if i == len(out.tenant) {
				out.names, out.tenant = append(out.names, ""), append(out.tenant, true)
			}
			out.tenant[i] = out.tenant[i] && s.isTenant(item)
		}
	}
	return out
}

// from enters an item of FROM into the level, and returns its relations.
func (s *statement) from(n *pg.Node, l *level) []*relation {
	before := len(l.rels)
	switch item := n.GetNode().(type) {
	case *pg.Node_RangeVar:
		l.rels = append(l.rels, s.table(item.RangeVar, l))
	case *pg.Node_RangeTableSample:
		return s.from(item.RangeTableSample.GetRelation(), l)
	case *pg.Node_RangeSubselect:
		s.subselect(item.RangeSubselect, l)
	case *pg.Node_JoinExpr:
		s.join(item.JoinExpr, l)
	case *pg.Node_RangeFunction:
		l.rels = append(l.rels, &relation{name: item.RangeFunction.GetAlias().GetAliasname()})
	default: // XMLTABLE, JSON_TABLE
		l.rels = append(l.rels, &relation{})
	}
	return slices.Clone(l.rels[before:])
}

func (s *statement) table(v *pg.RangeVar, l *level) *relation {
	r := &relation{name: v.GetRelname(), at: v.GetLocation(), renamed: len(v.GetAlias().GetColnames()) > 0}
	if alias := v.GetAlias().GetAliasname(); alias != "" {
		r.name = alias
	}
	s.seen[v] = true
	if v.GetSchemaname() == "" {
		if out, ok := l.cte(v.GetRelname()); ok {
			r.filtered = out.renamed(v.GetAlias().GetColnames()).tenantID()
			r.renamed = false
			return r
		}
	}
	r.table = s.tenantTable(v)
	return r
}

func (s *statement) subselect(n *pg.RangeSubselect, l *level) {
	r := &relation{name: n.GetAlias().GetAliasname()}
	l.rels = append(l.rels, r)
	judge := func(outer *level) {
		r.filtered = s.judge(n.GetSubquery(), outer).renamed(n.GetAlias().GetColnames()).tenantID()
	}
	if n.GetLateral() {
		l.lateral = append(l.lateral, func() { judge(l) })
		return
	}
	judge(l.beside())
}

// join enters both sides. The condition of an outer join says nothing of the
// side whose rows are kept without a partner.
func (s *statement) join(j *pg.JoinExpr, l *level) {
	left := s.from(j.GetLarg(), l)
	right := s.from(j.GetRarg(), l)
	var binds []*relation
	switch j.GetJointype() {
	case pg.JoinType_JOIN_INNER:
		binds = slices.Concat(left, right)
	case pg.JoinType_JOIN_LEFT:
		binds = right
	case pg.JoinType_JOIN_RIGHT:
		binds = left
	default:
	}
	l.conds = append(l.conds, condition{j.GetQuals(), binds})
	if slices.Contains(names(j.GetUsingClause()), tenantColumn) {
		l.merged = true
		for _, a := range left {
			for _, b := range right {
				l.conds = append(l.conds, condition{sameTenant(a, b), binds})
			}
		}
	}
}

// sameTenant is the equality that USING (tenant_id) stands for.
func sameTenant(a, b *relation) *pg.Node {
	column := func(r *relation) *pg.Node {
		return pg.MakeColumnRefNode([]*pg.Node{pg.MakeStrNode(r.name), pg.MakeStrNode(tenantColumn)}, -1)
	}
	return pg.MakeAExprNode(pg.A_Expr_Kind_AEXPR_OP, []*pg.Node{pg.MakeStrNode("=")}, column(a), column(b), -1)
}

func (s *statement) updates(n *pg.UpdateStmt, outer *level) output {
	l := &level{outer: outer}
	s.with(n.GetWithClause(), l)
	l.rels = append(l.rels, s.target(n.GetRelation()))
	for _, item := range n.GetFromClause() {
		s.from(item, l)
	}
	l.conds = append(l.conds, condition{n.GetWhereClause(), l.rels})
	s.settle(l, "UPDATE")
	s.leavesTenant(n.GetRelation(), n.GetTargetList())
	s.below(n, l)
	return s.puts(n.GetReturningList(), l)
}

func (s *statement) deletes(n *pg.DeleteStmt, outer *level) output {
	l := &level{outer: outer}
	s.with(n.GetWithClause(), l)
	l.rels = append(l.rels, s.target(n.GetRelation()))
	for _, item := range n.GetUsingClause() {
		s.from(item, l)
	}
	l.conds = append(l.conds, condition{n.GetWhereClause(), l.rels})
	s.settle(l, "DELETE")
	s.below(n, l)
	return s.puts(n.GetReturningList(), l)
}

// target is what a statement changes, which no WITH can stand in for.
func (s *statement) target(v *pg.RangeVar) *relation {
	return s.table(v, &level{})
}

func (s *statement) leavesTenant(v *pg.RangeVar, set []*pg.Node) {
	for _, n := range set {
		if s.tenantTable(v) != "" && n.GetResTarget().GetName() == tenantColumn {
			s.report(n.GetResTarget().GetLocation(), "UPDATE of "+v.GetRelname()+" sets tenant_id: a row never changes its tenant")
		}
	}
}

func (s *statement) inserts(n *pg.InsertStmt, outer *level) output {
	l := &level{outer: outer}
	s.with(n.GetWithClause(), l)
	rows := s.judge(n.GetSelectStmt(), l.beside())
	r := s.target(n.GetRelation())
	l.rels = []*relation{r}
	column := slices.IndexFunc(n.GetCols(), func(c *pg.Node) bool { return c.GetResTarget().GetName() == tenantColumn })
	r.filtered = column >= 0 && column < len(rows.tenant) && !rows.star && rows.tenant[column]
	switch {
	case r.table == "":
	case column < 0:
		s.report(r.at, "INSERT into "+r.table+" does not set tenant_id")
	case !r.filtered:
		s.report(r.at, "INSERT into "+r.table+" sets tenant_id to something else than the caller's tenant")
	}
	if conflict := n.GetOnConflictClause(); conflict != nil {
		s.conflict(n, conflict, r, l)
	}
	s.below(&pg.List{Items: n.GetReturningList()}, l)
	return s.puts(n.GetReturningList(), l)
}

// conflict: the row in the way may be another tenant's, unless the key that
// conflicts contains the tenant or the condition compares it.
func (s *statement) conflict(n *pg.InsertStmt, conflict *pg.OnConflictClause, inserted *relation, l *level) {
	s.below(conflict, l)
	if conflict.GetAction() != pg.OnConflictAction_ONCONFLICT_UPDATE || inserted.table == "" {
		return
	}
	s.leavesTenant(n.GetRelation(), conflict.GetTargetList())
	inKey := slices.ContainsFunc(conflict.GetInfer().GetIndexElems(), func(e *pg.Node) bool {
		return e.GetIndexElem().GetName() == tenantColumn
	})
	existing := &relation{name: inserted.name, table: inserted.table, at: inserted.at}
	both := &level{outer: l.outer, rels: []*relation{existing, {name: "excluded", filtered: inserted.filtered}}}
	both.conds = []condition{{conflict.GetWhereClause(), both.rels}}
	both.settle(s.isTenant)
	if !inKey && !existing.filtered {
		s.report(conflict.GetLocation(), "ON CONFLICT DO UPDATE of "+inserted.table+" without a filter on its tenant_id")
	}
}

// merges: what WHEN NOT MATCHED does to rows outside the condition is more than
// this package undertakes to judge.
func (s *statement) merges(n *pg.MergeStmt, outer *level) {
	s.all(n.GetRelation(), "MERGE")
	l := &level{outer: outer}
	s.with(n.GetWithClause(), l)
	l.rels = append(l.rels, s.target(n.GetRelation()))
	l.rels[0].table = "" // reported above
	s.from(n.GetSourceRelation(), l)
	s.settle(l, "MERGE")
	s.below(n, l)
}
