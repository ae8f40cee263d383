package postgres

import (
	"bufio"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

//go:embed keeper.sh
var keeperScript string

const (
	// stopTimeout is longer than the keeper needs in the worst case: 10 s until it kills the server.
	stopTimeout  = 20 * time.Second
	logTailLines = 12
)

// keeper is this process's side of keeper.sh.
type keeper struct {
	command  *exec.Cmd
	lifeline io.Closer // closing it ends the server
	dir      string
	logEnded chan struct{} // closed when initdb or the server has ended
	exited   chan struct{} // closed when the keeper has been waited for

	mu   sync.Mutex
	tail []string
}

func startKeeper(ctx context.Context, binDir, password string, settings map[string]string, options Options) (*keeper, error) {
	credential, err := serverCredential(os.Geteuid())
	if err != nil {
		return nil, err
	}
	args := []string{"-c", keeperScript, "keeper", binDir, tempDir(ctx, options.TempDir, credential)}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}

	// The context is the start's; the server outlives it.
	command := exec.CommandContext(context.WithoutCancel(ctx), "/bin/sh", args...)
	command.Dir = "/"
	command.Env = keeperEnvironment()
	// A session of its own: a Ctrl-C in our terminal must not reach the server before its clients
	// are done, nor the keeper at all.
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: credential}
	return launch(command, password, options.Logger)
}

func launch(command *exec.Cmd, password string, logger *slog.Logger) (*keeper, error) {
	stdin, err := command.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("make the keeper's lifeline: %w", err)
	}
	stdout, err := command.StdoutPipe()
	if err != nil {
		return nil, fmt.Errorf("make the keeper's output: %w", err)
	}
	stderr, err := command.StderrPipe()
	if err != nil {
		return nil, fmt.Errorf("make the server's log: %w", err)
	}
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start the keeper: %w", err)
	}
	k := &keeper{
		command:  command,
		lifeline: stdin,
		logEnded: make(chan struct{}),
		exited:   make(chan struct{}),
	}
	_, writeErr := io.WriteString(stdin, password+"\n")
	line, readErr := bufio.NewReader(stdout).ReadString('\n')
	k.dir = strings.TrimSpace(line)
	go k.watch(stderr, logger)
	if err := errors.Join(writeErr, readErr); err != nil {
		err = errors.Join(err, k.end())
		return nil, fmt.Errorf("start the keeper: %w: %s", err, k.logTail())
	}
	return k, nil
}

func (k *keeper) watch(log io.Reader, logger *slog.Logger) {
	defer close(k.exited)
	scanner := bufio.NewScanner(log)
	for scanner.Scan() {
		logger.LogAttrs(context.Background(), slog.LevelDebug, "postgres", slog.String("line", scanner.Text()))
		k.mu.Lock()
		k.tail = append(k.tail, scanner.Text())
		k.tail = k.tail[max(0, len(k.tail)-logTailLines):]
		k.mu.Unlock()
	}
	// A line longer than the scanner takes must not make the server block on a full pipe.
	_, _ = io.Copy(io.Discard, log)
	close(k.logEnded)
	// The exit status says nothing that the log and the folder do not.
	_ = k.command.Wait()
}

func (k *keeper) logTail() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return strings.Join(k.tail, "; ")
}

func (k *keeper) end() error {
	_ = k.lifeline.Close()
	select {
	case <-k.exited:
	case <-time.After(stopTimeout):
	}
	if k.dir == "" {
		return nil
	}
	if _, err := os.Stat(k.dir); errors.Is(err, os.ErrNotExist) {
		return nil
	}
	// Only if the keeper itself was killed or hangs. The postmaster is in its process group; the
	// server's other processes end with the postmaster.
	_ = syscall.Kill(-k.command.Process.Pid, syscall.SIGKILL)
	if err := os.RemoveAll(k.dir); err != nil {
		return fmt.Errorf("remove its folder: %w", err)
	}
	return nil
}

// serverCredential is whom the server runs as: the caller, unless that is root, whom initdb and
// postgres refuse.
func serverCredential(euid int) (*syscall.Credential, error) {
	if euid != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		account, err := user.Lookup(name)
		if err != nil {
			continue
		}
		// 32 bits, since macOS's nobody is -2.
		uid, uidErr := strconv.ParseInt(account.Uid, 10, 64)
		gid, gidErr := strconv.ParseInt(account.Gid, 10, 64)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL refuses to run as root and this machine has neither a user postgres nor nobody to run it as: add one (useradd --system postgres), or run as an ordinary user")
}

// tempDir is where the keeper makes its folder. The account it runs as must be able to write there.
func tempDir(ctx context.Context, wanted string, credential *syscall.Credential) string {
	if wanted == "" {
		wanted = os.TempDir()
	}
	if credential == nil {
		return wanted
	}
	probe := exec.CommandContext(ctx, "/bin/sh", "-c", `test -w "$1" && test -x "$1"`, "probe", wanted)
	probe.Dir = "/"
	probe.SysProcAttr = &syscall.SysProcAttr{Credential: credential}
	if probe.Run() != nil {
		return "/tmp"
	}
	return wanted
}

// keeperEnvironment leaves out PG* variables, which would point initdb and the server at somebody
// else's settings, and the locale, which would translate the log.
func keeperEnvironment() []string {
	environment := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "PG") || strings.HasPrefix(entry, "LC_") || strings.HasPrefix(entry, "LANG")
	})
	return append(environment, "LC_ALL=C")
}
