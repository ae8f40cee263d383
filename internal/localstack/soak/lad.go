package soak

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"lad.internal/followup/internal/localstack/lad"
)

// batchEvery is how often a batch of bookings is made.
const batchEvery = 100 * time.Millisecond

// publishers is how many events are published at once.
const publishers = 4

// book makes all bookings and changes those that are to be changed, and returns
// when the last one's time has come.
func (r *run) book(ctx context.Context) error {
	group, working := errgroup.WithContext(ctx)
	group.Go(func() error { return r.bookAll(working, group) })
	if err := group.Wait(); err != nil {
		return err
	}
	for {
		left := time.Until(r.lastDue)
		if left <= 0 {
			return nil
		}
		open, _, err := r.unsettled(ctx)
		if err != nil {
			return err
		}
		r.tell(r.options.Bookings, open, false)
		if err := r.wait(ctx, min(left, lookEvery)); err != nil {
			return err
		}
	}
}

// bookAll makes the bookings, no faster than the rate and than the machine can
// follow, and hands their changes to the group.
func (r *run) bookAll(ctx context.Context, group *errgroup.Group) error {
	batch := max(1, int(r.options.Rate*batchEvery.Seconds()))
	crowd := max(20, int(r.options.Rate)) // so many late ones that the machine does not follow
	var looked time.Time
	late := 0
	for booked := 0; booked < r.options.Bookings; {
		if time.Since(looked) >= lookEvery {
			var open int
			var err error
			if open, late, err = r.unsettled(ctx); err != nil {
				return err
			}
			r.tell(booked, open, false)
			looked = time.Now()
		}
		pause := time.Duration(float64(batch) / r.options.Rate * float64(time.Second))
		began := time.Now()
		if late <= crowd {
			to := min(booked+batch, r.options.Bookings)
			if err := r.bookBatch(ctx, group, booked, to); err != nil {
				return err
			}
			booked = to
		}
		if err := r.wait(ctx, pause-time.Since(began)); err != nil {
			return err
		}
	}
	return nil
}

// made is a booking that is in the database.
type made struct {
	spec
	due time.Time
}

// columns are a batch's rows for one schema, column by column.
type columns struct {
	tenants, leads, ids []uuid.UUID
	dues                []time.Time
}

// What LAD writes: Dubai's clock, without a zone. One after the other, since LAD's
// trigger looks for the lead. The tenant's user has the tenant's id.
const (
	insertUsersSQL = `INSERT INTO %s.users (id, tenant_id) SELECT DISTINCT tenant_id, tenant_id FROM unnest($1::uuid[]) AS new (tenant_id)
ON CONFLICT (id) DO NOTHING`
	insertLeadsSQL = `INSERT INTO %s.leads (id, tenant_id, first_name, last_name, phone, assigned_user_id)
SELECT lead_id, tenant_id, 'Alex', 'Example', '+12025550123', tenant_id
FROM unnest($1::uuid[], $2::uuid[]) AS new (tenant_id, lead_id)`
	insertBookingsSQL = `INSERT INTO %s.lead_bookings (id, tenant_id, lead_id, booking_type, booking_source, scheduled_at, timezone, status)
SELECT id, tenant_id, lead_id, 'follow_up', 'voice_agent', due AT TIME ZONE 'Asia/Dubai', 'GST', 'scheduled'
FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[]) AS new (tenant_id, lead_id, id, due)`
)

// dueSQL is the instant of such a row.
const dueSQL = `(scheduled_at AT TIME ZONE 'Asia/Dubai')`

// bookBatch makes the bookings of these numbers and tells of them, as LAD does:
// after the COMMIT.
func (r *run) bookBatch(ctx context.Context, group *errgroup.Group, from, to int) error {
	var batch []made
	bySchema := map[string]*columns{}
	for i := from; i < to; i++ {
		// LAD's keys are exact to the millisecond.
		b := made{spec: r.plan.booking(i)}
		b.due = time.Now().Add(b.ahead).Truncate(time.Millisecond)
		if b.agent != nil {
			if err := r.stack.Agent.Behave(*b.agent); err != nil {
				return fmt.Errorf("tell the voice agent how to misbehave: %w", err)
			}
		}
		schema := r.schemas[b.ref.TenantID]
		c := bySchema[schema]
		if c == nil {
			c = &columns{}
			bySchema[schema] = c
		}
		c.tenants, c.leads = append(c.tenants, b.ref.TenantID), append(c.leads, b.lead)
		c.ids, c.dues = append(c.ids, b.ref.BookingID), append(c.dues, b.due)
		batch = append(batch, b)
		r.expect(b.due)
	}
	for schema, c := range bySchema {
		rows := &pgx.Batch{} // which is a transaction
		rows.Queue(fmt.Sprintf(insertUsersSQL, schema), c.tenants)
		rows.Queue(fmt.Sprintf(insertLeadsSQL, schema), c.tenants, c.leads)
		rows.Queue(fmt.Sprintf(insertBookingsSQL, schema), c.tenants, c.leads, c.ids, c.dues)
		if err := r.pool.SendBatch(ctx, rows).Close(); err != nil {
			return fmt.Errorf("insert bookings: %w", err)
		}
	}
	for _, b := range batch {
		if b.change != none {
			group.Go(func() error { return r.change(ctx, b) })
		}
		if b.writeBack {
			group.Go(func() error { return r.writeBack(ctx, b) })
		}
		if b.locked > 0 {
			group.Go(func() error { return r.lock(ctx, b) })
		}
	}
	return r.publishAll(ctx, batch)
}

// expect keeps the faults going until this time has come.
func (r *run) expect(due time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if due.After(r.lastDue) {
		r.lastDue = due
	}
}

func (r *run) publishAll(ctx context.Context, batch []made) error {
	var publishing errgroup.Group
	publishing.SetLimit(publishers)
	for _, b := range batch {
		if !b.silent {
			publishing.Go(func() error { return r.publish(ctx, lad.BookingCreated, b.spec) })
		}
	}
	return publishing.Wait()
}

func (r *run) publish(ctx context.Context, kind string, s spec) error {
	data, err := json.Marshal(lad.Event{Type: kind, TenantID: s.ref.TenantID.String(), BookingID: s.ref.BookingID.String()})
	if err != nil {
		return fmt.Errorf("encode an event: %w", err)
	}
	if _, err := r.stack.Bus.Publish(ctx, data, nil); err != nil {
		return fmt.Errorf("publish an event: %w", err)
	}
	return nil
}

const (
	// The claim that RETURNING sees is the last one before this change, since
	// both lock the row.
	changeSQL = `UPDATE %s.lead_bookings SET status = $3, scheduled_at = $4::timestamptz AT TIME ZONE 'Asia/Dubai', updated_at = now()
		WHERE tenant_id = $1 AND id = $2 RETURNING claimed_at`
	clockSQL = `SELECT clock_timestamp()`
)

// change waits for its time, cancels or moves the booking, and remembers when
// that was committed.
func (r *run) change(ctx context.Context, b made) error {
	if err := r.wait(ctx, time.Until(b.due.Add(b.changed))); err != nil {
		return err
	}
	c := changed{change: b.change, from: b.due, to: b.due}
	status, kind := "cancelled", lad.BookingCancelled
	if b.change == move {
		c.to, status, kind = b.due.Add(b.moved).Truncate(time.Millisecond), "scheduled", lad.BookingUpdated
		r.expect(c.to)
	}
	conn, err := r.pool.Acquire(ctx)
	if err != nil {
		return fmt.Errorf("connect to %s booking %s: %w", b.change, b.ref, err)
	}
	defer conn.Release()
	var claimed *time.Time
	err = conn.QueryRow(ctx, fmt.Sprintf(changeSQL, r.schemas[b.ref.TenantID]), b.ref.TenantID, b.ref.BookingID, status, c.to).Scan(&claimed)
	if err != nil {
		return fmt.Errorf("%s booking %s: %w", b.change, b.ref, err)
	}
	if claimed != nil {
		c.claimed = *claimed
	}
	if err := conn.QueryRow(ctx, clockSQL).Scan(&c.committed); err != nil {
		return fmt.Errorf("read the database's clock: %w", err)
	}
	r.mu.Lock()
	r.changes[b.ref.BookingID] = c
	r.mu.Unlock()
	if b.quiet {
		return nil
	}
	return r.publish(ctx, kind, b.spec)
}

// writeBackSQL is LAD's generic update: all task columns that it knows, as they
// were before this system saw the row.
const writeBackSQL = `UPDATE %s.lead_bookings SET task_status = 'pending', task_name = NULL, task_scheduled_at = NULL,
	executed_at = NULL, execution_attempts = 0, last_execution_error = NULL, idempotency_key = NULL, updated_at = now()
	WHERE tenant_id = $1 AND id = $2`

func (r *run) writeBack(ctx context.Context, b made) error {
	if err := r.wait(ctx, time.Until(b.due.Add(b.writtenAt))); err != nil {
		return err
	}
	if _, err := r.pool.Exec(ctx, fmt.Sprintf(writeBackSQL, r.schemas[b.ref.TenantID]), b.ref.TenantID, b.ref.BookingID); err != nil {
		return fmt.Errorf("write booking %s back: %w", b.ref, err)
	}
	r.faults.writtenBack.Add(1)
	return nil
}

// lock holds the booking's row around its time, as a bulk update of LAD's does.
func (r *run) lock(ctx context.Context, b made) error {
	if err := r.wait(ctx, time.Until(b.due.Add(-100*time.Millisecond))); err != nil {
		return err
	}
	return pgx.BeginFunc(ctx, r.pool, func(tx pgx.Tx) error {
		sql := fmt.Sprintf("SELECT FROM %s.lead_bookings WHERE tenant_id = $1 AND id = $2 FOR UPDATE", r.schemas[b.ref.TenantID])
		if _, err := tx.Exec(ctx, sql, b.ref.TenantID, b.ref.BookingID); err != nil {
			return fmt.Errorf("lock booking %s: %w", b.ref, err)
		}
		r.faults.locked.Add(1)
		return r.wait(ctx, b.locked)
	})
}
