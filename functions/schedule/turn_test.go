package schedule_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// slowStore answers as the database does, but for one tenant's question, which
// takes too long, and has a clock on which each page of that tenant takes a while.
type slowStore struct {
	schedule.Store
	tenant uuid.UUID
	slow   tenantdb.Concern // "": none
	each   time.Duration
	first  func() // what has to be before the tenant's first page: the clock is everybody's

	mu    sync.Mutex
	now   time.Time
	asked []tenantdb.Concern
}

func (s *slowStore) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *slowStore) Concerned(ctx context.Context, tenant uuid.UUID, rules followup.Rules) ([]tenantdb.Concern, error) {
	if tenant == s.tenant && s.slow != "" {
		return nil, fmt.Errorf("ask: %w", tenantdb.ErrSlow)
	}
	return s.Store.Concerned(ctx, tenant, rules)
}

func (s *slowStore) Candidates(ctx context.Context, tenant uuid.UUID, c tenantdb.Concern, rules followup.Rules, after tenantdb.Cursor, limit int) ([]followup.Ref, tenantdb.Cursor, error) {
	if tenant == s.tenant {
		if s.first != nil && len(s.asked) == 0 {
			s.first()
		}
		s.mu.Lock()
		s.now = s.now.Add(s.each)
		s.asked = append(s.asked, c)
		s.mu.Unlock()
		if c == s.slow {
			return nil, after, fmt.Errorf("list: %w", tenantdb.ErrSlow)
		}
	}
	return s.Store.Candidates(ctx, tenant, c, rules, after, limit)
}

func (w *world) slowly(s *slowStore) *schedule.Handler {
	w.t.Helper()
	s.Store, s.now = w.DB, time.Now()
	h, err := schedule.New(functiontest.Rules(), s, w.queue.Client, w.log.Logger())
	if err != nil {
		w.t.Fatal(err)
	}
	h.SetClock(s.clock)
	return h
}

func TestAQuestionThatTakesTooLongKeepsNoOtherFromBeingAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	h := w.slowly(&slowStore{tenant: functiontest.TenantA, slow: tenantdb.Due})
	moved := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour), Task: planned("scheduled", "")})
	w.Change(moved.Ref, "scheduled_at = scheduled_at + interval '1 hour'")
	swept := h.Sweep(t.Context())
	if swept.Broken != 1 || swept.Skipped != 0 || w.Row(moved.Ref).Task.Revision != 2 {
		t.Errorf("%+v, the row is %+v", swept, w.Row(moved.Ref).Task)
	}
	if lines := w.log.Events("sweep_tenant_failed"); len(lines) != 1 || lines[0]["tenant_id"] != functiontest.TenantA.String() {
		t.Errorf("logged %v", lines)
	}
}

func TestATenantWithABacklogIsLeftToTheNextTickAndItsConcernsTakeTurns(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := &slowStore{tenant: functiontest.TenantA, each: 6 * time.Second}
	h := w.slowly(s)
	soon := time.Now().Add(time.Hour)
	timed := followup.Task{Status: followup.Pending, Key: functiontest.CurrentKey} // so that Due finds it
	for range 230 {
		w.Insert(functiontest.Seed{At: soon, Task: timed})
	}
	w.Insert(functiontest.Seed{At: soon, Status: "cancelled", Task: timed})
	other := w.Insert(functiontest.Seed{Tenant: functiontest.TenantB, At: soon})
	s.first = func() {
		functiontest.Eventually(t, "the other tenant has had its turn", func() bool { return w.Row(other.Ref).Task.Status == followup.Scheduled })
	}
	swept := h.Sweep(t.Context())
	// Its turn is over when it has asked for its third page.
	if swept.Skipped != 1 || swept.Broken != 0 || swept.Looked != 102 || w.Row(other.Ref).Task.Status != followup.Scheduled {
		t.Errorf("the first sweep: %+v", swept)
	}
	if want := []tenantdb.Concern{tenantdb.Due, tenantdb.Withdrawn, tenantdb.Due}; !slices.Equal(s.asked, want) {
		t.Errorf("it asked %v, want %v", s.asked, want)
	}
	if swept = h.Sweep(t.Context()); swept.Skipped != 0 || swept.Looked != 130 {
		t.Errorf("the second sweep: %+v", swept)
	}
}

// LAD holds many rows for a while: a sweep waits for none of them for long, and
// reaches those behind them.
func TestLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve(func(p *parts) { p.store = w.Open(func(c *tenantdb.Config) { c.LockTimeout = 15 * time.Second }) })
	const held = 30
	soon := time.Now().Add(time.Hour)
	var refs []followup.Ref
	for i := range held {
		refs = append(refs, w.Insert(functiontest.Seed{At: soon.Add(time.Duration(i) * time.Second)}).Ref)
	}
	newer := w.Insert(functiontest.Seed{At: soon.Add(time.Minute)})
	release := w.Lock(refs...)
	defer release()
	_, line := w.tick(url, time.Now())
	if line["bookings_locked"] != float64(held) || line["bookings_failed"] != 0.0 || line["tenants_broken"] != 0.0 || line["tenants_skipped"] != 0.0 || changed(line, "arm") != 1 {
		t.Errorf("the sweep says %v", line)
	}
	if row := w.Row(newer.Ref).Task; row.Status != followup.Scheduled || w.queue.Named(row.Name) == nil {
		t.Errorf("behind the locked rows stands %+v", row)
	}
	if took, _ := line["took_ms"].(float64); took > 14_000 {
		t.Errorf("the sweep took %v ms", took)
	}
	if got := w.event(url, binary, "booking.updated", refs[0]); got.status != 500 || got.Error.Code != "event_failed" {
		t.Errorf("an event of a locked row is answered %s", got)
	}
	if strings.Contains(w.log.String(), `"severity":"ERROR"`) {
		t.Errorf("an error is logged:\n%s", w.log)
	}
	release()
	if _, line = w.tick(url, time.Now()); changed(line, "arm") != held {
		t.Errorf("the next sweep says %v", line)
	}
	for _, ref := range refs {
		if row := w.Row(ref).Task; row.Status != followup.Scheduled || row.Revision != 1 || w.queue.Named(row.Name) == nil {
			t.Errorf("the row is %+v", row)
		}
	}
	if n := len(w.queue.List()); n != held+1 {
		t.Errorf("there are %d tasks", n)
	}
}
