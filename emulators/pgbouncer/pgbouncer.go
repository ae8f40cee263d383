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
	port, err := freePort(ctx)
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
	account, err := unprivileged(os.Geteuid())
	if err != nil {
		return err
	}
	folder, err := p.processes.Folder("followup-pgbouncer-")
	if err != nil {
		return err
	}
	users := filepath.Join(folder, "users.txt")
	settings := filepath.Join(folder, "pgbouncer.ini")
	for name, content := range map[string]string{
		users:    userList(target.User, target.Password),
		settings: configuration(o, target, port, users),
	} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			return fmt.Errorf("write PgBouncer's configuration: %w", err)
		}
	}
	var args []string
	if account != nil {
		if err := account.own(folder, users, settings); err != nil {
			return err
		}
		args = append(args, "-u", account.name)
	}
	log := &tail{}
	command := exec.Command(o.Program, append(args, settings)...)
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

func (p *Pooler) awaitReady(ctx context.Context, running *process.Process, log *tail) error {
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

func freePort(ctx context.Context) (int, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := listener.Addr().(*net.TCPAddr).Port
	return port, listener.Close()
}

// account is whom root lets PgBouncer run as.
type account struct {
	name     string
	uid, gid int
}

// unprivileged is nil for anybody but root.
func unprivileged(euid int) (*account, error) {
	if euid != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "_postgres", "nobody"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, uidErr := strconv.Atoi(found.Uid)
		gid, gidErr := strconv.Atoi(found.Gid)
		if uidErr == nil && gidErr == nil && uid != 0 {
			return &account{name: name, uid: uid, gid: gid}, nil
		}
	}
	return nil, errors.New("PgBouncer refuses to run as root, and this machine has neither a user postgres nor nobody to run it as")
}

func (a *account) own(paths ...string) error {
	for _, path := range paths {
		if err := os.Chown(path, a.uid, a.gid); err != nil {
			return fmt.Errorf("give PgBouncer its files: %w", err)
		}
	}
	return nil
}
