package examples_test

import (
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lad.internal/followup/examples/internal/exampletest"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// program is the command followup, built once.
var program struct {
	once sync.Once
	path string
	out  []byte
	err  error
}

func followupCommand(t *testing.T) string {
	t.Helper()
	program.once.Do(func() {
		var cache string
		if cache, program.err = exampletest.Cache(); program.err != nil {
			return
		}
		program.path = filepath.Join(cache, "followup")
		build := exec.Command("go", "build", "-o", program.path, "./cmd/followup")
		build.Dir = exampletest.Root(t)
		program.out, program.err = build.CombinedOutput()
	})
	if program.err != nil {
		t.Fatalf("build cmd/followup: %v\n%s", program.err, program.out)
	}
	return program.path
}

// commandLines are the lines of a document's shell blocks that call followup,
// without comments.
func commandLines(t *testing.T, document string) []string {
	t.Helper()
	var lines []string
	for _, s := range exampletest.Snippets(t, document) {
		if s.Language != "sh" {
			continue
		}
		for line := range strings.Lines(s.Text) {
			line, _, _ = strings.Cut(strings.TrimSpace(line), "  #")
			if line = strings.TrimSpace(line); strings.HasPrefix(line, "followup ") {
				lines = append(lines, line)
			}
		}
	}
	return lines
}

var flag = regexp.MustCompile(`--[a-z-]+`)

// What needs a cloud cannot be run here; that each command has the words that a
// document gives it can be asked of the command itself.
func TestEveryCommandThatADocumentNamesExists(t *testing.T) {
	t.Parallel()
	command, checked := followupCommand(t), 0
	for _, document := range documents {
		for _, line := range commandLines(t, document) {
			checked++
			var words []string
			for _, word := range strings.Fields(line)[1:] {
				if strings.HasPrefix(word, "-") || strings.HasPrefix(word, "$") {
					break // flags and arguments
				}
				words = append(words, word)
			}
			out, err := exec.Command(command, append(slices.Clone(words), "--help")...).CombinedOutput()
			help := string(out)
			if err != nil || !strings.Contains(help, "followup "+strings.Join(words, " ")) {
				t.Errorf("docs/%s: there is no %q", document, line)
				continue
			}
			for _, f := range flag.FindAllString(line, -1) {
				if !strings.Contains(help, f) {
					t.Errorf("docs/%s: %q has no %s", document, line, f)
				}
			}
		}
	}
	if checked == 0 {
		t.Error("no document names a command")
	}
}

// migrate runs `followup migrate` on the tenant's schema, as the document says.
func (w *cutOver) migrate(args ...string) string {
	w.t.Helper()
	args = append(append([]string{"migrate"}, args...), "--schema", w.Schema(w.tenant))
	c := exec.Command(followupCommand(w.t), args...)
	c.Env = []string{"DATABASE_URL=" + w.ownerURL()}
	out, err := c.CombinedOutput()
	if err != nil {
		w.t.Fatalf("followup %v: %v\n%s", args, err, out)
	}
	return string(out)
}

// ownerURL is the login of LAD's owner.
func (w *cutOver) ownerURL() string {
	return strings.Replace(w.DatabaseURL(), "followup_app:", "lad_owner:", 1)
}

func TestMigrations(t *testing.T) {
	t.Parallel()
	for column, tenant := range tenants {
		t.Run(column, func(t *testing.T) {
			t.Parallel()
			w := newCutOver(t, tenant)
			if got := w.migrate("up"); !strings.Contains(got, w.Schema(tenant)+" is up to date") {
				t.Errorf("up said %s", got)
			}
			if got := w.migrate("status"); strings.Contains(got, "absent") {
				t.Errorf("after up the status is %s", got)
			}
			w.migrate("down", "--yes")
			if got := w.migrate("status"); !strings.Contains(got, "absent") {
				t.Errorf("after down the status is %s", got)
			}
			w.migrate("up")
		})
	}
}

// command runs the one line of a shell block with the functions' settings, and
// returns what it prints. What it asks on a terminal is told by more flags.
func (w *cutOver) command(block string, variables map[string]string, more ...string) string {
	w.t.Helper()
	line := strings.TrimSpace(exampletest.Named(w.t, "cut-over.md", block))
	for name, value := range variables {
		line = strings.ReplaceAll(line, "$"+name, value)
	}
	c := exec.Command(followupCommand(w.t), append(strings.Fields(line)[1:], more...)...)
	c.Env = []string{
		"DATABASE_URL=" + w.DatabaseURL(), "TENANT_REGISTRY=" + tenantdbtest.Registry,
		"FOLLOWUP_ACTIVE_SINCE=" + w.since.Format(time.RFC3339), "FOLLOWUP_OPERATOR=test",
		"GCP_PROJECT_ID=" + w.queue.Config.ProjectID, "GCP_LOCATION=" + w.queue.Config.Location,
		"GCP_CLOUD_TASKS_SERVICE_ACCOUNT=" + functiontest.Account, "FOLLOWUP_QUEUE_NAME=" + functiontest.Queue,
		"FOLLOWUP_EXECUTION_ENDPOINT=" + w.queue.Config.Endpoint, "FOLLOWUP_OIDC_AUDIENCE=" + functiontest.Audience,
		"CLOUD_TASKS_EMULATOR_HOST=" + w.queue.Addr,
	}
	out, err := c.CombinedOutput()
	if err != nil {
		w.t.Errorf("%s: %v\n%s", line, err, out)
	}
	return string(out)
}
