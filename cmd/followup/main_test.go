package main

import (
	"bytes"
	"context"
	"flag"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/internal/localstack/stack/stacktest"
)

// commandEnv makes this test binary the command itself.
const commandEnv = "FOLLOWUP_TEST_IS_COMMAND"

func TestMain(m *testing.M) {
	stacktest.ServeFunction()
	if os.Getenv(commandEnv) != "" {
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	}
	// The tests of processes wait more than they compute. A -parallel on the
	// command line wins.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	postgrestest.Settings = nil // doctor wants them as in production
	postgrestest.Main(m)
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
		{[]string{"nonsense"}, exitUsage, `unknown command "nonsense"`},
		{[]string{"--nonsense"}, exitUsage, "unknown flag: --nonsense"},
		{[]string{"migrate", "sideways"}, exitUsage, `unknown command "sideways" for "followup migrate"`},
		{[]string{"migrate", "up", "lad_dev"}, exitUsage, "accepts 0 arg(s)"},
		{[]string{"dev", "now"}, exitUsage, "accepts 0 arg(s)"},
		{[]string{"dev", "--sweep-every", "often"}, exitUsage, "--sweep-every"},
		{[]string{"demo", "now"}, exitUsage, "accepts 0 arg(s)"},
		{[]string{"dev", "--log-file", "/no/such/folder/log"}, exitFailed, "open the log file"},
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
