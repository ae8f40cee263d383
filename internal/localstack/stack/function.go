package stack

import (
	"context"
	"fmt"
	"log/slog"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"lad.internal/followup/emulators/process"
)

const (
	// listenTime bounds how long a function takes to listen.
	listenTime = 30 * time.Second
	// restartPause keeps a function that ends at once from using up the machine.
	restartPause = 100 * time.Millisecond
	// restartPauseAfterFailure is for one that cannot even start.
	restartPauseAfterFailure = time.Second
)

// function is one of the two functions: a process that is started again when it
// ends, as Cloud Run starts another instance.
type function struct {
	name    string
	url     string
	program string
	env     []string
	output  *output
	log     *slog.Logger

	mu      sync.Mutex
	current *process.Process
}

func (f *function) command() *exec.Cmd {
	c := exec.Command(f.program)
	_, port, _ := strings.Cut(strings.TrimPrefix(f.url, "http://"), ":")
	c.Env = append(slices.Clone(f.env), "FUNCTION_TARGET="+f.name, "PORT="+port, "LOCAL_ONLY=true")
	c.Stdout, c.Stderr = f.output, f.output
	return c
}

// start starts the process and waits until it listens.
func (f *function) start(ctx context.Context, group *process.Group) error {
	f.output.tail = nil // the process before this one, which wrote it, has ended
	p, err := group.Start(f.command())
	if err != nil {
		return fmt.Errorf("start %s: %w", f.name, err)
	}
	f.mu.Lock()
	f.current = p
	f.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, listenTime)
	defer cancel()
	address := strings.TrimPrefix(f.url, "http://")
	for {
		if process.Listens(ctx, address) {
			return nil
		}
		select {
		case <-p.Ended():
			return fmt.Errorf("%s ended at its start (%s): %s", f.name, p.How(), f.output.reason())
		case <-ctx.Done():
			return fmt.Errorf("%s does not listen on %s: %w", f.name, address, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// supervise starts another process whenever one has ended, until stopping is
// closed.
func (f *function) supervise(group *process.Group, stopping <-chan struct{}) {
	pause := restartPause
	for {
		p := f.process()
		<-p.Ended()
		if err := f.output.end(); err != nil {
			f.log.Error("a function's output could not be passed on", "event", "function_output_lost", "function", f.name, "error", err)
		}
		select {
		case <-stopping:
			return
		case <-time.After(pause):
		}
		f.log.Warn("a function's process ended; another takes its place", "event", "function_replaced",
			"function", f.name, "pid", p.Pid(), "status", p.Err())
		pause = restartPause
		if err := f.start(context.Background(), group); err != nil {
			pause = restartPauseAfterFailure
			f.log.Error("a function could not be started again", "event", "function_restart_failed", "function", f.name, "error", err)
		}
	}
}

func (f *function) process() *process.Process {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.current
}

// function finds one by its entry point.
func (s *Stack) function(name string) (*function, error) {
	for _, f := range []*function{s.execute, s.schedule} {
		if f.name == name {
			return f, nil
		}
	}
	return nil, fmt.Errorf("there is no function %q", name)
}

// Kill sends a signal to a function's process: ScheduleFollowUp's or
// ExecuteFollowUp's. If it ends, another process takes its place.
func (s *Stack) Kill(name string, signal syscall.Signal) error {
	f, err := s.function(name)
	if err != nil {
		return err
	}
	if err := f.process().Signal(signal); err != nil {
		return fmt.Errorf("send %v to %s: %w", signal, name, err)
	}
	return nil
}

// Pid is the number of a function's process. It changes when another takes its
// place.
func (s *Stack) Pid(name string) (int, error) {
	f, err := s.function(name)
	if err != nil {
		return 0, err
	}
	return f.process().Pid(), nil
}

// ExecuteURL is where ExecuteFollowUp listens.
func (s *Stack) ExecuteURL() string { return s.execute.url }

// ScheduleURL is where ScheduleFollowUp listens.
func (s *Stack) ScheduleURL() string { return s.schedule.url }
