// Package pgbouncer runs a throw-away PgBouncer in transaction mode in front of
// a throw-away PostgreSQL, so that tests can tell what a pooler that gives each
// transaction another server connection makes of this system.
//
// The pooler is a process that ends with this one (package process). It refuses
// to be part of the product: no product package may import it, it listens on
// 127.0.0.1 alone, and it does not install anything (scripts/pgbouncer.sh
// fetches a PgBouncer). It is never run as root, which PgBouncer itself refuses.
package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/emulators/process"
)

// ProgramEnv names the environment variable that holds the path of a pgbouncer.
// If it is set, nothing else is looked at.
const ProgramEnv = "FOLLOWUP_PGBOUNCER"

// ErrNotFound says that this machine has no PgBouncer.
var ErrNotFound = errors.New("no pgbouncer found: set " + ProgramEnv + ` to the path of one ("$(scripts/pgbouncer.sh)" fetches one on Debian)`)

// Find looks for a pgbouncer: the one that ProgramEnv names, else on PATH, else
// where Debian installs it. The error wraps ErrNotFound if there is none.
func Find() (string, error) {
	if program := os.Getenv(ProgramEnv); program != "" {
		if _, err := exec.LookPath(program); err != nil {
			return "", fmt.Errorf("%s: %w", ProgramEnv, err)
		}
		return program, nil
	}
	for _, name := range []string{"pgbouncer", "/usr/sbin/pgbouncer"} {
		if program, err := exec.LookPath(name); err == nil {
			return program, nil
		}
	}
	return "", ErrNotFound
}

const (
	startTimeout = time.Minute
	portAttempts = 5
	stopGrace    = 5 * time.Second
)

// Options are the choices of a pooler. All are required.
type Options struct {
	// Program is the pgbouncer to run; see Find.
	Program string
	// Target is the connection URL of the database behind it, of the login, with
	// its password, that clients log in as, and PgBouncer in turn.
	Target string
	// ServerConnections is how many connections to the database all clients share.
	ServerConnections int
}

// Pooler is a running PgBouncer.
type Pooler struct {
	url       string
	processes *process.Group
}

// Start starts a PgBouncer and returns when it accepts connections and reaches
// the database. ctx bounds the start and not the pooler's life. The caller must
// call Stop.
func Start(ctx context.Context, o Options) (*Pooler, error) {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	target, err := pgx.ParseConfig(o.Target)
	if err != nil {
		return nil, errors.New("start PgBouncer: the target is not a connection string") // which holds a password
	}
	for range portAttempts {
		var p *Pooler
		if p, err = startOn(ctx, o, target); err == nil {
			return p, nil
		}
		if !errors.Is(err, errEnded) {
			break
		}
		// Somebody may have taken the port since it was found free.
	}
	return nil, fmt.Errorf("start PgBouncer: %w", err)
}

func startOn(ctx context.Context, o Options, target *pgx.ConnConfig) (*Pooler, error) {
	port, err := process.FreePort(ctx)
	if err != nil {
		return nil, err
	}
	address, err := url.Parse(o.Target)
	if err != nil {
		return nil, errors.New("the target is not a URL") // which holds a password
	}
	address.Host = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	processes, err := process.NewGroup()
	if err != nil {
		return nil, err
	}
	p := &Pooler{url: address.String(), processes: processes}
	if err := p.run(ctx, o, target, port); err != nil {
		return nil, errors.Join(err, p.Stop())
	}
	return p, nil
}

func (p *Pooler) run(ctx context.Context, o Options, target *pgx.ConnConfig, port int) error {
	account, err := process.Unprivileged()
	if err != nil {
		return err
	}
	folder, err := p.processes.FolderOf(account, os.TempDir(), "followup-pgbouncer-")
	if err != nil {
		return err
	}
	users := filepath.Join(folder, "users.txt")
	settings := filepath.Join(folder, "pgbouncer.ini")
	for name, content := range map[string]string{
		users:    userList(target.User, target.Password),
		settings: configuration(o, target, port, users),
	} {
		err := os.WriteFile(name, []byte(content), 0o600)
		if err == nil && account != nil {
			err = os.Chown(name, int(account.Uid), int(account.Gid))
		}
		if err != nil {
			return fmt.Errorf("write PgBouncer's configuration: %w", err)
		}
	}
	log := &process.Tail{}
	args := []string{settings}
	if account != nil { // it changes by itself: its program may lie where root alone may look
		found, err := user.LookupId(strconv.Itoa(int(account.Uid)))
		if err != nil {
			return err
		}
		args = []string{"-u", found.Username, settings}
	}
	command := exec.Command(o.Program, args...)
	command.Dir, command.Env, command.Stderr = "/", append(os.Environ(), "LC_ALL=C"), log
	running, err := p.processes.Start(command)
	if err != nil {
		return err
	}
	return p.awaitReady(ctx, running, log)
}

// configuration leaves all that bears on tenants as PgBouncer has it: in
// transaction mode nothing is reset between two transactions
// (server_reset_query_always), and no start-up parameter is let pass that it
// does not know (ignore_startup_parameters).
func configuration(o Options, target *pgx.ConnConfig, port int, users string) string {
	return fmt.Sprintf(`[databases]
%s = host=%s port=%d dbname=%s
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = %d
unix_socket_dir =
auth_type = scram-sha-256
auth_file = %s
pool_mode = transaction
default_pool_size = %d
max_client_conn = 200
`, target.Database, target.Host, target.Port, target.Database, port, users, o.ServerConnections)
}

// userList is one line of the file of users (PgBouncer, "Authentication file
// format"): quotes are doubled.
func userList(name, password string) string {
	double := strings.NewReplacer(`"`, `""`)
	return fmt.Sprintf("\"%s\" \"%s\"\n", double.Replace(name), double.Replace(password))
}

var errEnded = errors.New("it ended")

func (p *Pooler) awaitReady(ctx context.Context, running *process.Process, log *process.Tail) error {
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		err := ping(ctx, p.url)
		if err == nil {
			return nil
		}
		select {
		case <-running.Ended():
			return fmt.Errorf("%w %s: %s", errEnded, running.How(), log)
		case <-ctx.Done():
			return fmt.Errorf("wait for it: %w (last attempt: %w; its log: %s)", context.Cause(ctx), err, log)
		case <-poll.C:
		}
	}
}

// ping reaches the database, not only the pooler.
func ping(ctx context.Context, url string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	err = conn.Ping(ctx)
	return errors.Join(err, conn.Close(ctx))
}

// URL is the target's connection URL with the pooler in its place.
func (p *Pooler) URL() string { return p.url }

// Stop ends the pooler and whatever transactions are under way in it, and
// returns when it is gone. Calling it again does nothing.
func (p *Pooler) Stop() error {
	if err := p.processes.Close(stopGrace); err != nil {
		return fmt.Errorf("stop PgBouncer: %w", err)
	}
	return nil
}
