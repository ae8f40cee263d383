package tenantdb_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// asOwner is the login of LAD's tables' owner.
func asOwner(f *tenantdbtest.Fixture) tenantdbtest.Option {
	return func(c *tenantdb.Config) { c.URL = settings.NewSecret(f.Owner.Config().ConnString()) }
}

func TestACanaryIsBookedAsLADBooksAndTheFunctionsSeeIt(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	owner := f.Open(asOwner(f))
	ref, err := owner.BookCanary(t.Context(), tenantdbtest.TenantB, "follow_up", 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	b, now := f.Read(t, ref)
	if in := b.ScheduledAt.Sub(now); in > 10*time.Second || in < -time.Minute || b.Task.Status != followup.Pending || b.Status != followup.BookingScheduled || b.Type != "follow_up" {
		t.Errorf("in %v: %+v", in, b)
	}
	lead, err := f.DB.Lead(t.Context(), b)
	if err != nil || lead.Number() != tenantdb.CanaryNumber {
		t.Errorf("the lead has the number %q, %v", lead.Number(), err)
	}
	if n := f.LAD(t, tenantdbtest.TenantB, "UPDATE leads SET phone = '+4915112345678' WHERE id = $1", b.LeadID); n != 1 {
		t.Fatalf("changed %d leads", n)
	}
	again, err := owner.BookCanary(t.Context(), tenantdbtest.TenantB, "follow_up", time.Second)
	if err != nil {
		t.Fatal(err)
	}
	second, _ := f.Read(t, again)
	if lead, err = f.DB.Lead(t.Context(), second); err != nil || second.LeadID != b.LeadID || lead.Number() != tenantdb.CanaryNumber {
		t.Errorf("the second time, lead %v has the number %q, %v", second.LeadID, lead.Number(), err)
	}
	if n := f.LAD(t, tenantdbtest.TenantA, "UPDATE lead_bookings SET notes = '' WHERE true"); n != 0 {
		t.Errorf("another tenant has %d bookings", n)
	}
}

func TestOnlyACanarysBookingIsCancelled(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	owner := f.Open(asOwner(f))
	ref, err := owner.BookCanary(t.Context(), tenantdbtest.TenantA, "follow_up", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.CancelCanary(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if b, _ := f.Read(t, ref); b.Status != "cancelled" {
		t.Errorf("it is %s", b.Status)
	}
	somebody := f.Insert(t, tenantdbtest.Row{})
	for _, other := range []followup.Ref{somebody, {TenantID: tenantdbtest.TenantB, BookingID: ref.BookingID}, {TenantID: uuid.New(), BookingID: ref.BookingID}} {
		if err := owner.CancelCanary(t.Context(), other); err == nil {
			t.Errorf("%s was cancelled", other)
		}
	}
	if b, _ := f.Read(t, somebody); b.Status != followup.BookingScheduled {
		t.Errorf("somebody's booking is %s", b.Status)
	}
}

func TestTheFunctionsLoginCannotBookACanaryAndAnUnknownTenantHasNone(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	if _, err := f.DB.BookCanary(t.Context(), tenantdbtest.TenantA, "follow_up", 0); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("as the functions: %v", err)
	}
	if _, err := f.Open(asOwner(f)).BookCanary(t.Context(), uuid.New(), "follow_up", 0); err == nil || !strings.Contains(err.Error(), "has no schema") {
		t.Errorf("of an unknown tenant: %v", err)
	}
}
