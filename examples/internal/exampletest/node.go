// Package exampletest runs the examples in JavaScript and reads the blocks of the
// documents, for the tests that hold both to what they say.
//
// It is for tests only. It installs what an example's package-lock.json names into
// the user's cache, never into the source tree, and skips a test where there is no
// Node.
package exampletest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"lad.internal/followup/emulators/process"
)

// Patience is how long a test waits for something that should come at once.
const Patience = 30 * time.Second

// Example is a folder of JavaScript with what it depends on.
type Example struct {
	dir     string
	modules string // its node_modules, outside the source tree
	node    string
}

var installs sync.Map // folder → func() (string, error)

// Need installs what a folder's package-lock.json names, once per lock and
// machine, or skips the test where that is impossible.
func Need(t testing.TB, dir string) Example {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip("Node is not installed, so the JavaScript examples cannot be run: install Node 18 or newer (Debian: apt-get install nodejs npm)")
	}
	npm, err := exec.LookPath("npm")
	if err != nil {
		t.Skip("npm is not installed, so what the JavaScript examples depend on cannot be fetched: install it (Debian: apt-get install npm)")
	}
	once, _ := installs.LoadOrStore(dir, sync.OnceValues(func() (string, error) { return install(npm, dir) }))
	modules, err := once.(func() (string, error))()
	if errors.Is(err, errOffline) {
		t.Skip("npm cannot reach its registry, so what the JavaScript examples depend on cannot be fetched: it is needed once")
	}
	if err != nil {
		t.Fatal(err)
	}
	return Example{dir: dir, modules: modules, node: node}
}

// Cache is a folder for what costs time to make again.
func Cache() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	cache = filepath.Join(cache, "followup-examples")
	return cache, os.MkdirAll(cache, 0o755)
}

var (
	errOffline = errors.New("no network")
	offline    = regexp.MustCompile(`\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH|ENOTCACHED)\b`)
)

// install runs `npm ci` in a folder of the user's cache that is named after the
// lock, and returns its node_modules.
func install(npm, dir string) (string, error) {
	sum := sha256.New()
	manifest := map[string][]byte{}
	for _, name := range []string{"package.json", "package-lock.json"} {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return "", err
		}
		manifest[name] = content
		sum.Write(content)
	}
	cache, err := Cache()
	if err != nil {
		return "", err
	}
	home := filepath.Join(cache, hex.EncodeToString(sum.Sum(nil)[:8]))
	modules := filepath.Join(home, "node_modules")
	if _, err := os.Stat(modules); err == nil {
		return modules, nil
	}
	// Whoever is interrupted leaves no half of an installation under that name.
	scratch, err := os.MkdirTemp(cache, "installing-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	for name, content := range manifest {
		if err := os.WriteFile(filepath.Join(scratch, name), content, 0o644); err != nil {
			return "", err
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	command := exec.CommandContext(ctx, npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1")
	command.Dir = scratch
	if out, err := command.CombinedOutput(); err != nil {
		if offline.Match(out) {
			return "", errOffline
		}
		return "", errors.New("npm ci in " + dir + ": " + err.Error() + "\n" + string(out))
	}
	// Another test binary may have been faster.
	if err := os.Rename(scratch, home); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return "", err
	}
	return modules, nil
}

// Command is node with one of the example's scripts. Of this process's
// environment it gets PATH and HOME alone.
func (e Example) Command(t testing.TB, script string, args []string, env ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), e.node, append([]string{filepath.Join(e.dir, script)}, args...)...)
	c.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), "NODE_PATH=" + e.modules}, env...)
	return c
}

// Run runs a script to its end, and returns what it printed on standard output.
func (e Example) Run(t testing.TB, stdin, script string, args []string, env ...string) string {
	t.Helper()
	c := e.Command(t, script, args, env...)
	c.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if err := c.Run(); err != nil {
		t.Fatalf("node %s: %v\n%s%s", script, err, out.String(), errs.String())
	}
	return strings.TrimSpace(out.String())
}

// Service is a script that runs until it is killed.
type Service struct {
	// Ready is what the script printed after "ready: ".
	Ready   string
	process *process.Process
}

// Start starts a script and waits for its line "ready: …".
func (e Example) Start(t testing.TB, script string, env ...string) *Service {
	t.Helper()
	group, err := process.NewGroup()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := group.Close(5 * time.Second); err != nil {
			t.Error(err)
		}
	})
	lines := &readyLine{found: make(chan string, 1), out: t.Output()}
	c := e.Command(t, script, nil, env...)
	c.Stdout, c.Stderr = lines, t.Output()
	p, err := group.Start(c)
	if err != nil {
		t.Fatal(err)
	}
	select {
	case ready := <-lines.found:
		return &Service{Ready: ready, process: p}
	case <-p.Ended():
		t.Fatalf("node %s ended at its start: %v", script, p.Err())
	case <-time.After(Patience):
		t.Fatalf("node %s is not ready", script)
	}
	return nil
}

// Kill ends the script as kill -9 does, and returns when it is gone.
func (s *Service) Kill(t testing.TB) {
	t.Helper()
	if err := s.process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-s.process.Ended()
}

// readyLine looks for the first line "ready: …" in what a script prints.
type readyLine struct {
	mu    sync.Mutex
	text  bytes.Buffer
	done  bool
	found chan string
	out   interface{ Write([]byte) (int, error) }
}

func (r *readyLine) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.text.Write(p)
	if _, rest, ok := strings.Cut(r.text.String(), "ready: "); ok && !r.done {
		if line, _, whole := strings.Cut(rest, "\n"); whole {
			r.done = true
			r.found <- line
		}
	}
	return r.out.Write(p)
}
