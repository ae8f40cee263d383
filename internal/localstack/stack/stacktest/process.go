package stacktest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Process is a process of this machine, as /proc shows it (proc_pid_stat(5)).
type Process struct {
	PID     int
	Name    string
	parent  int
	state   string
	started string // tells two processes with one number apart
}

// NeedProc skips the test on systems without /proc.
func NeedProc(t testing.TB) {
	t.Helper()
	if _, err := os.Stat("/proc/self/stat"); err != nil {
		t.Skip("this test looks at processes through /proc")
	}
}

// Descendants are the processes that a process has started, and theirs.
func Descendants(t testing.TB, pid int) []Process {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	children := map[int][]Process{}
	for _, path := range stats {
		if p, ok := read(path); ok && p.state != "Z" {
			children[p.parent] = append(children[p.parent], p)
		}
	}
	found := children[pid]
	for i := 0; i < len(found); i++ {
		found = append(found, children[found[i].PID]...)
	}
	return found
}

// AwaitGone waits until the processes have ended.
func AwaitGone(t testing.TB, processes []Process, patience time.Duration) {
	t.Helper()
	deadline := time.Now().Add(patience)
	for _, p := range processes {
		for ; p.runs(); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("process %d (%s) still runs", p.PID, p.Name)
				break
			}
		}
	}
}

// AwaitEmpty waits until there is nothing in the folder.
func AwaitEmpty(t testing.TB, dir string, patience time.Duration) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(entries) == 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Errorf("%s still holds %v", dir, entries)
			return
		}
	}
}

// runs is false for a zombie too: in a container nobody may ever reap it.
func (p Process) runs() bool {
	now, ok := read(filepath.Join("/proc", strconv.Itoa(p.PID), "stat"))
	return ok && now.started == p.started && now.state != "Z"
}

func read(path string) (p Process, ok bool) {
	content, err := os.ReadFile(path)
	if err != nil {
		return p, false // it has just ended
	}
	// pid (name) state ppid …; a name may contain anything.
	head, tail, found := strings.Cut(string(content), " (")
	end := strings.LastIndex(tail, ") ")
	if !found || end < 0 {
		return p, false
	}
	fields := strings.Fields(tail[end+2:])
	if len(fields) < 20 {
		return p, false
	}
	p.Name, p.state, p.started = tail[:end], fields[0], fields[19]
	var pidErr, parentErr error
	p.PID, pidErr = strconv.Atoi(head)
	p.parent, parentErr = strconv.Atoi(fields[1])
	return p, pidErr == nil && parentErr == nil
}
