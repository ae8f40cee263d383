package examples_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/examples/internal/exampletest"
	"lad.internal/followup/functions/execute"
	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

// cutOver is LAD's database with both systems beside it, and one voice agent
// that does not deduplicate: what it counts is how often a phone rang.
type cutOver struct {
	*functiontest.Database
	t      *testing.T
	tenant uuid.UUID // whose schema it is about
	queue  *functiontest.Tasks
	agent  *functiontest.Agent
	log    *functiontest.Log
	since  time.Time // as deployed last

	execute  atomic.Pointer[execute.Handler]
	schedule *schedule.Handler
}

// tenants are those of both types of scheduled_at.
var tenants = map[string]uuid.UUID{"timestamp": functiontest.TenantA, "timestamptz": functiontest.TenantB}

func newCutOver(t *testing.T, tenant uuid.UUID) *cutOver {
	t.Helper()
	w := &cutOver{Database: functiontest.NewDatabase(t), t: t, tenant: tenant, agent: functiontest.NewAgent(t, false), log: &functiontest.Log{}}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.execute.Load().ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	w.queue = functiontest.NewTasks(t, server.URL+"/bookings/:id/execute-followup")
	return w
}

// deploy replaces both functions by ones with these settings.
func (w *cutOver) deploy(activeSince time.Time, paused bool) {
	w.t.Helper()
	w.since = activeSince
	rules := functiontest.Rules()
	rules.ActiveSince, rules.Paused = activeSince, followup.Pause{All: paused}
	verifier, err := execute.NewVerifier(context.WithoutCancel(w.t.Context()),
		execute.OIDCConfig{Mode: "verify", Issuer: w.queue.Issuer, CertsURL: w.queue.CertsURL}, functiontest.Audience, functiontest.Account)
	if err != nil {
		w.t.Fatal(err)
	}
	brisk := rules
	brisk.Grace = 4 * time.Second // half of it is what a paused task is asked to wait
	e, err := execute.New(execute.Parts{
		Rules: brisk, Store: w.DB, Queue: w.queue.Client, Verifier: verifier,
		QueueName: functiontest.Queue, TaskPath: w.queue.Config.TaskPath, Log: w.log.Logger(),
		Agent: functiontest.Client(w.t, w.agent.URL, 5*time.Second), CallTimeout: 5 * time.Second,
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.execute.Store(e)
	if w.schedule, err = schedule.New(rules, w.DB, w.queue.Client, w.log.Logger()); err != nil {
		w.t.Fatal(err)
	}
}

// never is the FOLLOWUP_ACTIVE_SINCE of functions that are there and do nothing.
var never = time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)

// sweep is what a tick starts.
func (w *cutOver) sweep() schedule.Swept {
	w.t.Helper()
	swept := w.schedule.Sweep(w.t.Context())
	if swept.Broken+swept.Failed > 0 {
		w.t.Errorf("the sweep failed: %+v\n%s", swept, w.log)
	}
	return swept
}

// book inserts a follow-up as LAD's voice service does: in GST, and announced by
// LAD's trigger alone.
func (w *cutOver) book(at time.Time) followup.Booking {
	w.t.Helper()
	return w.insert(at, "GST", "voice_agent")
}

func (w *cutOver) insert(at time.Time, zone, source string) followup.Booking {
	w.t.Helper()
	b, err := insert(w.t.Context(), w.ladSession(), w.tenant, at, zone, source)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// insert stores a follow-up of a new lead as both of LAD's writers do: scheduled_at
// is the zone's wall clock, whatever the column's type.
func insert(ctx context.Context, conn *pgx.Conn, tenant uuid.UUID, at time.Time, zone, source string) (followup.Booking, error) {
	at = at.Truncate(time.Microsecond) // PostgreSQL's
	b := followup.Booking{Ref: followup.Ref{TenantID: tenant, BookingID: uuid.New()}, ScheduledAt: at,
		When: followup.When{Wall: followup.Times{}.Wall(at, zone), Zone: zone, Source: source}}
	_, err := conn.Exec(ctx, `
		WITH agent AS (INSERT INTO users (tenant_id) VALUES ($1) RETURNING id), lead AS (
			INSERT INTO leads (tenant_id, assigned_user_id, phone) SELECT $1, agent.id, '+4915112345678' FROM agent RETURNING id)
		INSERT INTO lead_bookings (id, tenant_id, lead_id, booking_type, booking_source, scheduled_at, timezone)
		SELECT $2, $1, lead.id, 'follow_up', $3, $4, $5 FROM lead`, tenant, b.BookingID, source, b.When.Wall, zone)
	return b, err
}

// move gives a booking another time, as LAD does.
func (w *cutOver) move(b followup.Booking, at time.Time) followup.Booking {
	w.t.Helper()
	b.ScheduledAt = at.Truncate(time.Microsecond)
	b.When.Wall = followup.Times{}.Wall(b.ScheduledAt, b.When.Zone)
	w.Change(b.Ref, "scheduled_at = $1", b.When.Wall)
	return b
}

// rang is how often the lead's phone has rung, whoever rang it.
func (w *cutOver) rang(b followup.Booking) int { return len(w.agent.Calls(b.BookingID.String())) }

// ladCalled reports whether LAD has called and said so. Its endpoint may have made the
// row scheduled again after that.
func (w *cutOver) ladCalled(b followup.Booking) bool {
	w.t.Helper()
	return w.rang(b) == 1 && !w.Row(b.Ref).Task.ExecutedAt.IsZero()
}

// ladSession is a psql session of LAD's people on the tenant's schema, in a time zone
// that no block may depend on.
func (w *cutOver) ladSession() *pgx.Conn {
	w.t.Helper()
	config := w.Owner.Config().ConnConfig
	config.RuntimeParams["search_path"], config.RuntimeParams["timezone"] = w.Schema(w.tenant), "America/New_York"
	conn, err := pgx.ConnectConfig(w.t.Context(), config)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = conn.Close(context.WithoutCancel(w.t.Context())) })
	return conn
}

// sql runs a block of docs/cut-over.md as LAD's owner, and returns its rows.
func (w *cutOver) sql(block string, variables map[string]string) [][]string {
	w.t.Helper()
	rows, err := runSQL(w.t.Context(), w.ladSession(), exampletest.PSQL(exampletest.Named(w.t, "cut-over.md", block), variables))
	if err != nil {
		w.t.Fatalf("the block %q: %v", block, err)
	}
	return rows
}

// one is the only value of a block's only row.
func (w *cutOver) one(block string) string {
	w.t.Helper()
	rows := w.sql(block, nil)
	if len(rows) != 1 || len(rows[0]) != 1 {
		w.t.Fatalf("the block %q has the rows %q, want one value", block, rows)
	}
	return rows[0][0]
}

func (w *cutOver) awaitState(b followup.Booking, want string) {
	w.t.Helper()
	functiontest.Eventually(w.t, b.BookingID.String()+" is "+want, func() bool { return w.state(b) == want })
}

// state is a row's state in words, as LAD sees it; a state that this system wrote
// is ours.
func (w *cutOver) state(b followup.Booking) string {
	w.t.Helper()
	var state string
	if err := w.Owner.QueryRow(w.t.Context(), `SELECT concat_ws(' ', task_status, task_reason, CASE WHEN planned_for IS NOT NULL THEN 'ours' END)
		FROM `+w.Schema(b.TenantID)+`.lead_bookings WHERE id = $1`, b.BookingID).Scan(&state); err != nil {
		w.t.Fatal(err)
	}
	return state
}
