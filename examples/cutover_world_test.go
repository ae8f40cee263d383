package examples_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

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
	t     *testing.T
	queue *functiontest.Tasks
	agent *functiontest.Agent
	log   *functiontest.Log

	execute  atomic.Pointer[execute.Handler]
	schedule *schedule.Handler
}

func newCutOver(t *testing.T) *cutOver {
	t.Helper()
	w := &cutOver{Database: functiontest.NewDatabase(t), t: t, agent: functiontest.NewAgent(t, false), log: &functiontest.Log{}}
	server := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { w.execute.Load().ServeHTTP(rw, r) }))
	t.Cleanup(server.Close)
	w.queue = functiontest.NewTasks(t, server.URL+"/bookings/:id/execute-followup")
	return w
}

// deploy replaces both functions by ones with these settings.
func (w *cutOver) deploy(activeSince time.Time, paused bool) {
	w.t.Helper()
	rules := functiontest.Rules()
	rules.ActiveSince, rules.Paused = activeSince, followup.Pause{All: paused}
	verifier, err := execute.NewVerifier(context.WithoutCancel(w.t.Context()),
		execute.OIDCConfig{Mode: "verify", Issuer: w.queue.Issuer, CertsURL: w.queue.CertsURL}, functiontest.Audience, functiontest.Account)
	if err != nil {
		w.t.Fatal(err)
	}
	e, err := execute.New(execute.Parts{
		Rules: rules, Store: w.DB, Queue: w.queue.Client, Verifier: verifier,
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

// book inserts a follow-up of tenant B, which LAD's trigger announces.
func (w *cutOver) book(at time.Time) followup.Booking {
	w.t.Helper()
	return w.Insert(functiontest.Seed{Tenant: functiontest.TenantB, At: at, Created: time.Now()})
}

// rang is how often the lead's phone has rung, whoever rang it.
func (w *cutOver) rang(b followup.Booking) int { return len(w.agent.Calls(b.BookingID.String())) }

// ladSession is a psql session of LAD's people on tenant B's schema.
func (w *cutOver) ladSession() *pgx.Conn {
	w.t.Helper()
	config, err := pgx.ParseConfig(w.AdminURL)
	if err != nil {
		w.t.Fatal(err)
	}
	config.RuntimeParams["search_path"] = w.Schema(functiontest.TenantB)
	conn, err := pgx.ConnectConfig(w.t.Context(), config)
	if err == nil {
		_, err = conn.Exec(w.t.Context(), "SET ROLE lad_owner")
	}
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

// state is a row's state in words.
func (w *cutOver) state(b followup.Booking) string {
	row := w.Row(b.Ref)
	words := []string{string(row.Task.Status)}
	if row.Task.Reason != "" {
		words = append(words, string(row.Task.Reason))
	}
	if row.Task.Revision > 0 {
		words = append(words, "ours")
	}
	return strings.Join(words, " ")
}
