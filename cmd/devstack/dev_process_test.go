package main

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lad.internal/followup/emulators/process/processtest"
	"lad.internal/followup/internal/localstack/lad"
	"lad.internal/followup/internal/localstack/stack/stacktest"
)

// dev is `devstack dev` as a process.
type dev struct {
	command *exec.Cmd
	url     string // once it is ready
	tenants []lad.Tenant
	dir     string // its TMPDIR
	ended   chan struct{}
	out     lines
	errOut  lines
}

// launch describes how to start it.
type launch struct {
	args    []string
	env     []string
	program string // this test binary if empty
	workDir string
	user    *syscall.Credential
	// killAt kills it with SIGKILL when it says this on standard error.
	killAt string
}

// lines keeps what a process prints.
type lines struct {
	mu   sync.Mutex
	text []string
	on   func(line string)
}

func (l *lines) add(line string) {
	l.mu.Lock()
	l.text = append(l.text, line)
	l.mu.Unlock()
	if l.on != nil {
		l.on(line)
	}
}

func (l *lines) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.text)
}

func (l *lines) String() string { return strings.Join(l.all(), "\n") }

// launchDev starts it with a bare environment, and ends it with the test.
func launchDev(t *testing.T, how launch) *dev {
	t.Helper()
	d := &dev{dir: stacktest.TempDir(t), ended: make(chan struct{})}
	if how.program == "" {
		how.program = stacktest.Function(t)
	}
	args := append([]string{"dev", "--listen", "127.0.0.1:0", "--function", how.program}, how.args...)
	d.command = exec.Command(how.program, args...)
	d.command.Dir = how.workDir
	d.command.Env = append([]string{commandEnv + "=1", "PATH=" + os.Getenv("PATH"), "TMPDIR=" + d.dir}, how.env...)
	d.command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: how.user}
	stdout, err := d.command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	stderr, err := d.command.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if how.killAt != "" {
		d.errOut.on = func(line string) {
			if strings.Contains(line, how.killAt) {
				_ = d.command.Process.Kill()
			}
		}
	}
	if err := d.command.Start(); err != nil {
		t.Fatal(err)
	}
	var readers sync.WaitGroup
	readers.Go(func() {
		for s := bufio.NewScanner(stdout); s.Scan(); {
			d.out.add(s.Text())
		}
	})
	readers.Go(func() {
		for s := bufio.NewScanner(stderr); s.Scan(); {
			d.errOut.add(s.Text())
		}
	})
	go func() {
		readers.Wait()
		_ = d.command.Wait() // its state is looked at
		close(d.ended)
	}()
	t.Cleanup(func() {
		_ = d.command.Process.Signal(syscall.SIGTERM)
		d.awaitEnd(t)
	})
	return d
}

// startDev starts it and waits until it is ready.
func startDev(t *testing.T, how launch) *dev {
	t.Helper()
	d := launchDev(t, how)
	await(t, "the ready line", func() bool {
		if len(d.out.all()) > 0 {
			return true
		}
		select {
		case <-d.ended:
			t.Fatalf("it ended with %v: %s", d.command.ProcessState, &d.errOut)
		default:
		}
		return false
	})
	url, found := strings.CutPrefix(d.out.all()[0], "ready: ")
	if !found || !strings.HasPrefix(url, "http://") {
		t.Fatalf("its first line is %q", d.out.all()[0])
	}
	d.url = url
	get(t, d.url+lad.TenantsPath, &d.tenants)
	return d
}

func (d *dev) user(tenant int) stacktest.LAD {
	return stacktest.LAD{URL: d.url, Tenant: d.tenants[tenant].ID}
}

func (d *dev) awaitEnd(t *testing.T) {
	t.Helper()
	select {
	case <-d.ended:
	case <-time.After(stacktest.Patience):
		_ = d.command.Process.Kill()
		t.Fatalf("it still runs: %s", &d.errOut)
	}
}

// leavesNothing checks that its processes and its files are gone.
func (d *dev) leavesNothing(t *testing.T, processes []stacktest.Process) {
	t.Helper()
	stacktest.AwaitGone(t, processes, aWhile)
	stacktest.AwaitEmpty(t, d.dir, aWhile)
	if t.Failed() {
		t.Logf("it said: %s", &d.errOut)
	}
}

// aWhile is what is left behind may take to end.
const aWhile = 15 * time.Second

func await(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(stacktest.Patience); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%s: not within %v", what, stacktest.Patience)
		}
	}
}

// copyForEverybody copies this test binary to where every user may run it.
func copyForEverybody(t *testing.T) string {
	t.Helper()
	content, err := os.ReadFile(stacktest.Function(t))
	if err != nil {
		t.Fatal(err)
	}
	path := stacktest.TempDir(t) + "/devstack"
	processtest.WriteProgram(t, path, content)
	return path
}

func get(t *testing.T, url string, into any) {
	t.Helper()
	resp, err := stacktest.Client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var body bytes.Buffer
	if _, err := body.ReadFrom(resp.Body); err != nil {
		t.Fatal(err)
	}
	decode(t, body.Bytes(), into)
}
