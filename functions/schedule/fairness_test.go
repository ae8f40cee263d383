package schedule_test

import (
	"context"
	"slices"
	"testing"

	"github.com/google/uuid"

	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/pkg/followup"
)

// drainingQueue fails for some tenants, and with it the sweep's time is up.
type drainingQueue struct {
	reconcile.Queue
	stuck []uuid.UUID
	end   context.CancelFunc // set before each sweep
}

func (q *drainingQueue) CreateScheduledHTTPTask(ctx context.Context, b followup.Booking, next followup.Task) (string, error) {
	if slices.Contains(q.stuck, b.TenantID) {
		q.end()
		return "", ctx.Err()
	}
	return q.Queue.CreateScheduledHTTPTask(ctx, b, next)
}

func TestTenantsWhoUseUpTheSweepsTimeDoNotStarveTheOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	queue := &drainingQueue{Queue: w.queue.Client, stuck: []uuid.UUID{ // the first in order, as many as are swept at once
		uuid.MustParse("00000000-0000-4000-8000-000000000001"), uuid.MustParse("00000000-0000-4000-8000-000000000002")}}
	for _, tenant := range queue.stuck {
		w.Register(t, tenant, w.Schema(functiontest.TenantA))
		w.Insert(functiontest.Seed{Tenant: tenant})
	}
	b := w.Insert(functiontest.Seed{Tenant: functiontest.TenantB})
	h, err := schedule.New(functiontest.Rules(), w.DB, queue, w.log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	skipped := 0
	functiontest.Eventually(t, "the sweep reaches the last tenant", func() bool {
		var ctx context.Context
		ctx, queue.end = context.WithCancel(t.Context())
		defer queue.end()
		skipped += h.Sweep(ctx).Skipped
		return w.Row(b.Ref).Task.Status == followup.Scheduled && skipped > 0
	})
	if lines := w.log.Events("sweep_tenant_failed"); len(lines) != 0 {
		t.Errorf("lack of time is taken for a fault: %v", lines[0])
	}
	warned := slices.ContainsFunc(w.log.Events("sweep_done"), func(line map[string]any) bool {
		n, _ := line["tenants_skipped"].(float64)
		return n > 0 && line["severity"] == "WARNING"
	})
	if !warned {
		t.Error("no sweep says that it has skipped tenants")
	}
}
