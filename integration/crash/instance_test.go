package crash_test

import (
	"context"
	"net/http"
	"runtime"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/voiceagent"
)

// callTimeout is VOICE_AGENT_TIMEOUT, the least that is allowed.
const callTimeout = voiceagent.MinTimeout

// newInstance starts both functions on a repository, a queue and a voice agent.
// With a seam it is one that can die.
func (w *world) newInstance(t testing.TB, db *tenantdb.DB, queue tasks.Config, agentURL string, jobAfter time.Duration, s *seam) *functiontest.Functions {
	t.Helper()
	parts := functiontest.Parts{
		Rules: w.rules, Store: db, Tasks: queue, AgentURL: agentURL, CallTimeout: callTimeout, JobAfter: jobAfter, Log: w.log.Logger(),
	}
	if s != nil {
		parts.Store = mortalStore{db, s}
		parts.Queue = func(q reconcile.Queue) reconcile.Queue { return mortalQueue{q, s} }
		parts.Agent = func(a execute.Agent) execute.Agent { return mortalAgent{a, s} }
	}
	f := functiontest.Start(t, parts)
	return &f
}

// live ends the goroutine of an instance that is dead, as the end of its process
// does: what it was told last is never acted on. Its deferred calls still run,
// but nothing that they say reaches anybody.
func (s *seam) live() {
	if s.dead.Load() {
		runtime.Goexit()
	}
}

// mortal is a handler of an instance that can die.
func (s *seam) mortal(h http.Handler, ended chan<- struct{}) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer close(ended)
		h.ServeHTTP(w, r)
		if s.dead.Load() { // a goroutine beside this one has found out
			panic(http.ErrAbortHandler)
		}
	})
}

type mortalStore struct {
	*tenantdb.DB
	seam *seam
}

func (m mortalStore) Booking(ctx context.Context, ref followup.Ref) (*followup.Booking, time.Time, error) {
	b, now, err := m.DB.Booking(ctx, ref)
	m.seam.live()
	return b, now, err
}

func (m mortalStore) Update(ctx context.Context, seen followup.Booking, next followup.Task) (bool, error) {
	stored, err := m.DB.Update(ctx, seen, next)
	m.seam.live()
	return stored, err
}

func (m mortalStore) Admit(ctx context.Context, ref followup.Ref, rules followup.Rules, decide tenantdb.Decide) (tenantdb.Admission, error) {
	a, err := m.DB.Admit(ctx, ref, rules, decide)
	m.seam.live()
	return a, err
}

func (m mortalStore) Finish(ctx context.Context, ref followup.Ref, claimed, next followup.Task) (bool, error) {
	stored, err := m.DB.Finish(ctx, ref, claimed, next)
	m.seam.live()
	return stored, err
}

func (m mortalStore) Tenants(ctx context.Context) ([]uuid.UUID, error) {
	tenants, err := m.DB.Tenants(ctx)
	m.seam.live()
	return tenants, err
}

func (m mortalStore) Concerned(ctx context.Context, tenant uuid.UUID, rules followup.Rules) ([]tenantdb.Concern, error) {
	concerns, err := m.DB.Concerned(ctx, tenant, rules)
	m.seam.live()
	return concerns, err
}

func (m mortalStore) Candidates(ctx context.Context, tenant uuid.UUID, c tenantdb.Concern, rules followup.Rules, after tenantdb.Cursor, limit int) ([]followup.Ref, tenantdb.Cursor, error) {
	refs, end, err := m.DB.Candidates(ctx, tenant, c, rules, after, limit)
	m.seam.live()
	return refs, end, err
}

type mortalQueue struct {
	reconcile.Queue
	seam *seam
}

func (m mortalQueue) CreateScheduledHTTPTask(ctx context.Context, b followup.Booking, next followup.Task) (string, error) {
	name, err := m.Queue.CreateScheduledHTTPTask(ctx, b, next)
	m.seam.live()
	return name, err
}

func (m mortalQueue) Delete(ctx context.Context, name string) error {
	err := m.Queue.Delete(ctx, name)
	m.seam.live()
	return err
}

type mortalAgent struct {
	execute.Agent
	seam *seam
}

func (m mortalAgent) StartCall(ctx context.Context, creds voiceagent.Credentials, call voiceagent.Call) voiceagent.Result {
	result := m.Agent.StartCall(ctx, creds, call)
	m.seam.live()
	return result
}

func (m mortalAgent) Job(ctx context.Context, creds voiceagent.Credentials, call voiceagent.Call, jobID string) voiceagent.JobResult {
	result := m.Agent.Job(ctx, creds, call, jobID)
	m.seam.live()
	return result
}
