package deploycheck_test

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// filter is a condition in the part of the Logging query language, and of
// Monitoring's filters, that terraform/ uses: comparisons, AND, OR, NOT and
// parentheses. https://cloud.google.com/logging/docs/view/logging-query-language
type filter interface {
	matches(entry map[string]any) bool
	comparisons() []comparison
}

type (
	allOf []filter
	anyOf []filter
	not   struct{ filter }
)

func (f allOf) matches(entry map[string]any) bool {
	for _, part := range f {
		if !part.matches(entry) {
			return false
		}
	}
	return true
}

func (f anyOf) matches(entry map[string]any) bool {
	for _, part := range f {
		if part.matches(entry) {
			return true
		}
	}
	return false
}

func (f not) matches(entry map[string]any) bool { return !f.filter.matches(entry) }

func (f allOf) comparisons() (found []comparison) {
	for _, part := range f {
		found = append(found, part.comparisons()...)
	}
	return found
}

func (f anyOf) comparisons() []comparison { return allOf(f).comparisons() }

// comparison holds a field against one of some values.
type comparison struct {
	field, operator string
	values          []string
}

func (c comparison) comparisons() []comparison { return []comparison{c} }

func (c comparison) String() string {
	return c.field + c.operator + strings.Join(c.values, "|")
}

// severities in their order (google.logging.type.LogSeverity).
var severities = []string{"DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"}

// matches: what is not there is like nothing, and unlike everything.
func (c comparison) matches(entry map[string]any) bool {
	value, ok := field(entry, c.field)
	if !ok {
		return c.operator == "!="
	}
	for _, want := range c.values {
		if c.holds(value, want) {
			return true
		}
	}
	return false
}

func (c comparison) holds(value, want string) bool {
	switch c.operator {
	case "=":
		return value == want
	case "!=":
		return value != want
	case "=~":
		return regexp.MustCompile(want).MatchString(value)
	case ":":
		return strings.Contains(strings.ToLower(value), strings.ToLower(want))
	}
	have, limit := number(value), number(want)
	return c.operator == ">" && have > limit || c.operator == ">=" && have >= limit ||
		c.operator == "<" && have < limit || c.operator == "<=" && have <= limit
}

// number is a number, or a severity's place among its like.
func number(text string) float64 {
	for i, name := range severities {
		if name == text {
			return float64(i)
		}
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		panic(err)
	}
	return n
}

// field is the value at a path of an entry, as the text that a label would hold.
func field(entry map[string]any, path string) (string, bool) {
	var value any = entry
	for name := range strings.SplitSeq(path, ".") {
		object, ok := value.(map[string]any)
		if !ok {
			return "", false
		}
		if value, ok = object[name]; !ok {
			return "", false
		}
	}
	switch v := value.(type) {
	case string:
		return v, true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case bool:
		return strconv.FormatBool(v), true
	default:
		return "", false
	}
}

var tokenFormat = regexp.MustCompile(`\s*("(?:[^"\\]|\\.)*"|one_of|AND\b|OR\b|NOT\b|=~|!=|>=|<=|[=<>:(),]|[A-Za-z0-9_.-]+)`)

// parser reads tokens from the left.
type parser struct{ tokens []string }

// parseFilter refuses AND and OR side by side: which of them binds tighter is
// not the same in all of Google's languages.
func parseFilter(text string) (f filter, err error) {
	defer func() {
		if problem := recover(); problem != nil {
			err = fmt.Errorf("filter %s: %v", text, problem)
		}
	}()
	p := &parser{}
	rest := text
	for rest = strings.TrimSpace(rest); rest != ""; rest = strings.TrimSpace(rest) {
		match := tokenFormat.FindStringSubmatchIndex(rest)
		if match == nil || match[0] != 0 {
			return nil, fmt.Errorf("filter %s: cannot read %q", text, rest)
		}
		p.tokens = append(p.tokens, rest[match[2]:match[3]])
		rest = rest[match[1]:]
	}
	f = p.expression()
	if p.peek() != "" {
		panic("not understood from " + p.peek())
	}
	return f, nil
}

func (p *parser) peek() string {
	if len(p.tokens) == 0 {
		return ""
	}
	return p.tokens[0]
}

func (p *parser) next(want ...string) string {
	token := p.peek()
	for _, w := range want {
		if token != w {
			panic(fmt.Sprintf("%q instead of %q", token, w))
		}
	}
	if token == "" {
		panic("it ends too early")
	}
	p.tokens = p.tokens[1:]
	return token
}

func (p *parser) expression() filter {
	parts, word := []filter{p.term()}, p.peek()
	for p.peek() == "AND" || p.peek() == "OR" {
		p.next(word)
		parts = append(parts, p.term())
	}
	switch {
	case len(parts) == 1:
		return parts[0]
	case word == "AND":
		return allOf(parts)
	default:
		return anyOf(parts)
	}
}

func (p *parser) term() filter {
	switch p.peek() {
	case "NOT":
		p.next()
		return not{p.term()}
	case "(":
		p.next()
		f := p.expression()
		p.next(")")
		return f
	}
	// Monitoring has both spellings.
	path := strings.NewReplacer("metric.label.", "metric.labels.", "resource.label.", "resource.labels.").Replace(p.next())
	c := comparison{field: path, operator: p.next()}
	if !strings.Contains("= != =~ : > >= < <=", c.operator) {
		panic("no operator: " + c.operator)
	}
	if p.peek() != "one_of" {
		c.values = []string{p.value()}
		return c
	}
	p.next()
	for p.next("("); ; p.next(",") {
		if c.values = append(c.values, p.value()); p.peek() == ")" {
			p.next()
			return c
		}
	}
}

func (p *parser) value() string {
	token := p.next()
	if !strings.HasPrefix(token, `"`) {
		return token
	}
	text, err := strconv.Unquote(token)
	if err != nil {
		panic(err)
	}
	return text
}

func TestFiltersAreReadAsGoogleReadsThem(t *testing.T) {
	t.Parallel()
	entry := map[string]any{"severity": "ERROR", "jsonPayload": map[string]any{"event": "called", "n": 2.0, "text": "Say Hello"}}
	for text, want := range map[string]bool{
		`jsonPayload.event="called"`: true, `jsonPayload.event="cal"`: false, `jsonPayload.event!="called"`: false, `jsonPayload.gone!="x"`: true,
		`jsonPayload.gone="x"`: false, `jsonPayload.n>1`: true, `jsonPayload.n>2`: false, `jsonPayload.n>=2`: true, `jsonPayload.n<10`: true,
		`jsonPayload.n=2`: true, `severity>=WARNING`: true, `severity>ERROR`: false, `jsonPayload.event=~"^c.*d$"`: true, `jsonPayload.text:"hello"`: true,
		`NOT severity=ERROR`: false, `severity=INFO OR (severity=ERROR AND jsonPayload.n=2)`: true, `jsonPayload.event=one_of("a","called")`: true,
	} {
		f, err := parseFilter(text)
		if err != nil {
			t.Error(err)
		} else if f.matches(entry) != want {
			t.Errorf("%s: %v, want %v", text, !want, want)
		}
	}
	for _, text := range []string{``, `a=1 AND b=2 OR c=3`, `a=1 b=2`, `(a=1`, `a="x`, `a`, `a==1`, `a=1 AND`} {
		if f, err := parseFilter(text); err == nil {
			t.Errorf("%s was read as %v", text, f)
		}
	}
}
