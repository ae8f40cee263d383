package postgrestest_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/emulators/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func exec(ctx context.Context, url, statement string) error {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, statement)
	return err
}

var setups atomic.Int32

var template = postgrestest.Template{
	Key: "one row",
	Setup: func(ctx context.Context, adminURL string) error {
		setups.Add(1)
		return exec(ctx, adminURL, "CREATE TABLE t (n int UNIQUE); INSERT INTO t VALUES (1)")
	},
}

func TestEachTestHasItsOwnCloneOfATemplateSetUpOnce(t *testing.T) {
	t.Parallel()
	for range 3 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			database := postgrestest.NewDatabase(t, template)
			// The constraint refuses the second writer of a database that is shared.
			if err := exec(t.Context(), database.AdminURL, "INSERT INTO t VALUES (2)"); err != nil {
				t.Error(err)
			}
			if got := setups.Load(); got != 1 {
				t.Errorf("set up %d times", got)
			}
		})
	}
}

func TestAnotherRoleLogsInByItsOwnURL(t *testing.T) {
	t.Parallel()
	database := postgrestest.NewDatabase(t, postgrestest.Template{Key: "empty"})
	if err := exec(t.Context(), database.AdminURL, "CREATE ROLE guest LOGIN PASSWORD 'odd @ word'"); err != nil {
		t.Fatal(err)
	}
	if err := exec(t.Context(), database.URL("guest", "odd @ word"), "SELECT 1"); err != nil {
		t.Error(err)
	}
}
