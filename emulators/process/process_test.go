package process_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"lad.internal/followup/emulators/process"
)

func TestAProcessThatHeedsSIGTERMMayFinishItsWork(t *testing.T) {
	t.Parallel()
	group := newGroup(t)
	p, out := start(t, group, `trap 'echo finished; exit 3' TERM; echo ready; while :; do sleep 0.05; done`)
	expectLine(t, out, "ready")
	closeGroup(t, group, time.Minute)
	expectLine(t, out, "finished")
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) || exit.ExitCode() != 3 {
		t.Errorf("ended with %v, want its own exit status 3", p.Err())
	}
}

func TestAProcessThatIgnoresSIGTERMIsKilledAfterTheGracePeriod(t *testing.T) {
	t.Parallel()
	group := newGroup(t)
	p, out := start(t, group, `trap 'echo asked' TERM; echo ready; while :; do sleep 0.05; done`)
	expectLine(t, out, "ready")
	closeGroup(t, group, 500*time.Millisecond)
	expectLine(t, out, "asked")
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("ended with %v, want SIGKILL", p.Err())
	}
}

func TestTheGracePeriodIsSharedByAllProcesses(t *testing.T) {
	t.Parallel()
	group := newGroup(t)
	var stubborn []*process.Process
	for range 3 {
		p, out := start(t, group, `trap '' TERM; echo ready; while :; do sleep 0.05; done`)
		expectLine(t, out, "ready")
		stubborn = append(stubborn, p)
	}
	closeGroup(t, group, 100*time.Millisecond)
	for _, p := range stubborn {
		awaitEnd(t, p)
	}
}

func TestClosingAGroupEndsWhatItsProcessesHaveStarted(t *testing.T) {
	t.Parallel()
	group := newGroup(t)
	p, out := start(t, group, family)
	_, grandchild := familyNumbers(t, out)
	closeGroup(t, group, 100*time.Millisecond)
	awaitEnd(t, p)
	awaitGone(t, grandchild)
}

func TestWhatAProcessLeavesBehindEndsWithIt(t *testing.T) {
	t.Parallel()
	group := newGroup(t)
	p, out := start(t, group, `sh -c 'trap "" TERM; while :; do sleep 0.2; done' & echo $$ $!; exit 0`)
	_, orphan := familyNumbers(t, out)
	awaitEnd(t, p)
	if p.Err() != nil {
		t.Errorf("ended with %v, want status 0: its child's open output is not its own failure", p.Err())
	}
	awaitGone(t, orphan)
	closeGroup(t, group, time.Minute)
}

func TestAProcessThatEndsByItselfIsReaped(t *testing.T) {
	t.Parallel()
	group := newGroup(t)
	p, _ := start(t, group, "exit 7")
	awaitEnd(t, p)
	var exit *exec.ExitError
	if !errors.As(p.Err(), &exit) || exit.ExitCode() != 7 {
		t.Errorf("Err() = %v, want exit status 7", p.Err())
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", p.Pid())); err == nil {
		t.Error("it is still in the process table")
	}
	if err := p.Signal(syscall.SIGTERM); !errors.Is(err, os.ErrProcessDone) {
		t.Errorf("a signal to its number gives %v, want os.ErrProcessDone", err)
	}
	closeGroup(t, group, time.Minute)
}

func TestAGroupThatIsClosedStartsNothing(t *testing.T) {
	t.Parallel()
	group := newGroup(t)
	closeGroup(t, group, time.Minute)
	closeGroup(t, group, time.Minute) // again
	if _, err := group.Start(exec.Command("/bin/sh", "-c", "exit 0")); err == nil {
		t.Error("a process was started")
	}
	if _, err := group.Folder("process-test-"); err == nil {
		t.Error("a folder was made")
	}
}

func TestAProgramThatDoesNotExistIsAnErrorThatNamesIt(t *testing.T) {
	t.Parallel()
	group := newGroup(t)
	_, err := group.Start(exec.Command("/no/such/program"))
	if err == nil || !strings.Contains(err.Error(), "/no/such/program") {
		t.Errorf("Start gives %v", err)
	}
	closeGroup(t, group, time.Minute)
}

func newGroup(t *testing.T) *process.Group {
	t.Helper()
	group, err := process.NewGroup()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { closeGroup(t, group, 0) })
	return group
}

func closeGroup(t *testing.T, group *process.Group, grace time.Duration) {
	t.Helper()
	if err := group.Close(grace); err != nil {
		t.Error(err)
	}
}

// start runs a shell script and gives its output.
func start(t *testing.T, group *process.Group, script string) (*process.Process, *bufio.Reader) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	command := exec.Command("/bin/sh", "-c", script)
	command.Stdout, command.Stderr = io.Writer(w), os.Stderr
	p, err := group.Start(command)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return p, bufio.NewReader(r)
}

func expectLine(t *testing.T, out *bufio.Reader, want string) {
	t.Helper()
	line, err := out.ReadString('\n')
	if strings.TrimSpace(line) != want {
		t.Fatalf("read %q (%v), want %q", line, err, want)
	}
}

// familyNumbers reads the numbers of a process and its child.
func familyNumbers(t *testing.T, out *bufio.Reader) (leader, child int) {
	t.Helper()
	if _, err := fmt.Fscanln(out, &leader, &child); err != nil {
		t.Fatalf("read the numbers of the processes: %v", err)
	}
	return leader, child
}

const patience = 30 * time.Second

func awaitEnd(t *testing.T, p *process.Process) {
	t.Helper()
	select {
	case <-p.Ended():
	case <-time.After(patience):
		t.Fatalf("process %d still runs", p.Pid())
	}
}

func awaitGone(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(patience); running(pid); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("process %d still runs", pid)
		}
	}
}

// running is false for a zombie too: it waits for its new parent, which in a
// container may never come to reap it.
func running(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return false
	}
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return !errors.Is(err, os.ErrNotExist)
	}
	_, state, _ := strings.Cut(string(stat), ") ") // proc_pid_stat(5)
	return !strings.HasPrefix(state, "Z")
}
