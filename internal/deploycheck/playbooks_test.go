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

const playbooks = root + "/docs/playbooks"

func TestEachAlertHasAPlaybookAndEachPlaybookAnAlert(t *testing.T) {
	t.Parallel()
	p := readModule(t).plan(t, choices()["only what is necessary"])
	index := content(t, filepath.Join(playbooks, "README.md"))
	watched := content(t, filepath.Join(root, "docs/operations.md"))
	var named []string
	for name, a := range decode[map[string]alert](p, "alerts") {
		named = append(named, a.Playbook+".md")
		text := content(t, filepath.Join(playbooks, a.Playbook+".md"))
		for _, part := range []string{"**Alert**", "## Symptoms", "## First command", "## Causes", "## Cure"} {
			if !strings.Contains(text, "\n"+part) {
				t.Errorf("the playbook of %s has no part %q", name, part)
			}
		}
		if !strings.Contains(index, "["+a.Title+"]("+a.Playbook+".md)") {
			t.Errorf("the list of playbooks lacks %s", a.Title)
		}
		if !strings.Contains(watched, "["+a.Title+"](playbooks/"+a.Playbook+".md)") {
			t.Errorf("docs/operations.md does not say that %q is watched", a.Title)
		}
	}
	files, err := os.ReadDir(playbooks)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if f.Name() != "README.md" && !slices.Contains(named, f.Name()) {
			t.Errorf("no alert has the playbook %s", f.Name())
		}
	}
}

func content(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// codeWord is a name that can only be the code's or Terraform's, such as an
// event, a field of the log or a variable.
var codeWord = regexp.MustCompile("`([a-z]+(?:_[a-z]+)+)`")

func TestThePlaybooksNameWhatThereIs(t *testing.T) {
	t.Parallel()
	var code strings.Builder
	for _, folder := range []string{"functions", "pkg", "internal", "migrations"} {
		err := filepath.WalkDir(filepath.Join(root, folder), func(path string, entry fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case entry.IsDir() && entry.Name() == "localstack":
				return fs.SkipDir
			case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
				code.WriteString(content(t, path))
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	variables := readModule(t).variables
	files, err := filepath.Glob(filepath.Join(playbooks, "*.md"))
	if err != nil || len(files) == 0 {
		t.Fatalf("found %v, %v", files, err)
	}
	for _, file := range files {
		for _, match := range codeWord.FindAllStringSubmatch(content(t, file), -1) {
			if word := match[1]; variables[word] == nil && !regexp.MustCompile("[\"'` ]"+word+"[\"'` ]").MatchString(code.String()) {
				t.Errorf("%s: there is no %s in the code or among Terraform's variables", filepath.Base(file), word)
			}
		}
	}
}
