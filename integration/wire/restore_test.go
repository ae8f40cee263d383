package wire_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// The drill of docs/playbooks/database-restored.md: the database is restored to a
// moment before its calls, as by point-in-time recovery, and begins a new time line.
func TestRestore(t *testing.T) {
	t.Parallel()
	s := startOwnServer(t)
	var log functiontest.Log
	w := startWorld(t, setup{timeline: 1, paused: followup.Pause{Tenants: []uuid.UUID{tenantdbtest.TenantB}}, log: &log}, s.config, s.owner(t))
	stop := w.sweeping()
	defer func() { stop() }()

	// Three calls are due. The backup is made before any of them.
	w.pauseQueue(t)
	l := w.load(t)
	l.book(3)
	l.events.Wait()
	made, uncalled, inDoubt := l.refs[0], l.refs[1], l.refs[2]
	l.awaitStates(made, "scheduled", uncalled, "scheduled", inDoubt, "scheduled")
	s.end(t, syscall.SIGINT)
	eventually(t, "the server has written everything", func() error {
		if pid, err := s.pid(); err == nil {
			return fmt.Errorf("process %d is there", pid)
		}
		return nil
	})
	backup := filepath.Join(t.TempDir(), "backup")
	copyTree(t, s.data, backup)
	since := time.Now().Add(-time.Second)
	s.start(t)

	// Two are made, and what came of one of them is not known. The third is not made.
	w.agent.Must(voiceagent.Behaviour{Kind: voiceagent.HangUp, Match: voiceagent.Match{BookingID: inDoubt.BookingID.String()}})
	w.resumeQueue(t)
	l.awaitStates(made, "executed", uncalled, "scheduled", inDoubt, "failed/outcome_unknown")
	first := w.rows(t, l.refs)[0].Task

	s.end(t, syscall.SIGQUIT)
	s.restore(t, backup)
	s.start(t)
	l.awaitStates(made, "scheduled", uncalled, "scheduled", inDoubt, "scheduled")

	// The sweep finds them overdue, and the third one's task comes: neither goes on.
	before := len(log.Events("timeline_changed"))
	eventually(t, "tasks and sweeps find the time line changed", func() error {
		tasks, sweeps := 0, 0
		for _, line := range log.Events("timeline_changed")[before:] {
			if line["booking_id"] == nil {
				sweeps++
			} else {
				tasks++
			}
		}
		if tasks < 2 || sweeps < 5 {
			return fmt.Errorf("%d tasks, %d sweeps", tasks, sweeps)
		}
		return nil
	})
	l.awaitStates(made, "scheduled", uncalled, "scheduled", inDoubt, "scheduled")
	l.wantCalls(made, 1, uncalled, 0)

	replay := w.command(t, s, &log)
	at := since.UTC().Format(time.RFC3339Nano)
	if out := replay("--all", "--since", at, "--yes"); !strings.Contains(out, "of 2 the rows do not") {
		t.Errorf("replayed:\n%s", out)
	}
	l.awaitStates(made, "executed", uncalled, "scheduled", inDoubt, "failed/outcome_unknown")
	again := w.rows(t, l.refs)[0].Task
	if !again.ExecutedAt.Equal(first.ExecutedAt) || again.CallID != first.CallID || again.Key != first.Key || again.Revision != first.Revision {
		t.Errorf("the row is\n%+v, and was\n%+v", again, first)
	}
	if out := replay("--all", "--since", at, "--yes"); !strings.Contains(out, "of 0 the rows do not") {
		t.Errorf("replayed again:\n%s", out)
	}

	// Go on. What is booked now is armed after what was overdue.
	stop()
	w.rules.Paused = followup.Pause{}
	w.db = w.db.On(2)
	w.startFunctions(t)
	l.book(1)
	stop = w.sweeping()
	l.awaitStates(made, "executed", uncalled, "executed", inDoubt, "failed/outcome_unknown", l.refs[3], "executed")
	l.wantCalls(made, 1, uncalled, 1, l.refs[3], 1)
	if posts := w.agent.PostsRead(inDoubt.BookingID.String()); posts != 1 {
		t.Errorf("the call in doubt was asked for %d times", posts)
	}
}

// awaitStates waits until bookings stand so: a ref and its state, as failed/rejected,
// in turn.
func (l *load) awaitStates(pairs ...any) {
	l.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		ref, want := pairs[i].(followup.Ref), pairs[i+1].(string)
		eventually(l.t, fmt.Sprintf("booking %d is %s", i/2, want), func() error {
			task := l.rows(l.t, []followup.Ref{ref})[0].Task
			if got := strings.TrimSuffix(fmt.Sprintf("%s/%s", task.Status, task.Reason), "/"); got != want {
				return fmt.Errorf("it is %s", got)
			}
			return nil
		})
	}
}

// wantCalls checks how often leads were rung.
func (l *load) wantCalls(pairs ...any) {
	l.t.Helper()
	for i := 0; i < len(pairs); i += 2 {
		ref, want := pairs[i].(followup.Ref), pairs[i+1].(int)
		if calls := l.agent.Calls(ref.BookingID.String()); len(calls) != want {
			l.t.Errorf("the lead of booking %d was rung %d times, want %d", i/2, len(calls), want)
		}
	}
}

func (w *world) pauseQueue(t *testing.T) {
	t.Helper()
	if _, err := w.queue.PauseQueue(t.Context(), &cloudtaskspb.PauseQueueRequest{Name: w.tasks.QueuePath()}); err != nil {
		t.Fatal(err)
	}
}

func (w *world) resumeQueue(t *testing.T) {
	t.Helper()
	if _, err := w.queue.ResumeQueue(t.Context(), &cloudtaskspb.ResumeQueueRequest{Name: w.tasks.QueuePath()}); err != nil {
		t.Fatal(err)
	}
}

// command builds the command, and returns its replay-log of what was logged.
func (w *world) command(t *testing.T, s *ownServer, log *functiontest.Log) func(args ...string) string {
	t.Helper()
	dir := t.TempDir()
	program, file := filepath.Join(dir, "followup"), filepath.Join(dir, "functions.log")
	if out, err := exec.Command("go", "build", "-o", program, "lad.internal/followup/cmd/followup").CombinedOutput(); err != nil {
		t.Fatalf("build cmd/followup: %v\n%s", err, out)
	}
	return func(args ...string) string {
		t.Helper()
		if err := os.WriteFile(file, []byte(log.String()), 0o600); err != nil {
			t.Fatal(err)
		}
		c := exec.CommandContext(t.Context(), program, append([]string{"replay-log", "--log", file}, args...)...)
		c.Env = append(os.Environ(), "DATABASE_URL="+s.config.URL.Reveal(), "TENANT_SCHEMA="+s.config.Schema,
			"GCP_PROJECT_ID="+w.tasks.ProjectID, "GCP_LOCATION="+w.tasks.Location, "FOLLOWUP_QUEUE_NAME="+w.tasks.Queue,
			"GCP_CLOUD_TASKS_SERVICE_ACCOUNT="+w.tasks.ServiceAccount, "FOLLOWUP_EXECUTION_ENDPOINT="+w.tasks.Endpoint,
			"CLOUD_TASKS_EMULATOR_HOST="+w.tasks.EmulatorHost, "FOLLOWUP_ACTIVE_SINCE="+w.rules.ActiveSince.UTC().Format(time.RFC3339),
			"FOLLOWUP_TIMELINE=1")
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("replay-log: %v\n%s", err, out)
		}
		return string(out)
	}
}

func copyTree(t *testing.T, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copy: %v\n%s", err, out)
	}
}

// restore puts a backup in the place of the server's data, to be recovered when it
// starts: as from an archive that has nothing newer (PostgreSQL documentation,
// "Recovering Using a Continuous Archive Backup").
func (s *ownServer) restore(t *testing.T, backup string) {
	t.Helper()
	if err := os.RemoveAll(s.data); err != nil {
		t.Fatal(err)
	}
	copyTree(t, backup, s.data)
	signal := filepath.Join(s.data, "recovery.signal")
	if err := os.WriteFile(signal, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s.account != nil {
		if err := os.Chown(signal, int(s.account.Uid), int(s.account.Gid)); err != nil {
			t.Fatal(err)
		}
	}
	s.program = append(s.program, "-c", "restore_command=false")
}
