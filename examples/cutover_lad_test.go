package examples_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/voiceagent"
)

// oldLAD does what LAD's Node backend does about follow-ups before the cut-over,
// down to its statements: a listener on the trigger's NOTIFY, a scheduler with a
// queue of its own, and an endpoint that calls inside the row's lock.
type oldLAD struct {
	t     *testing.T
	pool  *pgxpool.Pool
	agent *voiceagent.Client

	mu       sync.Mutex
	queue    map[string]oldTask // by name
	paused   bool
	executed sync.WaitGroup

	stopListening context.CancelFunc
	listening     sync.WaitGroup
	stop          context.CancelFunc
	dispatching   sync.WaitGroup
}

type oldTask struct {
	due     time.Time
	booking uuid.UUID
	key     string
}

// startOldLAD starts LAD on tenant B's schema, which has LAD's trigger.
func startOldLAD(t *testing.T, d *functiontest.Database, agent *functiontest.Agent) *oldLAD {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	config := d.Owner.Config()
	config.ConnConfig.RuntimeParams["search_path"] = d.Schema(functiontest.TenantB)
	config.MaxConns = 40
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	l := &oldLAD{t: t, pool: pool, agent: functiontest.Client(t, agent.URL, 10*time.Second), queue: map[string]oldTask{}}
	ctx, l.stop = context.WithCancel(ctx)
	l.dispatching.Go(func() { l.dispatch(ctx) })
	l.listen()
	t.Cleanup(func() {
		l.stopListener()
		l.stop()
		l.dispatching.Wait()
		l.executed.Wait()
	})
	return l
}

func (l *oldLAD) listen() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.t.Context()))
	l.stopListening = cancel
	conn, err := pgx.ConnectConfig(ctx, l.pool.Config().ConnConfig)
	if err == nil {
		_, err = conn.Exec(ctx, "LISTEN booking_followup_created")
	}
	if err != nil {
		l.t.Fatal(err)
	}
	l.listening.Go(func() {
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		for {
			n, err := conn.WaitForNotification(ctx)
			if err != nil {
				return
			}
			if err := l.onNotification(n.Payload); err != nil {
				l.t.Errorf("LAD's listener: %s: %v", n.Payload, err)
			}
		}
	})
}

func (l *oldLAD) stopListener() {
	l.stopListening()
	l.listening.Wait()
}

func (l *oldLAD) onNotification(payload string) error {
	var id, tenant uuid.UUID
	var at time.Time
	row := l.pool.QueryRow(context.Background(),
		`SELECT (p->>'booking_id')::uuid, (p->>'tenant_id')::uuid, (p->>'scheduled_at')::timestamptz FROM CAST($1::text AS json) p`, payload)
	if err := row.Scan(&id, &tenant, &at); err != nil {
		return err
	}
	const limit = 30 * 24 * time.Hour // Cloud Tasks refuses; LAD logs it
	if time.Until(at) > limit {
		return nil
	}
	b := followup.Booking{Ref: followup.Ref{TenantID: tenant, BookingID: id}, ScheduledAt: at}
	due := at
	if now := time.Now(); due.Before(now) {
		due = now
	}
	name := fmt.Sprintf("projects/p/locations/l/queues/lad/tasks/followup-%s-%d", id, at.UnixMilli())
	_, err := l.pool.Exec(context.Background(), `UPDATE lead_bookings SET task_name = $1, task_scheduled_at = $2,
		task_status = 'scheduled', idempotency_key = $3, updated_at = now() WHERE id = $4`, name, due, b.Key(), id)
	if err != nil {
		return err
	}
	// LAD creates the task first. One that is due at once may then meet a row
	// without its key and fail, which Cloud Tasks mends by trying again; here a
	// task has one try, so it comes when the row is ready for it.
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue[name] = oldTask{due: due, booking: id, key: b.Key()}
	return nil
}

func (l *oldLAD) pauseQueue() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.paused = true
}

func (l *oldLAD) purgeQueue() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.queue = map[string]oldTask{}
}

// forget loses a booking's task, as a LAD does that dies with it in hand.
func (l *oldLAD) forget(b followup.Booking) {
	l.mu.Lock()
	defer l.mu.Unlock()
	maps.DeleteFunc(l.queue, func(_ string, task oldTask) bool { return task.booking == b.BookingID })
}

func (l *oldLAD) dispatch(ctx context.Context) {
	for ticker := time.NewTicker(5 * time.Millisecond); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return
		case <-ticker.C:
		}
		l.mu.Lock()
		for name, task := range l.queue {
			if !l.paused && !task.due.After(time.Now()) {
				delete(l.queue, name)
				l.executed.Go(func() {
					// Cloud Tasks would try again; one try is enough here.
					_ = l.execute(context.WithoutCancel(ctx), task)
				})
			}
		}
		l.mu.Unlock()
	}
}

var errKeyMismatch = errors.New("idempotency key mismatch")

func (l *oldLAD) execute(ctx context.Context, task oldTask) error {
	err := pgx.BeginFunc(ctx, l.pool, func(tx pgx.Tx) error {
		var tenant uuid.UUID
		var status, key string
		err := tx.QueryRow(ctx, `SELECT tenant_id, task_status, COALESCE(idempotency_key, '') FROM lead_bookings
			WHERE id = $1 FOR UPDATE NOWAIT`, task.booking).Scan(&tenant, &status, &key)
		switch {
		case err != nil:
			return err
		case status == "executed":
			return nil
		case key != task.key:
			return errKeyMismatch
		case status == "cancelled":
			return nil
		}
		creds, err := l.agent.Authorize(ctx)
		if err != nil {
			return err
		}
		result := l.agent.StartCall(ctx, creds, voiceagent.Call{TenantID: tenant.String(), BookingID: task.booking.String(),
			To: "+4915112345678", IdempotencyKey: "lad:" + uuid.NewString()}) // LAD sends none
		if result.Outcome != followup.CallAccepted {
			return errors.New(result.Detail)
		}
		_, err = tx.Exec(ctx, `UPDATE lead_bookings SET task_status = 'executed', executed_at = now(),
			execution_attempts = execution_attempts + 1, last_execution_error = NULL, updated_at = now() WHERE id = $1`, task.booking)
		return err
	})
	if err != nil {
		_, failed := l.pool.Exec(ctx, `UPDATE lead_bookings SET task_status = 'failed',
			execution_attempts = execution_attempts + 1, last_execution_error = $1, updated_at = now() WHERE id = $2`,
			strings.TrimSpace(err.Error()), task.booking)
		return errors.Join(err, failed)
	}
	return nil
}
