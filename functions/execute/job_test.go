package execute_test

import (
	"cmp"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/voiceagent"
	agentclient "lad.internal/followup/pkg/voiceagent"
)

// askedAgent does something before it asks for a job.
type askedAgent struct {
	execute.Agent
	before func(jobID string)
}

func (a askedAgent) Job(ctx context.Context, creds agentclient.Credentials, call agentclient.Call, jobID string) agentclient.JobResult {
	a.before(jobID)
	return a.Agent.Job(ctx, creds, call, jobID)
}

// silentJobs hangs up on whoever asks for a job, and counts them.
func silentJobs(t *testing.T, agent *functiontest.Agent) (url string, asked *atomic.Int64) {
	t.Helper()
	asked = new(atomic.Int64)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			asked.Add(1)
			panic(http.ErrAbortHandler)
		}
		agent.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return server.URL, asked
}

func TestJob(t *testing.T) {
	t.Parallel()
	fails := voiceagent.Behaviour{Kind: voiceagent.DispatchFail, Error: "no_trunk", Times: 1}
	const said = "the voice service took the call, and then failed to dispatch it: no_trunk"
	for _, tc := range []struct {
		name       string
		behaviour  voiceagent.Behaviour
		dispatched time.Duration // after it was accepted
		forgotten  bool
		silent     bool
		retry      bool // Rules.RetryDispatch
		status     int
		result     string
		row        string
		logID      bool // the row's call is named as in the call log, not by its job
		lastError  string
		errors     int // lines that a person is called by
	}{
		{name: "running", status: 200, result: "accepted", row: executedRow, logID: true},
		{name: "failed", behaviour: fails, status: 200, result: "dispatch_failed", row: unknownRow, lastError: said, errors: 1},
		{name: "failed_not_started", behaviour: fails, retry: true, status: 502, result: "not_started", row: notStartedRow, lastError: said, errors: 1},
		{name: "gone", forgotten: true, status: 200, result: "accepted", row: executedRow},
		{name: "silent", silent: true, status: 200, result: "accepted", row: executedRow},
		{name: "pending", dispatched: time.Hour, status: 200, result: "accepted", row: executedRow},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.agent = functiontest.NewAgent(t, false, func(o *voiceagent.Options) { o.DispatchAfter = cmp.Or(tc.dispatched, 200*time.Millisecond) })
			url, unheard := silentJobs(t, w.agent)
			if !tc.silent {
				url = w.agent.URL
			}
			b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
			if tc.behaviour.Kind != "" {
				w.agent.Must(tc.behaviour)
			}
			e := w.serve(func(p *execute.Parts) {
				p.Rules.RetryDispatch, p.JobAfter = tc.retry, 1200*time.Millisecond // far longer than a dispatch that is due, which is longer than an answer
				p.Agent = askedAgent{functiontest.Client(t, url, 5*time.Second), func(jobID string) {
					// The call counts as made before anything is asked about it.
					if row := w.Row(b.Ref); w.posts(b) == 1 && (state(row) != executedRow || row.Task.CallID != jobID) {
						t.Errorf("before the question the row is %q and names the call %q, want the job's id %q", state(row), row.Task.CallID, jobID)
					}
					if tc.forgotten {
						w.agent.ForgetJobs()
					}
				}}
			})
			if got := e.deliver(b, 1); got.status != tc.status || got.Result != tc.result {
				t.Errorf("answered %s, want %d %s", got, tc.status, tc.result)
			}
			after := w.Row(b.Ref)
			call := append(w.agent.Calls(b.BookingID.String()), w.agent.Failed(b.BookingID.String())...)[0]
			id := call.JobID
			if tc.logID {
				id = call.CallID
			}
			if state(after) != tc.row || after.Task.CallID != id || after.Task.LastError != tc.lastError {
				t.Errorf("the row is %q with call %q and error %q, want %q, %q and %q", state(after), after.Task.CallID, after.Task.LastError, tc.row, id, tc.lastError)
			}
			if asked := w.agent.JobsAsked("") + int(unheard.Load()); asked != 1 || w.posts(b) != 1 {
				t.Errorf("%d calls were asked for and %d questions", w.posts(b), asked)
			}
			if n := strings.Count(w.log.String(), `"severity":"ERROR"`); n != tc.errors {
				t.Errorf("%d errors are logged, want %d:\n%s", n, tc.errors, w.log)
			}
			if !tc.retry {
				if got := e.deliver(b, 1); got.status != 200 || w.posts(b) != 1 {
					t.Errorf("the next delivery is answered %s; %d calls were asked for", got, w.posts(b))
				}
				return
			}
			if got := e.deliver(b, 1); got.Result != "accepted" || state(w.Row(b.Ref)) != "executed r1 a2 task called" || w.calls(b) != 1 {
				t.Errorf("the next delivery is answered %s, the row is %q; the lead was called %d times", got, state(w.Row(b.Ref)), w.calls(b))
			}
		})
	}
}

// A job that fails after LAD has moved the booking changes nothing: its next call
// is on its way.
func TestJobSuperseded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.agent.Must(voiceagent.Behaviour{Kind: voiceagent.DispatchFail})
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	e := w.serve(func(p *execute.Parts) {
		p.JobAfter = 500 * time.Millisecond
		p.Agent = askedAgent{p.Agent, func(string) {
			w.Change(b.Ref, "scheduled_at = scheduled_at + interval '1 hour'")
			w.plan(b)
		}}
	})
	e.deliver(b, 1)
	if row := state(w.Row(b.Ref)); row != "scheduled r2 a0 task called" {
		t.Errorf("the row is %q", row)
	}
	if n := len(w.log.Events("finish_superseded")); n != 1 {
		t.Errorf("%d lines say so", n)
	}
}
