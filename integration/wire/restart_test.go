package wire_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"lad.internal/followup/emulators/postgres"
	"lad.internal/followup/internal/ladschema"
	"lad.internal/followup/internal/localstack/lad"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/migrations"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// The ends of a PostgreSQL server (PostgreSQL documentation, "Shutting Down the
// Server").
var ends = []struct {
	name   string
	signal syscall.Signal
}{
	{"stopped, fast", syscall.SIGINT},
	{"stopped, at once", syscall.SIGQUIT},
	{"killed", syscall.SIGKILL},
}

func TestPostgresEndsUnderLoadAndStartsAgain(t *testing.T) {
	t.Parallel()
	s := startOwnServer(t)
	for _, end := range ends {
		t.Run(end.name, func(t *testing.T) {
			w := startWorld(t, setup{}, s.config, s.owner(t))
			defer w.sweeping()()
			l := w.load(t)
			l.book(bookings)
			l.withdraw()
			l.await(3)
			s.end(t, end.signal)
			time.Sleep(faultTime / 2) // the database's absence is the case's
			s.start(t)
			l.book(bookings / 3)
			t.Log(l.check(l.finish()))
		})
	}
}

// ownServer is a PostgreSQL that can end and start again on its data.
type ownServer struct {
	*postgres.Server
	config  tenantdb.Config
	data    string
	program []string // and its arguments
	account *syscall.Credential
	again   *exec.Cmd     // once it was started again
	ended   chan struct{} // closed when that has ended
}

// startOwnServer starts a server with LAD's tables. What is committed there
// outlives the server's death, as it does in production.
func startOwnServer(t *testing.T) *ownServer {
	t.Helper()
	server, err := postgres.Start(context.WithoutCancel(t.Context()), postgres.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &ownServer{Server: server}
	t.Cleanup(func() {
		s.stopAgain(t)
		if err := server.Stop(); err != nil {
			t.Error(err)
		}
	})
	admin, err := pgx.Connect(t.Context(), server.AdminURL())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(context.WithoutCancel(t.Context())) }() // it has done its work
	_, err = admin.Exec(t.Context(), `CREATE ROLE lad_owner LOGIN CREATEROLE PASSWORD '`+tenantdbtest.Password+`';
		CREATE ROLE followup_app LOGIN PASSWORD '`+tenantdbtest.Password+`';
		GRANT CREATE ON DATABASE postgres TO lad_owner;
		SET ROLE lad_owner`)
	if err == nil {
		err = ladschema.Create(t.Context(), admin, tenantdbtest.SharedSchema, ladschema.Default...)
	}
	if err == nil {
		err = migrations.Up(t.Context(), admin, tenantdbtest.SharedSchema, migrations.Options{})
	}
	for _, tenant := range []uuid.UUID{tenantdbtest.TenantA, tenantdbtest.TenantB} {
		if err == nil {
			err = lad.SeedAgent(t.Context(), admin, tenantdbtest.SharedSchema, tenant.String(), tenantdbtest.Agent(tenant))
		}
	}
	if err == nil {
		_, err = admin.Exec(t.Context(), `RESET ROLE`)
	}
	if err == nil {
		err = admin.QueryRow(t.Context(), `SHOW data_directory`).Scan(&s.data)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.config = tenantdb.Config{
		URL: settings.NewSecret(server.URL("followup_app", tenantdbtest.Password, "postgres")), Schema: tenantdbtest.SharedSchema,
		RegistryTTL: time.Minute, MaxConns: 8, LockTimeout: time.Second, StatementTimeout: 5 * time.Second,
	}
	s.learn(t)
	return s
}

func (s *ownServer) owner(t *testing.T) *pgxpool.Pool {
	t.Helper()
	pool, err := pgxpool.New(context.WithoutCancel(t.Context()), s.URL("lad_owner", tenantdbtest.Password, "postgres")+"&pool_max_conns=2")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// learn reads how the server was started, and as whom.
func (s *ownServer) learn(t *testing.T) {
	t.Helper()
	options, err := os.ReadFile(filepath.Join(s.data, "postmaster.opts"))
	if err != nil {
		t.Fatal(err)
	}
	program, arguments, _ := strings.Cut(strings.TrimSpace(string(options)), " ")
	s.program = []string{program}
	for _, quoted := range regexp.MustCompile(`"([^"]*)"`).FindAllStringSubmatch(arguments, -1) {
		s.program = append(s.program, quoted[1])
	}
	info, err := os.Stat(s.data)
	if err != nil {
		t.Fatal(err)
	}
	if owner := info.Sys().(*syscall.Stat_t); int(owner.Uid) != os.Geteuid() {
		s.account = &syscall.Credential{Uid: owner.Uid, Gid: owner.Gid}
	}
}

// pid is the postmaster's.
func (s *ownServer) pid() (int, error) {
	file, err := os.ReadFile(filepath.Join(s.data, "postmaster.pid"))
	if err != nil {
		return 0, err
	}
	line, _, _ := strings.Cut(string(file), "\n")
	return strconv.Atoi(strings.TrimSpace(line))
}

// end sends the postmaster a signal, and returns when nobody listens any more.
func (s *ownServer) end(t *testing.T, signal syscall.Signal) {
	t.Helper()
	pid, err := s.pid()
	if err == nil {
		err = syscall.Kill(pid, signal)
	}
	if err != nil {
		t.Fatal(err)
	}
	if s.again != nil {
		<-s.ended
		s.again = nil
	}
	eventually(t, "the server ends", func() error {
		conn, err := pgx.Connect(context.Background(), s.AdminURL())
		if err != nil {
			return nil //nolint:nilerr // that is what is waited for
		}
		_ = conn.Close(context.Background())
		return fmt.Errorf("it still takes connections")
	})
}

// start starts the server again, and returns when it takes connections. The
// processes of one that was killed may hold its memory for a moment.
func (s *ownServer) start(t *testing.T) {
	t.Helper()
	eventually(t, "the server starts again", func() error {
		if s.again == nil {
			c := exec.Command(s.program[0], s.program[1:]...)
			c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Credential: s.account}
			c.Dir = "/"
			if err := c.Start(); err != nil {
				return err
			}
			ended := make(chan struct{})
			s.again, s.ended = c, ended
			go func() {
				defer close(ended)
				_ = c.Wait() // it ends when it is told to, or could not start
			}()
		}
		select {
		case <-s.ended:
			s.again = nil
			return fmt.Errorf("it ended at once")
		default:
		}
		conn, err := pgx.Connect(context.Background(), s.AdminURL())
		if err != nil {
			return err
		}
		return conn.Close(context.Background())
	})
}

// stopAgain ends a server that this test has started.
func (s *ownServer) stopAgain(t *testing.T) {
	t.Helper()
	if s.again == nil {
		return
	}
	if err := s.again.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Logf("stop the server: %v", err)
	}
	<-s.ended
}
