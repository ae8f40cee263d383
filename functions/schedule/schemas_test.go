package schedule_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// countingStore counts the questions about each tenant.
type countingStore struct {
	schedule.Store
	mu        sync.Mutex
	questions map[uuid.UUID]int
}

func (s *countingStore) Concerned(ctx context.Context, tenant uuid.UUID, rules followup.Rules) ([]tenantdb.Concern, error) {
	s.mu.Lock()
	s.questions[tenant]++
	s.mu.Unlock()
	return s.Store.Concerned(ctx, tenant, rules)
}

func (s *countingStore) Candidates(ctx context.Context, tenant uuid.UUID, c tenantdb.Concern, rules followup.Rules, after tenantdb.Cursor, limit int) ([]followup.Ref, tenantdb.Cursor, error) {
	s.mu.Lock()
	s.questions[tenant]++
	s.mu.Unlock()
	return s.Store.Candidates(ctx, tenant, c, rules, after, limit)
}

// took runs a sweep, watched by the connections that it has at the database.
func (w *world) took(sweep func(context.Context) schedule.Swept) (swept schedule.Swept, most int, took time.Duration) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(w.t.Context())
	var group errgroup.Group
	group.Go(func() error {
		defer cancel()
		started := time.Now()
		swept = sweep(w.t.Context())
		took = time.Since(started)
		return nil
	})
	for ctx.Err() == nil {
		var n int
		if err := w.Owner.QueryRow(w.t.Context(), `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND application_name = 'followup'`).Scan(&n); err != nil {
			w.t.Error(err)
			break
		}
		most = max(most, n)
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Millisecond):
		}
	}
	_ = group.Wait() // its one member returns no error
	return swept, most, took
}

// Every schema is swept and every due booking armed, once, by no more connections
// than a sweep may take; schemas that are broken, each in another way, keep
// nobody else waiting. FOLLOWUP_BIG=1 asks with 1,000 schemas.
func TestASweepOfManySchemasIsCompleteAndBounded(t *testing.T) {
	t.Parallel()
	n := 40
	if os.Getenv("FOLLOWUP_BIG") != "" {
		n = 1000
	}
	w := newWorld(t)
	tenants := w.AddTenants(t, n)
	for i, tenant := range tenants {
		if i%4 == 0 {
			w.Insert(functiontest.Seed{Tenant: tenant, At: time.Now().Add(time.Hour)})
		}
	}
	w.LAD(t, tenants[1], `DROP VIEW followup_bookings`)
	w.LAD(t, tenants[3], `DROP SCHEMA `+w.Schema(tenants[3])+` CASCADE`)
	w.LAD(t, tenants[5], `REVOKE ALL ON followup_bookings FROM followup_app`)
	w.Register(t, tenants[7], strings.Repeat("s", 64))

	store := &countingStore{Store: w.DB, questions: map[uuid.UUID]int{}}
	h, err := schedule.New(functiontest.Rules(), store, w.queue.Client, w.log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	first, _, took := w.took(h.Sweep)
	due := (n + 3) / 4
	if first.Tenants != n+2 || first.Broken != 4 || first.Skipped != 0 || first.Looked != due || first.Failed != 0 || first.Changed[followup.RuleArm] != due {
		t.Errorf("the first sweep: %+v, want %d bookings of %d tenants armed", first, due, n+2)
	}
	t.Logf("%d schemas, %d bookings to arm: %v", n+2, due, took.Round(time.Millisecond))
	if tasks := len(w.queue.List()); tasks != due {
		t.Errorf("%d tasks for %d bookings", tasks, due)
	}
	clear(store.questions)
	idle, most, took := w.took(h.Sweep)
	if idle.Tenants != n+2 || idle.Broken != 4 || idle.Skipped != 0 || idle.Looked != 0 {
		t.Errorf("the second sweep: %+v, and nothing was to be done", idle)
	}
	for _, tenant := range tenants {
		if store.questions[tenant] != 1 {
			t.Errorf("%s: %d questions, want one", w.Schema(tenant), store.questions[tenant])
		}
	}
	if most == 0 || most > int(w.Config.MaxConns) {
		t.Errorf("the sweep had %d connections of %d", most, w.Config.MaxConns)
	}
	t.Logf("%d schemas, nothing to do: %v, %v a schema, with at most %d connections", n+2, took.Round(time.Millisecond), (took / time.Duration(n+2)).Round(10*time.Microsecond), most)
}

// Each sweep asks the registry whom there is. What it remembers of where they are
// is as old as TENANT_REGISTRY_TTL allows.
func TestTheNextSweepKnowsWhoWasAddedMovedOrRemoved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := w.Open(func(c *tenantdb.Config) { c.RegistryTTL = time.Nanosecond })
	url := w.serve(func(p *parts) { p.store = store })
	if _, line := w.tick(url, time.Now()); line["tenants"] != 2.0 {
		t.Fatalf("before: %v", line)
	}
	removed := w.Insert(functiontest.Seed{Tenant: functiontest.TenantB})
	left := w.Insert(functiontest.Seed{Tenant: functiontest.TenantA})
	was := w.Schema(functiontest.TenantA)
	newcomer := uuid.New()
	w.AddTenant(t, newcomer, "newcomer")
	w.AddTenant(t, functiontest.TenantA, "new home")
	if _, err := w.Owner.Exec(t.Context(), `DELETE FROM lad_registry.tenants WHERE tenant_id = $1`, functiontest.TenantB); err != nil {
		t.Fatal(err)
	}
	_, err := w.Owner.Exec(t.Context(), fmt.Sprintf(`INSERT INTO "new home".users SELECT * FROM %[1]s.users; INSERT INTO "new home".leads SELECT * FROM %[1]s.leads;
		INSERT INTO "new home".lead_bookings SELECT * FROM %[1]s.lead_bookings`, was))
	if err != nil {
		t.Fatal(err)
	}
	added := w.Insert(functiontest.Seed{Tenant: newcomer})

	_, line := w.tick(url, time.Now())
	if line["tenants"] != 2.0 || line["tenants_broken"] != 0.0 || changed(line, "arm") != 2 {
		t.Errorf("the sweep says %v", line)
	}
	for _, c := range []struct {
		what, schema string
		id           uuid.UUID
		want         string
	}{
		{"added", "newcomer", added.BookingID, "scheduled"},
		{"moved, in the new schema", `"new home"`, left.BookingID, "scheduled"},
		{"moved, in the old schema", was, left.BookingID, "pending"},
		{"removed", "tenant_b", removed.BookingID, "pending"},
	} {
		var status string
		if err := w.Owner.QueryRow(t.Context(), `SELECT task_status FROM `+c.schema+`.lead_bookings WHERE id = $1`, c.id).Scan(&status); err != nil || status != c.want {
			t.Errorf("%s: %s, want %s (%v)", c.what, status, c.want, err)
		}
	}
}

func TestASweepArmsTheBookingsOfSchemasOfAnyName(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve()
	names := []string{`Tenant A`, `ten"ant`, `a.b`, `tenant_b, tenant_a`, `мандант漢字`, strings.Repeat("ß", 31) + "x", `x"; DROP SCHEMA tenant_a CASCADE; --`}
	var all []followup.Booking
	for _, name := range names {
		tenant := uuid.New()
		w.AddTenant(t, tenant, name)
		all = append(all, w.Insert(functiontest.Seed{Tenant: tenant}))
	}
	_, line := w.tick(url, time.Now())
	if line["tenants"] != float64(len(names)+2) || line["tenants_broken"] != 0.0 || changed(line, "arm") != len(names) {
		t.Errorf("the sweep says %v", line)
	}
	for i, b := range all {
		if after := w.Row(b.Ref); after.Task.Status != followup.Scheduled || w.queue.Named(after.Task.Name) == nil {
			t.Errorf("%q: the row is %+v", names[i], after.Task)
		}
	}
}
