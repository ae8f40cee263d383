package compliance

import (
	"strings"

	pg "github.com/pganalyze/pg_query_go/v6"
	pgquery "github.com/wasilibs/go-pgquery"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
)

// source is a piece of SQL and where it stands.
type source struct {
	text string
	file string               // relative to the repository
	line func(offset int) int // of a byte of text
	dir  string               // file's folder, or the one that its exceptions are listed under
	// variables are the PL/pgSQL variables in reach.
	variables map[string]bool
}

// within is other text at one place of s.
func (s source) within(text string, line int) source {
	s.text, s.line = text, func(int) int { return line }
	return s
}

func (s source) finding(offset int32, text string) Finding {
	return Finding{File: s.file, Line: s.line(max(int(offset), 0)), Text: text}
}

// linesFrom counts from the line that a text begins on.
func linesFrom(text string, first int) func(int) int {
	return func(offset int) int { return first + strings.Count(text[:min(offset, len(text))], "\n") }
}

// parse reads text as pgx would send it. Offsets in the tree are those of text.
func parse(text string) (*pg.ParseResult, error) {
	return pgquery.Parse(positional(text))
}

// positional replaces pgx's named arguments by parameters of equal length:
// PostgreSQL takes the @ of @tenant for an operator, and @limit for an error.
// What $1 stands for makes no difference to any check.
func positional(text string) string {
	if !strings.Contains(text, "@") {
		return text
	}
	scan, err := pgquery.Scan(text)
	if err != nil {
		return text // nor will it parse
	}
	out := []byte(text)
	for i, t := range scan.GetTokens()[:max(0, len(scan.GetTokens())-1)] {
		next := scan.GetTokens()[i+1]
		if text[t.GetEnd()-1] != '@' || next.GetStart() != t.GetEnd() || !startsName(text[next.GetStart()]) {
			continue
		}
		copy(out[t.GetEnd()-1:], "$1")
		for j := t.GetEnd() + 1; j < next.GetEnd(); j++ {
			out[j] = ' '
		}
	}
	return string(out)
}

func startsName(c byte) bool {
	return c == '_' || 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || c >= 0x80
}

// walk calls visit for m and all that is below it, in no particular order, and
// does not go below where visit returns false.
func walk(m proto.Message, visit func(proto.Message) bool) {
	walkMessage(m.ProtoReflect(), visit)
}

func walkMessage(m protoreflect.Message, visit func(proto.Message) bool) {
	if !m.IsValid() || !visit(m.Interface()) {
		return
	}
	m.Range(func(field protoreflect.FieldDescriptor, value protoreflect.Value) bool {
		switch {
		case field.Message() == nil || field.IsMap():
		case field.IsList():
			for i := range value.List().Len() {
				walkMessage(value.List().Get(i).Message(), visit)
			}
		default:
			walkMessage(value.Message(), visit)
		}
		return true
	})
}

// names are the strings of a list, as a qualified name is one.
func names(list []*pg.Node) []string {
	all := make([]string, 0, len(list))
	for _, n := range list {
		all = append(all, n.GetString_().GetSval())
	}
	return all
}

// textOf is the text of a string literal, whatever it is cast to.
func textOf(n *pg.Node) (text string, ok bool) {
	if cast := n.GetTypeCast(); cast != nil {
		return textOf(cast.GetArg())
	}
	c := n.GetAConst()
	if c == nil || c.GetSval() == nil {
		return "", false
	}
	return c.GetSval().GetSval(), true
}

func normalise(text string) string { return strings.Join(strings.Fields(text), " ") }
