package examples_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/examples/internal/exampletest"
)

var documents = []string{"voice-agent.md", "events.md", "cut-over.md"}

// runSQL runs a block as psql would, statement by statement in one session, and
// returns the rows of the last statement that has any, as text.
func runSQL(ctx context.Context, conn *pgx.Conn, sql string) ([][]string, error) {
	var rows [][]string
	results := conn.PgConn().Exec(ctx, sql)
	for results.NextResult() {
		reader := results.ResultReader()
		var table [][]string
		for reader.NextRow() {
			var row []string
			for _, value := range reader.Values() {
				row = append(row, string(value))
			}
			table = append(table, row)
		}
		if table != nil || len(reader.FieldDescriptions()) > 0 {
			rows = table
		}
	}
	return rows, results.Close()
}

// A block whose text is a file's is named after the file, so that what people
// paste is what the tests run.
func TestWhatADocumentShowsOfAFileIsThatFile(t *testing.T) {
	t.Parallel()
	shown := 0
	for _, document := range documents {
		for _, s := range exampletest.Snippets(t, document) {
			if !strings.HasPrefix(s.Name, "examples/") && !strings.HasPrefix(s.Name, "docs/") {
				continue
			}
			shown++
			file, err := os.ReadFile(filepath.Join("..", s.Name))
			if err != nil {
				t.Fatal(err)
			}
			if s.Text != string(file) {
				t.Errorf("docs/%s does not show %s as it is", document, s.Name)
			}
		}
	}
	if shown < 4 {
		t.Errorf("only %d files are shown", shown)
	}
}

// A block is either a file (above), or named in a test that runs it.
func TestEveryBlockOfADocumentIsRun(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var tests strings.Builder
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(text)
	}
	for _, document := range documents {
		for _, s := range exampletest.Snippets(t, document) {
			switch {
			case s.Language == "sh" && s.Name == "": // TestEveryCommandThatADocumentNamesExists
				for line := range strings.Lines(s.Text) {
					if !strings.HasPrefix(line, "followup ") {
						t.Errorf("docs/%s: %q is not a followup command, so give its block a name and run it", document, line)
					}
				}
			case s.Name == "":
				t.Errorf("docs/%s has a block without a name, which no test can run: %.60q", document, s.Text)
			case strings.HasPrefix(s.Name, "examples/"), strings.HasPrefix(s.Name, "docs/"):
			case !strings.Contains(tests.String(), `"`+s.Name+`"`):
				t.Errorf("no test runs the block %q of docs/%s", s.Name, document)
			}
		}
	}
}

func TestDocumentsAreShort(t *testing.T) {
	t.Parallel()
	for _, document := range documents {
		text, err := os.ReadFile(filepath.Join("..", "docs", document))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), "\n"); n > 400 {
			t.Errorf("docs/%s has %d lines", document, n)
		}
	}
}
