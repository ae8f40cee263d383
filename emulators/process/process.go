// Package process runs the programs of the local stack as processes of their
// own, and sees to it that they, and whatever they start in turn, end with this
// one, even if it is killed with kill -9: a warden, a small /bin/sh script that
// holds the read end of a pipe, ends what is left when the pipe closes.
//
// It refuses to restart what has ended: whoever started it decides that. A
// program that leaves its process group on purpose, as a daemon does, escapes.
package process

import (
	"crypto/rand"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
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

// Folder makes an empty folder in os.TempDir that only this user may enter. It
// is removed, with all that is in it, when the group is closed or this process
// dies.
func (g *Group) Folder(prefix string) (string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return "", errors.New("make a folder: the group is closed")
	}
	path := filepath.Join(os.TempDir(), prefix+strings.ToLower(rand.Text()))
	// The warden hears of it first: removing what does not exist does no harm.
	if _, err := fmt.Fprintf(g.pipe, "/ %s\n", path); err != nil {
		return "", fmt.Errorf("tell the warden of folder %s: %w", path, err)
	}
	if err := os.Mkdir(path, 0o700); err != nil {
		return "", fmt.Errorf("make a folder: %w", err)
	}
	return path, nil
}

// outputGrace is how long a process that has ended may leave its output open,
// in the hands of processes that it has started.
const outputGrace = time.Second

// Process is a running program.
type Process struct {
	command *exec.Cmd
	ended   chan struct{}
	err     error // once ended is closed: as of exec.Cmd.Wait
}

// Start starts command, which must not have been started and have no extra
// files, in a session of its own. Whatever the program starts is killed when the
// program has ended.
func (g *Group) Start(command *exec.Cmd) (*Process, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return nil, errors.New("start a process: the group is closed")
	}
	p := &Process{command: command, ended: make(chan struct{})}
	if err := g.launch(p); err != nil {
		return nil, fmt.Errorf("start a process: %w", err)
	}
	g.open[p] = struct{}{}
	go g.reap(p)
	return p, nil
}

// gate waits for a line on file 3 and then becomes the program. Without a line,
// as when this process is killed right after the fork, it ends. Shells add
// variables of their own to the environment, which are taken away again.
const gate = `IFS= read -r line <&3 || exit 1; exec 3<&-; unset PWD OLDPWD SHLVL; exec "$@"`

// launch lets the program begin once the warden knows of it.
func (g *Group) launch(p *Process) error {
	c := p.command
	if c.Err != nil {
		return c.Err
	}
	if _, err := exec.LookPath(c.Path); err != nil {
		return err
	}
	ready, begin, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("make a pipe: %w", err)
	}
	defer func() { _ = errors.Join(ready.Close(), begin.Close()) }() // both have served
	c.Args = append([]string{"/bin/sh", "-c", gate, "gate", c.Path}, c.Args[1:]...)
	c.Path = "/bin/sh"
	c.ExtraFiles = []*os.File{ready}
	// Not this terminal's: a Ctrl-C must not reach it before Close does.
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if c.WaitDelay == 0 {
		c.WaitDelay = outputGrace
	}
	if err := c.Start(); err != nil {
		return err
	}
	_, err = fmt.Fprintf(g.pipe, "+ %d\n", p.Pid())
	if err == nil {
		_, err = begin.WriteString("begin\n")
	}
	if err != nil {
		_ = c.Process.Kill()
		_ = c.Wait() // it was killed
		return fmt.Errorf("tell the warden: %w", err)
	}
	return nil
}

func (g *Group) reap(p *Process) {
	err := p.command.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // the program itself ended with status 0
	}
	// Its descendants. The number of a group that has members is given to nobody
	// else; that of an empty one is not given out again so soon.
	_ = syscall.Kill(-p.Pid(), syscall.SIGKILL)
	g.mu.Lock()
	defer g.mu.Unlock()
	p.err = err
	delete(g.open, p)
	// A warden that is gone has nobody to kill.
	_, _ = fmt.Fprintf(g.pipe, "- %d\n", p.command.Process.Pid)
	close(p.ended)
}

// Close sends SIGTERM to what still runs, SIGKILL to what does not end within
// the grace period, and returns when all of it, the folders and the warden are
// gone. Calling it again does nothing.
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

// How says in a word how the process ended. It may be asked once Ended is closed.
func (p *Process) How() string {
	if p.err == nil {
		return "with status 0"
	}
	return p.err.Error()
}

// Signal sends a signal to the process and to those that it started.
func (p *Process) Signal(s syscall.Signal) error {
	select {
	case <-p.ended:
		return os.ErrProcessDone
	default:
		return syscall.Kill(-p.Pid(), s)
	}
}
