package buildpackcheck_test

import (
	"bytes"
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// framework must be imported by the root package, or the buildpack falls back
// to a main that knows one function by name.
const framework = "github.com/GoogleCloudPlatform/functions-framework-go/functions"

// run runs a command in a folder and returns what it prints.
func run(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String()
}

// moduleRoot is the folder of go.mod.
func moduleRoot(t *testing.T) string {
	t.Helper()
	return filepath.Dir(strings.TrimSpace(run(t, ".", "go", "env", "GOMOD")))
}

// copySource copies what git has or would take: what an archive for a
// deployment holds. Of the stand-ins that is their go.mod, which go.mod names.
func copySource(t *testing.T, root, dir string) {
	t.Helper()
	files := strings.Split(strings.TrimRight(run(t, root, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), "\x00"), "\x00")
	for _, file := range files {
		if strings.HasPrefix(file, "emulators/") && file != "emulators/go.mod" {
			continue
		}
		content, err := os.ReadFile(filepath.Join(root, file))
		if os.IsNotExist(err) {
			continue // deleted, and not yet committed
		}
		if err != nil {
			t.Fatal(err)
		}
		target := filepath.Join(dir, file)
		if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(target, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// checkRootPackage applies the buildpack's rules to the Go files of one folder,
// tests included, and to no other.
func checkRootPackage(dir string) error {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	var packages, imports []string
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		packages = append(packages, parsed.Name.Name)
		for _, spec := range parsed.Imports {
			path, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				return err
			}
			imports = append(imports, path)
		}
	}
	slices.Sort(packages)
	switch packages = slices.Compact(packages); {
	case len(packages) != 1:
		return fmt.Errorf("the root folder holds the packages %v, want one", packages)
	case packages[0] == "main":
		return fmt.Errorf("the root package is main, which nobody can import")
	case !slices.Contains(imports, framework):
		return fmt.Errorf("the root package does not import %s", framework)
	}
	return nil
}

func checkModulePath(path string) error {
	if first, _, _ := strings.Cut(path, "/"); !strings.Contains(first, ".") {
		return fmt.Errorf("the module's path %q has no dot in its first element", path)
	}
	return nil
}

func TestTheSourceKeepsTheBuildpacksRules(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	copySource(t, moduleRoot(t), dir)
	if err := checkRootPackage(dir); err != nil {
		t.Error(err)
	}
	if err := checkModulePath(strings.TrimSpace(run(t, dir, "go", "list", "-m"))); err != nil {
		t.Error(err)
	}
}

func TestTheRulesRefuseWhatTheBuildpackWould(t *testing.T) {
	t.Parallel()
	const good = "package function\n\nimport _ \"" + framework + "\"\n"
	for name, files := range map[string]map[string]string{
		"no Go file":            {"README.md": "x"},
		"functions in folders":  {"functions/f.go": good},
		"package main":          {"main.go": strings.Replace(good, "function", "main", 1)},
		"no framework":          {"f.go": "package function\n"},
		"another package":       {"f.go": good, "g.go": "package other\n"},
		"a test from outside":   {"f.go": good, "f_test.go": "package function_test\n"},
		"a file that is no Go":  {"f.go": good, "g.go": "packet g"},
		"the framework in text": {"f.go": "package function\n\nconst framework = \"" + framework + "\"\n"},
	} {
		dir := t.TempDir()
		for file, content := range files {
			if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, file)), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := checkRootPackage(dir); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if checkModulePath("followup/x.y") == nil || checkModulePath("lad.internal/followup") != nil {
		t.Error("the rule for the module's path is wrong")
	}
}
