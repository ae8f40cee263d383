package compliance

import (
	"regexp"
	"slices"
	"strings"

	pgquery "github.com/wasilibs/go-pgquery"
)

// serverSchemas are PostgreSQL's own, which hard-code nothing, and what stands in
// the place of a schema without being one.
var serverSchemas = []string{"", "pg_catalog", "information_schema", "pg_temp", "default", "excluded", "new", "old"}

const (
	name      = `(?:(?:U&)?"[^"]+"|[\pL_][\pL\d_$]*)`
	value     = `('[^']*'|\$\d+)` // a literal, or a parameter
	nameValue = `(?:'\s*(` + name + `)\s*\.\s*["\pL_][^']*'|(\$\d+))`
	column    = `(?:\w+ \. )?(?:nspname|schemaname|schema_name|(?:table|view|constraint|sequence|routine|specific|udt|trigger|event_object)_schema|current_schema)\b`
)

var (
	// schemaNames are the places of schemas in the words of a statement.
	schemaNames = []*regexp.Regexp{
		regexp.MustCompile(`(?i)\bSCHEMA (?:IF EXISTS |IF NOT EXISTS )?('[^']*'|` + name + `)`),
		regexp.MustCompile(`(?i)\bsearch_path (?:=|TO) ((?:'[^']*'|` + name + `)(?: , (?:'[^']*'|` + name + `))*)`),
		regexp.MustCompile(`(?i)'search_path' , ` + value),
		regexp.MustCompile(`(?i)` + column + `(?: \( \))?(?: :: \w+)? (?:=|<>|!=|~+|I?LIKE|(?:NOT )?IN)(?: ANY)?(?: \()?(?: ARRAY \[)? ` + value),
		regexp.MustCompile(`(?i)` + value + `(?: :: \w+)? (?:=|<>|!=) ` + column),
		regexp.MustCompile(`(?i)\b(?:to_regnamespace|schema_to_xml) \( ` + value),
		regexp.MustCompile(`(?i)\bhas_schema_privilege \((?: [^,()]+ ,)? ('[^']*'|\$\d+) , [^,()]+ \)`),
		regexp.MustCompile(`(?i)` + value + ` (?:::|AS) regnamespace`),
		regexp.MustCompile(`(?i)` + nameValue + ` (?:::|AS) reg`),
		regexp.MustCompile(`(?i)\b(?:to_reg\w+|nextval|currval|setval|pg_get_serial_sequence|has_\w+_privilege|\w+_size|\w+_is_visible|\w+_to_xml\w*) \( (?:[^()]*, )?` + nameValue),
	}
	// qualified is a qualified name. In COMMENT ON COLUMN it is its table's.
	qualified = regexp.MustCompile(`(?i)(COLUMN )?(` + name + `) \.( ` + name + ` \.)?`)
	noWord    = regexp.MustCompile(`^(--|/\*|\$([A-Za-z_]\w*)?\$)`) // a comment, or code
)

// words are a statement's tokens.
func words(text string) (words string) {
	scan, _ := pgquery.Scan(text)
	for _, t := range scan.GetTokens() {
		if word := text[t.GetStart():t.GetEnd()]; !noWord.MatchString(word) {
			words += word + " "
		}
	}
	return words
}

// schemas are the schemas, or parameters for one, that words name.
func schemas(words string) (all []string) {
	for _, pattern := range schemaNames {
		for _, m := range pattern.FindAllStringSubmatch(words, -1) {
			for name := range strings.SplitSeq(strings.Join(m[1:], ""), ",") {
				all = append(all, strings.Trim(name, `'" `))
			}
		}
	}
	return all
}

// schemas reports the schemas that a statement names. Which one is meant is decided
// when a transaction is bound to its tenant, and nowhere else.
func (c *checker) schemas(src source, at int, text string, stmt any) {
	words, known := words(text), slices.Clone(serverSchemas)
	all := schemas(words)
	walk(stmt, 0, func(key string, v any, _ int) bool {
		switch key {
		case "relname", "aliasname", "ctename":
			known = append(known, v.(string))
		case "schemaname": // an alias may have its name
			all = append(all, v.(string))
		}
		return true
	})
	for _, m := range qualified.FindAllStringSubmatch(words, -1) {
		name := strings.ToLower(strings.Trim(m[2], `"`))
		if m[3] != "" || m[1] == "" && !slices.Contains(known, name) && !src.variables[name] {
			all = append(all, m[2])
		}
	}
	for _, schema := range all {
		if !slices.Contains(serverSchemas, strings.ToLower(strings.Trim(schema, `"`))) && schema[0] != '$' {
			c.found(SchemaNames, src, at+max(0, strings.Index(text, schema)), "the schema "+schema+" is named")
		}
	}
}
