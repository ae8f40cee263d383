package entrypoint

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	localprocess "lad.internal/followup/emulators/process"
)

// patience bounds every wait for another process.
const patience = 20 * time.Second

// process is a function process under test.
type process struct {
	t      *testing.T
	cmd    *exec.Cmd
	stdin  io.Closer
	url    string
	client *http.Client
	done   chan struct{} // closed when it has ended and its output is read

	mu     sync.Mutex
	output []string
}

// start runs this binary as a function process that serves target.
func start(t *testing.T, target string) *process {
	t.Helper()
	port := freePort(t)
	executable, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p := &process{
		t: t, cmd: exec.Command(executable), done: make(chan struct{}),
		url:    "http://127.0.0.1:" + port,
		client: &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: patience},
	}
	p.cmd.Env = []string{childEnv + "=" + port}
	if target != "" {
		p.cmd.Env = append(p.cmd.Env, "FUNCTION_TARGET="+target)
	}
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stderr = p.cmd.Stdout
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go p.read(stdout)
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.done
	})
	return p
}

var givenPorts sync.Map

// freePort returns a port that nobody listens on and no other test was given.
func freePort(t *testing.T) string {
	t.Helper()
	for {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		if err := listener.Close(); err != nil {
			t.Fatal(err)
		}
		if _, given := givenPorts.LoadOrStore(port, true); !given {
			return port
		}
	}
}

func (p *process) read(stdout io.Reader) {
	defer close(p.done)
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		p.mu.Lock()
		p.output = append(p.output, lines.Text())
		p.mu.Unlock()
	}
	_ = p.cmd.Wait() // read from ProcessState
}

// lines returns what was printed so far, as the parsed lines of one event.
func (p *process) lines(event string) []map[string]any {
	p.mu.Lock()
	defer p.mu.Unlock()
	var found []map[string]any
	for _, text := range p.output {
		line := map[string]any{}
		if json.Unmarshal([]byte(text), &line) == nil && line["event"] == event {
			found = append(found, line)
		}
	}
	return found
}

// one waits until the process has printed a line of the event, and returns it. The
// answer to a request can be here before what was printed on the way.
func (p *process) one(event string) map[string]any {
	p.t.Helper()
	p.eventually("a line of the event "+event, func() bool { return len(p.lines(event)) > 0 })
	lines := p.lines(event)
	if len(lines) != 1 {
		p.t.Fatalf("%d lines of the event %s, want one\n%s", len(lines), event, p.printed())
	}
	return lines[0]
}

func (p *process) printed() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.Join(p.output, "\n")
}

// eventually waits for a condition that the process brings about.
func (p *process) eventually(what string, ok func() bool) {
	p.t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			p.t.Fatalf("waited in vain: %s\n%s", what, p.printed())
		}
	}
}

func (p *process) ready() {
	p.t.Helper()
	p.eventually("the port is open", func() bool {
		return localprocess.Listens(p.t.Context(), strings.TrimPrefix(p.url, "http://"))
	})
}

// get returns status and body; a failed request is status 0.
func (p *process) get(path string) (int, string) {
	response, err := p.client.Get(p.url + path)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err.Error()
	}
	return response.StatusCode, string(body)
}

func (p *process) expect(path string, status int, body string) {
	p.t.Helper()
	if gotStatus, gotBody := p.get(path); gotStatus != status || !strings.Contains(gotBody, body) {
		p.t.Errorf("GET %s: %d %q, want %d %q", path, gotStatus, gotBody, status, body)
	}
}

func (p *process) exitCode() int {
	p.t.Helper()
	select {
	case <-p.done:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		p.t.Fatalf("the process did not end\n%s", p.printed())
		return -1
	}
}

func (p *process) terminate() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
}

func problem(code string) string { return fmt.Sprintf(`{"error":{"code":%q`, code) }
