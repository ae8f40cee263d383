// Package process runs the programs of the local stack as processes of their
// own, and sees to it that they end with this one, even if it is killed with
// kill -9: a warden, a small /bin/sh script that holds the read end of a pipe,
// ends what is left when the pipe closes.
//
// It refuses to restart what has ended: whoever started it decides that.
package process

import (
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"time"
)

//go:embed warden.sh
var wardenScript string

// Group starts processes that end with it.
type Group struct {
	mu     sync.Mutex
	pipe   io.WriteCloser
	warden *exec.Cmd
	open   map[*Process]struct{}
	closed bool
}

// NewGroup starts the warden. The caller must call Close.
func NewGroup() (*Group, error) {
	warden := exec.Command("/bin/sh", "-c", wardenScript)
	warden.Dir = "/"
	// A session of its own: the Ctrl-C that ends its parent must not reach it.
	warden.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	pipe, err := warden.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make the warden's pipe: %w", err)
	}
	if err := warden.Start(); err != nil {
		return nil, fmt.Errorf("start the warden: %w", err)
	}
	return &Group{pipe: pipe, warden: warden, open: map[*Process]struct{}{}}, nil
}

// Process is a running program.
type Process struct {
	command *exec.Cmd
	ended   chan struct{}
	err     error // once ended is closed: as of exec.Cmd.Wait
}

// Start starts command, which must not have been started, in a session of its
// own.
func (g *Group) Start(command *exec.Cmd) (*Process, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errors.New("start a process: the group is closed")
	}
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", command.Path, err)
	}
	p := &Process{command: command, ended: make(chan struct{})}
	g.open[p] = struct{}{}
	if _, err := fmt.Fprintf(g.pipe, "+ %d\n", command.Process.Pid); err != nil {
		_ = command.Process.Kill()
		go g.reap(p)
		return nil, fmt.Errorf("tell the warden of %s: %w", command.Path, err)
	}
	go g.reap(p)
	return p, nil
}

func (g *Group) reap(p *Process) {
	err := p.command.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	p.err = err
	delete(g.open, p)
	// A warden that is gone has nobody to kill.
	_, _ = fmt.Fprintf(g.pipe, "- %d\n", p.command.Process.Pid)
	close(p.ended)
}

// Close sends SIGTERM to what still runs, SIGKILL to what does not end within
// the grace period, and returns when all of it and the warden are gone.
func (g *Group) Close(grace time.Duration) error {
	g.mu.Lock()
	if g.closed {
		g.mu.Unlock()
		return nil
	}
	g.closed = true
	left := make([]*Process, 0, len(g.open))
	for p := range g.open {
		left = append(left, p)
	}
	g.mu.Unlock()

	for _, p := range left {
		_ = p.Signal(syscall.SIGTERM)
	}
	deadline := time.NewTimer(grace)
	defer deadline.Stop()
	for _, p := range left {
		select {
		case <-p.ended:
		case <-deadline.C:
			for _, p := range left {
				_ = p.Signal(syscall.SIGKILL)
			}
			<-p.ended
		}
	}
	if err := errors.Join(g.pipe.Close(), g.warden.Wait()); err != nil {
		return fmt.Errorf("end the warden: %w", err)
	}
	return nil
}

// Pid is the process's number.
func (p *Process) Pid() int { return p.command.Process.Pid }

// Ended is closed when the process has ended and been reaped.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// Err says how the process ended; nil means with status 0. It may be asked once
// Ended is closed.
func (p *Process) Err() error { return p.err }

// Signal sends a signal to the process and to those that it started.
func (p *Process) Signal(s syscall.Signal) error {
	select {
	case <-p.ended:
		return os.ErrProcessDone
	default:
		return syscall.Kill(-p.Pid(), s)
	}
}
