package compliance

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// documents say which files hold a rule and which tests prove it.
var documents = []string{"docs/ARCHITECTURE_COMPLIANCE.md", "SECURITY.md"}

const repository = "../.."

var (
	codeSpan   = regexp.MustCompile("`([^`\n]+)`")
	filePath   = regexp.MustCompile(`^\.?[\w-]+(?:[./][\w.-]+)+$`)
	link       = regexp.MustCompile(`\]\(([^)#]+)(?:#[^)]*)?\)`)
	testName   = regexp.MustCompile(`\b(?:Test|Fuzz)[A-Z]\w+`)
	testRun    = regexp.MustCompile(`(?m)^go test (\./\S+) -run '([^']+)'$`)
	makeTarget = regexp.MustCompile("(?m)(?:^|`)make ([a-z]+)")
	testFunc   = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
)

func TestEveryFileTestAndTargetThatTheDocumentsNameExists(t *testing.T) {
	t.Parallel()
	declared := declaredTests(t)
	makefile := read(t, "Makefile")
	for _, document := range documents {
		text := read(t, document)
		for _, wrong := range named(document, text, declared, makefile) {
			t.Errorf("%s names %s, which does not exist", document, wrong)
		}
	}
}

func TestWhatADocumentNamesInVainIsFound(t *testing.T) {
	t.Parallel()
	const text = "`internal/compliance/gone.go`, `internal/compliance/check.go`, [x](gone.md), [y](architecture.md#z), `TestGone`,\n" +
		"`TestEveryExceptionHasAReason`, `make gone`, `make lint`, `.golangci.yml`, `.gone.yml`, `TENANT_SCHEMA`, `call_id`\n" +
		"go test ./pkg/tasks -run 'TestEveryExceptionHasAReason'\ngo test ./internal/compliance -run 'TestEveryExceptionHasAReason'\n"
	got := named("docs/x.md", text, declaredTests(t), read(t, "Makefile"))
	want := []string{"the file internal/compliance/gone.go", "the file .gone.yml", "the file docs/gone.md", "the test TestGone",
		"the test TestEveryExceptionHasAReason in pkg/tasks", "the target gone"}
	if !slices.Equal(got, want) {
		t.Errorf("found %q, want %q", got, want)
	}
}

// named are the things that a text names in vain.
func named(document, text string, declared map[string][]string, makefile string) (missing []string) {
	exists := func(file string) {
		if _, err := os.Stat(filepath.Join(repository, file)); err != nil {
			missing = append(missing, "the file "+file)
		}
	}
	for _, span := range codeSpan.FindAllStringSubmatch(text, -1) {
		if filePath.MatchString(span[1]) {
			exists(span[1])
		}
	}
	for _, l := range link.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(l[1], "://") {
			exists(filepath.Join(filepath.Dir(document), l[1]))
		}
	}
	for _, name := range testName.FindAllString(text, -1) {
		if len(declared[name]) == 0 {
			missing = append(missing, "the test "+name)
		}
	}
	for _, run := range testRun.FindAllStringSubmatch(text, -1) {
		dir := strings.TrimPrefix(run[1], "./")
		for name := range strings.SplitSeq(run[2], "|") {
			if !slices.Contains(declared[name], dir) {
				missing = append(missing, "the test "+name+" in "+dir)
			}
		}
	}
	for _, target := range makeTarget.FindAllStringSubmatch(text, -1) {
		if !strings.Contains(makefile, "\n"+target[1]+":") {
			missing = append(missing, "the target "+target[1])
		}
	}
	return missing
}

// declaredTests are the folders that declare a test of a name.
func declaredTests(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	err := filepath.WalkDir(repository, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "node_modules") {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(name, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel(repository, filepath.Dir(name))
		for _, f := range testFunc.FindAllStringSubmatch(string(text), -1) {
			all[f[1]] = append(all[f[1]], filepath.ToSlash(dir))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(repository, file))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
