package deploycheck_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const playbooks = "docs/playbooks/"

// codeWord is a name that can only be the code's or Terraform's, such as an
// event, a field of the log or a variable.
var codeWord = regexp.MustCompile("`([a-z]+(?:_[a-z]+)+)`")

// Each alert has a playbook, and each playbook an alert; they name what there is.
func TestPlaybooks(t *testing.T) {
	t.Parallel()
	p := readModule(t).plan(t, necessary(nil))
	named := []string{"README.md"}
	for name, a := range decode[map[string]alert](p, "alerts") {
		named = append(named, a.Playbook+".md")
		text := readFile(t, playbooks+a.Playbook+".md")
		for _, part := range []string{"**Alert**", "## Symptoms", "## First command", "## Causes", "## Cure"} {
			if !strings.Contains(text, "\n"+part) {
				t.Errorf("the playbook of %s has no part %q", name, part)
			}
		}
		if !strings.Contains(readFile(t, playbooks+"README.md"), "["+a.Title+"]("+a.Playbook+".md)") {
			t.Errorf("the list of playbooks lacks %s", a.Title)
		}
		if !strings.Contains(readFile(t, "docs/operations.md"), "["+a.Title+"](playbooks/"+a.Playbook+".md)") {
			t.Errorf("docs/operations.md does not say that %q is watched", a.Title)
		}
	}
	var code strings.Builder
	for _, folder := range []string{"functions", "pkg", "internal", "migrations"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "localstack") {
				text, err := os.ReadFile(path)
				code.Write(text)
				return err
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	files, err := os.ReadDir(filepath.Join(root, playbooks))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !slices.Contains(named, f.Name()) {
			t.Errorf("no alert has the playbook %s", f.Name())
		}
		for _, match := range codeWord.FindAllStringSubmatch(readFile(t, playbooks+f.Name()), -1) {
			if word := match[1]; p.module.variables[word] == nil && !regexp.MustCompile("[\"'` ]"+word+"[\"'` ]").MatchString(code.String()) {
				t.Errorf("%s: there is no %s in the code or among Terraform's variables", f.Name(), word)
			}
		}
	}
}
