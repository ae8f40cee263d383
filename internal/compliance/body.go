package compliance

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	pgquery "github.com/wasilibs/go-pgquery"
)

// bodies judges the code inside DO blocks and functions.
func (c *checker) bodies(src source, raw *pg.RawStmt) {
	var options []*pg.Node
	language := "plpgsql"
	switch {
	case raw.GetStmt().GetDoStmt() != nil:
		options = raw.GetStmt().GetDoStmt().GetArgs()
	case raw.GetStmt().GetCreateFunctionStmt() != nil:
		options = raw.GetStmt().GetCreateFunctionStmt().GetOptions()
		language = "sql"
	default:
		return
	}
	body, at := "", raw.GetStmtLocation()
	for _, o := range options {
		switch d := o.GetDefElem(); d.GetDefname() {
		case "language":
			language = strings.ToLower(d.GetArg().GetString_().GetSval())
		case "as":
			at = d.GetLocation()
			body = d.GetArg().GetString_().GetSval()
			if list := d.GetArg().GetList().GetItems(); len(list) > 0 {
				body = list[0].GetString_().GetSval()
			}
		}
	}
	line := src.line(int(at))
	switch {
	case body == "": // BEGIN ATOMIC, which is part of the tree
	case language == "sql":
		inner := src.within(body, line)
		inner.line = linesFrom(body, line)
		if _, err := c.sql(inner); err != nil {
			c.report.add(TenantFilter, src.finding(at, fmt.Sprintf("the function's body cannot be read: %v", err)))
		}
	case language == "plpgsql":
		c.plpgsql(src.within(body, line), statementText(src.text, raw))
	default:
		c.report.add(TenantFilter, src.finding(at, "code in the language "+language+" cannot be checked"))
	}
}

// plpgsql judges the statements and expressions of a block. src begins where its
// body does, from which PL/pgSQL counts lines.
func (c *checker) plpgsql(src source, statement string) {
	first := src.line(0)
	text, err := pgquery.ParsePlPgSqlToJSON(statement)
	var tree any
	if err == nil {
		err = json.Unmarshal([]byte(text), &tree)
	}
	if err != nil {
		c.report.add(TenantFilter, Finding{File: src.file, Line: first, Text: fmt.Sprintf("the block cannot be read: %v", err)})
		return
	}
	src.variables = map[string]bool{"new": true, "old": true}
	variables(tree, src.variables)
	c.block(src, tree, first, first)
}

// variables finds the names of a block's variables.
func variables(tree any, into map[string]bool) {
	switch t := tree.(type) {
	case map[string]any:
		if name, ok := t["refname"].(string); ok {
			into[name] = true
		}
		for _, below := range t {
			variables(below, into)
		}
	case []any:
		for _, below := range t {
			variables(below, into)
		}
	}
}

// block goes through libpg_query's tree of a block.
func (c *checker) block(src source, tree any, first, line int) {
	switch t := tree.(type) {
	case []any:
		for _, below := range t {
			c.block(src, below, first, line)
		}
	case map[string]any:
		if n, ok := t["lineno"].(float64); ok && n > 0 {
			line = first + int(n) - 1
		}
		for key, below := range t {
			switch key {
			case "PLpgSQL_expr":
				c.expression(src, below, line)
			case "dynquery": // of RETURN QUERY EXECUTE and OPEN … FOR EXECUTE
				c.executed(src, below, line)
			case "PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors":
				c.dynamicStatement(src, below, first, line)
			default:
				c.block(src, below, first, line)
			}
		}
	}
}

func (c *checker) dynamicStatement(src source, tree any, first, line int) {
	fields, _ := tree.(map[string]any)
	if n, ok := fields["lineno"].(float64); ok {
		line = first + int(n) - 1
	}
	for key, below := range fields {
		if key == "query" {
			c.executed(src, below, line)
			continue
		}
		c.block(src, below, first, line)
	}
}

// expression judges a statement of a block, or an expression as the SELECT that
// PL/pgSQL makes of it.
func (c *checker) expression(src source, tree any, line int) {
	text := queryOf(tree)
	fields, _ := tree.(map[string]any)
	switch mode, _ := fields["parseMode"].(float64); mode { // RawParseMode, parser/parser.h
	case 0:
	case 2:
		text = "SELECT " + text
	default: // an assignment
		_, value, ok := strings.Cut(text, ":=")
		if !ok {
			_, value, _ = strings.Cut(text, "=")
		}
		text = "SELECT " + value
	}
	if _, err := c.sql(src.within(text, line)); err != nil {
		c.report.add(TenantFilter, src.within(text, line).finding(0, fmt.Sprintf("%q cannot be read: %v", shorten(text), err)))
	}
}

func queryOf(tree any) string {
	fields, _ := tree.(map[string]any)
	if inner, ok := fields["PLpgSQL_expr"].(map[string]any); ok {
		fields = inner
	}
	query, _ := fields["query"].(string)
	return query
}

// executed judges what EXECUTE runs: as far as its text is known, with names in
// the places of the rest.
func (c *checker) executed(src source, tree any, line int) {
	c.block(src, tree, line, line) // what it is computed from
	parsed, err := parse("SELECT " + queryOf(tree))
	if err != nil || len(parsed.GetStmts()) == 0 {
		return // reported by then
	}
	targets := parsed.GetStmts()[0].GetStmt().GetSelectStmt().GetTargetList()
	inner := src.within(composed(targets[0].GetResTarget().GetVal()), line)
	inner.variables = nil // they are not seen from there
	if _, err := c.sql(inner); err == nil {
		return
	}
	// Not a statement with a name in each gap. It may still be harmless.
	if unread.MatchString(inner.text) {
		c.report.add(TenantFilter, inner.finding(0, fmt.Sprintf("EXECUTE of %q cannot be read", shorten(inner.text))))
	}
}

// unread is text that may touch rows or name a schema.
var unread = regexp.MustCompile(`(?i)\b(select|insert|update|delete|merge|copy|truncate|table\s+only|from|into|schema|search_path)\b|\w"?\s*\.\s*"?\w|^\s*__gap__\s*$`)

// gap is a name in the place of what is known at run time only.
const gap = "__gap__"

// composed is the text that an expression makes.
func composed(n *pg.Node) string {
	if text, ok := textOf(n); ok {
		return text
	}
	if cast := n.GetTypeCast(); cast != nil {
		return composed(cast.GetArg())
	}
	if e := n.GetAExpr(); len(e.GetName()) > 0 && names(e.GetName())[0] == "||" {
		return composed(e.GetLexpr()) + composed(e.GetRexpr())
	}
	call := n.GetFuncCall()
	if call == nil || len(call.GetArgs()) == 0 {
		return " " + gap + " "
	}
	args := call.GetArgs()
	switch f := names(call.GetFuncname()); f[len(f)-1] {
	case "format":
		return formatted(composed(args[0]), args[1:])
	case "concat":
		return joined("", args)
	case "concat_ws":
		return joined(composed(args[0]), args[1:])
	case "quote_ident":
		return quotedName(args[0])
	case "quote_literal", "quote_nullable":
		return "'__gap__'"
	}
	return " " + gap + " "
}

func joined(separator string, args []*pg.Node) string {
	texts := make([]string, len(args))
	for i, arg := range args {
		texts[i] = composed(arg)
	}
	return strings.Join(texts, separator)
}

// quotedName is a name that a constant is, or a gap.
func quotedName(n *pg.Node) string {
	if text, ok := textOf(n); ok {
		return `"` + strings.ReplaceAll(text, `"`, `""`) + `"`
	}
	return " " + gap + " "
}

var formatVerb = regexp.MustCompile(`%(\d+\$)?-?(\d+|\*(\d+\$)?)?[IsL%]`)

// formatted is what format() makes of a text, with the arguments that are
// constants in their places. A verb may name its argument by its position, from 1.
func formatted(text string, args []*pg.Node) string {
	next := 0
	return formatVerb.ReplaceAllStringFunc(text, func(verb string) string {
		kind := verb[len(verb)-1]
		if kind == '%' {
			return "%"
		}
		if position, _, ok := strings.Cut(verb[1:], "$"); ok {
			if n, err := strconv.Atoi(position); err == nil {
				next = n - 1
			}
		}
		var arg *pg.Node
		if next < len(args) {
			arg = args[next]
		}
		next++
		switch kind {
		case 'L':
			return "'__gap__'"
		case 'I':
			return quotedName(arg)
		default:
			return composed(arg)
		}
	})
}
