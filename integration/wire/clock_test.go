package wire_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ownClock are the places in the functions' code that ask this machine's clock,
// and for what. None decides about a booking: the time that counts comes with the
// row, from the database.
var ownClock = map[string]string{
	"functions/execute/oidc.go":     "whether a token has expired",
	"functions/execute/execute.go":  "how long this process has had its claim, by the wall and by the monotonic clock",
	"functions/execute/certs.go":    "how long Google's keys are not asked for again",
	"functions/schedule/sweep.go":   "how long a sweep took",
	"functions/schedule/handler.go": "the age of a tick; one that is dropped in error is followed by another",
	"pkg/tenantdb/directory.go":     "how long an answer of the registry is believed",
	"pkg/voiceagent/client.go":      "a Retry-After that names a date, and when business hours begin",
	"pkg/voiceagent/contract.go":    "from when to when a token for LAD's backend is valid",
}

// A machine's clock cannot be turned in a test. What would go wrong if it jumped
// can only be what asks it.
func TestNothingAsksTheFunctionsOwnClockAboutABooking(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	root := filepath.Join("..", "..")
	for _, dir := range []string{"functions", "pkg", filepath.Join("internal", "reconcile"), filepath.Join("internal", "entrypoint")} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case d.IsDir() && (d.Name() == "testdata" || d.Name() == "tenantdbtest"):
				return fs.SkipDir
			case d.IsDir(), !strings.HasSuffix(path, ".go"), strings.HasSuffix(path, "_test.go"):
				return nil
			}
			name, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			for _, line := range clockReads(t, path) {
				found[filepath.ToSlash(name)] = true
				if ownClock[filepath.ToSlash(name)] == "" {
					t.Errorf("%s:%d asks this machine's clock; if nothing about a booking depends on it, say in ownClock what does", name, line)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for name := range ownClock {
		if !found[name] {
			t.Errorf("%s no longer asks this machine's clock: take it out of ownClock", name)
		}
	}
}

// clockReads are the lines that name time.Now, Since or Until.
func clockReads(t *testing.T, path string) (lines []int) {
	t.Helper()
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	name := ""
	for _, spec := range file.Imports {
		if p, err := strconv.Unquote(spec.Path.Value); err == nil && p == "time" {
			name = "time"
			if spec.Name != nil {
				name = spec.Name.Name
			}
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		s, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if pkg, ok := s.X.(*ast.Ident); ok && pkg.Name == name && slices.Contains([]string{"Now", "Since", "Until"}, s.Sel.Name) {
			lines = append(lines, set.Position(s.Pos()).Line)
		}
		return true
	})
	return lines
}
