package pgbouncer_test

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/emulators/pgbouncer"
	"lad.internal/followup/emulators/pgbouncer/pgbouncertest"
	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/emulators/process/processtest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// through connects to a database of the test's through a pooler.
func through(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	config, err := pgx.ParseConfig(url)
	if err != nil {
		t.Fatal(err)
	}
	config.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(t.Context())) })
	return conn
}

func backend(t *testing.T, conn *pgx.Conn) (pid int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

// A session of one would keep the others waiting for ever in another mode.
func TestTheClientsOfOneServerConnectionTakeTurns(t *testing.T) {
	t.Parallel()
	url := pgbouncertest.New(t, postgrestest.NewDatabase(t, postgrestest.Template{Key: "empty"}).AdminURL, 1)
	one, other := through(t, url), through(t, url)
	for range 3 {
		if a, b := backend(t, one), backend(t, other); a != b {
			t.Errorf("served by backends %d and %d, want one", a, b)
		}
	}
}

// What the tests of tenants are about: without care, a setting of one client's
// is the next one's.
func TestASessionsSettingIsHandedToTheNextClient(t *testing.T) {
	t.Parallel()
	url := pgbouncertest.New(t, postgrestest.NewDatabase(t, postgrestest.Template{Key: "empty"}).AdminURL, 1)
	one, other := through(t, url), through(t, url)
	if _, err := one.Exec(t.Context(), "SELECT set_config('app.tenant_id', 'mine', false)"); err != nil {
		t.Fatal(err)
	}
	var setting string
	if err := other.QueryRow(t.Context(), "SELECT COALESCE(current_setting('app.tenant_id', true), '')").Scan(&setting); err != nil || setting != "mine" {
		t.Errorf("the other client finds %q, error %v: this pooler resets what PgBouncer does not", setting, err)
	}
}

func TestAParameterThatPgBouncerDoesNotKnowIsRefusedAtTheStart(t *testing.T) {
	t.Parallel()
	url := pgbouncertest.New(t, postgrestest.NewDatabase(t, postgrestest.Template{Key: "empty"}).AdminURL, 1)
	conn, err := pgx.Connect(t.Context(), url+"&lock_timeout=1s")
	if err == nil {
		_ = conn.Close(t.Context())
		t.Fatal("lock_timeout is let pass")
	}
	if !strings.Contains(err.Error(), "lock_timeout") {
		t.Errorf("got %v", err)
	}
}

func TestAStoppedPoolerIsGone(t *testing.T) {
	t.Parallel()
	target := postgrestest.NewDatabase(t, postgrestest.Template{Key: "empty"}).AdminURL
	pooler, err := pgbouncer.Start(t.Context(), pgbouncer.Options{Program: pgbouncertest.Program(t), Target: target, ServerConnections: 1})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := pooler.Stop(); err != nil {
			t.Error(err)
		}
	}
	if conn, err := pgx.Connect(t.Context(), pooler.URL()); err == nil {
		_ = conn.Close(t.Context())
		t.Error("it still answers")
	}
}

func TestAPoolerThatDoesNotStartSaysWhy(t *testing.T) {
	t.Parallel()
	script := filepath.Join(t.TempDir(), "pgbouncer")
	processtest.WriteProgram(t, script, []byte("#!/bin/sh\necho 'its last words' >&2\nexit 3\n"))
	for program, want := range map[string]string{script: "its last words", "/nowhere/pgbouncer": "no such file"} {
		_, err := pgbouncer.Start(t.Context(), pgbouncer.Options{
			Program: program, Target: "postgres://u:hush@127.0.0.1:1/d", ServerConnections: 1,
		})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", program, err)
		}
	}
}

func TestTheProgramIsWhatTheEnvironmentNamesAndNothingElse(t *testing.T) {
	t.Setenv(pgbouncer.ProgramEnv, "/nowhere/pgbouncer")
	if program, err := pgbouncer.Find(); err == nil || errors.Is(err, pgbouncer.ErrNotFound) || !strings.Contains(err.Error(), "/nowhere") {
		t.Errorf("%q, error %v", program, err)
	}
	t.Setenv(pgbouncer.ProgramEnv, "/bin/sh")
	if program, err := pgbouncer.Find(); program != "/bin/sh" || err != nil {
		t.Errorf("%q, error %v", program, err)
	}
}
