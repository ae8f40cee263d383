package exampletest

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// Root is the root of the source tree.
func Root(t testing.TB) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if root := filepath.Join(filepath.Dir(file), "../../.."); ok && filepath.IsAbs(root) {
		return root
	}
	t.Fatal("this binary does not know where its source is: build it without -trimpath")
	return ""
}

// Snippet is a fenced block of a document. Its name follows its language on the
// fence; GitHub shows neither.
type Snippet struct{ Language, Name, Text string }

var fence = regexp.MustCompile("(?ms)^```([a-z]*) ?([^\n]*)\n(.*?)^```$")

// Snippets are the blocks of docs/document.
func Snippets(t testing.TB, document string) []Snippet {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(Root(t), "docs", document))
	if err != nil {
		t.Fatal(err)
	}
	var found []Snippet
	for _, m := range fence.FindAllStringSubmatch(string(text), -1) {
		found = append(found, Snippet{Language: m[1], Name: m[2], Text: m[3]})
	}
	return found
}

// Named is the text of the block of that name.
func Named(t testing.TB, document, name string) string {
	t.Helper()
	for _, s := range Snippets(t, document) {
		if s.Name == name {
			return s.Text
		}
	}
	t.Fatalf("docs/%s has no block %q", document, name)
	return ""
}

// PSQL replaces variables as psql does: :'name' by a literal.
func PSQL(sql string, variables map[string]string) string {
	for name, value := range variables {
		sql = strings.ReplaceAll(sql, ":'"+name+"'", "'"+strings.ReplaceAll(value, "'", "''")+"'")
	}
	return sql
}
