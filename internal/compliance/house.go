package compliance

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// maxLines is what fits into a reader's head.
const maxLines = 400

// measured are the kinds of files that people read.
var measured = []string{
	".go", ".sql", ".sh", ".md", ".tf", ".hcl", ".yaml", ".yml", ".js", ".mjs", ".ts", ".py", ".html", ".css",
}

// files looks at what stands in the repository besides Go code that is judged: the
// length of all files that people read, SQL files, modules within this one.
func (c *checker) files() error {
	err := filepath.WalkDir(c.root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); name != c.root && (strings.HasPrefix(base, ".") || base == "node_modules" || base == "testdata" || base == "bin") {
				return filepath.SkipDir
			}
			return nil
		}
		file, ext := c.rel(name), strings.ToLower(path.Ext(name))
		if path.Base(file) == "go.mod" && file != "go.mod" && !within(path.Dir(file), outside...) {
			c.report.add(HouseRules, Finding{File: file, Text: "what is in a module of its own is not checked"})
		}
		if !slices.Contains(measured, ext) {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if lines := lineCount(text); lines > maxLines {
			c.report.add(HouseRules, Finding{File: file, Line: lines, Text: fmt.Sprintf("the file is longer than %d lines", maxLines)})
		}
		if ext == ".sql" {
			c.sqlFile(file, string(text))
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the repository's files: %w", err)
	}
	return nil
}

// lineCount counts a last line without an end, too.
func lineCount(text []byte) int {
	lines := bytes.Count(text, []byte("\n"))
	if len(text) > 0 && text[len(text)-1] != '\n' {
		lines++
	}
	return lines
}

// sqlFile judges a file of SQL, which is the product's too wherever it stands.
func (c *checker) sqlFile(file, text string) {
	dir := path.Dir(file)
	if within(dir, outside...) {
		return
	}
	if !within(dir, repositoryLayer...) {
		c.report.add(HouseRules, Finding{File: file, Text: "SQL stands in pkg/tenantdb and migrations, and nowhere else"})
	}
	src := source{text: text, file: file, dir: dir, line: linesFrom(text, 1)}
	if _, err := c.sql(src); err != nil {
		c.report.add(TenantFilter, Finding{File: file, Text: fmt.Sprintf("SQL that does not parse cannot be checked: %v", err)})
	}
}

// direction forbids imports: nothing below from imports anything below to.
// A "." is the root package alone, "*" everything.
type direction struct {
	from, to []string
	// but not of itself, or of these.
	except []string
	why    string
}

var (
	adapters = []string{"pkg/tenantdb", "pkg/tasks", "pkg/voiceagent"}
	services = []string{"functions/schedule", "functions/execute"}
)

// directions are cmd → functions → internal/reconcile → adapters → pkg/followup,
// line by line.
var directions = []direction{
	{from: []string{"*"}, to: []string{"cmd"}, why: "a command is imported by nobody"},
	{from: []string{"pkg", "internal", "migrations"}, to: []string{".", "functions"}, why: "imports point from functions to what they use"},
	{from: services, to: services, why: "what both functions need stands in pkg or internal"},
	{from: []string{"pkg", "migrations"}, to: []string{"internal/reconcile", "internal/config", "internal/entrypoint"}, why: "services use adapters and not the other way round"},
	{from: adapters, to: adapters, why: "adapters do not know each other"},
	{from: []string{"pkg/followup"}, to: []string{"*"}, why: "the rules know nobody"},
	{from: []string{"migrations"}, to: []string{"pkg"}, why: "migrations stand alone"},
	{from: []string{"*"}, to: []string{"emulators", "internal/localstack", "internal/ladschema"}, except: []string{"cmd/devstack", "internal/localstack"},
		why: "what plays LAD and Google Cloud here is never deployed"},
	{from: []string{"*"}, to: []string{"internal/compliance"}, except: []string{"cmd/compliance"}, why: "whoever judges the product is no part of it"},
}

// imports looks at who imports whom. Tests, and packages for tests only, may
// import anything that is not a command.
func (c *checker) imports(set packageSet) {
	helpers := map[string]bool{}
	for _, p := range set.all {
		helpers[p.dir] = isTestHelper(p)
	}
	for _, p := range set.all {
		c.ignored(p)
		if isTestHelper(p) {
			continue
		}
		c.driverImports(p)
		for _, imported := range set.imported(p) {
			if helpers[imported] {
				c.imported(p, imported, "it is for tests only, as it imports testing")
			}
			for _, d := range directions {
				if matches(p.dir, d.from) && matches(imported, d.to) && !within(p.dir, d.except...) && !sameUnit(p.dir, imported, d.to) {
					c.imported(p, imported, d.why)
				}
			}
		}
	}
}

// driverImports: who has no connection can run no SQL. The command has one, to
// hand it to the migrations.
func (c *checker) driverImports(p pkg) {
	if !isProduct(p) || within(p.dir, append([]string{"cmd"}, repositoryLayer...)...) {
		return
	}
	for path := range p.Imports {
		if isDriver(path) {
			c.importOf(p, path, path, "SQL and transactions stay in pkg/tenantdb and migrations")
		}
	}
}

func (c *checker) imported(p pkg, imported, why string) {
	path := p.Module.Path
	if imported != "." {
		path += "/" + imported
	}
	c.importOf(p, path, imported, why)
}

// importOf reports the import of a path, under the name that people know it by.
func (c *checker) importOf(p pkg, path, imported, why string) {
	for _, name := range p.GoFiles {
		files := token.NewFileSet()
		file, err := parser.ParseFile(files, name, nil, parser.ImportsOnly)
		if err != nil {
			continue // go list has read it
		}
		for _, spec := range file.Imports {
			if spec.Path.Value == strconv.Quote(path) {
				c.report.add(HouseRules, Finding{File: c.rel(name), Line: files.PositionFor(spec.Pos(), false).Line, Text: "imports " + imported + ": " + why})
			}
		}
	}
}

func matches(dir string, folders []string) bool {
	return slices.Contains(folders, "*") || within(dir, folders...)
}

// sameUnit: a package may import what is below the same folder of a rule.
func sameUnit(a, b string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return f != "*" && within(a, f) && within(b, f) })
}

// ignored reports files of the product that are not built here and so not judged.
func (c *checker) ignored(p pkg) {
	for _, name := range p.IgnoredFiles {
		if isProduct(p) && path.Ext(name) == ".go" && !strings.HasSuffix(name, "_test.go") {
			c.report.add(HouseRules, Finding{File: c.rel(name), Text: "the file is not built on this system and cannot be checked"})
		}
	}
}
