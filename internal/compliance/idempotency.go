package compliance

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
)

// outcome is a line of go test's about a test, or at last about its package.
var outcome = regexp.MustCompile(`(?m)^\s*--- (PASS|SKIP|FAIL): (\w+)|^(ok  |FAIL)\t\S+?/((?:functions|pkg|internal)/\S+)`)

// idempotency runs the tests that prove the handlers idempotent. One that is
// missing, is skipped, in whole or in part, or fails is a violation.
func (c *checker) idempotency(ctx context.Context) error {
	args, pattern := []string{"test", "-v", "-count=1", "-timeout=3m"}, "none"
	for _, t := range c.rules.Idempotency {
		args, pattern = append(args, "./"+t.Package), pattern+"|"+t.Name
	}
	command := exec.CommandContext(ctx, "go", append(args, "-run=^("+pattern+")$")...)
	command.Dir = c.root
	output, err := command.Output()
	if len(output) == 0 {
		return err
	}
	results, tests := map[string]string{}, ""
	for _, m := range outcome.FindAllStringSubmatch(string(output), -1) {
		tests, results[m[2]] = tests+m[1], results[m[2]]+m[1]
		if m[4] != "" { // it may fail after all of its tests have passed
			results[m[4]], tests = m[3]+tests, ""
		}
	}
	for _, t := range c.rules.Idempotency {
		result, place := results[t.Name], Finding{File: t.Package}
		if passed := result != "" && !strings.ContainsAny(result, "FK"); passed && strings.Count(results[t.Package], "FAIL") != 1 {
			continue
		}
		files, _ := filepath.Glob(filepath.Join(c.root, t.Package, "*_test.go"))
		for _, name := range files {
			text, _ := os.ReadFile(name) // or go test could not, either
			if before, _, ok := strings.Cut(string(text), "\nfunc "+t.Name+"("); ok {
				place.File, place.Line = c.rel(name), strings.Count(before, "\n")+2
			}
		}
		place.Text = t.Name + " did not pass, or only in part, or its package failed after it; it is to prove: " + t.Proves
		c.report.add(Idempotency, place)
	}
	return nil
}
