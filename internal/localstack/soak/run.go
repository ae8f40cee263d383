package soak

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	"lad.internal/followup/internal/localstack/stack"
)

// run is one soak.
type run struct {
	options Options
	stack   *stack.Stack
	faults  *faults
	plan    plan
	pool    *pgxpool.Pool // as LAD
	schemas map[uuid.UUID]string
	openSQL string

	mu      sync.Mutex
	changes map[uuid.UUID]changed
	lastDue time.Time // of all bookings made so far, moves included
}

// changed is a change that LAD has committed.
type changed struct {
	change   change
	from, to time.Time // of a move
	// claimed is when the follow-up had last been claimed, as the change found it
	// under the row's lock; zero if it had not been.
	claimed time.Time
	// committed is the database's clock just after the COMMIT.
	committed time.Time
}

// The queue's limits. Cloud Tasks allows 500 dispatches a second and 5,000 at once
// (https://cloud.google.com/tasks/docs/quotas); the stack's queue has fewer by
// itself. What is under way when a process is killed has an unknown outcome.
const (
	dispatchRate = 500
	dispatches   = 40
)

// connections is how many LAD has.
const connections = 8

// open makes the plan for the stack's tenants, lets the queue run as fast as
// Cloud Tasks would, and connects as LAD.
func (r *run) open(ctx context.Context) error {
	r.plan = plan{seed: r.options.Seed, bookings: r.options.Bookings, misbehave: r.options.Misbehave}
	r.schemas = map[uuid.UUID]string{}
	tables := map[string]bool{}
	for _, t := range r.stack.Tenants {
		id, err := uuid.Parse(t.ID)
		if err != nil {
			return fmt.Errorf("read the tenant's id %q: %w", t.ID, err)
		}
		r.plan.tenants = append(r.plan.tenants, id)
		r.schemas[id] = pgx.Identifier{t.Schema}.Sanitize()
		tables[r.schemas[id]] = true
	}
	var counts []string
	for schema := range tables {
		// One by one, so that each can be answered from one of the sweep's indexes.
		for _, open := range []string{
			`task_status = 'pending' OR task_status IS NULL`,
			`task_status = 'scheduled' OR task_status <> 'pending' AND (task_reason = 'not_started' OR task_revision > 0 AND claimed_at IS NULL AND (task_reason IS NULL OR task_reason IN ('paced', 'rate_limited', 'outside_hours')))`,
			`task_status = 'in_progress'`,
		} {
			counts = append(counts, `SELECT count(*), count(*) FILTER (WHERE task_status <> 'in_progress' AND `+dueSQL+` < now() - interval '3 s')
				FROM `+schema+`.lead_bookings WHERE `+open)
		}
	}
	r.openSQL = `SELECT sum(n)::int, sum(late)::int FROM (` + strings.Join(counts, ` UNION ALL `) + `) AS counts (n, late)`
	if _, err := r.stack.Tasks.UpdateQueue(ctx, &cloudtaskspb.UpdateQueueRequest{
		Queue: &cloudtaskspb.Queue{
			Name:       r.stack.QueuePath(),
			RateLimits: &cloudtaskspb.RateLimits{MaxDispatchesPerSecond: dispatchRate, MaxConcurrentDispatches: dispatches},
		},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"rate_limits.max_dispatches_per_second", "rate_limits.max_concurrent_dispatches"}},
	}); err != nil {
		return fmt.Errorf("raise the queue's limits: %w", err)
	}
	config, err := pgxpool.ParseConfig(r.stack.Tenants[0].DatabaseURL)
	if err != nil {
		return fmt.Errorf("read the database's URL: %w", err)
	}
	config.MaxConns = connections
	if r.pool, err = pgxpool.NewWithConfig(ctx, config); err != nil {
		return fmt.Errorf("connect as LAD's owner: %w", err)
	}
	return nil
}

// unsettled counts the bookings that have reached no end yet, and those of them
// that should have been called a while ago and that nobody has claimed.
func (r *run) unsettled(ctx context.Context) (open, late int, err error) {
	if err := r.pool.QueryRow(ctx, r.openSQL).Scan(&open, &late); err != nil {
		return 0, 0, fmt.Errorf("count the open bookings: %w", err)
	}
	return open, late, nil
}

// lookEvery is how often the open bookings are counted.
const lookEvery = 500 * time.Millisecond

// promised is how long a booking may take to its end once the faults have stopped.
func (r *run) promised() time.Duration { return lease + grace + 2*r.options.SweepEvery }

// stall is how long the count of open bookings may stand still: as promised, and
// as long again for what is tried anew and for a machine that is busy elsewhere.
func (r *run) stall() time.Duration { return 2 * r.promised() }

// settle waits until every booking has ended, or none has for too long: then the
// judge finds them.
func (r *run) settle(ctx context.Context) error {
	fewest, since := r.options.Bookings+1, time.Now()
	for {
		open, _, err := r.unsettled(ctx)
		if err != nil {
			return err
		}
		r.tell(r.options.Bookings, open, true)
		if open < fewest {
			fewest, since = open, time.Now()
		}
		if open == 0 || time.Since(since) > r.stall() {
			return nil
		}
		if err := r.wait(ctx, lookEvery); err != nil {
			return err
		}
	}
}

func (r *run) tell(booked, open int, settling bool) {
	if r.options.Progress == nil {
		return
	}
	r.faults.mu.Lock()
	kills := r.faults.killed[execute] + r.faults.killed[schedule]
	r.faults.mu.Unlock()
	r.options.Progress(Progress{
		Planned: r.options.Bookings, Booked: booked, Ended: booked - open, Kills: kills, Settling: settling,
	})
}

func (r *run) wait(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
