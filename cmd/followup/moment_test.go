package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strings"
	"testing"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/functiontest"
)

// A time that LAD has written, of whatever year, breaks no output, least of all
// that of a change, which is printed after it is made.
func TestOutputOfOddTimes(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ at, due string }{
		"year 10000":       {"10000-06-01 12:00", "+010000-06-01T12:00:00Z"},
		"latest":           {"294270-12-31 23:59:59", "+294270-12-31T23:59:59Z"},
		"4713 BC":          {"4713-12-24 12:00 BC", "-004712-12-24T12:00:00Z"},
		"1 BC":             {"0001-03-15 12:00 BC", "0000-03-15T12:00:00Z"},
		"infinity":         {"infinity", ""},
		"minus infinity":   {"-infinity", ""},
		"zero":             {"0001-01-01 00:00", ""},
		"four-digit limit": {"9999-12-31 23:59:59", "9999-12-31T23:59:59Z"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			b := d.Insert(functiontest.Seed{At: soon()})
			other := d.Insert(functiontest.Seed{At: soon()})
			d.Change(b.Ref, "scheduled_at = '"+c.at+"'")
			ref := []string{"--tenant", tenantA(), id(b)}

			var listed []map[string]any
			if d.run("list", "--tenant", tenantA(), "--json").want(0, c.due).json(&listed); len(listed) != 2 {
				t.Errorf("%d bookings listed", len(listed))
			}
			said := d.run("list", "--tenant", tenantA()).want(0, c.due, id(b), id(other)).out.String()
			said += d.run(append([]string{"show", "--json"}, ref...)...).want(0, c.due, `"`+id(b)+`"`).out.String()
			said += d.run(append([]string{"show"}, ref...)...).want(0, c.due).out.String()
			said += d.run(append([]string{"explain", "--json"}, ref...)...).want(0, id(b)).out.String()
			said += d.run(append([]string{"explain"}, ref...)...).want(0, id(b)).out.String()
			if strings.Contains(said, "json: ") {
				t.Errorf("printing failed:\n%s", said)
			}
			// A booking without a time is not live, and there is nothing to cancel.
			code, result, state := 0, "done", "cancelled/by_operator"
			if c.due == "" {
				code, result, state = cli.ExitFailed, "refused", "pending"
			}
			var views []map[string]any
			d.run("cancel", "--yes", "--json", "--tenant", tenantA(), id(b), id(other)).want(code, c.due).json(&views)
			if len(views) != 2 || views[0]["result"] != result || views[1]["result"] != "done" || d.state(b) != state {
				t.Errorf("it is %s after %v", d.state(b), views)
			}
		})
	}
}

// A plain time.Time fails to print in JSON for the year 10000.
func TestNoOutputHasAPlainTime(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"*.go", "../../internal/timeline/*.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, error %v", pattern, len(files), err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(file, func(n ast.Node) bool {
				f, ok := n.(*ast.Field)
				if !ok || f.Tag == nil || !strings.Contains(f.Tag.Value, "json:") {
					return true
				}
				if of, ok := strip(f.Type).(*ast.SelectorExpr); ok && of.Sel.Name == "Time" {
					t.Errorf("%s: %s is a time.Time: use followup.Moment", name, f.Names[0])
				}
				return true
			})
		}
	}
}

func strip(e ast.Expr) ast.Expr {
	switch e := e.(type) {
	case *ast.StarExpr:
		return strip(e.X)
	case *ast.ArrayType:
		return strip(e.Elt)
	}
	return e
}
