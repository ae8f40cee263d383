package functiontest

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// The tenants. Each has a schema of its own.
var (
	TenantA = tenantdbtest.TenantA
	TenantB = tenantdbtest.TenantB
)

// Database is one test's database of two tenants.
type Database struct {
	*tenantdbtest.Fixture
	t testing.TB
}

// NewDatabase sets a database up.
func NewDatabase(t testing.TB) *Database {
	t.Helper()
	return &Database{Fixture: tenantdbtest.New(t, tenantdbtest.WithRegistry()), t: t}
}

// DatabaseURL is the functions' login.
func (d *Database) DatabaseURL() string { return d.Config.URL.Reveal() }

// At is an option for another database, or none, at url.
func At(url string) tenantdbtest.Option {
	return func(c *tenantdb.Config) { c.URL = settings.NewSecret(url) }
}

// Seed is a booking to insert. What is zero gets a value that makes it an
// ordinary follow-up of tenant A, due now.
type Seed struct {
	Tenant   uuid.UUID
	Type     string
	At       time.Time // the instant of scheduled_at
	Timezone string    // default: UTC
	Created  time.Time // default: an hour before At, or now if that is earlier
	Status   string
	Deleted  bool
	NoPhone  bool
	Metadata string    // JSON
	LeadID   uuid.UUID // default: a lead of its own
	Task     followup.Task
}

// CurrentKey, as a seed's Task.Key, stands for the key of the booking's own
// time, planned for that time.
const CurrentKey = "current"

// Insert inserts a booking, and returns it as the functions read it.
func (d *Database) Insert(s Seed) followup.Booking {
	d.t.Helper()
	now := time.Now()
	if s.At.IsZero() {
		s.At = now
	}
	if s.Created.IsZero() {
		s.Created = s.At.Add(-time.Hour)
		if now.Before(s.Created) {
			s.Created = now
		}
	}
	key := s.Task.Key
	if key == CurrentKey {
		s.Task.Key = "" // known once the row has an id
	}
	row := tenantdbtest.Row{
		Tenant: s.Tenant, Type: s.Type, ScheduledAt: s.At, Timezone: s.Timezone, CreatedAt: s.Created,
		Status: followup.BookingStatus(s.Status), Deleted: s.Deleted, Task: s.Task,
		Lead: tenantdbtest.Lead{FirstName: "Ada", LastName: "Lovelace", Phone: "+4915112345678", Note: "wants to hear of the engine"},
	}
	if s.NoPhone {
		row.Lead.Phone = ""
	}
	row.Columns = map[string]any{}
	if s.Metadata != "" {
		row.Columns["metadata"] = s.Metadata
	}
	if s.LeadID != uuid.Nil {
		row.Columns["lead_id"] = s.LeadID
	}
	ref := d.Fixture.Insert(d.t, row)
	if b := d.Row(ref); key == CurrentKey && !b.ScheduledAt.IsZero() {
		d.Change(ref, "planned_for = $1, idempotency_key = $2", b.ScheduledAt, b.Key())
	}
	return d.Row(ref)
}

// Change updates columns of a booking behind the functions' back, as LAD does.
func (d *Database) Change(ref followup.Ref, set string, args ...any) {
	d.t.Helper()
	if n := d.LAD(d.t, ref.TenantID, "UPDATE lead_bookings SET "+set+" WHERE id = '"+ref.BookingID.String()+"'", args...); n != 1 {
		d.t.Fatalf("changed %d rows of booking %s", n, ref)
	}
}

// Row reads a booking as it is now.
func (d *Database) Row(ref followup.Ref) followup.Booking {
	d.t.Helper()
	b, _ := d.Read(d.t, ref)
	return b
}

// Lock holds bookings' rows locked until the function it returns is called.
func (d *Database) Lock(refs ...followup.Ref) (release func()) {
	d.t.Helper()
	tx, err := d.Owner.Begin(d.t.Context())
	for _, ref := range refs {
		if err == nil {
			_, err = tx.Exec(d.t.Context(), "SELECT FROM "+d.Schema(ref.TenantID)+".lead_bookings WHERE id = $1 FOR UPDATE", ref.BookingID)
		}
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return func() { _ = tx.Rollback(context.WithoutCancel(d.t.Context())) } // nothing was changed
}

// Checksum is a digest of all bookings of both tenants, every column included.
func (d *Database) Checksum() string {
	d.t.Helper()
	var parts []string
	for _, tenant := range []uuid.UUID{TenantA, TenantB} {
		var sum string
		err := d.Owner.QueryRow(d.t.Context(), `SELECT count(*) || md5(COALESCE(string_agg(b::text, E'\n' ORDER BY id), '')) FROM `+
			d.Schema(tenant)+".lead_bookings b").Scan(&sum)
		if err != nil {
			d.t.Fatal(err)
		}
		parts = append(parts, sum)
	}
	return strings.Join(parts, "-")
}
