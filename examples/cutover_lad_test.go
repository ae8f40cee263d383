package examples_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
	"lad.internal/followup/pkg/voiceagent"
)

// oldLAD does what LAD's Node backend does about follow-ups before the cut-over,
// down to its statements: a listener on the trigger's NOTIFY, a scheduler with a
// queue of its own, and an endpoint that calls inside the row's lock.
type oldLAD struct {
	w     *cutOver
	pool  *pgxpool.Pool
	agent *voiceagent.Client

	mu       sync.Mutex
	queue    map[string]oldTask // by name
	names    map[string]bool    // those that were ever taken: Cloud Tasks keeps them for a day
	paused   bool
	executed sync.WaitGroup

	stopListening context.CancelFunc
	listening     sync.WaitGroup
	stop          context.CancelFunc
	dispatching   sync.WaitGroup
}

type oldTask struct {
	due     time.Time
	booking followup.Ref
	key     string
}

// startOldLAD starts LAD with a new queue on the schema of w's tenant, which has
// LAD's trigger.
func startOldLAD(w *cutOver) *oldLAD {
	w.t.Helper()
	ctx := context.WithoutCancel(w.t.Context())
	config := w.Owner.Config()
	config.ConnConfig.RuntimeParams["search_path"] = w.Schema(w.tenant)
	config.MaxConns = 40
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(pool.Close)
	l := &oldLAD{w: w, pool: pool, agent: functiontest.Client(w.t, w.agent.URL, 10*time.Second),
		queue: map[string]oldTask{}, names: map[string]bool{}}
	ctx, l.stop = context.WithCancel(ctx)
	l.dispatching.Go(func() { l.dispatch(ctx) })
	l.listen()
	w.t.Cleanup(func() {
		l.stopListener()
		l.stop()
		l.dispatching.Wait()
		l.executed.Wait()
	})
	return l
}

func (l *oldLAD) listen() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(l.w.t.Context()))
	l.stopListening = cancel
	conn, err := pgx.ConnectConfig(ctx, l.pool.Config().ConnConfig)
	if err == nil {
		_, err = conn.Exec(ctx, "LISTEN booking_followup_created")
	}
	if err != nil {
		l.w.t.Fatal(err)
	}
	l.listening.Go(func() {
		defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
		for {
			n, err := conn.WaitForNotification(ctx)
			if err != nil {
				return
			}
			if err := l.onNotification(n.Payload); err != nil {
				l.w.t.Errorf("LAD's listener: %s: %v", n.Payload, err)
			}
		}
	})
}

func (l *oldLAD) stopListener() {
	l.stopListening()
	l.listening.Wait()
}

func (l *oldLAD) onNotification(payload string) error {
	var booking struct {
		ID       uuid.UUID `json:"booking_id"`
		Tenant   uuid.UUID `json:"tenant_id"`
		At       string    `json:"scheduled_at"` // Node, in UTC, reads it so if it has no offset
		Timezone string    `json:"timezone"`
	}
	if err := json.Unmarshal([]byte(payload), &booking); err != nil {
		return err
	}
	at, err := time.Parse("2006-01-02T15:04:05", booking.At)
	if err != nil {
		at, err = time.Parse(time.RFC3339, booking.At)
	}
	if err != nil {
		return err
	}
	return l.schedule(followup.Ref{TenantID: booking.Tenant, BookingID: booking.ID}, at.UTC(), booking.Timezone)
}

// book inserts a booking as LAD's booking page does, through its endpoint: once the
// listener has scheduled it the endpoint does so too, and says no timezone.
func (l *oldLAD) book(at time.Time, zone string) followup.Booking {
	l.w.t.Helper()
	b := l.w.insert(at, zone, "user_ui")
	functiontest.Eventually(l.w.t, "LAD's listener has scheduled it", func() bool { return l.w.state(b) != "pending" })
	if err := l.schedule(b.Ref, b.When.Wall, ""); err != nil {
		l.w.t.Error(err)
	}
	return b
}

// oldKey is the key of LAD's scheduler: it takes the wall clock for UTC.
func oldKey(ref followup.Ref, wall time.Time) string {
	return followup.Booking{Ref: ref, ScheduledAt: wall}.Key()
}

// oldOffsets are the zones that LAD's scheduler knows. All others are UTC to it.
var oldOffsets = map[string]time.Duration{"GST": 4 * time.Hour, "EST": -5 * time.Hour, "PST": -8 * time.Hour}

// schedule makes a task, named after the key, and writes it into the row. A name
// that is taken means that the task is there, whatever its time is.
func (l *oldLAD) schedule(ref followup.Ref, wall time.Time, zone string) error {
	due := wall.Add(-oldOffsets[zone])
	const limit = 30 * 24 * time.Hour // Cloud Tasks refuses; LAD logs it
	if time.Until(due) > limit {
		return nil
	}
	if now := time.Now(); due.Before(now) {
		due = now
	}
	key := oldKey(ref, wall)
	name := "projects/p/locations/l/queues/lad/tasks/" + strings.NewReplacer(":", "_", ".", "_").Replace(key)
	_, err := l.pool.Exec(context.Background(), `UPDATE lead_bookings SET task_name = $1, task_scheduled_at = $2,
		task_status = 'scheduled', idempotency_key = $3, updated_at = now() WHERE id = $4 AND tenant_id = $5`,
		name, due, key, ref.BookingID, ref.TenantID)
	if err != nil {
		return err
	}
	// LAD creates the task first. One that is due at once may then meet a row
	// without its key and fail, which Cloud Tasks mends by trying again; here a
	// task has one try, so it comes when the row is ready for it.
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.names[name] {
		l.names[name], l.queue[name] = true, oldTask{due: due, booking: ref, key: key}
	}
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
	maps.DeleteFunc(l.queue, func(_ string, task oldTask) bool { return task.booking == b.Ref })
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
		var status, key string
		err := tx.QueryRow(ctx, `SELECT task_status, COALESCE(idempotency_key, '') FROM lead_bookings
			WHERE id = $1 AND tenant_id = $2 FOR UPDATE NOWAIT`, task.booking.BookingID, task.booking.TenantID).Scan(&status, &key)
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
		result := l.agent.StartCall(ctx, creds, voiceagent.Call{
			TenantID: task.booking.TenantID.String(), BookingID: task.booking.BookingID.String(),
			To: "+4915112345678", AgentID: tenantdbtest.Agent(task.booking.TenantID),
			IdempotencyKey: "lad:" + uuid.NewString(), // LAD sends none
		})
		if result.Outcome != followup.CallAccepted {
			return errors.New(result.Detail)
		}
		_, err = tx.Exec(ctx, `UPDATE lead_bookings SET task_status = 'executed', executed_at = now(),
			execution_attempts = execution_attempts + 1, last_execution_error = NULL, updated_at = now() WHERE id = $1`, task.booking.BookingID)
		return err
	})
	if err != nil {
		_, failed := l.pool.Exec(ctx, `UPDATE lead_bookings SET task_status = 'failed',
			execution_attempts = execution_attempts + 1, last_execution_error = $1, updated_at = now() WHERE id = $2`,
			strings.TrimSpace(err.Error()), task.booking.BookingID)
		return errors.Join(err, failed)
	}
	return nil
}
