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

// Finding is one violation.
type Finding struct {
	File string // relative to the repository, with slashes
	Line int    // 0: the file or folder as a whole
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

// tidy sorts by place and drops what was found twice.
func (r Report) tidy() {
	for issue, findings := range r {
		slices.SortFunc(findings, func(a, b Finding) int {
			return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Text, b.Text))
		})
		r[issue] = slices.Compact(findings)
	}
}

// WriteTo writes the report in exactly LAD's form. Under each heading stands
// "none" or a line per finding, indented.
func (r Report) WriteTo(w io.Writer) (int64, error) {
	text := "🔴 CRITICAL BLOCKERS (Cannot Deploy):\n\n"
	for issue := SchemaNames; issue <= Printing; issue++ {
		text += fmt.Sprintf("Issue #%d: %s\n", issue, headings[issue])
		for _, f := range r[issue] {
			text += "    " + f.String() + "\n"
		}
		if len(r[issue]) == 0 {
			text += "    none\n"
		}
	}
	verdict := "✅ READY"
	if !r.Ready() {
		verdict = "❌ NOT READY"
	}
	n, err := io.WriteString(w, text+"📊 Production Readiness: "+verdict+"\n")
	return int64(n), err
}
