package examples_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/examples/internal/exampletest"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
	"lad.internal/followup/pkg/voiceagent"
)

// telephone is what start-call rings through. It counts, refuses and keeps
// callers waiting, so that a test can kill start-call at a chosen moment.
type telephone struct {
	*httptest.Server
	mu      sync.Mutex
	dialled int
	refuse  map[string]int           // path → status
	hold    map[string]chan struct{} // path → gets an element when somebody waits there
	leave   chan struct{}
}

func newTelephone(t *testing.T) *telephone {
	p := &telephone{refuse: map[string]int{}, hold: map[string]chan struct{}{}, leave: make(chan struct{})}
	p.Server = httptest.NewServer(p)
	t.Cleanup(func() {
		close(p.leave)
		p.Close()
	})
	return p
}

func (p *telephone) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	if r.URL.Path == "/dial" {
		p.dialled++
	}
	id, status, hold := p.dialled, p.refuse[r.URL.Path], p.hold[r.URL.Path]
	p.mu.Unlock()
	if hold != nil {
		hold <- struct{}{}
		select {
		case <-r.Context().Done():
		case <-p.leave:
		}
		return
	}
	if status != 0 {
		w.WriteHeader(status)
		return
	}
	_, _ = fmt.Fprintf(w, `{"callId":"%d"}`, id)
}

// holding makes whoever comes to path wait for ever, and says when one does.
func (p *telephone) holding(path string) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold[path] = make(chan struct{}, 1)
	return p.hold[path]
}

func (p *telephone) behave() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hold, p.refuse = map[string]chan struct{}{}, map[string]int{}
}

func (p *telephone) refusing(path string, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.refuse[path] = status
}

func (p *telephone) rang() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.dialled
}

// startCallWorld is the example's endpoint on a database and a telephone.
type startCallWorld struct {
	t         *testing.T
	example   exampletest.Example
	env       []string
	database  *postgrestest.Database
	telephone *telephone
	server    *exampletest.Service
	client    *voiceagent.Client
}

func newStartCallWorld(t *testing.T, env ...string) *startCallWorld {
	t.Helper()
	w := &startCallWorld{
		t: t, example: exampletest.Need(t, "voice-agent"), telephone: newTelephone(t),
		database: postgrestest.NewDatabase(t, postgrestest.Template{Key: "idempotency", Setup: func(ctx context.Context, adminURL string) error {
			return createTable(ctx, adminURL)
		}}),
	}
	w.env = append(env, "DATABASE_URL="+w.database.AdminURL, "TELEPHONE_URL="+w.telephone.URL)
	w.restart()
	return w
}

func createTable(ctx context.Context, adminURL string) error {
	conn, err := pgx.Connect(ctx, adminURL)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	sql, err := os.ReadFile("voice-agent/idempotency.sql")
	if err == nil {
		_, err = conn.Exec(ctx, string(sql))
	}
	return err
}

// restart starts another process, as Cloud Run does for one that has died.
func (w *startCallWorld) restart() {
	w.server = w.example.Start(w.t, "server.js", w.env...)
	w.client = functiontest.Client(w.t, w.server.Ready, 20*time.Second)
}

func newCall() voiceagent.Call {
	tenant, booking := functiontest.TenantA.String(), uuid.NewString()
	return voiceagent.Call{
		TenantID: tenant, BookingID: booking, To: "+4915112345678", AgentID: tenantdbtest.Agent(functiontest.TenantA),
		IdempotencyKey: "followup:" + tenant + ":" + booking + ":2026-03-01T09:00:00.000Z",
	}
}

// start asks for a call as ExecuteFollowUp does.
func (w *startCallWorld) start(call voiceagent.Call) voiceagent.Result {
	creds, err := w.client.Authorize(w.t.Context())
	if err != nil {
		w.t.Error(err)
	}
	return w.client.StartCall(w.t.Context(), creds, call)
}

func (w *startCallWorld) want(step string, got voiceagent.Result, outcome followup.Outcome, status int, callID string) {
	w.t.Helper()
	if got.Outcome != outcome || got.Status != status || got.CallID != callID {
		w.t.Fatalf("%s: got %s, status %d, call %q (%s); want %s, %d, %q",
			step, got.Outcome, got.Status, got.CallID, got.Detail, outcome, status, callID)
	}
}

// sql runs a block of docs/voice-agent.md on this call's claim.
func (w *startCallWorld) sql(block string, call voiceagent.Call) [][]string {
	w.t.Helper()
	return w.query(exampletest.PSQL(exampletest.Named(w.t, "voice-agent.md", block),
		map[string]string{"tenant": call.TenantID, "key": call.IdempotencyKey, "call_id": "77"}))
}

func (w *startCallWorld) query(sql string) [][]string {
	w.t.Helper()
	conn, err := pgx.Connect(w.t.Context(), w.database.AdminURL)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = conn.Close(w.t.Context()) }()
	rows, err := runSQL(w.t.Context(), conn, sql)
	if err != nil {
		w.t.Fatalf("%s: %v", strings.TrimSpace(sql), err)
	}
	return rows
}

// age lets the time pass after which a claim counts as abandoned.
func (w *startCallWorld) age() {
	w.t.Helper()
	w.query("UPDATE voice_call_idempotency SET claimed_at = claimed_at - interval '3 minutes'")
}
