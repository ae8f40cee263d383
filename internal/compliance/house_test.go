package compliance

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEveryRuleIsBrokenWhereTheFixtureSaysAndNowhereElse(t *testing.T) {
	t.Parallel()
	rules := LAD()
	rules.Exceptions = []Exception{
		{Package: "pkg/tenantdb", SQL: "SET search_path = ⟨cut(table)⟩", Reason: "a fixture"},
		{Package: "pkg/tenantdb", SQL: "SET search_path = x", Reason: "a fixture, which is not there"},
	}
	rules.Idempotency = nil
	delete(rules.Views, "followup_agents") // the fixture has none
	for _, name := range []string{"TestOnce", "TestFailing", "TestSkipped", "TestSkippedInPart", "TestMissing"} {
		rules.Idempotency = append(rules.Idempotency, IdempotencyTest{Package: "functions/execute", Name: name, Proves: "something"})
	}
	rules.Idempotency = append(rules.Idempotency, IdempotencyTest{Package: "functions/schedule", Name: "TestLeaving", Proves: "something"})
	root := filepath.Join("testdata", "house")
	report, err := Check(t.Context(), root, rules)
	if err != nil {
		t.Fatal(err)
	}
	want := marks(t, root)
	want["#0 pkg/tasks/windows.go:0"] = true
	want["#3 functions/execute:0"] = true // TestMissing
	want["#0 pkg/tenantdb:0"] = true      // the exception of nothing
	want["#0 functions/execute/query.SQL:0"] = true
	want["#0 stub/pgx/go.mod:0"] = true
	got := map[string]bool{}
	for issue, findings := range report {
		for _, f := range findings {
			place := fmt.Sprintf("#%d %s:%d", issue, f.File, f.Line)
			if got[place] = true; !want[place] {
				t.Errorf("found #%d %s", issue, f)
			}
		}
	}
	for place := range want {
		if !got[place] {
			t.Errorf("nothing was found at %s", place)
		}
	}
}

var (
	mark   = regexp.MustCompile(`want((?: #\d)+)`)
	number = regexp.MustCompile(`#\d`)
)

// marks are the places that say what is to be found there.
func marks(t *testing.T, root string) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	err := filepath.WalkDir(root, func(name string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := filepath.Rel(root, name)
		for i, line := range strings.Split(string(text), "\n") {
			if m := mark.FindStringSubmatch(line); m != nil {
				for _, issue := range number.FindAllString(m[1], -1) {
					all[fmt.Sprintf("%s %s:%d", issue, filepath.ToSlash(file), i+1)] = true
				}
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestAFileIsAsLongAsItMayBeAndNoLonger(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	const extra = maxLines + 1
	for name, lines := range map[string]int{
		"a.go": maxLines, "b.go": extra, "migrations/c.sql": extra, "docs/d.md": extra, "e.tf": extra, "f.sh": extra, "g.YAML": extra,
		"h.txt": extra, "go.sum": extra, ".hidden/i.go": extra, "testdata/j.go": extra,
	} {
		file := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, bytes.Repeat([]byte("\n"), lines), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The last line needs no end to be one.
	if err := os.WriteFile(filepath.Join(root, "z.go"), append(bytes.Repeat([]byte("\n"), maxLines), '/'), 0o600); err != nil {
		t.Fatal(err)
	}
	c := newChecker()
	c.root = root
	if err := c.files(); err != nil {
		t.Fatal(err)
	}
	c.report.tidy()
	var long []string
	for _, f := range c.report[HouseRules] {
		long = append(long, f.File)
	}
	if !slices.Equal(long, []string{"b.go", "docs/d.md", "e.tf", "f.sh", "g.YAML", "migrations/c.sql", "z.go"}) {
		t.Errorf("too long are %v", long)
	}
}
