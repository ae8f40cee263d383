package postgres

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"lad.internal/followup/emulators/process/processtest"
)

// victimEnv makes the test binary start a server, describe it on stdout and wait for its end.
const victimEnv = "POSTGRES_TEST_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) != "" {
		if err := victim(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// traces is what a server must not leave behind.
type traces struct {
	Dir      string
	Keeper   int
	Postgres int
	URL      string
}

func tracesOf(server *Server) (traces, error) {
	pidFile, err := os.ReadFile(filepath.Join(server.keeper.dir, "data", "postmaster.pid"))
	if err != nil {
		return traces{}, err
	}
	firstLine, _, _ := strings.Cut(string(pidFile), "\n")
	pid, err := strconv.Atoi(firstLine)
	if err != nil {
		return traces{}, err
	}
	return traces{
		Dir:      server.keeper.dir,
		Keeper:   server.keeper.command.Process.Pid,
		Postgres: pid,
		URL:      server.AdminURL(),
	}, nil
}

func victim() error {
	server, err := Start(context.Background(), Options{})
	if err != nil {
		return err
	}
	left, err := tracesOf(server)
	if err != nil {
		return errors.Join(err, server.Stop())
	}
	if err := json.NewEncoder(os.Stdout).Encode(left); err != nil {
		return errors.Join(err, server.Stop())
	}
	_, _ = io.Copy(io.Discard, os.Stdin)
	return server.Stop()
}

func assertNothingIsLeft(t *testing.T, left traces) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		_, err := os.Stat(left.Dir)
		if errors.Is(err, fs.ErrNotExist) && !running(left.Keeper) && !running(left.Postgres) {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("left behind: folder %v, keeper %v, server %v", err, running(left.Keeper), running(left.Postgres))
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// running does not count a zombie: reaping an orphan is the init process's business.
func running(pid int) bool {
	if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err == nil {
		_, state, _ := strings.Cut(string(stat), ") ")
		return !strings.HasPrefix(state, "Z")
	}
	return !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH)
}

func startForTest(t *testing.T, options Options) *Server {
	t.Helper()
	server, err := Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	return server
}

func show(t *testing.T, url, expression string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var value string
	if err := conn.QueryRow(t.Context(), "SELECT "+expression).Scan(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

func TestAStoppedServerLeavesNeitherProcessNorFolder(t *testing.T) {
	t.Parallel()
	server := startForTest(t, Options{Settings: map[string]string{"application_name": "it is set"}, MaxConnections: 17})
	if got := show(t, server.AdminURL(), "current_setting('application_name')||current_setting('max_connections')"); got != "it is set17" {
		t.Errorf("settings = %q", got)
	}
	left, err := tracesOf(server)
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Stop(); err != nil {
		t.Fatal(err)
	}
	// Stop promises that they are gone when it returns.
	if _, err := os.Stat(left.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("folder %s is still there: %v", left.Dir, err)
	}
	if running(left.Keeper) || running(left.Postgres) {
		t.Error("a process is still there")
	}
	if err := server.Stop(); err != nil {
		t.Errorf("second Stop: %v", err)
	}
}

func TestTwoServersRunSideBySideAndShareNothing(t *testing.T) {
	t.Parallel()
	one, two := startForTest(t, Options{}), startForTest(t, Options{})
	if err := one.CreateDatabase(t.Context(), `odd "name"`, ""); err != nil {
		t.Fatal(err)
	}
	if got := show(t, one.DatabaseURL(`odd "name"`), "current_database()"); got != `odd "name"` {
		t.Errorf("database = %q", got)
	}
	if got := show(t, two.AdminURL(), "count(*)::text FROM pg_database WHERE datname LIKE 'odd%'"); got != "0" {
		t.Errorf("the other server has %s of the first one's databases", got)
	}
	if _, err := pgx.Connect(t.Context(), two.URL(superuser, one.password, "postgres")); err == nil {
		t.Error("a server accepts another server's password")
	}
}

func TestOnlyTheLoopbackAndOnlyThePasswordLeadIn(t *testing.T) {
	t.Parallel()
	server := startForTest(t, Options{})
	if got := show(t, server.AdminURL(), "current_setting('listen_addresses')||current_setting('unix_socket_directories')"); got != "127.0.0.1" {
		t.Errorf("it listens on %q", got)
	}
	if _, err := pgx.Connect(t.Context(), server.URL(superuser, "", "postgres")); err == nil {
		t.Error("it lets somebody in without a password")
	}
}

func TestAServerThatCannotStartSaysWhyAndLeavesNothing(t *testing.T) {
	t.Parallel()
	temp := openTempDir(t)
	_, err := Start(t.Context(), Options{Settings: map[string]string{"work_mem": "much"}, TempDir: temp})
	if err == nil || !strings.Contains(err.Error(), "work_mem") {
		t.Errorf("error = %v, want the server's own words about work_mem", err)
	}
	assertEmpty(t, temp)
}

func TestACancelledStartLeavesNothing(t *testing.T) {
	t.Parallel()
	temp := openTempDir(t)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) // initdb takes longer
	defer cancel()
	if _, err := Start(ctx, Options{TempDir: temp}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("error = %v, want the context's", err)
	}
	assertEmpty(t, temp)
}

func TestATakenPortIsAReasonToTryAgain(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	binaries, err := FindBinaries(t.Context())
	if err != nil {
		t.Skip(err)
	}
	_, err = startOn(t.Context(), listener.Addr().(*net.TCPAddr).Port, binaries, Options{Logger: discard})
	if err == nil || !strings.Contains(err.Error(), "could not bind") {
		t.Errorf("error = %v, want the words that start looks for", err)
	}
}

func TestTheServerDiesWithItsOwner(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*exec.Cmd) error{
		"kill -9": func(c *exec.Cmd) error { return c.Process.Kill() },
		"kill":    func(c *exec.Cmd) error { return c.Process.Signal(syscall.SIGTERM) },
		"Ctrl-C":  func(c *exec.Cmd) error { return syscall.Kill(-c.Process.Pid, syscall.SIGINT) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			command, left := startVictim(t, nil)
			if err := end(command); err != nil {
				t.Fatal(err)
			}
			_ = command.Wait() // ends by a signal, as it should
			assertNothingIsLeft(t, left)
		})
	}
}

func TestAnOwnerKilledWhileTheServerStartsLeavesNothing(t *testing.T) {
	t.Parallel()
	temp := openTempDir(t)
	command := victimCommand(t, nil)
	command.Env = append(command.Env, "TMPDIR="+temp)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	until(t, "the server's folder to appear", func() bool { return len(entries(t, temp)) == 1 })
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	until(t, "the server's folder to vanish", func() bool { return len(entries(t, temp)) == 0 })
}

func TestAnOrdinaryUserCanRunOne(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		t.Skip("the other tests run as an ordinary user already")
	}
	credential, err := serverCredential(0)
	if err != nil {
		t.Skip(err)
	}
	command, left := startVictim(t, credential)
	info, err := os.Stat(left.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if uid := info.Sys().(*syscall.Stat_t).Uid; uid != credential.Uid {
		t.Errorf("the folder belongs to %d, want the user %d", uid, credential.Uid)
	}
	if err := command.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
	assertNothingIsLeft(t, left)
}

// startVictim runs this test binary as the owner of a server, in a process group of its own.
func startVictim(t *testing.T, credential *syscall.Credential) (*exec.Cmd, traces) {
	t.Helper()
	command := victimCommand(t, credential)
	stdout, err := command.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var left traces
	if err := json.Unmarshal(line, &left); err != nil {
		t.Fatal(err)
	}
	if got := show(t, left.URL, "'it answers'"); got != "it answers" {
		t.Errorf("answer = %q", got)
	}
	if !running(left.Keeper) || !running(left.Postgres) {
		t.Error("this test cannot tell whether a process runs")
	}
	return command, left
}

func victimCommand(t *testing.T, credential *syscall.Credential) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if credential != nil {
		self = copyForOthers(t, self) // go test builds in a folder closed to others
	}
	command := exec.Command(self)
	command.Dir = "/"
	command.Env = append(os.Environ(), victimEnv+"=1", "HOME=/nonexistent")
	command.Stderr = os.Stderr
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: credential}
	if _, err := command.StdinPipe(); err != nil { // held open until the process has been waited for
		t.Fatal(err)
	}
	return command
}

func copyForOthers(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(openTempDir(t), "victim")
	processtest.WriteProgram(t, target, content)
	return target
}

// openTempDir is a folder that the account the server runs as can use, unlike t.TempDir().
func openTempDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "postgres-test")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func entries(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return entries
}

func assertEmpty(t *testing.T, dir string) {
	t.Helper()
	for _, entry := range entries(t, dir) {
		t.Errorf("left behind: %s", entry.Name())
	}
}

func until(t *testing.T, what string, condition func() bool) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for !condition() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(5 * time.Millisecond)
	}
}
