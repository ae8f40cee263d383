package compliance

import (
	"fmt"
	"os"
	"os/exec"
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
		{Package: "pkg/tenantdb", SQL: "⟨\"SET search_path = \" + cut(table)⟩", Reason: "a fixture"},
		{Package: "migrations", SQL: "CREATE VIEW followup_tenants AS SELECT DISTINCT tenant_id FROM lead_bookings", Reason: "a fixture"},
		{Package: "pkg/tenantdb", SQL: "SET search_path = x", Reason: "a fixture, which is not there"},
	}
	rules.Idempotency = nil
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
	want["#2 pkg/tenantdb:0"] = true      // the exception of nothing
	want["#0 functions/execute/query.SQL:0"] = true
	want["#0 stub/pgx/go.mod:0"] = true
	got := map[string]bool{}
	report[0] = house(t, root) // for which LAD's report has no heading
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

// scripts/rules.sh has that rule.
func TestAFileIsAsLongAsItMayBeAndNoLonger(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	const longest = 400
	for name, lines := range map[string]int{
		"a.go": longest, "b.go": longest + 1, "migrations/c.sql": longest + 1, "docs/d.md": longest + 1, "e.tf": longest + 1, "f.sh": longest + 1,
		"g.yaml": longest + 1, "h.txt": longest + 1, "go.sum": longest + 1, "testdata/j.go": longest + 1, "k.mjs": longest + 1,
	} {
		write(t, root, name, strings.Repeat("\n", lines))
	}
	write(t, root, "z.go", strings.Repeat("\n", longest)+"/") // the last line needs no end to be one
	script, err := filepath.Abs(filepath.Join(repository, "scripts", "rules.sh"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(script)
	if err != nil {
		t.Fatal(err)
	}
	write(t, root, "scripts/rules.sh", string(text))
	output, err := exec.CommandContext(t.Context(), "sh", "-c", "cd '"+root+"' && git init -q && git add . && sh scripts/rules.sh").CombinedOutput()
	if err == nil {
		t.Error("the rules hold")
	}
	var long []string
	for _, m := range regexp.MustCompile(`(\S+) \(401\)`).FindAllStringSubmatch(string(output), -1) {
		long = append(long, m[1])
	}
	slices.Sort(long)
	if !slices.Equal(long, []string{"b.go", "docs/d.md", "e.tf", "f.sh", "g.yaml", "k.mjs", "migrations/c.sql", "testdata/j.go", "z.go"}) {
		t.Errorf("too long are %v: %s", long, output)
	}
}

func write(t *testing.T, root, name, text string) {
	t.Helper()
	file := filepath.Join(root, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
