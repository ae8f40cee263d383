package stack_test

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"lad.internal/followup/emulators/postgres"
	"lad.internal/followup/emulators/process/processtest"
	"lad.internal/followup/internal/localstack/stack"
	"lad.internal/followup/internal/localstack/stack/stacktest"
)

func TestAStepThatFailsIsExplainedAndEverythingBeforeItIsCleanedUp(t *testing.T) {
	stacktest.NeedProc(t)
	server, err := postgres.Start(t.Context(), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Stop()
	if err := server.CreateDatabase(t.Context(), "lad", ""); err != nil {
		t.Fatal(err)
	}
	database := server.DatabaseURL("lad")
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	nobody := unusedAddress(t)
	talker := script(t, "echo this is no JSON; echo 'and neither is this' >&2; exit 3")

	for _, c := range []struct {
		name    string
		options stack.Options
		want    []string // in the error
	}{
		{"the port is in use", stack.Options{Listen: taken.Addr().String()},
			[]string{"something listens on " + taken.Addr().String() + " already", "--listen"}},
		{"the address is not this machine's", stack.Options{Listen: "192.0.2.1:80"},
			[]string{"listen on 192.0.2.1:80", "--listen"}},
		{"the database does not answer", stack.Options{DatabaseURL: "postgres://owner:hidden-word@" + nobody + "/lad"},
			[]string{"connect as LAD's owner", "connection refused"}},
		{"the database's URL is none", stack.Options{DatabaseURL: "host=localhost dbname=lad"},
			[]string{"--database-url must be a URL"}},
		{"Cloud Tasks does not answer", stack.Options{DatabaseURL: database, CloudTasks: nobody},
			[]string{"create the queue on the Cloud Tasks server at " + nobody, "connection refused"}},
		{"the functions' program is missing", stack.Options{DatabaseURL: database, Function: "/no/such/program"},
			[]string{"start ExecuteFollowUp", "/no/such/program", "no such file"}},
		{"the functions' program is another", stack.Options{DatabaseURL: database, Function: talker},
			[]string{"ExecuteFollowUp ended at its start", "exit status 3", "this is no JSON", "and neither is this"}},
		{"both functions refuse a setting", stack.Options{DatabaseURL: database, Env: map[string]string{"FOLLOWUP_HORIZON": "999h"}},
			[]string{"ExecuteFollowUp ended at its start", "FOLLOWUP_HORIZON is 999h"}},
		{"one function refuses two settings", stack.Options{DatabaseURL: database,
			Env: map[string]string{"FOLLOWUP_LEASE": "20s", "VOICE_AGENT_START_CALL_PATH": "nowhere"}},
			[]string{"VOICE_AGENT_START_CALL_PATH does not start with"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := stacktest.TempDir(t)
			t.Setenv("TMPDIR", dir)
			goroutines, before := goleak.IgnoreCurrent(), stacktest.Descendants(t, os.Getpid())
			if c.options.Function == "" {
				c.options.Function = stacktest.Function(t)
			}
			s, err := stack.Start(t.Context(), c.options)
			if err == nil {
				_ = s.Close()
				t.Fatal("it started")
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error lacks %q: %v", want, err)
				}
			}
			if strings.Contains(err.Error(), "hidden-word") {
				t.Errorf("the error shows the password: %v", err)
			}
			for _, p := range stacktest.Descendants(t, os.Getpid()) {
				if !isOneOf(p, before) {
					t.Errorf("process %d (%s) was left behind", p.PID, p.Name)
				}
			}
			stacktest.AwaitEmpty(t, dir, 0)
			goleak.VerifyNone(t, stacktest.LeakOptions(goroutines)...)
		})
	}
}

// The test's own PostgreSQL comes and goes with its connections.
func isOneOf(p stacktest.Process, known []stacktest.Process) bool {
	for _, k := range known {
		if k.PID == p.PID {
			return true
		}
	}
	return p.Name == "postgres"
}

func TestAStartThatIsCalledOffLeavesNothingBehind(t *testing.T) {
	stacktest.NeedProc(t)
	for _, at := range []string{"starting a throw-away PostgreSQL", "creating two tenants", "starting Cloud Tasks", "starting ExecuteFollowUp"} {
		t.Run(at, func(t *testing.T) {
			dir := stacktest.TempDir(t)
			t.Setenv("TMPDIR", dir)
			goroutines := goleak.IgnoreCurrent()
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			s, err := stack.Start(ctx, stack.Options{Function: stacktest.Function(t), Progress: func(what string) {
				if what == at {
					cancel()
				}
			}})
			if err == nil {
				_ = s.Close()
				t.Fatal("it started")
			}
			stacktest.AwaitEmpty(t, dir, soon)
			goleak.VerifyNone(t, stacktest.LeakOptions(goroutines)...)
		})
	}
}

// unusedAddress is one that nobody listens on.
func unusedAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func script(t *testing.T, body string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "function")
	processtest.WriteProgram(t, path, []byte("#!/bin/sh\n"+body+"\n"))
	return path
}
