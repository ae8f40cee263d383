package stack

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"time"

	"lad.internal/followup/emulators/process"
)

// The local project, as the functions see it, where the environment names no
// other.
const (
	project = "local-project"
	region  = "local-region1"
	queueID = "follow-up-calls"
	invoker = "task-invoker@local-project.iam.gserviceaccount.com"
)

// The functions' entry points.
const (
	execute  = "ExecuteFollowUp"
	schedule = "ScheduleFollowUp"
)

// stopGrace is what Cloud Run gives an instance, and a little for this machine.
const stopGrace = 12 * time.Second

func (s *Stack) startFunctions(ctx context.Context) error {
	var err error
	if s.processes, err = process.NewGroup(); err != nil {
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
	program, err := s.program(ctx)
	if err != nil {
		return err
	}
	urls, err := freeURLs(ctx, 2)
	if err != nil {
		return err
	}
	secret := s.setting("INTERNAL_SERVICE_SECRET", randomToken())
	jwtSecret := s.setting("VOICE_AGENT_JWT_SECRET", randomToken())
	agentURL, err := s.startAgent(secret, jwtSecret)
	if err != nil {
		return err
	}
	s.env = s.functionEnv(urls[0], agentURL, secret, jwtSecret)
	env := append(slices.Clone(s.env), "PATH="+os.Getenv("PATH"))
	log := &sharedWriter{w: s.options.FunctionLog}
	s.execute = &function{name: execute, url: urls[0], program: program, env: env, output: &output{to: log}, log: s.options.Log}
	s.schedule = &function{name: schedule, url: urls[1], program: program, env: env, output: &output{to: log}, log: s.options.Log}
	for _, f := range []*function{s.execute, s.schedule} {
		s.options.Progress("starting " + f.name)
		if err := f.start(ctx, s.processes); err != nil {
			return err
		}
		supervisors.Go(func() { f.supervise(s.processes, stopping) })
	}
	return nil
}

// functionEnv is all that a function knows, as in its deployment: nothing of
// this process's environment reaches it but what setting lets through.
func (s *Stack) functionEnv(executeURL, agentURL, secret, jwtSecret string) []string {
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
		"VOICE_AGENT_JWT_SECRET":          jwtSecret,
		"VOICE_AGENT_JOB_AFTER":           "500ms", // the stand-in dispatches faster than that
		"VOICE_AGENT_LIMIT":               "off",
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
	for _, name := range slices.Sorted(maps.Keys(env)) {
		list = append(list, name+"="+env[name])
	}
	return list
}

// Env is the functions' environment, as NAME=value, by which the command
// followup works with this stack as it does with a deployed one.
func (s *Stack) Env() []string { return slices.Clone(s.env) }

// tunable are the settings that may be given to the functions from outside.
var tunable = []string{
	"FOLLOWUP_BOOKING_TYPES", "FOLLOWUP_HORIZON", "FOLLOWUP_LEAD_TIME", "FOLLOWUP_MAX_LATENESS", "FOLLOWUP_MAX_BACKDATE", "FOLLOWUP_LEASE",
	"FOLLOWUP_GRACE", "FOLLOWUP_PAUSED", "FOLLOWUP_TIMELINE", "FOLLOWUP_DISPATCH_DEADLINE", "FOLLOWUP_OIDC_AUDIENCE",
	"VOICE_AGENT_START_CALL_PATH", "VOICE_AGENT_FRONTEND_ID", "VOICE_AGENT_API_KEY", "VOICE_AGENT_TIMEOUT",
	"VOICE_AGENT_IDEMPOTENT", "DEFAULT_FOLLOW_UP_AGENT_ID", "TENANT_REGISTRY_TTL",
	"DB_MAX_CONNS", "DB_LOCK_TIMEOUT", "DB_STATEMENT_TIMEOUT", "LOG_LEVEL",
	"FOLLOWUP_TIME_MEANS", "FOLLOWUP_DEFAULT_TIMEZONE", "FOLLOWUP_DEFAULT_REGION", "FOLLOWUP_MAX_CALLS_PER_LEAD",
	"VOICE_AGENT_LIMIT", "VOICE_AGENT_JOB_AFTER", "VOICE_AGENT_DISPATCH_FAILED", "VOICE_AGENT_CONTRACT", "VOICE_AGENT_JWT_TTL",
	"FOLLOWUP_TRACES", "FOLLOWUP_TRACES_RATIO", "VOICE_AGENT_CANARY_TENANT", "VOICE_AGENT_CANARY_URL",
}

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
	dir, err := s.processes.Folder("followup-function-")
	if err != nil {
		return "", err
	}
	program := filepath.Join(dir, "function")
	if err := s.build(ctx, program); err != nil {
		return "", fmt.Errorf("there is no program `function` beside this one, and building it failed (run `make build`): %w", err)
	}
	return program, nil
}

// build builds the functions' program, with a compiler that ends with this
// process.
func (s *Stack) build(ctx context.Context, program string) error {
	c := exec.Command("go", "build", "-o", program, "lad.internal/followup/cmd/function")
	// A compiler that is killed leaves its temporary files where they are.
	c.Env = append(os.Environ(), "GOTMPDIR="+filepath.Dir(program))
	var said bytes.Buffer
	c.Stdout, c.Stderr = &said, &said
	p, err := s.processes.Start(c)
	if err != nil {
		return err
	}
	select {
	case <-p.Ended():
	case <-ctx.Done():
		_ = p.Signal(syscall.SIGTERM) // it may have ended just now
		<-p.Ended()
		return context.Cause(ctx)
	}
	if p.Err() != nil {
		return fmt.Errorf("%w\n%s", p.Err(), said.String())
	}
	return nil
}

// freeURLs are addresses of this machine with ports that nobody listens on,
// each another one.
func freeURLs(ctx context.Context, n int) (urls []string, err error) {
	for range n {
		var lc net.ListenConfig
		l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return nil, fmt.Errorf("find a free port: %w", err)
		}
		defer func() { _ = l.Close() }() // nobody has connected
		urls = append(urls, "http://"+l.Addr().String())
	}
	return urls, nil
}
