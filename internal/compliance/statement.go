package compliance

import (
	"slices"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// statement is the judging of one statement's tenant filters.
type statement struct {
	c    *checker
	src  source
	at   int32
	view bool
	// exempt: a listed exception, all of whose violations are let pass.
	exempt bool
	// seen are the relations whose filters have been judged.
	seen map[*pg.RangeVar]bool
}

// tenantFilter reports what a statement does to tenant relations without a
// filter on their tenant_id.
func (c *checker) tenantFilter(src source, raw *pg.RawStmt) {
	s := &statement{c: c, src: src, at: raw.GetStmtLocation(), seen: map[*pg.RangeVar]bool{}}
	s.exempt = c.excused(src.dir, statementText(src.text, raw))
	s.judge(raw.GetStmt(), nil)
	if definesOnly(raw.GetStmt()) {
		return
	}
	// Whatever shape of SQL was overlooked above: it is not taken for innocent.
	walk(raw.GetStmt(), func(m proto.Message) bool {
		if r, ok := m.(*pg.RangeVar); ok && !s.seen[r] && s.tenantTable(r) != "" {
			s.report(r.GetLocation(), "reaches "+r.GetRelname()+" in a way that cannot be checked")
		}
		return true
	})
}

// definesOnly: statements that name relations and touch no rows.
func definesOnly(n *pg.Node) bool {
	switch n.GetNode().(type) {
	case *pg.Node_CreateStmt, *pg.Node_AlterTableStmt, *pg.Node_IndexStmt, *pg.Node_RenameStmt, *pg.Node_GrantStmt,
		*pg.Node_CreateTrigStmt, *pg.Node_CreatePolicyStmt, *pg.Node_AlterPolicyStmt, *pg.Node_CreateStatsStmt,
		*pg.Node_VacuumStmt, *pg.Node_LockStmt, *pg.Node_ReindexStmt, *pg.Node_ClusterStmt,
		*pg.Node_AlterObjectSchemaStmt, *pg.Node_AlterOwnerStmt:
		return true
	}
	return false
}

func (s *statement) report(at int32, text string) {
	if s.exempt {
		return
	}
	s.c.report.add(TenantFilter, s.src.finding(max(at, s.at), text))
}

// tenantTable is the name of a tenant relation, or "".
func (s *statement) tenantTable(r *pg.RangeVar) string {
	if slices.Contains(s.c.rules.TenantRelations, r.GetRelname()) {
		return r.GetRelname()
	}
	return ""
}

// judge judges a statement, or a query in another, and tells what it puts out.
func (s *statement) judge(node *pg.Node, outer *level) output {
	switch n := node.GetNode().(type) {
	case *pg.Node_SelectStmt:
		return s.selects(n.SelectStmt, outer)
	case *pg.Node_InsertStmt:
		return s.inserts(n.InsertStmt, outer)
	case *pg.Node_UpdateStmt:
		return s.updates(n.UpdateStmt, outer)
	case *pg.Node_DeleteStmt:
		return s.deletes(n.DeleteStmt, outer)
	case *pg.Node_MergeStmt:
		s.merges(n.MergeStmt, outer)
	case *pg.Node_CopyStmt:
		s.all(n.CopyStmt.GetRelation(), "COPY")
		s.below(n.CopyStmt, &level{outer: outer})
	case *pg.Node_TruncateStmt:
		for _, r := range n.TruncateStmt.GetRelations() {
			s.all(r.GetRangeVar(), "TRUNCATE")
		}
	case *pg.Node_ViewStmt:
		s.views(n.ViewStmt)
	case *pg.Node_CreateTableAsStmt:
		s.seen[n.CreateTableAsStmt.GetInto().GetRel()] = true
		// A materialised view keeps the rows of whoever refreshes it: no setting helps.
		s.view = n.CreateTableAsStmt.GetObjtype() == pg.ObjectType_OBJECT_MATVIEW
		s.below(n.CreateTableAsStmt, &level{outer: outer})
	case nil:
	default:
		s.below(node, &level{outer: outer})
	}
	return output{}
}

func (s *statement) views(v *pg.ViewStmt) {
	name := v.GetView().GetRelname()
	s.seen[v.GetView()] = true
	s.view = true
	if _, allowed := s.c.rules.Views[name]; allowed {
		s.exempt = true
		s.c.usedViews[name] = true
	}
	s.judge(v.GetQuery(), nil)
}

func (s *statement) all(r *pg.RangeVar, verb string) {
	if r == nil {
		return
	}
	s.seen[r] = true
	if table := s.tenantTable(r); table != "" {
		s.report(r.GetLocation(), verb+" takes all tenants' rows of "+table)
	}
}

// below judges the queries inside an expression or a statement's other parts.
func (s *statement) below(root proto.Message, l *level) {
	walk(root, func(m proto.Message) bool {
		if m == root {
			return true
		}
		switch m := m.(type) {
		case *pg.WithClause, *pg.RangeSubselect:
			return false // judged with the level that they belong to
		case *pg.LockingClause:
			for _, r := range m.GetLockedRels() {
				s.seen[r.GetRangeVar()] = true // an alias of a relation that is judged
			}
		case *pg.Node:
			switch m.GetNode().(type) {
			case *pg.Node_SelectStmt, *pg.Node_InsertStmt, *pg.Node_UpdateStmt, *pg.Node_DeleteStmt, *pg.Node_MergeStmt:
				s.judge(m, l)
				return false
			}
		case *pg.SelectStmt:
			return false // an arm of a UNION, judged by itself
		}
		return true
	})
}
