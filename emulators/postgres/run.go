package postgres

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"lad.internal/followup/emulators/process"
)

// run makes a cluster in a folder of its own, and starts the server on it.
func (s *Server) run(ctx context.Context, binDir string, settings map[string]string, temp string) error {
	account, err := process.Unprivileged()
	if err != nil {
		return err
	}
	if s.dir, err = s.processes.FolderOf(account, tempDir(ctx, temp, account), "followup-postgres-"); err != nil {
		return err
	}
	password := filepath.Join(s.dir, "password")
	err = os.WriteFile(password, []byte(s.password+"\n"), 0o600)
	if err == nil && account != nil {
		err = os.Chown(password, int(account.Uid), int(account.Gid))
	}
	if err != nil {
		return fmt.Errorf("write the password: %w", err)
	}
	start := func(program string, args ...string) (*process.Process, error) {
		command := exec.Command(filepath.Join(binDir, program), args...)
		command.Dir, command.Env = s.dir, serverEnvironment()
		command.Stdout, command.Stderr = s.log, s.log
		command.SysProcAttr = &syscall.SysProcAttr{Credential: account}
		return s.processes.Start(command)
	}
	initdb, err := start("initdb", "--pgdata=data", "--username="+superuser, "--pwfile="+password, "--auth=scram-sha-256",
		"--encoding=UTF8", "--no-locale", "--no-sync")
	if err != nil {
		return err
	}
	select {
	case <-initdb.Ended():
	case <-ctx.Done():
		return fmt.Errorf("make a cluster: %w", context.Cause(ctx))
	}
	if initdb.Err() != nil {
		return fmt.Errorf("make a cluster: initdb ended %s: %s", initdb.How(), s.log)
	}
	if err := os.Remove(password); err != nil {
		return fmt.Errorf("remove the password: %w", err)
	}
	args := []string{"-D", filepath.Join(s.dir, "data")}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	s.process, err = start("postgres", args...)
	return err
}

// serverLog is what initdb and the server say: to a logger, and the end of it.
type serverLog struct {
	process.Tail
	to *slog.Logger
}

// Write implements io.Writer. A piece need not be a line, which a log for debugging can bear.
func (l *serverLog) Write(p []byte) (int, error) {
	l.to.LogAttrs(context.Background(), slog.LevelDebug, "postgres", slog.String("lines", strings.TrimSpace(string(p))))
	return l.Tail.Write(p)
}

// tempDir is where the server's folder is made. The account it runs as must be able to work there.
func tempDir(ctx context.Context, wanted string, account *syscall.Credential) string {
	if wanted == "" {
		wanted = os.TempDir()
	}
	if account == nil {
		return wanted
	}
	probe := exec.CommandContext(ctx, "/bin/sh", "-c", `test -x "$1"`, "probe", wanted)
	probe.Dir = "/"
	probe.SysProcAttr = &syscall.SysProcAttr{Credential: account}
	if probe.Run() != nil {
		return "/tmp"
	}
	return wanted
}

// serverEnvironment leaves out PG* variables, which would point initdb and the server at somebody
// else's settings, and the locale, which would translate the log.
func serverEnvironment() []string {
	environment := slices.DeleteFunc(os.Environ(), func(entry string) bool {
		return strings.HasPrefix(entry, "PG") || strings.HasPrefix(entry, "LC_") || strings.HasPrefix(entry, "LANG")
	})
	return append(environment, "LC_ALL=C")
}
