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

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/internal/cli"
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
	// These tests wait more than they compute. A -parallel on the command line wins.
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	stacktest.Main(m)
}

// runCommand runs the command in this process.
func runCommand(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, io.MultiReader(), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func connect(t *testing.T, databaseURL string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

func TestWords(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"--help"}, 0, "Usage:"},
		{[]string{"nonsense"}, cli.ExitUsage, `unknown command "nonsense"`},
		{[]string{"dev", "now"}, cli.ExitUsage, "accepts 0 arg(s)"},
		{[]string{"dev", "--sweep-every", "often"}, cli.ExitUsage, "--sweep-every"},
		{[]string{"demo", "now"}, cli.ExitUsage, "accepts 0 arg(s)"},
		{[]string{"dev", "--log-file", "/no/such/folder/log"}, cli.ExitFailed, "open the log file"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			t.Parallel()
			if code, out, errOut := runCommand(t, c.args...); code != c.code || !strings.Contains(out+errOut, c.want) {
				t.Errorf("exit code %d with %q, want %d with %q", code, out+errOut, c.code, c.want)
			}
		})
	}
}
