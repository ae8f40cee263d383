package operatordb_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/operatordb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

func TestReadings(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	first := time.Now().UTC().Add(48 * time.Hour).Truncate(time.Minute)
	for i, zone := range []string{"GST", "GST", "Europe/Rome", "GST", "GST"} {
		at := first.Add(time.Duration(i) * time.Hour)
		f.Insert(t, tenantdbtest.Row{Columns: map[string]any{"timezone": zone, "scheduled_at": at.Format("2006-01-02 15:04")}})
	}
	f.Insert(t, tenantdbtest.Row{Type: "meeting"})
	f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantB})
	f.Insert(t, tenantdbtest.Row{CreatedAt: first.Add(-100 * time.Hour), ScheduledAt: first.Add(-96 * time.Hour)})
	got, err := open(f.DB).Readings(t.Context(), tenantdbtest.TenantA, rules())
	if err != nil {
		t.Fatal(err)
	}
	var zones []string
	for _, r := range got {
		zones = append(zones, r.Zone)
	}
	if diff := cmp.Diff([]string{"GST", "Europe/Rome"}, zones); diff != "" {
		t.Fatalf("zones (-want +got):\n%s", diff)
	}
	if want := []time.Time{first, first.Add(time.Hour), first.Add(3 * time.Hour)}; got[0].Count != 4 || !cmp.Equal(want, got[0].Walls) {
		t.Errorf("%+v, want the first three of four, %v", got[0], want)
	}
}

func TestLookalikes(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	ahead, past := time.Now().Add(time.Hour), time.Now().Add(-49*time.Hour)
	for _, row := range []tenantdbtest.Row{
		{Type: "folow_up", ScheduledAt: ahead}, {Type: "Folow-Up", ScheduledAt: ahead}, {Type: "sceduled_call", ScheduledAt: ahead},
		{Type: "follow_up", ScheduledAt: ahead}, {Type: "meeting", ScheduledAt: ahead},
		{Type: "folow_up", ScheduledAt: past, CreatedAt: past}, {Type: "folow_up", ScheduledAt: ahead, Status: "cancelled"},
		{Type: "folow_up", ScheduledAt: ahead, Tenant: tenantdbtest.TenantB},
	} {
		f.Insert(t, row)
	}
	r := rules()
	r.BookingTypes = append(r.BookingTypes, followup.Kind("scheduled_call"))
	got, err := open(f.DB).Lookalikes(t.Context(), tenantdbtest.TenantA, r)
	want := []operatordb.Lookalike{{Type: "Folow-Up", Count: 2}, {Type: "sceduled_call", Count: 1}}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
