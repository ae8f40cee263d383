// Command licences lists the modules that are linked into the product's programs,
// each with its licence, as a page of Markdown. It judges the licence by the
// module's own files, compares the page with the one that is committed, so that a
// new dependency shows in review, and fails on a licence that is not on its list.
//
//	licences [-write] FILE PACKAGE...
//
// It runs in the product's module. With -write it writes FILE instead of comparing.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"

	"github.com/google/licenseclassifier/v2/assets"
)

// accepted are the licences (SPDX names) that may be linked into what LAD deploys
// and keeps to itself: none asks for LAD's own source. XZ is the classifier's name
// for the public-domain note of the XZ decoder.
var accepted = []string{"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "ISC", "MIT", "MPL-2.0", "XZ"}

func main() {
	write := flag.Bool("write", false, "write the file")
	flag.Parse()
	if flag.NArg() < 2 {
		fmt.Fprintln(os.Stderr, "usage: licences [-write] FILE PACKAGE...")
		os.Exit(2)
	}
	if err := run(*write, flag.Arg(0), flag.Args()[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "licences:", err)
		os.Exit(1)
	}
}

func run(write bool, file string, programs []string) error {
	modules := map[string]*module{}
	for _, program := range programs {
		if err := linked(program, modules); err != nil {
			return err
		}
	}
	var errs []error
	sorted := slices.Sorted(maps.Keys(modules))
	for _, path := range sorted {
		errs = append(errs, modules[path].judge())
	}
	if err := errors.Join(errs...); err != nil {
		return err
	}
	page := page(sorted, modules)
	if write {
		return os.WriteFile(file, page, 0o644) //nolint:gosec // a document
	}
	committed, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if !bytes.Equal(page, committed) {
		return fmt.Errorf("%s is not what is linked now; look at the change that writing it makes (make licences WRITE=1)", file)
	}
	return nil
}

// module is a module that is linked into some of the programs.
type module struct {
	Path, Version, Dir string
	Replace            *struct{ Path, Version string }
	programs           []string
	licences           []string
}

// beside says whether the module is a folder of this repository.
func (m *module) beside() bool { return m.Replace != nil && strings.HasPrefix(m.Replace.Path, "./") }

// linked adds the modules of all packages that a program is made of.
func linked(program string, into map[string]*module) error {
	list := exec.Command("go", "list", "-deps", "-json=Module", program)
	// As deployed, on whatever machine this runs.
	list.Env = append(os.Environ(), "GOOS=linux", "GOARCH=amd64")
	list.Stderr = os.Stderr
	out, err := list.Output()
	if err != nil {
		return fmt.Errorf("list the packages of %s: %w", program, err)
	}
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Module *struct {
				module
				Main bool
			}
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("read the packages of %s: %w", program, err)
		}
		if p.Module == nil || p.Module.Main || p.Module.beside() { // the standard library, or ours
			continue
		}
		m := into[p.Module.Path]
		if m == nil {
			m = &p.Module.module
			into[m.Path] = m
		}
		if name := filepath.Base(program); !slices.Contains(m.programs, name) {
			m.programs = append(m.programs, name)
		}
	}
}

// licenceFile are the names that such a file may have.
var licenceFile = regexp.MustCompile(`(?i)^(un)?licen[cs]e|^copying`)

// judge reads the module's licence files. A text that is not recognised is an
// error and not a guess.
func (m *module) judge() error {
	if m.Replace != nil {
		return fmt.Errorf("%s is replaced by %s: what is linked is not what go.mod names", m.Path, m.Replace.Path)
	}
	entries, err := os.ReadDir(m.Dir)
	if err != nil {
		return fmt.Errorf("read %s (run go mod download): %w", m.Path, err)
	}
	for _, entry := range entries {
		if entry.IsDir() || !licenceFile.MatchString(entry.Name()) || filepath.Ext(entry.Name()) == ".go" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(m.Dir, entry.Name()))
		if err != nil {
			return fmt.Errorf("read %s: %w", m.Path, err)
		}
		names, err := classify(text)
		if err != nil {
			return err
		}
		if len(names) == 0 {
			return fmt.Errorf("%s: %s is no licence that is known", m.Path, entry.Name())
		}
		m.licences = append(m.licences, names...)
	}
	slices.Sort(m.licences)
	m.licences = slices.Compact(m.licences)
	if len(m.licences) == 0 {
		return fmt.Errorf("%s %s has no licence file", m.Path, m.Version)
	}
	for _, name := range m.licences {
		if !slices.Contains(accepted, name) {
			return fmt.Errorf("%s %s: the licence %s is not an accepted one", m.Path, m.Version, name)
		}
	}
	return nil
}

// loadTexts takes a second or more.
var loadTexts = sync.OnceValues(assets.DefaultClassifier)

func classify(text []byte) ([]string, error) {
	classifier, err := loadTexts()
	if err != nil {
		return nil, fmt.Errorf("load the licences' texts: %w", err)
	}
	var names []string
	for _, match := range classifier.Match(classifier.Normalize(text)).Matches {
		if match.MatchType == "License" && match.Confidence > 0.9 {
			names = append(names, match.Name)
		}
	}
	return names, nil
}

func page(sorted []string, modules map[string]*module) []byte {
	var b bytes.Buffer
	b.WriteString("# Licences\n\nThe modules that are linked into the product, from their own licence files. Written by\n" +
		"`make licences WRITE=1`; `make licences` fails when another one is linked, or one whose\nlicence is none of " +
		strings.Join(accepted, ", ") + ".\n\n| module | version | licence | linked into |\n|---|---|---|---|\n")
	for _, path := range sorted {
		m := modules[path]
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", m.Path, m.Version, strings.Join(m.licences, ", "), strings.Join(m.programs, ", "))
	}
	return b.Bytes()
}
