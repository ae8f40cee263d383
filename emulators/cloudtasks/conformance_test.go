package cloudtasks_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// row is one behaviour of Cloud Tasks: where it is written, and a test through the real client.
type row struct {
	name  string
	from  string // fromProto: the comments of cloudtaskspb; else the title of the document
	quote string // of a proto comment, checked by TestEveryProtoQuoteIsVerbatim; else of that document
	test  func(t *testing.T, f *fixture)
}

const (
	fromProto = "cloudtaskspb"
	quotas    = "Cloud Tasks: Quotas and limits"
	handlers  = "Cloud Tasks: Create HTTP target tasks, Reading HTTP task request headers"
	choice    = "This package's own choice: its package comment"
)

func conformance() []row {
	return slices.Concat(queueRows(), taskRows(), limitRows(), scheduleRows(), retryRows(), paceRows(), headerRows(), overrideRows(), tokenRows(), unimplementedRows())
}

func TestConformance(t *testing.T) {
	t.Parallel()
	for _, r := range conformance() {
		t.Run(r.name, func(t *testing.T) {
			t.Parallel()
			r.test(t, newFixture(t))
		})
	}
}

func TestEveryConformanceRowHasANameOfItsOwnAndASource(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, r := range conformance() {
		if r.name == "" || r.from == "" || r.quote == "" || seen[r.name] {
			t.Errorf("row %q: from %q, quote %q", r.name, r.from, r.quote)
		}
		seen[r.name] = true
	}
}

func TestEveryProtoQuoteIsVerbatim(t *testing.T) {
	t.Parallel()
	comments := protoComments(t)
	for _, r := range conformance() {
		if r.from == fromProto && !strings.Contains(comments, r.quote) {
			t.Errorf("row %q: no comment of cloudtaskspb says %q", r.name, r.quote)
		}
	}
}

var link = regexp.MustCompile(`\]\[google\.[A-Za-z0-9_.]+\]`)

// protoComments returns all comments of cloudtaskspb as running text, without link targets.
func protoComments(t *testing.T) string {
	t.Helper()
	dir, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", "cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb").Output()
	if err != nil {
		t.Fatalf("find cloudtaskspb: %v", err)
	}
	files, err := filepath.Glob(filepath.Join(strings.TrimSpace(string(dir)), "*.pb.go"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no sources in %s: %v", dir, err)
	}
	var words []string
	for _, file := range files {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(src)) {
			if text, ok := strings.CutPrefix(strings.TrimSpace(line), "//"); ok {
				words = append(words, strings.Fields(text)...)
			}
		}
	}
	text := link.ReplaceAllString(strings.Join(words, " "), "]")
	return strings.NewReplacer("[", "", "]", "", "`", "").Replace(text)
}
