package main

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/localstack/demo"
	"lad.internal/followup/internal/localstack/stack/stacktest"
)

func TestTheDemosTableMarksWhatWentWrong(t *testing.T) {
	t.Parallel()
	due := time.Date(2026, 1, 31, 9, 0, 0, 0, time.UTC)
	good := demo.Result{Name: "a good one", Tenant: "a11ce000", Expected: "executed, 1 POST, 1 call", Happened: "executed, 1 POST, 1 call",
		Due: due, Called: due.Add(1500 * time.Microsecond), OK: true}
	bad := demo.Result{Name: "a bad one", Tenant: "b0b00000", Expected: "executed, 1 POST, 1 call", Happened: "executed, 2 POSTs, 2 calls", Due: due}

	for _, c := range []struct {
		name    string
		results []demo.Result
		failure string
		want    []string
	}{
		{"all is well", []demo.Result{good, good}, "", []string{
			"    BOOKING     TENANT    EXPECTED                  HAPPENED                  DUE (UTC)     CLAIMED AFTER",
			"ok  a good one  a11ce000  executed, 1 POST, 1 call  executed, 1 POST, 1 call  09:00:00.000  2ms",
			"all 2 bookings ended as they should",
		}},
		{"one is wrong", []demo.Result{good, bad}, "1 booking did not end as it should", []string{
			"WRONG  a bad one   b0b00000  executed, 1 POST, 1 call  executed, 2 POSTs, 2 calls  09:00:00.000  -",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			cmd := &cobra.Command{}
			cmd.SetOut(&out)
			failure := ""
			if err := printDemo(cmd, c.results); err != nil {
				failure = err.Error()
			}
			if failure != c.failure {
				t.Errorf("it says %q, want %q", failure, c.failure)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want+"\n") {
					t.Errorf("the table lacks %q:\n%s", want, &out)
				}
			}
		})
	}
}

// A voice agent that is said to deduplicate is asked again after it has hung up,
// which is not what the demo expects.
func TestADemoThatEndsOtherwiseFails(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), stacktest.Function(t), "demo", "--function", stacktest.Function(t))
	cmd.Env = append(os.Environ(), commandEnv+"=1", "VOICE_AGENT_IDEMPOTENT=true")
	var out, errOut bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errOut
	_ = cmd.Run() // its exit code is looked at
	if code := cmd.ProcessState.ExitCode(); code != cli.ExitFailed {
		t.Errorf("exit code %d, want %d", code, cli.ExitFailed)
	}
	if !strings.Contains(errOut.String(), "did not end as it should") {
		t.Errorf("standard error is %s", &errOut)
	}
	wrong := 0
	for line := range strings.Lines(out.String()) {
		if strings.HasPrefix(line, "WRONG") {
			wrong++
			if !strings.Contains(line, "hangs up after reading") {
				t.Errorf("this should have been right: %s", line)
			}
		}
	}
	if wrong != 1 {
		t.Errorf("%d bookings are marked, want the one whose agent hangs up:\n%s", wrong, &out)
	}
}
