package operatordb_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

func waiting(t *testing.T, db *tenantdb.DB, tenant uuid.UUID) map[uuid.UUID]followup.Booking {
	t.Helper()
	found := map[uuid.UUID]followup.Booking{}
	err := open(db).Waiting(t.Context(), tenant, rules(), func(b followup.Booking) {
		if _, again := found[b.BookingID]; again {
			t.Errorf("booking %s is handed over twice", b.Ref)
		}
		found[b.BookingID] = b
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTheBookingsThatCountOnATaskAreFoundLiveOrNot(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]tenantdbtest.Option{"shared": nil, "registry": {tenantdbtest.WithRegistry()}} {
		f := tenantdbtest.New(t, options...)
		past := micro(time.Now().Add(-72 * time.Hour))
		want := map[uuid.UUID]bool{}
		for _, row := range []tenantdbtest.Row{
			{Task: followup.Task{Status: followup.Scheduled, Revision: 1, Name: "n", DueAt: micro(time.Now())}},
			{Task: followup.Task{Status: followup.Scheduled, Revision: 1}, Status: "cancelled"},
			{Task: followup.Task{Status: followup.Failed, Reason: followup.NotStarted, Revision: 1}, Deleted: true},
			{Task: followup.Task{Status: followup.Scheduled, Revision: 1}, Type: "meeting"},                    // it was ours
			{Task: followup.Task{Status: followup.Scheduled, Revision: 1}, ScheduledAt: past, CreatedAt: past}, // and so was this
		} {
			want[f.Insert(t, row).BookingID] = true
		}
		for _, row := range []tenantdbtest.Row{
			{},
			{Task: followup.Task{Status: followup.InProgress, Revision: 1, ClaimedAt: past}},
			{Task: followup.Task{Status: followup.Executed, Revision: 1, ClaimedAt: past, ExecutedAt: past}},
			{Task: followup.Task{Status: followup.Failed, Reason: followup.OutcomeUnknown, Revision: 1}},
			{Task: followup.Task{Status: followup.Scheduled, Name: "lad's"}, Type: "meeting"},
			{Task: followup.Task{Status: followup.Scheduled, Name: "lad's"}, ScheduledAt: past, CreatedAt: past},
			{Task: followup.Task{Status: followup.Scheduled, Revision: 1}, Tenant: tenantdbtest.TenantB},
		} {
			f.Insert(t, row)
		}
		got := waiting(t, f.DB, tenantdbtest.TenantA)
		if len(got) != len(want) {
			t.Errorf("%s: %d bookings wait, want %d", name, len(got), len(want))
		}
		for id := range want {
			read, _ := f.Read(t, followup.Ref{TenantID: tenantdbtest.TenantA, BookingID: id})
			if got[id] != read {
				t.Errorf("%s: it is read as %+v, and is %+v", name, got[id], read)
			}
		}
		if got := waiting(t, f.DB, uuid.New()); len(got) != 0 {
			t.Errorf("%s: an unknown tenant has %v", name, got)
		}
	}
}

func TestMoreBookingsThanAPageHasAreFoundAndRead(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	const n = 2_001 // a page has 1,000
	lead := f.NewLead(t, tenantdbtest.TenantA)
	// Many at the same moment: the page's end needs more than a time.
	f.LAD(t, tenantdbtest.TenantA, `INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at, task_status, task_revision, task_scheduled_at)
		SELECT $1, $2, 'follow_up', 'x', now() + interval '1 hour', 'scheduled', 1, date_trunc('hour', now()) + i / 700 * interval '1 minute'
		FROM generate_series(1, $3::int) AS i`, tenantdbtest.TenantA, lead, n)
	got := waiting(t, f.DB, tenantdbtest.TenantA)
	if len(got) != n {
		t.Errorf("%d of %d bookings wait", len(got), n)
	}
	ids := append(slices.Collect(maps.Keys(got)), uuid.New())
	read, err := open(f.DB).Bookings(t.Context(), tenantdbtest.TenantA, ids)
	if err != nil || len(read) != n {
		t.Fatalf("%d of %d bookings are read, error %v", len(read), n, err)
	}
	for _, b := range read {
		if got[b.BookingID] != b {
			t.Fatalf("%+v is not %+v", b, got[b.BookingID])
		}
	}
}

func TestAnotherTenantsBookingsAreNotReadByTheirIds(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]tenantdbtest.Option{"shared": nil, "registry": {tenantdbtest.WithRegistry()}} {
		f := tenantdbtest.New(t, options...)
		mine := f.Insert(t, tenantdbtest.Row{})
		for _, tenant := range []uuid.UUID{tenantdbtest.TenantB, uuid.New()} {
			read, err := open(f.DB).Bookings(t.Context(), tenant, []uuid.UUID{mine.BookingID})
			if err != nil || len(read) != 0 {
				t.Errorf("%s: tenant %s reads %v, error %v", name, tenant, read, err)
			}
		}
	}
}
