package operatordb_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/operatordb"
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
	_, err := open(owner).BookCanary(t.Context(), tenantdbtest.TenantB, uuid.NullUUID{}, "follow_up", 10*time.Second)
	if !errors.Is(err, operatordb.ErrNoUser) {
		t.Errorf("of a tenant without a user: %v", err)
	}
	f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantB})
	f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA})
	for _, tenant := range []uuid.UUID{tenantdbtest.TenantA, tenantdbtest.TenantB} { // with both types of scheduled_at
		leads := map[uuid.UUID]bool{}
		for range 2 { // in one minute, which is no double booking
			ref, err := open(owner).BookCanary(t.Context(), tenant, uuid.NullUUID{}, "follow_up", 10*time.Second)
			if err != nil {
				t.Fatal(err)
			}
			b, now := f.Read(t, ref)
			if in := b.ScheduledAt.Sub(now); in > 10*time.Second || in < -time.Minute || b.Task.Status != followup.Pending || b.Status != followup.BookingScheduled ||
				b.Type != "follow_up" || b.AssignedUserID.UUID != tenantdbtest.User(tenant) {
				t.Errorf("in %v: %+v", in, b)
			}
			lead, err := f.DB.Lead(t.Context(), b)
			if err != nil || lead.Number != operatordb.CanaryNumber || leads[b.LeadID.UUID] {
				t.Errorf("the lead %v has the number %q, %v", b.LeadID, lead.Number, err)
			}
			leads[b.LeadID.UUID] = true
		}
	}
}

func TestOnlyACanarysBookingIsCancelled(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	owner := f.Open(asOwner(f))
	somebody := f.Insert(t, tenantdbtest.Row{})
	someUser := uuid.NullUUID{UUID: tenantdbtest.User(tenantdbtest.TenantA), Valid: true}
	ref, err := open(owner).BookCanary(t.Context(), tenantdbtest.TenantA, someUser, "follow_up", time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := open(owner).CancelCanary(t.Context(), ref); err != nil {
		t.Fatal(err)
	}
	if b, _ := f.Read(t, ref); b.Status != "cancelled" {
		t.Errorf("it is %s", b.Status)
	}
	for _, other := range []followup.Ref{somebody, {TenantID: tenantdbtest.TenantB, BookingID: ref.BookingID}, {TenantID: uuid.New(), BookingID: ref.BookingID}} {
		if err := open(owner).CancelCanary(t.Context(), other); err == nil {
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
	someUser := uuid.NullUUID{UUID: uuid.New(), Valid: true}
	if _, err := open(f.DB).BookCanary(t.Context(), tenantdbtest.TenantA, someUser, "follow_up", 0); err == nil || !strings.Contains(err.Error(), "permission denied") {
		t.Errorf("as the functions: %v", err)
	}
	if _, err := open(f.Open(asOwner(f))).BookCanary(t.Context(), uuid.New(), someUser, "follow_up", 0); err == nil || !strings.Contains(err.Error(), "has no schema") {
		t.Errorf("of an unknown tenant: %v", err)
	}
}
