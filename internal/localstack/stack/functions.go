package stack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"lad.internal/followup/internal/localstack/process"
)

// The local project, as the functions see it, where the environment names no
// other.
const (
	project = "local-project"
	region  = "local-region1"
	queueID = "follow-up-calls"
	invoker = "task-invoker@local-project.iam.gserviceaccount.com"
)

// stopGrace is what Cloud Run gives an instance, and a little for this machine.
const stopGrace = 12 * time.Second

// function is one of the two functions: a process that is started again when it
// ends, as Cloud Run starts another instance.
type function struct {
	name    string
	url     string
	command func() *exec.Cmd

	mu      sync.Mutex
	current *process.Process
}

func (s *Stack) startFunctions(ctx context.Context) error {
	program, err := s.program(ctx)
	if err != nil {
		return err
	}
	s.processes, err = process.NewGroup()
	if err != nil {
		return err
	}
	stopping := make(chan struct{})
	var supervisors sync.WaitGroup
	s.onClose(func() error {
		close(stopping)
		err := s.processes.Close(stopGrace)
		supervisors.Wait()
		return err
	})

	executePort, err := freePort(ctx)
	if err != nil {
		return err
	}
	schedulePort, err := freePort(ctx)
	if err != nil {
		return err
	}
	secret := s.setting("INTERNAL_SERVICE_SECRET", randomToken())
	agentURL, err := s.startAgent(secret)
	if err != nil {
		return err
	}
	executeURL := "http://127.0.0.1:" + executePort
	env := s.functionEnv(executeURL, agentURL, secret)
	out := &lines{w: s.options.FunctionLog}
	s.execute = newFunction("ExecuteFollowUp", program, executePort, env, out)
	s.schedule = newFunction("ScheduleFollowUp", program, schedulePort, env, out)
	for _, f := range []*function{s.execute, s.schedule} {
		s.options.Progress("starting " + f.name)
		if err := f.start(ctx, s.processes); err != nil {
			return err
		}
		supervisors.Go(func() { f.supervise(s.processes, stopping) })
	}
	return nil
}

func newFunction(name, program, port string, env []string, out io.Writer) *function {
	return &function{
		name: name,
		url:  "http://127.0.0.1:" + port,
		command: func() *exec.Cmd {
			c := exec.Command(program)
			c.Env = append(slices.Clone(env), "FUNCTION_TARGET="+name, "PORT="+port, "LOCAL_ONLY=true")
			c.Stdout, c.Stderr = out, out
			return c
		},
	}
}

// functionEnv is all that a function knows, as in its deployment: nothing of
// this process's environment reaches it but what setting lets through.
func (s *Stack) functionEnv(executeURL, agentURL, secret string) []string {
	tasksAddr, issuer, certs := s.options.CloudTasks, s.setting("FOLLOWUP_OIDC_ISSUER", ""), s.setting("FOLLOWUP_OIDC_CERTS_URL", "")
	if s.Tasks != nil {
		tasksAddr, issuer, certs = s.Tasks.Addr, s.Tasks.Issuer, s.Tasks.CertsURL
	}
	env := map[string]string{
		"DATABASE_URL":                    s.AppURL,
		"TENANT_REGISTRY":                 registryName,
		"CLOUD_TASKS_EMULATOR_HOST":       tasksAddr,
		"FOLLOWUP_OIDC_ISSUER":            issuer,
		"FOLLOWUP_OIDC_CERTS_URL":         certs,
		"FOLLOWUP_EXECUTION_ENDPOINT":     executeURL + "/api/deals-pipeline/bookings/:id/execute-followup",
		"VOICE_AGENT_BASE_URL":            agentURL,
		"INTERNAL_SERVICE_SECRET":         secret,
		"GCP_PROJECT_ID":                  s.setting("GCP_PROJECT_ID", project),
		"GCP_LOCATION":                    s.setting("GCP_LOCATION", region),
		"FOLLOWUP_QUEUE_NAME":             s.setting("FOLLOWUP_QUEUE_NAME", queueID),
		"GCP_CLOUD_TASKS_SERVICE_ACCOUNT": s.Invoker(),
		"FOLLOWUP_ACTIVE_SINCE":           s.setting("FOLLOWUP_ACTIVE_SINCE", time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)),
	}
	for _, name := range tunable {
		if v := s.setting(name, ""); v != "" {
			env[name] = v
		}
	}
	list := make([]string, 0, len(env)+1)
	for name, value := range env {
		list = append(list, name+"="+value)
	}
	return append(list, "PATH="+os.Getenv("PATH"))
}

// tunable are the settings that may be given to the functions from outside.
var tunable = []string{
	"FOLLOWUP_BOOKING_TYPES", "FOLLOWUP_HORIZON", "FOLLOWUP_LEAD_TIME", "FOLLOWUP_MAX_LATENESS", "FOLLOWUP_LEASE",
	"FOLLOWUP_GRACE", "FOLLOWUP_PAUSED", "FOLLOWUP_DISPATCH_DEADLINE", "FOLLOWUP_OIDC_AUDIENCE",
	"VOICE_AGENT_START_CALL_PATH", "VOICE_AGENT_FRONTEND_ID", "VOICE_AGENT_API_KEY", "VOICE_AGENT_TIMEOUT",
	"VOICE_AGENT_IDEMPOTENT", "DEFAULT_FOLLOW_UP_AGENT_ID", "TENANT_REGISTRY_TTL",
	"DB_MAX_CONNS", "DB_LOCK_TIMEOUT", "DB_STATEMENT_TIMEOUT", "LOG_LEVEL",
}

// start starts the process and waits until it listens.
func (f *function) start(ctx context.Context, group *process.Group) error {
	p, err := group.Start(f.command())
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.current = p
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	address := strings.TrimPrefix(f.url, "http://")
	for {
		var d net.Dialer
		conn, err := d.DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-p.Ended():
			return fmt.Errorf("%s ended at its start, see its log: %v", f.name, p.Err())
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on %s: %w", f.name, address, err)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (f *function) supervise(group *process.Group, stopping <-chan struct{}) {
	for {
		f.mu.Lock()
		p := f.current
		f.mu.Unlock()
		<-p.Ended()
		select {
		case <-stopping:
			return
		case <-time.After(100 * time.Millisecond):
		}
		if err := f.start(context.Background(), group); err != nil && !errors.Is(err, os.ErrProcessDone) {
			select {
			case <-stopping:
				return
			case <-time.After(time.Second):
			}
		}
	}
}

// Kill sends a signal to a function's process: ScheduleFollowUp or
// ExecuteFollowUp. Another process takes its place.
func (s *Stack) Kill(name string, signal syscall.Signal) error {
	f := s.execute
	if name == s.schedule.name {
		f = s.schedule
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current.Signal(signal)
}

// ExecuteURL and ScheduleURL are where the functions listen.
func (s *Stack) ExecuteURL() string { return s.execute.url }

// ScheduleURL is where ScheduleFollowUp listens.
func (s *Stack) ScheduleURL() string { return s.schedule.url }

// program finds the binary that serves the functions.
func (s *Stack) program(ctx context.Context) (string, error) {
	if s.options.Function != "" {
		return s.options.Function, nil
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "function")
		if info, err := os.Stat(beside); err == nil && !info.IsDir() {
			return beside, nil
		}
	}
	s.options.Progress("building the functions")
	dir, err := os.MkdirTemp("", "followup-function-")
	if err != nil {
		return "", fmt.Errorf("make a folder for the functions' program: %w", err)
	}
	s.onClose(func() error { return os.RemoveAll(dir) })
	program := filepath.Join(dir, "function")
	out, err := exec.CommandContext(ctx, "go", "build", "-o", program, "lad.internal/followup/cmd/function").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("there is no program `function` beside this one, and building it failed (run `make build`): %w\n%s", err, out)
	}
	return program, nil
}

func freePort(ctx context.Context) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	return port, errors.Join(err, l.Close())
}

// lines lets two processes write to one writer without mixing their lines.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}
