package compliance

import (
	"encoding/json"
	"regexp"
	"strings"

	pgquery "github.com/wasilibs/go-pgquery"
)

// body judges the code inside a DO block or a function.
func (c *checker) body(src source, at int, text string, stmt any) {
	options, language, body := list(stmt, "DoStmt.args"), "plpgsql", ""
	if f := get(stmt, "CreateFunctionStmt"); f != nil {
		options, language = list(f, "options"), "sql"
	}
	for _, o := range options {
		switch d := get(o, "DefElem"); str(d, "defname") {
		case "language":
			language = strings.ToLower(str(d, "arg.String.sval"))
		case "as":
			at, body = num(d, "location"), names(d, "arg.List.items")[0]+str(d, "arg.String.sval")
		}
	}
	switch inner := src.within(body, src.line(at)); {
	case body == "": // or BEGIN ATOMIC, which is part of the tree
	case language == "sql":
		c.mustSQL(inner)
	case language == "plpgsql":
		c.block(inner, text)
	default:
		c.found(TenantFilter, src, at, "code in the language "+language+" cannot be checked")
	}
}

// block judges the statements and expressions of a PL/pgSQL block, each as the SQL
// that PL/pgSQL makes of it (RawParseMode, parser/parser.h).
func (c *checker) block(src source, text string) {
	parsed, err := pgquery.ParsePlPgSqlToJSON(text)
	var root any
	if err != nil || json.Unmarshal([]byte(parsed), &root) != nil {
		c.found(TenantFilter, src, 0, "the block cannot be read")
	}
	src.variables = map[string]bool{"new": true, "old": true}
	walk(root, 0, func(key string, name any, _ int) bool {
		if key == "refname" {
			src.variables[name.(string)] = true
		}
		return true
	})
	first := src.line(0)
	walk(root, 1, func(key string, n any, lineno int) bool {
		query, mode := str(n, "query"), num(n, "parseMode")
		if mode > 2 { // an assignment
			_, query, _ = strings.Cut(query, "=")
		}
		if mode > 0 {
			query = "SELECT " + query
		}
		if key == "PLpgSQL_expr" {
			c.mustSQL(src.within(query, first+lineno-1))
		}
		if key == "dynquery" || key == "query" && num(n, "PLpgSQL_expr.parseMode") == 2 {
			c.executed(src.within(str(n, "PLpgSQL_expr.query"), first+lineno-1))
		}
		return true
	})
}

// touching is text that may touch rows or name a schema.
var touching = regexp.MustCompile(`(?i)\b(select|insert|update|delete|merge|copy|truncate|table\s+only|from|into|schema\s+[^%]|search_path)\b|\w"?\s*\.\s*"?\w|^$`)

// executed refuses EXECUTE of anything but definitions that are written down.
func (c *checker) executed(src source) {
	text := ""
	statements, _ := parse("SELECT " + src.text) // or it is reported as an expression
	walk(statements, 0, func(key string, n any, _ int) bool {
		if key == "A_Const" {
			text += str(n, "sval.sval")
		}
		return last(n, "funcname") != "current_setting" // its name
	})
	if touching.MatchString(text) && !c.excused(src.dir, src.text) {
		c.found(TenantFilter, src, 0, "EXECUTE of what may touch rows or name a schema: "+shorten(src.text))
	}
}
