package migrations_test

import (
	"context"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/migrations"
)

// newLogin makes a login of this test's own, named as Cloud SQL names a service
// account's: it needs quoting.
func newLogin(t *testing.T, c connections, suffix string) string {
	t.Helper()
	admin := adminOf(t, c)
	name := strings.ReplaceAll(admin.Config().Database, "_", "-") + suffix + "@project.iam"
	mustExec(t, admin, "CREATE ROLE "+pgx.Identifier{name}.Sanitize()+" LOGIN PASSWORD 'secret'")
	t.Cleanup(func() {
		ctx := context.WithoutCancel(t.Context())
		conn, err := pgx.Connect(ctx, c.database.AdminURL)
		if err != nil {
			t.Error(err)
			return
		}
		defer func() { _ = conn.Close(ctx) }()
		if _, err := conn.Exec(ctx, "DROP ROLE "+pgx.Identifier{name}.Sanitize()); err != nil {
			t.Error(err)
		}
	})
	return name
}

const countSQL = "SELECT count(*)::int FROM followup_bookings"

func TestALoginThatIsGrantedWorksAndIsGrantedOnce(t *testing.T) {
	t.Parallel()
	c := open(t, ours)
	login := newLogin(t, c, "")
	if _, err := c.as(login).Exec(t.Context(), countSQL); err == nil {
		t.Fatal("the login sees the views before it is granted them")
	}
	access := migrations.Access{Logins: []string{login}}
	if err := migrations.Grant(t.Context(), adminOf(t, c), access); err != nil {
		t.Fatal(err)
	}
	functions := c.as(login) // an older session has resolved its search_path
	mustExec(t, functions, "SELECT set_config('app.tenant_id', $1, false)", tenantA)
	if got := scan[int](t, functions, countSQL); got == 0 {
		t.Error("after the grant the login sees nothing")
	}
	// Nothing is left to grant: somebody who may grant nothing can say so.
	if err := migrations.Grant(t.Context(), c.as("lad_service"), access); err != nil {
		t.Errorf("again: %v", err)
	}
}

func TestWhatCannotBeGrantedIsNamedAndDoesNotStopTheRest(t *testing.T) {
	t.Parallel()
	c := open(t, ours)
	login := newLogin(t, c, "")
	err := migrations.Grant(t.Context(), adminOf(t, c), migrations.Access{Logins: []string{"nobody@project.iam", login}, Registry: "tenants"})
	for _, want := range []string{"let nobody@project.iam work: there is no such login", "read tenants: it is not of the form schema.table"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("said %v, want %s", err, want)
		}
	}
	if got := scan[bool](t, adminOf(t, c), "SELECT pg_has_role($1, 'followup_app', 'MEMBER')", login); !got {
		t.Error("the other login was not granted")
	}
	other := newLogin(t, c, "-2")
	if err := migrations.Grant(t.Context(), c.as("lad_service"), migrations.Access{Logins: []string{other}}); err == nil || !strings.Contains(err.Error(), "grant followup_app") {
		t.Errorf("a role that may not grant: %v", err)
	}
}

func TestTheRegistryIsGrantedByItsOwnerAlone(t *testing.T) {
	t.Parallel()
	c := open(t, ours)
	owner := c.as("lad_owner")
	mustExec(t, owner, `CREATE TABLE "the Tenants" (tenant_id uuid, schema_name text); GRANT SELECT ON "the Tenants" TO lad_service`)
	const readSQL = `SELECT count(*)::int FROM "the Tenants"`
	access := migrations.Access{Registry: schema + ".the Tenants"}
	// One who may read it is only warned by PostgreSQL.
	if err := migrations.Grant(t.Context(), c.as("lad_service"), access); err == nil || !strings.Contains(err.Error(), "may not grant it") {
		t.Errorf("by another than the owner: %v", err)
	}
	if err := migrations.Grant(t.Context(), owner, access); err != nil {
		t.Fatal(err)
	}
	if got := scan[int](t, c.as("functions"), readSQL); got != 0 {
		t.Errorf("the registry has %d rows", got)
	}
	if err := migrations.Grant(t.Context(), c.as("lad_service"), access); err != nil {
		t.Errorf("again: %v", err)
	}
	if err := migrations.Grant(t.Context(), owner, migrations.Access{Registry: schema + ".none"}); err == nil || !strings.Contains(err.Error(), "does not exist") {
		t.Errorf("a table that is not there: %v", err)
	}
}
