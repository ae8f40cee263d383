package schedule_test

import (
	"context"
	"fmt"
	"slices"
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
	for range 230 {
		w.Insert(functiontest.Seed{At: soon})
	}
	w.Insert(functiontest.Seed{At: soon, Status: "cancelled"})
	other := w.Insert(functiontest.Seed{Tenant: functiontest.TenantB, At: soon})
	swept := h.Sweep(t.Context())
	if swept.Skipped != 1 || swept.Broken != 0 || swept.Looked != 202 || w.Row(other.Ref).Task.Status != followup.Scheduled {
		t.Errorf("the first sweep: %+v", swept)
	}
	if want := []tenantdb.Concern{tenantdb.Due, tenantdb.Withdrawn, tenantdb.Due}; !slices.Equal(s.asked, want) {
		t.Errorf("it asked %v, want %v", s.asked, want)
	}
	if swept = h.Sweep(t.Context()); swept.Skipped != 0 || swept.Looked != 30 {
		t.Errorf("the second sweep: %+v", swept)
	}
}
