package main

import (
	"context"
	"io"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/ladschema"
)

// newLAD is a database with LAD's tables in the given schemas.
func newLAD(t *testing.T, schemas ...string) (databaseURL string) {
	t.Helper()
	databaseURL = newDatabase(t)
	conn := connect(t, databaseURL)
	for _, schema := range schemas {
		if err := ladschema.Create(t.Context(), conn, schema, ladschema.Dump); err != nil {
			t.Fatal(err)
		}
	}
	return databaseURL
}

func connect(t *testing.T, databaseURL string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), databaseURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

// hasColumn tells whether the schema is migrated.
func hasColumn(t *testing.T, databaseURL, schema string) (there bool) {
	t.Helper()
	err := connect(t, databaseURL).QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM information_schema.columns
		WHERE table_schema = $1 AND table_name = 'lead_bookings' AND column_name = 'task_revision')`, schema).Scan(&there)
	if err != nil {
		t.Fatal(err)
	}
	return there
}

func TestMigrateGoesUpAndDownAndSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	database := newLAD(t, "lad_dev", "tenant_b")
	migrate := func(wantCode int, wantOut string, args ...string) {
		t.Helper()
		code, out, errOut := runCommand(t, append([]string{"migrate", "--database-url", database}, args...)...)
		if code != wantCode || !regexp.MustCompile(wantOut).MatchString(out) {
			t.Fatalf("migrate %v: exit code %d\n%s%s, want %d with\n%s", args, code, out, errOut, wantCode, wantOut)
		}
	}
	absent := func(schema string) string {
		return `(?m)^` + schema + ` +001\S+ +absent +everything\n` + schema + ` +002\S+ +absent +everything$`
	}
	present := func(schema string) string {
		return `(?m)^` + schema + ` +001\S+ +applied *\n` + schema + ` +002\S+ +applied *$`
	}
	migrate(0, `(?m)^SCHEMA +MIGRATION +STATE +MISSING$`, "status", "--all")
	migrate(0, absent("lad_dev"), "status", "--schema", "lad_dev")
	migrate(0, `^lad_dev is up to date \(.+\)\n$`, "up", "--schema", "lad_dev")
	migrate(0, present("lad_dev"), "status", "--all")
	migrate(0, `(?m)^lad_dev: LAD does without, which is allowed: column lead_notes\.is_deleted$`, "status", "--all")
	migrate(0, absent("tenant_b"), "status", "--all")
	migrate(0, `(?s)lad_dev is up to date.*tenant_b is up to date`, "up", "--all") // one of them a second time
	migrate(0, present("tenant_b"), "status", "--all")

	migrate(cli.ExitUsage, `^$`, "down", "--schema", "lad_dev")
	if !hasColumn(t, database, "lad_dev") {
		t.Error("down without --yes has changed the schema")
	}
	migrate(0, `^lad_dev is as it was before \(.+\)\n$`, "down", "--yes", "--schema", "lad_dev")
	migrate(0, absent("lad_dev"), "status", "--schema", "lad_dev")
	migrate(0, present("tenant_b"), "status", "--schema", "tenant_b")
	migrate(0, `(?s)lad_dev.*tenant_b`, "down", "--yes", "--all") // one of them a second time
	migrate(0, absent("tenant_b"), "status", "--all")
}

func TestASchemaThatFailsDoesNotKeepTheOthersFromTheirs(t *testing.T) {
	t.Parallel()
	database := newLAD(t, "a_broken", "b_good")
	if _, err := connect(t, database).Exec(t.Context(), `DROP TABLE a_broken.lead_notes`); err != nil {
		t.Fatal(err)
	}
	code, out, errOut := runCommand(t, "migrate", "up", "--all", "--database-url", database)
	if code != cli.ExitFailed || !strings.Contains(errOut, "schema a_broken") || !strings.Contains(errOut, "lead_notes") {
		t.Errorf("exit code %d with %q", code, errOut)
	}
	if !strings.HasPrefix(out, "b_good is up to date") || !hasColumn(t, database, "b_good") {
		t.Errorf("the other schema was not brought up: %q", out)
	}
}

func TestUpLetsTheFunctionsLoginsWork(t *testing.T) {
	t.Parallel()
	database := newLAD(t, "lad_dev")
	conn := connect(t, database)
	login := pgx.Identifier{"functions-of-" + conn.Config().Database}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE public.tenants (tenant_id uuid, schema_name text); CREATE ROLE "+login.Sanitize()+" LOGIN"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, database)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close(ctx) }()
		if _, err := conn.Exec(ctx, "DROP ROLE "+login.Sanitize()); err != nil {
			t.Error(err)
		}
	})
	args := []string{"migrate", "up", "--all", "--database-url", database, "--registry", "public.tenants", "--grant-to", login[0]}
	for range 2 {
		if code, out, errOut := runCommand(t, args...); code != 0 || !strings.Contains(out, login[0]+" may work\n") {
			t.Errorf("exit code %d with %q and %q", code, out, errOut)
		}
	}
	var may bool
	err := conn.QueryRow(t.Context(), `SELECT pg_has_role($1, 'followup_app', 'MEMBER') AND has_table_privilege($1, 'public.tenants', 'SELECT')`, login[0]).Scan(&may)
	if err != nil || !may {
		t.Errorf("the login may work: %v, %v", may, err)
	}
	if code, out, errOut := runCommand(t, append(args, "--grant-to=nobody")...); code != cli.ExitFailed || !strings.Contains(errOut, "let nobody work: there is no such login") || !strings.Contains(out, "lad_dev is up to date") {
		t.Errorf("exit code %d with %q and %q", code, out, errOut)
	}
}

func TestMigrateSaysWhatItCannotWorkWith(t *testing.T) {
	t.Setenv("DATABASE_URL", "")
	database := newLAD(t)
	absent, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	absent.Path = "/no_such_database"
	for _, c := range []struct {
		name string
		args []string
		code int
		want string
	}{
		{"neither a schema nor all", []string{"up", "--database-url", database}, cli.ExitUsage, "say which schema"},
		{"a schema and all", []string{"up", "--schema", "s", "--all", "--database-url", database}, cli.ExitUsage, "say which schema"},
		{"no database", []string{"up", "--all"}, cli.ExitUsage, "set DATABASE_URL"},
		{"a database that is none", []string{"status", "--all", "--database-url", "postgres://%zz"}, cli.ExitFailed, "connect to the database"},
		{"a database that is not there", []string{"status", "--all", "--database-url", absent.String()}, cli.ExitFailed, "cannot connect to the database no_such_database as "},
		{"an unknown schema up", []string{"up", "--schema", "no_such", "--database-url", database}, cli.ExitFailed, "schema no_such: no table"},
		{"an unknown schema down", []string{"down", "--yes", "--schema", "no_such", "--database-url", database}, cli.ExitFailed, "schema no_such: no table"},
		{"the status of an unknown schema", []string{"status", "--schema", "no_such", "--database-url", database}, cli.ExitFailed, "no_such"},
		{"no schema of LAD's", []string{"up", "--all", "--database-url", database}, cli.ExitFailed, "no schema of this database has a table lead_bookings"},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errOut := runCommand(t, append([]string{"migrate"}, c.args...)...)
			if code != c.code || !strings.Contains(errOut, c.want) || out != "" {
				t.Errorf("exit code %d with %q and %q, want %d with %q", code, out, errOut, c.code, c.want)
			}
			if password, _ := absent.User.Password(); strings.Contains(errOut, password) {
				t.Errorf("the password is printed: %s", errOut)
			}
		})
	}
}

func TestTheDatabaseMayComeFromTheEnvironment(t *testing.T) {
	t.Setenv("DATABASE_URL", newLAD(t, "lad_dev"))
	if code, out, errOut := runCommand(t, "migrate", "status", "--all"); code != 0 || !strings.Contains(out, "lad_dev") {
		t.Errorf("exit code %d with %q and %q", code, out, errOut)
	}
}

func TestOnlyTheWordYesIsYes(t *testing.T) {
	t.Parallel()
	for answer, want := range map[string]bool{"yes\n": true, " yes \r\n": true, "y\n": false, "YES\n": false, "no\n": false, "\n": false, "yes": false, "": false} {
		var asked strings.Builder
		err := askYes(strings.NewReader(answer), &asked, "Sure?")
		if (err == nil) != want || asked.String() != "Sure?" {
			t.Errorf("%q after %q gives %v", answer, asked.String(), err)
		}
	}
	if cli.IsTerminal(io.MultiReader()) {
		t.Error("a reader is taken for a terminal")
	}
}
