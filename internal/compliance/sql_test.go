package compliance

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestEveryDisguiseOfAMissingFilterIsSeenThrough(t *testing.T) {
	t.Parallel()
	for _, file := range []string{"tenant_violations.sql", "tenant_violations_subtle.sql"} {
		for name, sql := range cases(t, file) {
			if report := judge(t, sql); len(report[TenantFilter]) == 0 {
				t.Errorf("%s: nothing was found in\n%s", name, sql)
			} else if len(report[SchemaNames]) > 0 {
				t.Errorf("%s: found %v besides", name, report[SchemaNames])
			}
		}
	}
}

// EXECUTE is refused with less ado: under either heading.
func TestExecuteIsLookedAt(t *testing.T) {
	t.Parallel()
	for name, sql := range cases(t, "execute_violations.sql") {
		if judge(t, sql).Ready() {
			t.Errorf("%s: nothing was found in\n%s", name, sql)
		}
	}
}

// What the check does not follow it refuses, though it is right.
func TestWhatIsNotFollowedIsRefused(t *testing.T) {
	t.Parallel()
	for name, sql := range cases(t, "tenant_refused.sql") {
		if report := judge(t, sql); len(report[TenantFilter]) == 0 {
			t.Errorf("%s: it is followed by now: move it to tenant_clean.sql\n%s", name, sql)
		}
	}
}

func TestWhateverFiltersIsTakenHoweverItIsWritten(t *testing.T) {
	t.Parallel()
	for name, sql := range cases(t, "tenant_clean.sql") {
		if report := judge(t, sql); !report.Ready() {
			t.Errorf("%s: found %v in\n%s", name, report, sql)
		}
	}
}

func TestEveryPlaceOfASchemasNameIsLookedAt(t *testing.T) {
	t.Parallel()
	for name, sql := range cases(t, "schema_violations.sql") {
		if report := judge(t, sql); len(report[SchemaNames]) == 0 {
			t.Errorf("%s: nothing was found in\n%s", name, sql)
		} else if len(report[TenantFilter]) > 0 {
			t.Errorf("%s: found %v besides", name, report[TenantFilter])
		}
	}
}

func TestNamesThatAreNoSchemasAreTaken(t *testing.T) {
	t.Parallel()
	for name, sql := range cases(t, "schema_clean.sql") {
		if report := judge(t, sql); !report.Ready() {
			t.Errorf("%s: found %v in\n%s", name, report, sql)
		}
	}
}

func TestAFindingIsOnTheLineOfItsRelation(t *testing.T) {
	t.Parallel()
	sql := "-- first\nSELECT 1;\n\n/* the\nsecond */ SELECT id,\n\t(SELECT 1 FROM lead_notes)\nFROM leads\nWHERE tenant_id = $1;\n\nDO $$\nBEGIN\n\tDELETE FROM leads;\nEND $$"
	var lines []int
	report := judge(t, sql)
	for _, f := range report[TenantFilter] {
		lines = append(lines, f.Line)
	}
	slices.Sort(lines)
	if len(lines) != 2 || lines[0] != 6 || lines[1] != 12 {
		t.Errorf("found %v, want lines 6 and 12", report[TenantFilter])
	}
}

func TestAnExceptionExcusesItsOwnTextAlone(t *testing.T) {
	t.Parallel()
	for sql, want := range map[string]bool{
		"DELETE FROM leads WHERE phone = @phone":                 true,
		"-- why\nDELETE\n\tFROM leads WHERE phone = @phone;":     true,
		"SELECT id, phone, email FROM leads WHERE phone IS NULL": true,
		"SELECT id FROM leads WHERE phone IS NOT NULL":           false,
		"DELETE FROM leads WHERE phone = @phone OR true":         false,
		"DELETE FROM leads": false,
		"DO $$ BEGIN DELETE FROM leads WHERE phone = '1'; END $$":              false,
		"DELETE FROM leads WHERE phone = @phone; DELETE FROM lead_notes":       false,
		"SELECT id FROM leads WHERE phone IS NULL; SELECT phone FROM pg_leads": true,
	} {
		c := newChecker()
		c.rules.Exceptions = []Exception{
			{Package: "pkg/tenantdb", SQL: "DELETE FROM leads\nWHERE phone = @phone"},
			{Package: "pkg/tenantdb", SQL: "SELECT … FROM leads WHERE phone IS NULL"},
			{Package: "pkg/other", SQL: "DELETE FROM leads"},
		}
		if _, err := c.sql(sourceOf(sql)); err != nil {
			t.Fatal(err)
		}
		if c.report.Ready() != want {
			t.Errorf("excused %v, want %v: %s", c.report.Ready(), want, sql)
		}
	}
}

func TestAnEllipsisStandsForNothingThatIsMadeAtRunTime(t *testing.T) {
	t.Parallel()
	e := Exception{SQL: "…⟨f.conditions()⟩ ORDER BY …"}
	if !e.matches("SELECT 1 WHERE a⟨f.conditions()⟩ ORDER BY b") {
		t.Error("the text itself is not excused")
	}
	if e.matches("SELECT ⟨columns⟩ WHERE a⟨f.conditions()⟩ ORDER BY b") {
		t.Error("another part that is made at run time is excused")
	}
}

func newChecker() *checker {
	return &checker{rules: LAD(), report: Report{}, used: map[int]bool{}}
}

func sourceOf(sql string) source {
	return source{file: "pkg/tenantdb/x.go", dir: "pkg/tenantdb"}.within(sql, 1)
}

func judge(t *testing.T, sql string) Report {
	t.Helper()
	c := newChecker()
	c.rules.Exceptions = []Exception{{"pkg/tenantdb", "CREATE VIEW followup_tenants AS SELECT DISTINCT tenant_id FROM lead_bookings", "a fixture"}}
	if _, err := c.sql(sourceOf(sql)); err != nil {
		t.Errorf("%v: %s", err, sql)
	}
	return c.report
}

var blankLine = regexp.MustCompile(`\n\s*\n`)

// cases are a file's statements by the comment above each.
func cases(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "sql", file))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	for _, piece := range blankLine.Split(strings.TrimSpace(string(text)), -1) {
		name, sql, ok := strings.Cut(strings.TrimPrefix(piece, "-- "), "\n")
		if !ok || all[name] != "" {
			t.Fatalf("%s: a case needs a name of its own: %s", file, piece)
		}
		all[name] = sql
	}
	return all
}
