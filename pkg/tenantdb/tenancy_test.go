package tenantdb_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5/pgconn"
	"pgregory.net/rapid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// One connection, used for one tenant after another and left in every way that
// there is, shows each tenant its own rows and nobody any in between.
func TestATenantsSettingNeverOutlivesItsTransaction(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, poolOfOne)
	own := map[uuid.UUID]followup.Ref{}
	for _, tenant := range []uuid.UUID{tenantdbtest.TenantA, tenantdbtest.TenantB, uuid.New()} {
		own[tenant] = f.Insert(t, tenantdbtest.Row{Tenant: tenant})
	}
	tenants := []uuid.UUID{tenantdbtest.TenantA, tenantdbtest.TenantB}
	for tenant := range own {
		if tenant != tenants[0] && tenant != tenants[1] {
			tenants = append(tenants, tenant)
		}
	}
	rapid.Check(t, func(r *rapid.T) {
		tenant := rapid.SampledFrom(tenants).Draw(r, "tenant")
		ref := own[rapid.SampledFrom(tenants).Draw(r, "whose booking")]
		ref.TenantID = tenant
		rapid.SampledFrom(ways).Draw(r, "way")(f.DB, ref)
		for tenant, mine := range own {
			for _, other := range own {
				b, _, err := f.DB.Booking(context.Background(), followup.Ref{TenantID: tenant, BookingID: other.BookingID})
				if err != nil || (b != nil) != (mine == other) {
					r.Fatalf("%s asks for %s: booking %v, error %v", tenant, other, b, err)
				}
			}
		}
		assertUnbound(r, f)
	})
}

// assertUnbound looks at the connection as the pool has it between two uses.
func assertUnbound(r *rapid.T, f *tenantdbtest.Fixture) {
	r.Helper()
	var tenant, path string
	var rows int
	err := f.DB.Pool().QueryRow(context.Background(), `SELECT COALESCE(current_setting('app.tenant_id', true), ''), current_setting('search_path'),
		(SELECT count(*) FROM `+tenantdbtest.SharedSchema+`.followup_bookings)`).Scan(&tenant, &path, &rows)
	if err != nil || tenant != "" || path != `"$user", public` || rows != 0 {
		r.Fatalf("tenant %q, search_path %q, %d rows in sight, error %v", tenant, path, rows, err)
	}
}

// ways are ways to use a connection and to leave it. What they return is not
// looked at: some must fail.
var ways = []func(*tenantdb.DB, followup.Ref){
	func(db *tenantdb.DB, ref followup.Ref) { _, _, _ = db.Booking(context.Background(), ref) },
	func(db *tenantdb.DB, ref followup.Ref) { _, _ = db.Tenants(context.Background()) },
	func(db *tenantdb.DB, ref followup.Ref) {
		_, _ = db.Admit(context.Background(), ref, rules(), always(followup.None, followup.Task{}))
	},
	func(db *tenantdb.DB, ref followup.Ref) { // the database refuses
		_, _ = db.Admit(context.Background(), ref, rules(), always(followup.Dial, followup.Task{Status: "no such status"}))
	},
	func(db *tenantdb.DB, ref followup.Ref) { // the request ends
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		_, _ = db.Admit(ctx, ref, rules(), func(*followup.Booking, followup.Facts, time.Time) followup.Decision {
			cancel()
			return followup.Decision{Effect: followup.Dial}
		})
	},
	func(db *tenantdb.DB, ref followup.Ref) {
		defer func() { _ = recover() }() // the panic is the way
		_, _ = db.Admit(context.Background(), ref, rules(), func(*followup.Booking, followup.Facts, time.Time) followup.Decision { panic("oh") })
	},
	func(db *tenantdb.DB, ref followup.Ref) {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, _, _ = db.Booking(ctx, ref)
	},
}

// The role has no other way in than the views.
func TestTheFunctionsLoginReachesNoTableOfLADs(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	f.Insert(t, tenantdbtest.Row{})
	for _, statement := range []string{
		`SELECT FROM lad_dev.lead_bookings`, `SELECT FROM lad_dev.leads`, `SELECT FROM lad_dev.lead_notes`,
		`UPDATE lad_dev.lead_bookings SET notes = 'x'`, `UPDATE lad_dev.followup_bookings SET status = 'x'`,
		`UPDATE lad_dev.followup_bookings SET tenant_id = gen_random_uuid()`, `DELETE FROM lad_dev.followup_bookings`,
		`INSERT INTO lad_dev.followup_bookings (id) VALUES (gen_random_uuid())`, `UPDATE lad_dev.leads SET phone = '1'`,
		`SET ROLE lad_owner`, `CREATE TABLE lad_dev.t (n int)`,
	} {
		_, err := f.DB.Pool().Exec(t.Context(), statement)
		var refusal *pgconn.PgError
		if !errors.As(err, &refusal) || refusal.Code != "42501" { // insufficient_privilege
			t.Errorf("%s: got %v, want it denied", statement, err)
		}
	}
}

// Open says nothing: the database may be down, and whoever called will call again.
func TestConnectionFaultsAreToldApart(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	good := f.Config.URL.Reveal()
	hung, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = hung.Close() })
	replace := func(old, by string) string { return strings.Replace(good, old, by, 1) }
	for _, c := range []struct {
		name, url string
		fault     tenantdb.Fault
		text      string
	}{
		{"nothing listens", "postgres://followup_app:hush@127.0.0.1:1/lad?sslmode=disable", tenantdb.ErrRefused, "cannot connect to the database lad as followup_app at 127.0.0.1:1: connection refused"},
		{"no such host", "postgres://followup_app:hush@database.invalid/lad?sslmode=disable", tenantdb.ErrUnknownHost, "at database.invalid:5432: the database's host is not known"},
		{"a wrong password", replace(tenantdbtest.Password, "hush"), tenantdb.ErrLogin, "SQLSTATE 28P01"},
		{"a wrong user", replace("followup_app", "nobody"), tenantdb.ErrLogin, "refuses the login"},
		{"no such database", replace("/test_", "/hush_"), tenantdb.ErrNoDatabase, "SQLSTATE 3D000"},
		{"no answer", "postgres://followup_app:hush@" + hung.Addr().String() + "/lad?sslmode=disable", tenantdb.ErrUnreachable, "deadline exceeded"},
		{"a server without TLS", replace("sslmode=disable", "sslmode=require"), tenantdb.ErrUnreachable, "TLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			if c.fault == tenantdb.ErrUnreachable && c.text != "TLS" {
				ctx, cancel = context.WithTimeout(t.Context(), 300*time.Millisecond)
				defer cancel()
			}
			db := f.Open(func(c2 *tenantdb.Config) { c2.URL = secret(c.url) })
			_, _, err := db.Booking(ctx, followup.Ref{TenantID: tenantdbtest.TenantA, BookingID: uuid.New()})
			if tenantdb.FaultOf(err) != c.fault || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "hush@") {
				t.Errorf("%q: %v", tenantdb.FaultOf(err), err)
			}
		})
	}
}

func TestAServerWithoutConnectionsLeftIsBusy(t *testing.T) {
	t.Parallel()
	db := tenantdbtest.New(t).Login(t, "CONNECTION LIMIT 0")
	_, _, err := db.Booking(t.Context(), followup.Ref{TenantID: tenantdbtest.TenantA, BookingID: uuid.New()})
	if tenantdb.FaultOf(err) != tenantdb.ErrBusy || sqlState(err) != "53300" {
		t.Error(err)
	}
}
