// Package pgbouncertest puts a PgBouncer in transaction mode in front of a
// test's database.
//
// It is for tests only. Where there is no PgBouncer it skips the test, and says
// so; with RequireEnv it refuses to.
package pgbouncertest

import (
	"errors"
	"os"
	"testing"

	"lad.internal/followup/emulators/pgbouncer"
)

// RequireEnv names the environment variable that, if it is not empty, makes a
// test without a PgBouncer fail: for a machine that must not leave it out.
const RequireEnv = "FOLLOWUP_REQUIRE_PGBOUNCER"

// Program is the pgbouncer to run. Without one the test is skipped, or fails.
func Program(t testing.TB) string {
	t.Helper()
	program, err := pgbouncer.Find()
	switch {
	case err == nil:
	case errors.Is(err, pgbouncer.ErrNotFound) && os.Getenv(RequireEnv) == "":
		t.Skip(err)
	default:
		t.Fatal(err)
	}
	return program
}

// New starts a pooler in front of the database that target, a connection URL,
// names, and returns the URL to go through it. All clients share
// serverConnections. The pooler is stopped when the test ends.
func New(t testing.TB, target string, serverConnections int) (url string) {
	t.Helper()
	pooler, err := pgbouncer.Start(t.Context(), pgbouncer.Options{
		Program: Program(t), Target: target, ServerConnections: serverConnections,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pooler.Stop(); err != nil {
			t.Error(err)
		}
	})
	return pooler.URL()
}
