package tenantdb_test

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// stopped is a clock that stands still until it is put forward.
type stopped struct{ at atomic.Int64 }

func (c *stopped) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *stopped) advance(d time.Duration) { c.at.Add(int64(d)) }

// What the registry says counts as soon as the last answer has reached its age,
// and not before: no request sees half of a change, and none sees it late.
func TestAChangeOfTheRegistryCountsWhenTheLastAnswerHasReachedItsAge(t *testing.T) {
	t.Parallel()
	const life = time.Minute
	const unset = `UPDATE ` + tenantdbtest.Registry + ` SET schema_name = NULL WHERE tenant_id = $1`
	const remove = `DELETE FROM ` + tenantdbtest.Registry + ` WHERE tenant_id = $1`
	for _, c := range []struct {
		name   string
		tenant uuid.UUID
		change func(*testing.T, *tenantdbtest.Fixture, uuid.UUID)
		before bool // the booking in the old schema is found before the change
		after  bool // that in the new schema, after it
		listed bool // the sweep visits the tenant afterwards
	}{
		{"added", uuid.New(), add("newcomer"), false, true, true},
		{"moved", tenantdbtest.TenantA, add("elsewhere"), true, true, true},
		{"moved to a schema with another tenant in it", tenantdbtest.TenantA, func(t *testing.T, f *tenantdbtest.Fixture, tenant uuid.UUID) {
			f.Register(t, tenant, tenantdbtest.SchemaB)
		}, true, true, true},
		{"removed", tenantdbtest.TenantA, run(remove), true, false, false},
		{"left without a schema", tenantdbtest.TenantA, run(unset), true, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), ttl(life))
			var clock stopped
			f.DB.RegistryClock(clock.now)
			old := followup.Ref{TenantID: c.tenant, BookingID: uuid.New()}
			if c.before {
				old = f.Insert(t, tenantdbtest.Row{Tenant: c.tenant})
			}
			if known(t, f.DB, old) != c.before { // asks the registry
				t.Fatalf("before the change, found: %v", !c.before)
			}
			c.change(t, f, c.tenant)
			moved := old
			if c.after {
				moved = f.Insert(t, tenantdbtest.Row{Tenant: c.tenant})
			}
			clock.advance(life - 1)
			if known(t, f.DB, old) != c.before || c.after && known(t, f.DB, moved) {
				t.Error("the last answer is not believed for as long as it may be")
			}
			clock.advance(1)
			if c.after && !known(t, f.DB, moved) || known(t, f.DB, old) {
				t.Error("the last answer is believed for longer than it may be")
			}
			assertSweepSees(t, f.DB, c.tenant, moved, c.after, c.listed)
		})
	}
}

// assertSweepSees: the sweep lists the tenant, or not, and finds its booking.
func assertSweepSees(t *testing.T, db *tenantdb.DB, tenant uuid.UUID, ref followup.Ref, due, listed bool) {
	t.Helper()
	tenants, err := db.Tenants(t.Context())
	if err != nil || slices.Contains(tenants, tenant) != listed {
		t.Errorf("listed among %v, error %v", tenants, err)
	}
	if found := candidates(t, db, tenant, tenantdb.Untimed, rules(), 10); slices.Contains(found, ref) != due {
		t.Errorf("the sweep finds %v", found)
	}
}

func add(schema string) func(*testing.T, *tenantdbtest.Fixture, uuid.UUID) {
	return func(t *testing.T, f *tenantdbtest.Fixture, tenant uuid.UUID) {
		t.Helper()
		f.AddTenant(t, tenant, schema)
	}
}

func run(sql string) func(*testing.T, *tenantdbtest.Fixture, uuid.UUID) {
	return func(t *testing.T, f *tenantdbtest.Fixture, tenant uuid.UUID) {
		t.Helper()
		if _, err := f.Owner.Exec(t.Context(), sql, tenant); err != nil {
			t.Fatal(err)
		}
	}
}

// As docs/operations.md has it moved: from the transaction that renames the old
// schema and enters the new one nothing is written to the old any more, however
// long the registry's last answer may be believed.
func TestATenantWhoseSchemaIsRenamedAsItMovesIsNeverWrittenInTheOldOne(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), ttl(time.Hour))
	old := f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA})
	f.Read(t, old)
	f.AddTenant(t, uuid.New(), "new_home")
	if _, err := f.Owner.Exec(t.Context(), `ALTER SCHEMA tenant_a RENAME TO tenant_a_moved;
		UPDATE `+tenantdbtest.Registry+` SET schema_name = 'new_home' WHERE tenant_id = '`+tenantdbtest.TenantA.String()+`'`); err != nil {
		t.Fatal(err)
	}
	if _, err := f.DB.Admit(t.Context(), old, rules(), always(followup.Dial, claim)); err == nil {
		t.Error("the first request after the move was not sent back")
	}
	a, err := f.DB.Admit(t.Context(), old, rules(), always(followup.None, followup.Task{}))
	if err != nil || a.Booking != nil { // the new schema has no such booking here
		t.Errorf("the second was shown %+v, error %v", a.Booking, err)
	}
	var untouched bool
	err = f.Owner.QueryRow(t.Context(), `SELECT bool_and(execution_attempts = 0) FROM tenant_a_moved.lead_bookings`).Scan(&untouched)
	if err != nil || !untouched {
		t.Errorf("the old schema was written to, or: %v", err)
	}
}
