package compliance

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// idempotency runs the tests that prove the handlers idempotent. One that is
// missing, is skipped, in whole or in part, or fails is a violation.
func (c *checker) idempotency(ctx context.Context) error {
	declared, err := c.declared()
	if err != nil {
		return err
	}
	results, err := c.run(ctx)
	if err != nil {
		return err
	}
	for _, t := range c.rules.Idempotency {
		place, exists := declared[t]
		if !exists {
			place = Finding{File: t.Package}
		}
		result := results[t.Package][t.Name]
		switch {
		case !exists:
			place.Text = "there is no " + t.Name
		case result == "":
			place.Text = t.Name + " did not run"
		case result == "fail":
			place.Text = t.Name + " fails"
		case result == "skip":
			place.Text = t.Name + " is skipped"
		case results[t.Package][""] == "fail" && !failing(results[t.Package]):
			place.Text = t.Name + " passes, and its package fails after it"
		default:
			continue
		}
		place.Text += ", which is to prove: " + t.Proves
		c.report.add(Idempotency, place)
	}
	return nil
}

// failing says whether one of a package's tests does, which explains that the
// package does.
func failing(results map[string]string) bool {
	for name, result := range results {
		if name != "" && result == "fail" {
			return true
		}
	}
	return false
}

// declared finds where the tests stand.
func (c *checker) declared() (map[IdempotencyTest]Finding, error) {
	places := map[IdempotencyTest]Finding{}
	for _, t := range c.rules.Idempotency {
		names, err := filepath.Glob(filepath.Join(c.root, t.Package, "*_test.go"))
		if err != nil {
			return nil, fmt.Errorf("find test files: %w", err)
		}
		for _, name := range names {
			files := token.NewFileSet()
			file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
			if err != nil {
				return nil, fmt.Errorf("read test file: %w", err)
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == t.Name {
					places[t] = Finding{File: c.rel(name), Line: files.Position(f.Pos()).Line}
				}
			}
		}
	}
	return places, nil
}

// run runs the tests, and returns "pass", "fail" or "skip" by folder and name.
func (c *checker) run(ctx context.Context) (map[string]map[string]string, error) {
	var folders, tests []string
	for _, t := range c.rules.Idempotency {
		folders, tests = append(folders, "./"+t.Package), append(tests, t.Name)
	}
	slices.Sort(folders)
	args := append([]string{"test", "-run", "^(" + strings.Join(tests, "|") + ")$", "-count=1", "-timeout=3m", "-json"}, slices.Compact(folders)...)
	command := exec.CommandContext(ctx, "go", args...)
	command.Dir = c.root
	var stdout, stderr bytes.Buffer
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	if failed := new(exec.ExitError); err != nil && !errors.As(err, &failed) {
		return nil, fmt.Errorf("run the idempotency tests: %w", err)
	}
	if stdout.Len() == 0 {
		return nil, fmt.Errorf("run the idempotency tests: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return c.results(&stdout)
}

// results reads go test's events (go doc test2json). A subtest that is skipped
// counts for its test: part of the proof is missing. The package's own result is
// the one of the test without a name.
func (c *checker) results(events io.Reader) (map[string]map[string]string, error) {
	all := map[string]map[string]string{}
	for decoder := json.NewDecoder(events); ; {
		var event struct{ Action, Package, Test string }
		if err := decoder.Decode(&event); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, fmt.Errorf("read the idempotency tests' results: %w", err)
		}
		if !slices.Contains([]string{"pass", "fail", "skip"}, event.Action) {
			continue
		}
		folder := c.folder(event.Package)
		if all[folder] == nil {
			all[folder] = map[string]string{}
		}
		name, _, sub := strings.Cut(event.Test, "/")
		if sub && event.Action != "skip" || all[folder][name] == "skip" && event.Action == "pass" {
			continue
		}
		all[folder][name] = event.Action
	}
}

// folder is the one that the rules name, of a package of that path.
func (c *checker) folder(path string) string {
	for _, t := range c.rules.Idempotency {
		if path == t.Package || strings.HasSuffix(path, "/"+t.Package) {
			return t.Package
		}
	}
	return path
}
