package compliance

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
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
	inner := src.within(body, src.line(at))
	switch {
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

// gap is a name in the place of what is known at run time only.
const gap = "__gap__"

var (
	formatVerb = regexp.MustCompile(`%(\d+\$)?-?\d*[IsL%]`)
	// unread is text that may touch rows or name a schema.
	unread = regexp.MustCompile(`(?i)\b(select|insert|update|delete|merge|copy|truncate|table\s+only|from|into|schema|search_path)\b|\w"?\s*\.\s*"?\w|^__gap__$`)
)

// executed judges what EXECUTE runs: a text, or a format with a name in each gap.
// What is then no SQL may still be harmless.
func (c *checker) executed(src source) {
	statements, _ := parse("SELECT " + src.text)
	line := src.line(0)
	if len(statements) == 0 {
		return // reported as an expression
	}
	value := get(list(statements[0], "stmt.SelectStmt.targetList")[0], "ResTarget.val")
	src.text, src.variables, src.line = composed(value), nil, func(int) int { return line }
	if _, err := c.sql(src); err != nil && unread.MatchString(src.text) {
		c.found(TenantFilter, src, 0, "EXECUTE cannot be read: "+shorten(src.text))
	}
}

// composed is the text that an expression makes.
func composed(n any) string {
	text, constant := get(n, "A_Const.sval.sval").(string)
	args := list(n, "FuncCall.args")
	switch {
	case constant:
		return text
	case last(n, "A_Expr.name") == "||":
		return composed(get(n, "A_Expr.lexpr")) + composed(get(n, "A_Expr.rexpr"))
	case last(n, "FuncCall.funcname") == "quote_ident":
		return strconv.Quote(composed(args[0]))
	case last(n, "FuncCall.funcname") != "format":
		return gap
	}
	next := 0
	return formatVerb.ReplaceAllStringFunc(composed(args[0]), func(verb string) string {
		if verb == "%%" {
			return "%"
		}
		next++
		_, _ = fmt.Sscanf(verb, "%%%d$", &next) // its argument's number, if it has one
		value := composed(append(args, nil)[min(next, len(args))])
		return map[byte]string{'I': strconv.Quote(value), 'L': "'" + gap + "'", 's': value}[verb[len(verb)-1]]
	})
}
