// Package publishevent_test runs the publishers of this folder against the local
// stack: Node publishes to a real Pub/Sub API, and the functions, as processes of
// their own, do what they do when they are deployed.
package publishevent_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/stack"
	"lad.internal/followup/internal/localstack/stack/stacktest"
)

func TestMain(m *testing.M) {
	stacktest.ServeFunction()
	code := m.Run()
	if running.stack != nil {
		if err := running.stack.Close(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	if code == 0 {
		if err := goleak.Find(stacktest.LeakOptions()...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// The stack's project and topic.
const (
	project = "local-project"
	topic   = "followup-events"
)

// running is the one stack of all tests. No tick comes by itself.
var running struct {
	once  sync.Once
	stack *stack.Stack
	log   functiontest.Log
	err   error
}

// world is the stack as LAD sees it.
type world struct {
	*stack.Stack
	t   *testing.T
	log *functiontest.Log
}

func newWorld(t *testing.T) *world {
	t.Helper()
	running.once.Do(func() {
		running.stack, running.err = stack.Start(context.Background(), stack.Options{
			Function: stacktest.Function(t), FunctionLog: &running.log,
		})
		if running.err == nil {
			running.err = enableTrigger(running.stack)
		}
	})
	if running.err != nil {
		t.Fatal(running.err)
	}
	return &world{Stack: running.stack, t: t, log: &running.log}
}

// quiet and announced are the tenants: LAD's trigger is at work for the second.
const (
	quiet     = 0
	announced = 1
)

// enableTrigger undoes for one tenant what the cut-over has done for all.
func enableTrigger(s *stack.Stack) error {
	ctx := context.Background()
	tenant := s.Tenants[announced]
	conn, err := pgx.Connect(ctx, tenant.DatabaseURL)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "ALTER TABLE "+pgx.Identifier{tenant.Schema, "lead_bookings"}.Sanitize()+
		" ENABLE TRIGGER trigger_schedule_followup_cloud_task")
	return errors.Join(err, conn.Close(ctx))
}

// env is what a publisher in Node needs to find the topic. The last one keeps it
// from looking for Google's metadata server here.
func (w *world) env() []string {
	return []string{"PUBSUB_EMULATOR_HOST=" + w.Bus.Addr(), "GCP_PROJECT_ID=" + project, "FOLLOWUP_TOPIC=" + topic, "METADATA_SERVER_DETECTION=none"}
}

// booking is a row of lead_bookings.
type booking struct{ tenant, id string }

// insert inserts a follow-up for an hour from now, by plain SQL: the wall clock of
// LAD's own default zone, GST.
func (w *world) insert(tenant int) booking {
	w.t.Helper()
	b := booking{tenant: w.Tenants[tenant].ID, id: uuid.NewString()}
	w.query(tenant, func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, `
			WITH agent AS (INSERT INTO users (tenant_id) VALUES ($1) RETURNING id), lead AS (
				INSERT INTO leads (tenant_id, assigned_user_id, first_name, phone)
				SELECT $1, agent.id, 'Ada', '+4915112345678' FROM agent RETURNING id)
			INSERT INTO lead_bookings (id, tenant_id, lead_id, booking_type, booking_source, scheduled_at)
			SELECT $2, $1, lead.id, 'follow_up', 'voice_agent', now() AT TIME ZONE 'Asia/Dubai' + interval '1 hour' FROM lead`, b.tenant, b.id)
		return err
	})
	return b
}

// state is task_status and task_revision.
func (w *world) state(tenant int, b booking) string {
	w.t.Helper()
	var state string
	w.query(tenant, func(ctx context.Context, conn *pgx.Conn) error {
		return conn.QueryRow(ctx, `SELECT task_status || ' r' || task_revision FROM lead_bookings WHERE id = $1`, b.id).Scan(&state)
	})
	return state
}

func (w *world) query(tenant int, do func(context.Context, *pgx.Conn) error) {
	w.t.Helper()
	ctx := w.t.Context()
	conn, err := pgx.Connect(ctx, w.Tenants[tenant].DatabaseURL)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(ctx) }()
	if _, err = conn.Exec(ctx, "SET search_path = "+pgx.Identifier{w.Tenants[tenant].Schema}.Sanitize()); err == nil {
		err = do(ctx, conn)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) awaitScheduled(tenant int, b booking) {
	w.t.Helper()
	functiontest.Eventually(w.t, "the booking has its first task", func() bool { return w.state(tenant, b) == "scheduled r1" })
}

func (w *world) publish(data string) (messageID string) {
	w.t.Helper()
	id, err := w.Bus.Publish(w.t.Context(), []byte(data), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	return id
}

// handled are the log's lines on events that were handled for the booking.
func (w *world) handled(b booking) []map[string]any {
	var found []map[string]any
	for _, line := range w.log.Events("event_handled") {
		if line["booking_id"] == b.id {
			found = append(found, line)
		}
	}
	return found
}
