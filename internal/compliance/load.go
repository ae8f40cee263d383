package compliance

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/tools/go/packages"
)

// pkg is a package of the repository.
type pkg struct {
	*packages.Package
	dir string // relative to the repository; "." is its root
}

// packageSet is the repository's packages.
type packageSet struct {
	module string
	all    []pkg // without types
	// product is what is deployed, and the command: typed. product[i] is in all,
	// too.
	product []pkg
}

// outside are the folders that are no part of the product: LAD's stand-ins, what
// shows and measures the product, and this package, whose business is to write
// about what is forbidden.
var outside = []string{
	"emulators", "internal/localstack", "internal/ladschema", "internal/compliance", "cmd/compliance", "examples", "integration", "bench", "tools",
}

// load finds all packages and reads those of the product with their types. The
// others are not built.
func (c *checker) load(ctx context.Context) (packageSet, error) {
	var set packageSet
	mode := packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedModule
	listed, err := c.packages(ctx, mode, "./...")
	if err != nil {
		return set, err
	}
	var paths []string
	for _, p := range listed {
		set.module = p.Module.Path
		set.all = append(set.all, p)
		if isProduct(p) {
			paths = append(paths, p.PkgPath)
		}
	}
	mode |= packages.NeedCompiledGoFiles | packages.NeedSyntax | packages.NeedTypes | packages.NeedTypesInfo | packages.NeedTypesSizes
	set.product, err = c.packages(ctx, mode, paths...)
	return set, err
}

func (c *checker) packages(ctx context.Context, mode packages.LoadMode, patterns ...string) ([]pkg, error) {
	loaded, err := packages.Load(&packages.Config{Context: ctx, Mode: mode, Dir: c.root}, patterns...)
	if err != nil {
		return nil, fmt.Errorf("load packages: %w", err)
	}
	var all []pkg
	for _, p := range loaded {
		if len(p.Errors) > 0 {
			return nil, fmt.Errorf("load package %s: %w", p.PkgPath, errors.New(p.Errors[0].Msg))
		}
		dir := "."
		if len(p.GoFiles) > 0 {
			dir = c.rel(filepath.Dir(p.GoFiles[0]))
		}
		if p.Module == nil {
			return nil, fmt.Errorf("load package %s: it belongs to no module", p.PkgPath)
		}
		if len(p.GoFiles) > 0 { // others hold tests alone
			all = append(all, pkg{p, dir})
		}
	}
	if len(all) == 0 {
		return nil, errors.New("load packages: there are none")
	}
	return all, nil
}

func isProduct(p pkg) bool { return !within(p.dir, outside...) && !isTestHelper(p) }

// isTestHelper says whether a package is for tests only. That nothing else may
// import it is checked (imports); a program is run without being imported.
func isTestHelper(p pkg) bool { return p.Imports["testing"] != nil && p.Name != "main" }

// imported are the folders of the packages of this module that p imports.
func (s packageSet) imported(p pkg) []string {
	var dirs []string
	for path := range p.Imports {
		if path == s.module {
			dirs = append(dirs, ".")
		} else if dir, ok := strings.CutPrefix(path, s.module+"/"); ok {
			dirs = append(dirs, dir)
		}
	}
	slices.Sort(dirs)
	return dirs
}
