package execute_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	agentclient "lad.internal/followup/pkg/voiceagent"
)

// faultyStore is the real store with faults at the two moments that matter.
type faultyStore struct {
	execute.Store
	admit  func(ctx context.Context, ref followup.Ref, rules followup.Rules, decide tenantdb.Decide) (tenantdb.Admission, error)
	finish func(n int64) error // what the nth Finish fails with, before it does anything
	// afterFinish is what the nth Finish answers although it has committed.
	afterFinish func(n int64) error

	finishes atomic.Int64
}

func (s *faultyStore) Admit(ctx context.Context, ref followup.Ref, rules followup.Rules, decide tenantdb.Decide) (tenantdb.Admission, error) {
	if s.admit == nil {
		return s.Store.Admit(ctx, ref, rules, decide)
	}
	return s.admit(ctx, ref, rules, decide)
}

func (s *faultyStore) Finish(ctx context.Context, ref followup.Ref, claimed, next followup.Task) (bool, error) {
	n := s.finishes.Add(1)
	if s.finish != nil {
		if err := s.finish(n); err != nil {
			return false, err
		}
	}
	stored, err := s.Store.Finish(ctx, ref, claimed, next)
	if s.afterFinish != nil && err == nil {
		err = s.afterFinish(n)
	}
	return stored, err
}

func TestAnUnclearCommitIsNeverDialledOnAndTheClaimIsGivenBack(t *testing.T) {
	t.Parallel()
	for name, committed := range map[string]bool{"it had taken effect": true, "it had not": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			db := w.DB
			store := &faultyStore{Store: db, admit: func(ctx context.Context, ref followup.Ref, rules followup.Rules, decide tenantdb.Decide) (tenantdb.Admission, error) {
				if committed {
					a, err := db.Admit(ctx, ref, rules, decide)
					return a, errors.Join(fmt.Errorf("commit: %w", tenantdb.ErrUnclear), err)
				}
				b, now, err := db.Booking(ctx, ref)
				a := tenantdb.Admission{Booking: b, Decision: decide(b, functiontest.Facts(), now)}
				return a, errors.Join(fmt.Errorf("commit: %w", tenantdb.ErrUnclear), err)
			}}
			e := w.serve(func(p *execute.Parts) { p.Store = store })
			b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
			if got := e.deliver(b, 1); got.status != 502 || got.Result != "claim_unclear" {
				t.Errorf("answered %s", got)
			}
			want := map[bool]string{true: "failed/not_started r1 a1 task", false: "scheduled r1 a0 task"}[committed]
			if row := state(w.Row(b.Ref)); row != want || w.posts(b) != 0 {
				t.Errorf("the row is %q, want %q; the voice agent was asked %d times", row, want, w.posts(b))
			}
			store.admit = nil // the database has recovered
			if got := e.deliver(b, 1); got.Result != "accepted" || w.posts(b) != 1 {
				t.Errorf("the next delivery got %s; the voice agent was asked %d times", got, w.posts(b))
			}
		})
	}
}

func TestAnOutcomeIsRecordedEvenIfTheDatabaseFailsSeveralTimes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := &faultyStore{Store: w.DB, finish: func(n int64) error {
		if n <= 3 {
			return errors.New("the database has gone away")
		}
		return nil
	}}
	e := w.serve(func(p *execute.Parts) { p.Store = store })
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	if got := e.deliver(b, 1); got.status != 200 || got.Result != "accepted" {
		t.Errorf("answered %s", got)
	}
	if row := state(w.Row(b.Ref)); row != executedRow || w.posts(b) != 1 {
		t.Errorf("the row is %q, the voice agent was asked %d times", row, w.posts(b))
	}
	if n := len(w.log.Events("finish_retry")); n != 3 {
		t.Errorf("%d retries were logged", n)
	}
}

func TestAnUnclearFinishIsTriedAgainAndIsNoRival(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := &faultyStore{Store: w.DB, afterFinish: func(n int64) error {
		if n == 1 {
			return fmt.Errorf("commit: %w", tenantdb.ErrUnclear)
		}
		return nil
	}}
	e := w.serve(func(p *execute.Parts) { p.Store = store })
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	if got := e.deliver(b, 1); got.Result != "accepted" || state(w.Row(b.Ref)) != executedRow {
		t.Errorf("answered %s, the row is %q", got, state(w.Row(b.Ref)))
	}
	if n := len(w.log.Events("finish_superseded")); n != 0 {
		t.Error("its own outcome was taken for a rival's")
	}
}

func TestAnOutcomeThatCannotBeRecordedIsReportedAndTheBookingHeld(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store := &faultyStore{Store: w.DB, finish: func(int64) error { return errors.New("the database has gone away") }}
	e := w.serve(func(p *execute.Parts) { p.Store, p.Rules.Lease, p.CallTimeout = store, time.Second, time.Millisecond })
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	if got := e.deliver(b, 1); got.status != 500 || got.Result != "outcome_lost" {
		t.Errorf("answered %s", got)
	}
	lost := w.log.Events("outcome_lost")
	if len(lost) != 1 || lost[0]["severity"] != "ERROR" || lost[0]["outcome"] != "accepted" || lost[0]["call_id"] == nil {
		t.Errorf("logged %v", lost)
	}
	if row := state(w.Row(b.Ref)); row != "in_progress r1 a1 task" {
		t.Errorf("the row is %q", row)
	}
	store.finish = nil // the lease is over by now
	if got := e.deliver(b, 1); got.Result != "lease_over" || state(w.Row(b.Ref)) != unknownRow || w.posts(b) != 1 {
		t.Errorf("answered %s, the row is %q, the voice agent was asked %d times", got, state(w.Row(b.Ref)), w.posts(b))
	}
}

func TestALateOutcomeStillSettlesABookingThatIsHeldForIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve()
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	w.agent.Must(voiceagent.Behaviour{Kind: voiceagent.Slow, DelayMS: 500})
	answered := make(chan string)
	r := e.request(payload(b, 1))
	go func() {
		got, err := try(r)
		answered <- fmt.Sprint(got.Result, err)
	}()
	functiontest.Eventually(t, "the voice agent is asked", func() bool { return w.posts(b) == 1 })
	w.Change(b.Ref, "task_status = 'failed', task_reason = 'outcome_unknown'")
	if got := <-answered; got != "accepted<nil>" || state(w.Row(b.Ref)) != executedRow {
		t.Errorf("answered %s, the row is %q", got, state(w.Row(b.Ref)))
	}
}

func TestAFunctionThatWasPausedPastItsClaimDoesNotDial(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) { p.Rules.Lease, p.CallTimeout = time.Second, time.Minute })
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	if got := e.deliver(b, 1); got.status != 502 || got.Result != "claim_lapsed" {
		t.Errorf("answered %s", got)
	}
	if row := state(w.Row(b.Ref)); row != notStartedRow || w.posts(b) != 0 {
		t.Errorf("the row is %q, the voice agent was asked %d times", row, w.posts(b))
	}
}

func TestWithoutCredentialsNothingIsClaimed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	agent, err := agentclient.New(t.Context(), agentclient.Config{
		BaseURL: w.agent.URL, StartCallPath: voiceagent.StartCallPath, Timeout: time.Second,
		InternalServiceSecret: settings.NewSecret(functiontest.Secret), Audience: "https://agent.example",
	}, agentclient.WithIDTokens(func(context.Context) (string, error) { return "", errors.New("the metadata server is away") }))
	if err != nil {
		t.Fatal(err)
	}
	e := w.serve(func(p *execute.Parts) { p.Agent, p.Store = agent, untouchable{t} })
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	before := w.Checksum()
	if got := e.deliver(b, 1); got.status != 502 || got.Result != "agent_credentials_failed" {
		t.Errorf("answered %s", got)
	}
	if w.Checksum() != before || w.posts(b) != 0 {
		t.Error("the booking was touched")
	}
}

// silent accepts connections and never says a word.
func silent(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String()
}

// 503 would slow the queue down for longer than the outage.
func TestADatabaseThatIsAwayIsNoOverload(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	refuses := closed.Addr().String()
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for fault, address := range map[string]string{"connection_refused": refuses, "unreachable": silent(t)} {
		for mode, change := range map[string]func(*tenantdb.Config){
			"tenants share a schema":        func(c *tenantdb.Config) { c.Schema, c.Registry = "lad_dev", "" },
			"tenants stand in the registry": func(*tenantdb.Config) {},
		} {
			t.Run(fault+", "+mode, func(t *testing.T) {
				e := w.serve(func(p *execute.Parts) {
					p.Store = w.Open(functiontest.At("postgres://followup_app:secret@"+address+"/lad?sslmode=disable"), change)
					p.Rules.Lease = time.Second // and so the longest wait
				})
				b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
				if got := e.deliver(b, 1); got.status != 500 || got.Result != "admission_failed" || w.posts(b) != 0 {
					t.Errorf("answered %s", got)
				}
				lines := w.log.Events("admission_failed")
				if line := lines[len(lines)-1]; line["fault"] != fault {
					t.Errorf("logged %v", line)
				}
			})
		}
	}
}

// A failover or a full disk during the call, and the sessions that are left of it.
func TestAnOutcomeIsRecordedOnceAReadOnlyDatabaseIsWellAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	store := &faultyStore{Store: w.DB, finish: func(n int64) error {
		switch n {
		case 1:
			w.ReadOnly(t, true)
			w.EndSessions(t)
		case 3:
			w.ReadOnly(t, false)
		}
		return nil
	}}
	if got := w.serve(func(p *execute.Parts) { p.Store = store }).deliver(b, 1); got.status != 200 || got.Result != "accepted" {
		t.Errorf("answered %s", got)
	}
	if row := state(w.Row(b.Ref)); row != executedRow || w.posts(b) != 1 {
		t.Errorf("the row is %q, the voice agent was asked %d times", row, w.posts(b))
	}
	retries := w.log.Events("finish_retry")
	if len(retries) != 2 || retries[0]["fault"] != "unwritable" {
		t.Errorf("logged %v", retries)
	}
}

func TestASchemaWithoutOurViewsIsAFaultAndNothingRings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) {
		p.Store = w.Open(func(c *tenantdb.Config) { c.Schema, c.Registry = "public", "" })
	})
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	if got := e.deliver(b, 1); got.status != 500 || got.Result != "admission_failed" || w.posts(b) != 0 {
		t.Errorf("answered %s", got)
	}
}
