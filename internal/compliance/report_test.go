package compliance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const ready = `🔴 CRITICAL BLOCKERS (Cannot Deploy):

Issue #1: Hardcoded Schema Names
    none
Issue #2: Missing Tenant Filter
    none
Issue #3: Non-idempotent handler
    none
Issue #4: console.log usage
    none
📊 Production Readiness: ✅ READY
`

const notReady = `🔴 CRITICAL BLOCKERS (Cannot Deploy):

Issue #1: Hardcoded Schema Names
    none
Issue #2: Missing Tenant Filter
    pkg/tenantdb/a.go:9: second
    pkg/tenantdb/a.go:10: third
    pkg/tenantdb/b.go:1: fourth
Issue #3: Non-idempotent handler
    functions/execute: there is no TestX
Issue #4: console.log usage
    none
📊 Production Readiness: ❌ NOT READY
`

func TestAReportHasLADsForm(t *testing.T) {
	t.Parallel()
	report := Report{}
	report.add(TenantFilter, Finding{"pkg/tenantdb/b.go", 1, "fourth"})
	report.add(TenantFilter, Finding{"pkg/tenantdb/a.go", 10, "third"})
	report.add(TenantFilter, Finding{"pkg/tenantdb/a.go", 9, "second"})
	report.add(TenantFilter, Finding{"pkg/tenantdb/a.go", 9, "second"})
	report.add(Idempotency, Finding{"functions/execute", 0, "there is no TestX"})
	if diff := cmp.Diff(notReady, written(t, report)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff(ready, written(t, Report{})); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestOneFindingOfAnyKindMakesNotReady(t *testing.T) {
	t.Parallel()
	for issue := SchemaNames; issue <= Printing; issue++ {
		report := Report{}
		report.add(issue, Finding{"a.go", 1, "x"})
		if report.Ready() || !strings.HasSuffix(written(t, report), "❌ NOT READY\n") {
			t.Errorf("a finding of issue %d counts for nothing", issue)
		}
	}
}

func TestARepositoryThatBreaksNoRuleIsReady(t *testing.T) {
	t.Parallel()
	report, err := Check(t.Context(), filepath.Join("testdata", "ready"), readyRules())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(ready, written(t, report)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestWhatDoesNotCompileIsAFinding(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(filepath.Join("testdata", "ready"))); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(root, "pkg", "tenantdb", "broken.go")
	if err := os.WriteFile(broken, []byte("package tenantdb\n\nvar x = missing\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := Check(t.Context(), root, readyRules())
	if err != nil || len(report[TenantFilter]) != 1 || report[TenantFilter][0].File != "pkg/tenantdb/broken.go" {
		t.Errorf("found %v (%v)", report, err)
	}
}

func TestAMigrationThatDoesNotParseIsAFinding(t *testing.T) {
	t.Parallel()
	c := newChecker()
	c.root = t.TempDir()
	if err := os.Mkdir(filepath.Join(c.root, "migrations"), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.root, "migrations", "001_x.sql"), []byte("CREATE VEIW v AS SELECT 1;"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := c.files(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(c.report[TenantFilter]) != 1 {
		t.Errorf("found %v", c.report)
	}
}

func TestEveryExceptionHasAReason(t *testing.T) {
	t.Parallel()
	rules := LAD()
	for _, e := range rules.Exceptions {
		if e.Reason == "" {
			t.Errorf("none for %s", e.SQL)
		}
	}
	for _, test := range rules.Idempotency {
		if test.Proves == "" {
			t.Errorf("none for %s", test.Name)
		}
	}
}

func readyRules() Rules {
	rules := LAD()
	rules.Exceptions = nil
	rules.Idempotency = []IdempotencyTest{{"functions/execute", "TestTheSecondDeliveryMakesNoCall", "one call"}}
	return rules
}

func written(t *testing.T, report Report) string {
	t.Helper()
	var b strings.Builder
	if _, err := report.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
