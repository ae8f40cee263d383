package process_test

import (
	"bufio"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestNothingIsLeftOfAProgramThatIsEnded(t *testing.T) {
	t.Parallel()
	ends := map[string]func(pid int) error{
		"kill -9":                    func(pid int) error { return syscall.Kill(pid, syscall.SIGKILL) },
		"kill -9 of its group":       func(pid int) error { return syscall.Kill(-pid, syscall.SIGKILL) },
		"Ctrl-C in its terminal":     func(pid int) error { return syscall.Kill(-pid, syscall.SIGINT) },
		"its terminal's hanging up":  func(pid int) error { return syscall.Kill(-pid, syscall.SIGHUP) },
		"kill, which it cannot heed": func(pid int) error { return syscall.Kill(pid, syscall.SIGTERM) },
	}
	victims := map[string]victim{}
	for name, end := range ends {
		v := startVictim(t)
		for _, pid := range []int{v.child, v.grandchild} {
			if !running(pid) {
				t.Fatalf("process %d of the victim does not run", pid)
			}
		}
		if err := end(v.command.Process.Pid); err != nil {
			t.Fatal(err)
		}
		_ = v.command.Wait() // it was killed
		victims[name] = v
	}
	for name, v := range victims {
		t.Run(name, func(t *testing.T) {
			awaitGone(t, v.child)
			awaitGone(t, v.grandchild)
			awaitNoFolder(t, v.folder)
		})
	}
}

type victim struct {
	command           *exec.Cmd
	child, grandchild int
	folder            string
}

// startVictim runs this test binary as a program that uses the package, as the
// leader of a process group as a shell makes it.
func startVictim(t *testing.T) victim {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	v := victim{command: exec.Command(self)}
	v.command.Env = append(os.Environ(), victimEnv+"=1", "TMPDIR="+t.TempDir())
	v.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	v.command.Stdout, v.command.Stderr = w, os.Stderr
	err = v.command.Start()
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = v.command.Process.Kill() })
	if err := r.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	out := bufio.NewReader(r)
	folder, err := out.ReadString('\n')
	if err != nil {
		t.Fatalf("read the victim's folder: %v", err)
	}
	v.folder = strings.TrimSuffix(folder, "\n")
	v.child, v.grandchild = familyNumbers(t, out)
	return v
}

func awaitNoFolder(t *testing.T, path string) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(path); os.IsNotExist(err) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s is still there", path)
		}
	}
}

//go:embed warden.sh
var wardenScript string

// The number of a process that has been reaped may be given to somebody else's.
func TestTheWardenSparesNumbersThatWereTakenOffItsList(t *testing.T) {
	t.Parallel()
	listed, spared := startLeader(t), startLeader(t)
	folder := filepath.Join(t.TempDir(), "with a blank")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	warden := exec.Command("/bin/sh", "-c", wardenScript)
	stdin, err := warden.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := warden.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(stdin, "+ %d\n+ %d\n/ %s\n- %d\n", spared, listed, folder, spared); err != nil {
		t.Fatal(err)
	}
	if err := stdin.Close(); err != nil {
		t.Fatal(err)
	}
	if err := warden.Wait(); err != nil {
		t.Fatal(err)
	}
	awaitGone(t, listed)
	if !running(spared) {
		t.Error("a process that was taken off the list was ended")
	}
	awaitNoFolder(t, folder)
}

// startLeader starts a process that leads a group, and ends it with the test.
func startLeader(t *testing.T) (pid int) {
	t.Helper()
	command := exec.Command("/bin/sh", "-c", "echo ready; while :; do sleep 0.2; done")
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() {
		_ = syscall.Kill(-command.Process.Pid, syscall.SIGKILL)
		<-ended
	})
	expectLine(t, bufio.NewReader(out), "ready")
	go func() {
		defer close(ended)
		_, _ = io.Copy(io.Discard, out)
		_ = command.Wait() // it is killed
	}()
	return command.Process.Pid
}
