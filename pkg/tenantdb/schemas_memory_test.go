package tenantdb_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// backend is what PostgreSQL keeps in memory for one connection.
type backend struct {
	PID        int
	Statements int   // prepared
	Executed   int64 // how often they were
	Sources    int   // plan sources
	Plans      int64 // bytes of all that belongs to plans
	Views      int   // definitions of followup_bookings: one for each schema seen
	Total      int64 // bytes of everything
}

// memorySQL makes readable what needs a right that the functions do not have.
const memorySQL = `CREATE FUNCTION public.memory() RETURNS SETOF pg_backend_memory_contexts
	SECURITY DEFINER LANGUAGE sql AS 'SELECT * FROM pg_backend_memory_contexts'`

const backendSQL = `SELECT pg_backend_pid(),
	(SELECT count(*) FROM pg_prepared_statements),
	(SELECT COALESCE(sum(generic_plans + custom_plans), 0)::bigint FROM pg_prepared_statements),
	count(*) FILTER (WHERE name = 'CachedPlanSource'),
	COALESCE(sum(total_bytes) FILTER (WHERE name LIKE 'CachedPlan%'), 0)::bigint,
	count(*) FILTER (WHERE name = 'relation rules' AND ident = 'followup_bookings'),
	sum(total_bytes)::bigint
FROM public.memory()`

// observe looks at the connection that the pool hands out, without a prepared
// statement of its own.
func observe(t *testing.T, f *tenantdbtest.Fixture) backend {
	t.Helper()
	rows, err := f.DB.Pool().Query(t.Context(), backendSQL, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	b, err := pgx.CollectExactlyOneRow(rows, pgx.RowToStructByPos[backend])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func allowMemory(t *testing.T, f *tenantdbtest.Fixture) {
	t.Helper()
	admin, err := pgx.Connect(t.Context(), f.AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = admin.Close(t.Context()) }() // nothing is under way on it
	if _, err := admin.Exec(t.Context(), memorySQL); err != nil {
		t.Fatal(err)
	}
}

// useAll asks every kind of question of a tenant.
func useAll(t *testing.T, db *tenantdb.DB, tenant uuid.UUID) {
	t.Helper()
	ref := followup.Ref{TenantID: tenant, BookingID: tenant}
	if _, err := db.Concerned(t.Context(), tenant, rules()); err != nil {
		t.Fatal(err)
	}
	for _, c := range tenantdb.Concerns {
		candidates(t, db, tenant, c, rules(), 10)
	}
	b, _, err := db.Booking(t.Context(), ref)
	if err != nil || b == nil {
		t.Fatalf("booking %v, error %v", b, err)
	}
	if _, err := db.Admit(t.Context(), ref, rules(), always(followup.None, followup.Task{})); err != nil {
		t.Fatal(err)
	}
	if stored, err := db.Update(t.Context(), *b, b.Task); err != nil || !stored {
		t.Fatalf("stored %v, error %v", stored, err)
	}
	if _, err := db.Finish(t.Context(), ref, claim, claim); err != nil { // of a claim that is not there
		t.Fatal(err)
	}
}

// Nothing that a connection costs the database grows with the number of tenants:
// not the prepared statements, not their plans, and, since it is replaced in
// time, not what PostgreSQL remembers of every relation that it has seen.
func TestWhatAConnectionHoldsIsBoundedHoweverManySchemasThereAre(t *testing.T) {
	t.Parallel()
	f, tenants := many(t, poolOfOne)
	allowMemory(t, f)
	empty := observe(t, f)
	useAll(t, f.DB, tenants[0])
	useAll(t, f.DB, tenants[1])
	first := observe(t, f)
	var most backend
	pids, started := map[int]bool{}, time.Now()
	for range 2 {
		for _, tenant := range tenants {
			useAll(t, f.DB, tenant)
			now := observe(t, f)
			pids[now.PID] = true
			most.Statements, most.Sources = max(most.Statements, now.Statements), max(most.Sources, now.Sources)
			most.Plans, most.Views, most.Total = max(most.Plans, now.Plans), max(most.Views, now.Views), max(most.Total, now.Total)
		}
	}
	t.Logf("%d schemas, twice, in %v on %d connections", len(tenants), time.Since(started).Round(time.Millisecond), len(pids))
	t.Logf("a connection: %4d KB; after 2 schemas %5d KB, of which plans %d KB of %d statements; at most %5d KB, plans %d KB of %d statements, views of %d schemas",
		empty.Total>>10, first.Total>>10, first.Plans>>10, first.Statements, most.Total>>10, most.Plans>>10, most.Statements, most.Views)
	each := (most.Total - first.Total) / int64(most.Views-first.Views)
	t.Logf("a schema: %d KB on each connection that has served it", each>>10)

	if first.Statements == 0 || most.Statements != first.Statements || most.Sources != most.Statements {
		t.Errorf("%d prepared statements after two schemas, at most %d later, with %d plan sources", first.Statements, most.Statements, most.Sources)
	}
	if most.Plans > 5*first.Plans {
		t.Errorf("plans take %d bytes after two schemas, and up to %d later", first.Plans, most.Plans)
	}
	if most.Views > tenantdb.MaxSchemas || len(pids) < 2*len(tenants)/(tenantdb.MaxSchemas+1) {
		t.Errorf("a connection has served %d schemas, and there were %d connections", most.Views, len(pids))
	}
}

// What an idle tenant costs a sweep: the transaction's begin and end, its binding
// and the clock, and then a question for each concern, all sent at once.
func TestAnIdleTenantCostsASweepOneTransaction(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), poolOfOne)
	allowMemory(t, f)
	ask := func() {
		concerns, err := f.DB.Concerned(t.Context(), tenantdbtest.TenantA, rules())
		if err != nil || len(concerns) > 0 {
			t.Fatalf("%v, error %v", concerns, err)
		}
	}
	ask() // prepares, and asks the registry
	before := observe(t, f)
	ask()
	// BEGIN and COMMIT are not prepared.
	if n := observe(t, f).Executed - before.Executed; n != int64(2+len(tenantdb.Concerns)) {
		t.Errorf("%d statements", n)
	}
}
