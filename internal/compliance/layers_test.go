package compliance

import (
	"go/build"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// layer forbids imports: nothing below from imports anything below to, but itself.
// A "." is the root package, "*" all of this module.
type layer struct {
	from, to, except []string
	why              string
	helpers          bool // it binds what is for tests only, too
}

var (
	adapters = []string{"pkg/tenantdb", "pkg/tasks", "pkg/voiceagent"}
	services = []string{"functions/schedule", "functions/execute"}
	drivers  = []string{"github.com/jackc", "database/sql"}
	standIns = []string{"emulators", "internal/localstack", "internal/ladschema"}
)

// layers are cmd → functions → internal/reconcile → adapters → pkg/followup, line by
// line.
var layers = []layer{
	{from: []string{"*"}, to: []string{"cmd"}, why: "a command is imported by nobody"},
	{from: []string{"pkg", "internal", "migrations"}, to: []string{".", "functions"}, why: "imports point from functions to what they use"},
	{from: services, to: services, why: "what both functions need stands in pkg or internal"},
	{from: []string{"pkg", "migrations"}, to: []string{"internal/reconcile", "internal/config", "internal/entrypoint"}, why: "services use adapters and not the other way round"},
	{from: adapters, to: adapters, why: "adapters do not know each other"},
	{from: []string{"pkg/followup"}, to: []string{"*"}, why: "the rules know nobody"},
	{from: []string{"migrations"}, to: []string{"pkg"}, why: "migrations stand alone"},
	{from: []string{"*"}, to: standIns, except: []string{"cmd/devstack", "internal/localstack"}, why: "what plays LAD and Google Cloud here is never deployed"},
	{from: []string{"*"}, to: []string{"internal/compliance"}, except: []string{"cmd/compliance"}, why: "whoever judges the product is no part of it"},
	{from: []string{"*"}, to: drivers, except: slices.Concat([]string{"cmd/followup/migrate.go"}, repositoryLayer, standIns), why: "who has no driver can run no SQL", helpers: true},
}

func (l layer) forbids(from, to string, ours bool) bool {
	below := func(path string, folders []string) bool {
		return slices.ContainsFunc(folders, func(f string) bool { return f == "*" && ours || path == f || strings.HasPrefix(path, f+"/") })
	}
	itself := slices.ContainsFunc(l.to, func(f string) bool { return below(from, []string{f}) && below(to, []string{f}) && f != "*" })
	return (slices.Contains(l.from, "*") || below(from, l.from)) && below(to, l.to) && !below(from, l.except) && !itself
}

// house finds what breaks the house's rules of imports and files. Tests, and packages
// that import testing and so are for tests only, may import anything.
func house(t *testing.T, root string) (found []Finding) {
	t.Helper()
	type spec struct {
		Finding
		to string
	}
	outside := func(dir string) bool { return within(dir, LAD().Outside) }
	imports, helpers, module := map[string][]spec{}, map[string]bool{}, ""
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		file, _ := filepath.Rel(root, name)
		dir := filepath.ToSlash(filepath.Dir(file))
		switch {
		case entry.IsDir() && file != "." && (entry.Name()[0] == '.' || slices.Contains([]string{"testdata", "node_modules", "bin"}, entry.Name())):
			return filepath.SkipDir
		case entry.Name() == "go.mod" && dir == ".":
			text, err := os.ReadFile(name)
			module, _, _ = strings.Cut(strings.TrimPrefix(string(text), "module "), "\n")
			return err
		case entry.Name() == "go.mod" && !outside(dir):
			found = append(found, Finding{file, 0, "what is in a module of its own is not checked"})
		case strings.EqualFold(filepath.Ext(file), ".sql") && !slices.Contains(repositoryLayer, dir) && !outside(dir):
			found = append(found, Finding{file, 0, "SQL stands in pkg/tenantdb and migrations, and nowhere else"})
		case strings.HasSuffix(file, ".go") && !strings.HasSuffix(file, "_test.go"):
			if built, err := build.Default.MatchFile(filepath.Dir(name), entry.Name()); err != nil || !built && !outside(dir) {
				found = append(found, Finding{file, 0, "the file is not built on this system and cannot be checked"})
			}
			files := token.NewFileSet()
			parsed, err := parser.ParseFile(files, name, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			for _, s := range parsed.Imports {
				path := strings.Trim(s.Path.Value, `"`)
				imports[dir] = append(imports[dir], spec{Finding{filepath.ToSlash(file), files.Position(s.Pos()).Line, ""}, path})
				helpers[dir] = helpers[dir] || path == "testing" && parsed.Name.Name != "main"
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for from, specs := range imports {
		for _, s := range specs {
			to, ours := strings.CutPrefix(s.to+"/", module+"/")
			if to = strings.Trim(to, "/"); to == "" {
				to = "."
			}
			for _, l := range layers {
				if (!helpers[from] || l.helpers) && l.forbids(s.File, to, ours) {
					found = append(found, Finding{s.File, s.Line, "imports " + to + ": " + l.why})
				}
			}
			if ours && helpers[to] && !helpers[from] {
				found = append(found, Finding{s.File, s.Line, "imports " + to + ": it is for tests only, as it imports testing"})
			}
		}
	}
	return found
}

func TestLayers(t *testing.T) {
	t.Parallel()
	for _, f := range house(t, repository) {
		t.Error(f)
	}
}
