package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/google/uuid"
	"golang.org/x/sync/errgroup"

	"lad.internal/followup/internal/logging"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

const (
	// maxTickAge is the age at which a tick is dropped: after an outage the
	// newest one does the work of all that piled up.
	maxTickAge = 2 * time.Minute
	// sweepBudget ends a sweep before the event's own deadline; the next tick
	// goes on.
	sweepBudget = 50 * time.Second
	// tenantConcurrency leaves connections of the pool to the events.
	tenantConcurrency = 2
	pageSize          = 100
	// tenantBudget is after how long a tenant's other bookings are left to the next
	// tick, so that a tenant with a backlog does not use up the sweep of all.
	tenantBudget = 15 * time.Second
	// maxFailures ends a page: what has failed so often fails for all. A locked row
	// is no failure, since the next one may well be free.
	maxFailures = 5
)

func (h *Handler) tick(ctx context.Context, m message) Result {
	if age := h.now().Sub(m.published); !m.published.IsZero() && age > maxTickAge {
		h.log.InfoContext(ctx, "dropped an old tick", "event", "sweep_tick_dropped", "message_id", m.id, "age_seconds", int(age.Seconds()))
		return Result{Result: "dropped"}
	}
	ctx, cancel := context.WithTimeout(ctx, sweepBudget)
	defer cancel()
	h.Sweep(ctx)
	return Result{Result: "swept"}
}

// Swept is what a sweep has done.
type Swept struct {
	Tenants int                   // looked at
	Broken  int                   // of these, could not be looked at to the end
	Skipped int                   // not looked at, or not to the end, for lack of time
	Looked  int                   // bookings planned
	Failed  int                   // bookings whose plan could not be carried out
	Locked  int                   // bookings whose rows somebody else held, left to the next tick
	Changed map[followup.Rule]int // bookings changed, by the rule that said so
}

// Sweep looks at every booking that the rules might want to change, and plans
// it. It needs no lock against other sweeps, events or executions: the guards
// of every write suffice. Nothing that fails ends it, since a minute later
// another comes; it says so in the log and in what it returns.
func (h *Handler) Sweep(ctx context.Context) Swept {
	started := time.Now()
	total := Swept{Changed: map[followup.Rule]int{}}
	tenants, err := h.store.Tenants(ctx)
	if err != nil {
		h.log.ErrorContext(ctx, "the sweep cannot list the tenants", "event", failure(err, "sweep_failed"), "fault", string(tenantdb.FaultOf(err)), "error", err)
		total.Broken++
		return total
	}
	// In an order of its own each time: when time runs out, it must not always
	// be the same tenants who wait.
	rand.Shuffle(len(tenants), func(i, j int) { tenants[i], tenants[j] = tenants[j], tenants[i] })
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(tenantConcurrency)
	for _, tenant := range tenants {
		group.Go(func() error {
			swept := h.sweepTenant(ctx, tenant)
			mu.Lock()
			defer mu.Unlock()
			total.add(swept)
			return nil
		})
	}
	_ = group.Wait() // no member returns an error
	total.log(ctx, h.log, time.Since(started))
	return total
}

func (h *Handler) sweepTenant(ctx context.Context, tenant uuid.UUID) Swept {
	swept := Swept{Changed: map[followup.Rule]int{}}
	if ctx.Err() != nil {
		swept.Skipped = 1
		return swept
	}
	swept.Tenants = 1
	done, err := h.sweepConcerns(ctx, tenant, &swept)
	if !done || ctx.Err() != nil {
		swept.Skipped = 1
	}
	if err != nil && ctx.Err() == nil { // else it is no fault of the tenant's
		swept.Broken = 1
		h.log.ErrorContext(ctx, "the sweep could not look at a tenant",
			"event", failure(err, "sweep_tenant_failed"), "tenant_id", tenant.String(), "fault", string(tenantdb.FaultOf(err)), "error", err)
	}
	return swept
}

// sweepConcerns takes the tenant's concerns in turn, a page of each, so that ten
// thousand bookings of one concern keep no other waiting. One that cannot be
// answered does not, either. It is not done if the tenant's turn was too short.
func (h *Handler) sweepConcerns(ctx context.Context, tenant uuid.UUID, swept *Swept) (done bool, failed error) {
	started := h.now()
	concerns, err := h.store.Concerned(ctx, tenant, h.rules)
	switch {
	case errors.Is(err, tenantdb.ErrSlow):
		concerns = tenantdb.Concerns // one question may be the slow one
	case err != nil:
		return true, err
	}
	pages := make([]page, 0, len(concerns))
	for _, c := range concerns {
		pages = append(pages, page{concern: c})
	}
	over := func() bool { return h.now().Sub(started) > tenantBudget }
	for len(pages) > 0 {
		if over() {
			return false, failed
		}
		p := pages[0]
		pages = pages[1:]
		more, err := h.sweepPage(ctx, tenant, &p, swept, over)
		switch {
		case ctx.Err() != nil:
			return false, failed
		case errors.Is(err, errTurnOver):
			return false, failed
		case err != nil:
			failed = errors.Join(failed, err)
		case more:
			pages = append(pages, p)
		}
	}
	return true, failed
}

// page is how far a concern's bookings have been looked at.
type page struct {
	concern tenantdb.Concern
	after   tenantdb.Cursor
}

var errTurnOver = errors.New("the tenant's turn is over")

// sweepPage looks at the next page of a concern, and says whether there is more.
func (h *Handler) sweepPage(ctx context.Context, tenant uuid.UUID, p *page, swept *Swept, over func() bool) (more bool, err error) {
	refs, end, err := h.store.Candidates(ctx, tenant, p.concern, h.rules, p.after, pageSize)
	if err != nil {
		return false, err
	}
	// What becomes of a booking is told by others, and why it was looked at is
	// known here: overdue calls are counted so.
	bookings := logging.With(ctx, slog.String("concern", string(p.concern)))
	failures := 0
	for _, ref := range refs {
		if over() {
			return false, errTurnOver
		}
		swept.Looked++
		d, err := h.reconciler.Booking(bookings, ref)
		switch {
		case errors.Is(err, tenantdb.ErrLocked):
			swept.Locked++
		case err != nil:
			swept.Failed++
			failures++
			h.log.ErrorContext(bookings, "the sweep could not plan a booking", "event", "sweep_booking_failed",
				"tenant_id", ref.TenantID.String(), "booking_id", ref.BookingID.String(), "fault", string(tenantdb.FaultOf(err)), "error", err)
		case d.Effect != followup.None:
			swept.Changed[d.Rule]++
		}
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		if failures == maxFailures {
			return false, fmt.Errorf("concern %s: %d bookings could not be planned", p.concern, failures)
		}
	}
	p.after = end
	return len(refs) == pageSize, nil
}

func (s *Swept) add(t Swept) {
	s.Tenants += t.Tenants
	s.Broken += t.Broken
	s.Skipped += t.Skipped
	s.Looked += t.Looked
	s.Failed += t.Failed
	s.Locked += t.Locked
	for rule, n := range t.Changed {
		s.Changed[rule] += n
	}
}

func (s Swept) log(ctx context.Context, log *slog.Logger, took time.Duration) {
	changed := make([]any, 0, len(s.Changed))
	for rule, n := range s.Changed {
		changed = append(changed, slog.Int(string(rule), n))
	}
	level := slog.LevelInfo
	if s.Skipped > 0 {
		level = slog.LevelWarn
	}
	log.Log(ctx, level, "sweep finished", "event", "sweep_done",
		"tenants", s.Tenants, "tenants_broken", s.Broken, "tenants_skipped", s.Skipped,
		"bookings_looked_at", s.Looked, "bookings_failed", s.Failed, "bookings_locked", s.Locked,
		slog.Group("changed", changed...), "took_ms", took.Milliseconds())
}
