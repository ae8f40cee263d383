package main

import (
	"bytes"
	"flag"
	"io"
	"os/exec"
	"strings"
	"testing"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/localstack/stack/stacktest"
)

func TestMain(m *testing.M) {
	stacktest.ServeFunction()
	// The tests of processes wait more than they compute. A -parallel on the
	// command line wins.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	postgrestest.Settings = nil // doctor wants them as in production
	postgrestest.Main(m, stacktest.LeakOptions()...)
}

// newDatabase gives the test an empty database, and its superuser's login.
func newDatabase(t *testing.T) string {
	t.Helper()
	return postgrestest.NewDatabase(t, postgrestest.Template{Key: "empty"}).AdminURL
}

// runCommand runs the command in this process.
func runCommand(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, io.MultiReader(), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestWordsThatMakeNoSenseAreRefusedWithTheirOwnExitCode(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		want string // on standard error, or on standard output if the code is 0
	}{
		{nil, 0, "Usage:"},
		{[]string{"--help"}, 0, "Usage:"},
		{[]string{"migrate"}, 0, "Usage:"},
		{[]string{"nonsense"}, cli.ExitUsage, `unknown command "nonsense"`},
		{[]string{"--nonsense"}, cli.ExitUsage, "unknown flag: --nonsense"},
		{[]string{"migrate", "sideways"}, cli.ExitUsage, `unknown command "sideways" for "followup migrate"`},
		{[]string{"migrate", "up", "lad_dev"}, cli.ExitUsage, "accepts 0 arg(s)"},
		{[]string{"sweep", "--log-file", "/no/such/folder/log"}, cli.ExitFailed, "open the log file"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			code, out, errOut := runCommand(t, c.args...)
			said := errOut
			if c.code == 0 {
				said = out
			} else if out != "" {
				t.Errorf("standard output has %q", out)
			}
			if code != c.code || !strings.Contains(said, c.want) {
				t.Errorf("exit code %d with %q, want %d with %q", code, said, c.code, c.want)
			}
		})
	}
}

// It runs beside production's database, so it links nothing that plays a part of it,
// nor the driver's and the servers' fakes that those are made of.
func TestTheCommandLinksNoStandIns(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), "go", "list", "-deps", "lad.internal/followup/cmd/followup").Output()
	if err != nil {
		t.Fatal(err)
	}
	linked := string(out)
	if !strings.Contains(linked, "lad.internal/followup/pkg/tenantdb\n") {
		t.Fatalf("it links only %s", linked)
	}
	for _, standIn := range []string{"lad.internal/followup/emulators/", "lad.internal/followup/internal/localstack/", "lad.internal/followup/internal/ladschema", "embedded-postgres", "pstest"} {
		if strings.Contains(linked, standIn) {
			t.Errorf("it links %s", standIn)
		}
	}
}
