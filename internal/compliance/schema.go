package compliance

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	"google.golang.org/protobuf/proto"
)

// schemaNames reports every schema that a statement names. Which schema is
// meant is decided when a transaction is bound to its tenant, and nowhere else.
func (c *checker) schemaNames(src source, statement *pg.RawStmt) {
	say := func(at int32, schema, where string) {
		if !serverSchema(schema) {
			c.report.add(SchemaNames, src.finding(max(at, statement.GetStmtLocation()), fmt.Sprintf("%s names the schema %q", where, schema)))
		}
	}
	walk(statement.GetStmt(), func(m proto.Message) bool {
		schemasOfNames(m, say)
		schemasOfText(m, say)
		return true
	})
}

// serverSchema says whether a schema belongs to PostgreSQL and not to LAD. Those
// are the same in every database, so that to name them hard-codes nothing: the
// catalogues, and the session's own temporary tables.
func serverSchema(name string) bool {
	switch name {
	case "", "pg_catalog", "information_schema", "pg_temp":
		return true
	case gap: // a name that is known at run time only, which is the rule
		return true
	}
	return false
}

type sayFunc func(at int32, schema, where string)

// schemasOfNames finds schemas where SQL's grammar has them.
func schemasOfNames(m proto.Message, say sayFunc) {
	switch n := m.(type) {
	case *pg.RangeVar:
		say(n.GetLocation(), n.GetSchemaname(), "relation "+n.GetRelname())
	case *pg.ColumnRef:
		if len(n.GetFields()) > 2 {
			say(n.GetLocation(), n.GetFields()[0].GetString_().GetSval(), "a column")
		}
	case *pg.FuncCall:
		qualified(n.GetFuncname(), n.GetLocation(), "function", say)
	case *pg.TypeName:
		qualified(n.GetNames(), n.GetLocation(), "type", say)
	case *pg.A_Expr:
		qualified(n.GetName(), n.GetLocation(), "operator", say)
	case *pg.CollateClause:
		qualified(n.GetCollname(), n.GetLocation(), "collation", say)
	case *pg.ObjectWithArgs:
		qualified(n.GetObjname(), -1, "function", say)
	case *pg.CreateFunctionStmt:
		qualified(n.GetFuncname(), -1, "function", say)
	case *pg.CreateTrigStmt:
		qualified(n.GetFuncname(), -1, "function", say)
	case *pg.CreateSchemaStmt:
		say(-1, n.GetSchemaname(), "CREATE SCHEMA")
	case *pg.AlterObjectSchemaStmt:
		say(-1, n.GetNewschema(), "SET SCHEMA")
	case *pg.VariableSetStmt:
		if strings.EqualFold(n.GetName(), "search_path") {
			for _, arg := range n.GetArgs() {
				sayPath(arg, "search_path", say)
			}
		}
	case *pg.GrantStmt:
		kind := n.GetObjtype()
		if n.GetTargtype() == pg.GrantTargetType_ACL_TARGET_ALL_IN_SCHEMA {
			kind = pg.ObjectType_OBJECT_SCHEMA
		}
		sayObjects(kind, n.GetObjects(), say)
	case *pg.DropStmt:
		sayObjects(n.GetRemoveType(), n.GetObjects(), say)
	case *pg.CommentStmt:
		sayObjects(n.GetObjtype(), []*pg.Node{n.GetObject()}, say)
	case *pg.RenameStmt:
		if n.GetRenameType() == pg.ObjectType_OBJECT_SCHEMA {
			say(-1, n.GetSubname(), "ALTER SCHEMA")
		}
	case *pg.PublicationObjSpec:
		if n.GetPubobjtype() == pg.PublicationObjSpecType_PUBLICATIONOBJ_TABLES_IN_SCHEMA {
			say(-1, n.GetName(), "PUBLICATION")
		}
	case *pg.CreateExtensionStmt:
		for _, option := range n.GetOptions() {
			if d := option.GetDefElem(); d.GetDefname() == "schema" {
				say(-1, d.GetArg().GetString_().GetSval(), "CREATE EXTENSION")
			}
		}
	case *pg.AlterDefaultPrivilegesStmt:
		for _, option := range n.GetOptions() {
			if d := option.GetDefElem(); d.GetDefname() == "schemas" {
				sayObjects(pg.ObjectType_OBJECT_SCHEMA, d.GetArg().GetList().GetItems(), say)
			}
		}
	}
}

func qualified(name []*pg.Node, at int32, what string, say sayFunc) {
	if parts := names(name); len(parts) > 1 {
		say(at, parts[len(parts)-2], what+" "+parts[len(parts)-1])
	}
}

// sayObjects: what belongs to a table is named with it, table.column.
func sayObjects(kind pg.ObjectType, objects []*pg.Node, say sayFunc) {
	own := 1
	switch kind {
	case pg.ObjectType_OBJECT_SCHEMA:
		for _, o := range objects {
			say(-1, o.GetString_().GetSval(), "SCHEMA")
		}
		return
	case pg.ObjectType_OBJECT_COLUMN, pg.ObjectType_OBJECT_TABCONSTRAINT, pg.ObjectType_OBJECT_TRIGGER,
		pg.ObjectType_OBJECT_RULE, pg.ObjectType_OBJECT_POLICY:
		own = 2
	default:
	}
	for _, o := range objects {
		if parts := names(o.GetList().GetItems()); len(parts) > own {
			say(-1, parts[0], strings.Join(parts, "."))
		}
	}
}

// sayPath reports the schemas in the text of an expression, of which a search
// path may hold several.
func sayPath(n *pg.Node, where string, say sayFunc) {
	walk(n, func(m proto.Message) bool {
		if c, ok := m.(*pg.A_Const); ok {
			for schema := range strings.SplitSeq(c.GetSval().GetSval(), ",") {
				say(c.GetLocation(), strings.Trim(strings.TrimSpace(schema), `"`), where)
			}
		}
		return true
	})
}

// schemasOfText finds schemas in string literals that PostgreSQL reads as names.
func schemasOfText(m proto.Message, say sayFunc) {
	switch n := m.(type) {
	case *pg.TypeCast:
		schemasOfCast(n, say)
	case *pg.FuncCall:
		schemasOfCall(n, say)
	case *pg.A_Expr:
		for column, literal := range map[*pg.Node]*pg.Node{n.GetLexpr(): n.GetRexpr(), n.GetRexpr(): n.GetLexpr()} {
			if namesSchema(column) {
				sayPath(literal, "a comparison", say)
			}
		}
	}
}

func schemasOfCast(n *pg.TypeCast, say sayFunc) {
	text, ok := textOf(n.GetArg())
	kind := names(n.GetTypeName().GetNames())
	if !ok || len(kind) == 0 {
		return
	}
	switch kind[len(kind)-1] {
	case "regnamespace":
		say(n.GetLocation(), strings.Trim(text, `"`), "'…'::regnamespace")
	case "regclass", "regproc", "regprocedure", "regtype", "regoper", "regoperator", "regcollation", "regconfig", "regdictionary":
		sayName(text, n.GetLocation(), say)
	}
}

// nameReader are the functions that take a name as text.
var nameReader = regexp.MustCompile(`^(to_reg\w+|nextval|currval|setval|pg_get_serial_sequence|has_\w+_privilege|` +
	`pg_(total_)?(relation|table|indexes)_size|pg_table_is_visible|row_security_active|(table|schema|query)_to_xml\w*)$`)

func schemasOfCall(n *pg.FuncCall, say sayFunc) {
	name := names(n.GetFuncname())
	args := n.GetArgs()
	if len(name) == 0 || len(args) == 0 {
		return
	}
	function := name[len(name)-1]
	switch {
	case function == "set_config":
		if setting, ok := textOf(args[0]); len(args) > 1 && (!ok || strings.EqualFold(setting, "search_path")) {
			sayPath(args[1], "search_path", say)
		}
	case function == "has_schema_privilege", function == "to_regnamespace", function == "schema_to_xml":
		// The schema is the last argument but the right, or the only one.
		for i, arg := range args {
			text, ok := textOf(arg)
			if ok && (len(args) == 1 || i == len(args)-2) {
				say(n.GetLocation(), strings.Trim(text, `"`), function)
			}
		}
	case nameReader.MatchString(function):
		for _, arg := range args {
			if text, ok := textOf(arg); ok {
				sayName(text, n.GetLocation(), say)
			}
		}
	}
}

var dotted = regexp.MustCompile(`^\s*("(?:[^"]|"")+"|[\pL_][\pL\d_$]*)\s*\.\s*["\pL_]`)

func sayName(text string, at int32, say sayFunc) {
	if match := dotted.FindStringSubmatch(text); match != nil {
		say(at, strings.Trim(match[1], `"`), "'"+text+"'")
	}
}

// schemaColumns are where the catalogues keep schemas' names, and the registry.
var schemaColumns = []string{
	"nspname", "schemaname", "schema_name", "table_schema", "view_schema", "constraint_schema", "sequence_schema",
	"routine_schema", "specific_schema", "udt_schema", "trigger_schema", "event_object_schema",
}

// namesSchema says whether an expression is such a column, or the current schema.
func namesSchema(n *pg.Node) bool {
	if cast := n.GetTypeCast(); cast != nil {
		return namesSchema(cast.GetArg())
	}
	if f := names(n.GetFuncCall().GetFuncname()); len(f) > 0 {
		return f[len(f)-1] == "current_schema"
	}
	if f := n.GetSqlvalueFunction(); f != nil {
		return f.GetOp() == pg.SQLValueFunctionOp_SVFOP_CURRENT_SCHEMA
	}
	fields := names(n.GetColumnRef().GetFields())
	return len(fields) > 0 && slices.Contains(schemaColumns, fields[len(fields)-1])
}
