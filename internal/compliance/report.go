package compliance

import (
	"cmp"
	"fmt"
	"io"
	"slices"
)

// Issue is a heading of LAD's report.
type Issue int

// The headings, in their order.
const (
	SchemaNames Issue = iota + 1
	TenantFilter
	Idempotency
	Printing
)

var headings = []string{"", "Hardcoded Schema Names", "Missing Tenant Filter", "Non-idempotent handler", "console.log usage"}

// Finding is one violation. Without a line it is the file's, or the folder's.
type Finding struct {
	File string // relative to the repository, with slashes
	Line int
	Text string
}

func (f Finding) String() string {
	if f.Line == 0 {
		return f.File + ": " + f.Text
	}
	return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text)
}

// Report is all that was found.
type Report map[Issue][]Finding

// Ready reports whether nothing was found.
func (r Report) Ready() bool { return len(r) == 0 }

func (r Report) add(issue Issue, f Finding) { r[issue] = append(r[issue], f) }

// WriteTo writes the report in exactly LAD's form: under each heading "none" or a
// line per finding, by place, indented.
func (r Report) WriteTo(w io.Writer) (int64, error) {
	text, verdict := "🔴 CRITICAL BLOCKERS (Cannot Deploy):\n\n", "✅ READY"
	for issue := SchemaNames; issue <= Printing; issue++ {
		text += fmt.Sprintf("Issue #%d: %s\n", issue, headings[issue])
		if len(r[issue]) == 0 {
			text += "    none\n"
		}
		findings := slices.SortedFunc(slices.Values(r[issue]), func(a, b Finding) int {
			return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text))
		})
		for _, f := range slices.Compact(findings) {
			text += "    " + f.String() + "\n"
			verdict = "❌ NOT READY"
		}
	}
	n, err := io.WriteString(w, text+"📊 Production Readiness: "+verdict+"\n")
	return int64(n), err
}
