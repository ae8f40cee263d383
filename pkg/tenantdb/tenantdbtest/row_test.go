package tenantdbtest_test

import (
	"testing"
	"time"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// TestInsert checks what a test takes for granted, in columns with and without
// time zone.
func TestInsert(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	at := time.Date(2026, 12, 1, 14, 0, 0, 0, time.UTC)
	for _, tenant := range append(f.AddTenants(t, 2), tenantdbtest.TenantA, tenantdbtest.TenantB) {
		row := tenantdbtest.Row{
			Tenant: tenant, ScheduledAt: at, Timezone: "GST", Lead: tenantdbtest.Lead{Archived: true},
			Task: followup.Task{Status: followup.Scheduled, Revision: 1, Key: "1"},
		}
		b, _ := f.Read(t, f.Insert(t, row))
		if !b.ScheduledAt.Equal(at) || b.When.Wall.Hour() != 18 || b.Stale || b.AssignedUserID.UUID != tenantdbtest.User(tenant) {
			t.Errorf("tenant %s: the booking is %+v", tenant, b)
		}
		facts, err := f.DB.Facts(t.Context(), b, followup.Rules{})
		if err != nil || facts.Lead.Excluded != followup.LeadArchived || facts.Lead.Number != "+4915112345678" ||
			len(facts.Agents.List) != 1 || facts.Agents.List[0].ID != tenantdbtest.Agent(tenant) ||
			len(facts.Agents.Numbers) != 1 || facts.Agents.Numbers[0].Number == "" {
			t.Errorf("tenant %s: the facts are %+v, %v", tenant, facts, err)
		}
		row.Task.PlannedFor, row.Task.Key = at.Add(-time.Hour), "2"
		if moved, _ := f.Read(t, f.Insert(t, row)); !moved.Stale {
			t.Errorf("tenant %s: a moved booking is not stale", tenant)
		}
	}
}
