package compliance

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
)

// Issue is a heading of the report.
type Issue int

// The headings, in their order. HouseRules are this repository's own, for which
// LAD's report has no heading: see [Report.WriteHouseRules].
const (
	HouseRules Issue = iota
	SchemaNames
	TenantFilter
	Idempotency
	Printing
)

var headings = map[Issue]string{
	SchemaNames:  "Hardcoded Schema Names",
	TenantFilter: "Missing Tenant Filter",
	Idempotency:  "Non-idempotent handler",
	Printing:     "console.log usage",
}

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

// Ready says whether nothing was found.
func (r Report) Ready() bool {
	for _, findings := range r {
		if len(findings) > 0 {
			return false
		}
	}
	return true
}

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
	var b strings.Builder
	b.WriteString("🔴 CRITICAL BLOCKERS (Cannot Deploy):\n\n")
	for issue := SchemaNames; issue <= Printing; issue++ {
		fmt.Fprintf(&b, "Issue #%d: %s\n", issue, headings[issue])
		writeFindings(&b, r[issue])
	}
	verdict := "✅ READY"
	if !r.Ready() {
		verdict = "❌ NOT READY"
	}
	b.WriteString("📊 Production Readiness: " + verdict + "\n")
	n, err := io.WriteString(w, b.String())
	return int64(n), err
}

// WriteHouseRules writes what breaks this repository's own rules: nothing if
// nothing does. It is for another stream than LAD's report, whose form has no
// place for it.
func (r Report) WriteHouseRules(w io.Writer) error {
	if len(r[HouseRules]) == 0 {
		return nil
	}
	var b strings.Builder
	b.WriteString("🏠 HOUSE RULES (Cannot Deploy):\n\n")
	writeFindings(&b, r[HouseRules])
	b.WriteString("\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func writeFindings(b *strings.Builder, findings []Finding) {
	if len(findings) == 0 {
		b.WriteString("    none\n")
	}
	for _, f := range findings {
		b.WriteString("    " + f.String() + "\n")
	}
}
