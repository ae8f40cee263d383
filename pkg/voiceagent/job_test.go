package voiceagent

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestJobAnswer(t *testing.T) {
	t.Parallel()
	const log = "0b9cf1f2-6d3c-4a63-8a9e-1d9c8e1c2f10"
	for name, tc := range map[string]struct {
		status int
		body   string
		want   JobResult
	}{
		"pending":        {200, `{"job_id":"j","status":"pending","results":[{"call_log_id":null}],"error":null}`, JobResult{State: JobPending}},
		"running":        {200, `{"job_id":"j","status":"running","results":[{"call_log_id":"` + log + `"}]}`, JobResult{State: JobRunning, CallLogID: log}},
		"in data":        {200, `{"success":true,"data":{"status":"running","results":[{"call_log_id":"` + log + `"}]}}`, JobResult{State: JobRunning, CallLogID: log}},
		"failed":         {200, `{"status":"failed","error":"no_trunk"}`, JobResult{State: JobFailed, Error: "no_trunk"}},
		"failed, logged": {200, `{"status":"failed","results":[{"call_log_id":"` + log + `"}],"error":{"code":"no_carrier"}}`, JobResult{State: JobFailed, CallLogID: log, Error: "no_carrier"}},
		"failed, prose":  {200, `{"status":"failed","error":"no carrier for +971501234567"}`, JobResult{State: JobFailed}},
		"failed, number": {200, `{"status":"failed","error":"971501234567"}`, JobResult{State: JobFailed}},
		"failed, other":  {200, `{"status":"failed","error":"sip_trunk_down"}`, JobResult{State: JobFailed}},
		"log with name":  {200, `{"status":"running","results":[{"call_log_id":"quist-1"}]}`, JobResult{State: JobRunning}},
		"gone":           {404, `{"detail":"not found"}`, JobResult{State: JobGone}},
		"other status":   {200, `{"status":"completed"}`, JobResult{State: JobUnknown}},
		"no status":      {200, `{}`, JobResult{State: JobUnknown}},
		"HTML":           {200, `<html>`, JobResult{State: JobUnknown}},
		"truncated":      {200, `{"status":"failed"`, JobResult{State: JobUnknown}},
		"refused":        {401, `{"status":"failed"}`, JobResult{State: JobUnknown}},
		"limited":        {429, `{"status":"failed"}`, JobResult{State: JobUnknown}},
		"broken":         {502, `{"status":"failed"}`, JobResult{State: JobUnknown}},
		"redirect":       {302, `{"status":"failed"}`, JobResult{State: JobUnknown}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			server := newRawServer(t, answerWith(tc.status, "", tc.body))
			tc.want.Status = tc.status
			if got := newTestClient(t, server.URL, 0).Job(t.Context(), Credentials{ready: true}, testCall(), idB); got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
			if n := server.connections.Load(); n != 1 {
				t.Errorf("%d requests were made", n)
			}
		})
	}
}

func TestJobRequest(t *testing.T) {
	t.Parallel()
	seen, url := record(t)
	call := testCall()
	call.Traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
	newTestClient(t, url, 0).Job(t.Context(), Credentials{ready: true}, call, idB)
	if seen.path != "GET /api/voice-agent/calls/job/"+idB {
		t.Errorf("sent %s", seen.path)
	}
	for name, want := range map[string]string{
		"X-Tenant-Id": call.TenantID, "X-Internal-Service-Secret": testSecret, "Traceparent": call.Traceparent,
		"Idempotency-Key": "", "Content-Type": "", "Connection": "close", "Accept": "application/json",
	} {
		if got := seen.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestJobNotAsked(t *testing.T) {
	t.Parallel()
	seen, url := record(t)
	c := newTestClient(t, url, 0)
	unknown := JobResult{State: JobUnknown}
	for _, id := range []string{"", "../start-call", "a/b", "a?b", "a b", "a\n", strings.Repeat("x", 101)} {
		if got := c.Job(t.Context(), Credentials{ready: true}, testCall(), id); got != unknown {
			t.Errorf("%q: got %+v", id, got)
		}
	}
	if got := c.Job(t.Context(), Credentials{}, testCall(), idB); got != unknown {
		t.Errorf("without credentials: got %+v", got)
	}
	smuggling := testCall()
	smuggling.TenantID += "\r\nX-Evil: 1"
	if got := c.Job(t.Context(), Credentials{ready: true}, smuggling, idB); got != unknown {
		t.Errorf("a tenant that fits no header: got %+v", got)
	}
	if seen.requests != 0 {
		t.Errorf("%d requests were made", seen.requests)
	}
}

func TestJobWithoutAnswer(t *testing.T) {
	t.Parallel()
	unknown := JobResult{State: JobUnknown}
	ask := func(ctx context.Context, url string, timeout time.Duration) JobResult {
		return newTestClient(t, url, timeout).Job(ctx, Credentials{ready: true}, testCall(), idB)
	}
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		if got := ask(t.Context(), "http://"+closedPort(t), 0); got != unknown {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("timeout", func(t *testing.T) {
		t.Parallel()
		if got := ask(t.Context(), newRawServer(t, (*peer).hang).URL, 300*time.Millisecond); got != unknown {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("cancelled", func(t *testing.T) {
		t.Parallel()
		ctx, cancel := context.WithCancel(t.Context())
		server := newRawServer(t, func(p *peer) { p.readRequest(); cancel(); p.hang() })
		if got := ask(ctx, server.URL, 0); got != unknown {
			t.Errorf("got %+v", got)
		}
	})
	t.Run("body trickles", func(t *testing.T) {
		t.Parallel()
		server := newRawServer(t, func(p *peer) {
			p.readRequest()
			p.write("HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\n")
			trickle(p)
		})
		if got := ask(t.Context(), server.URL, 300*time.Millisecond); got.State != JobUnknown || got.Status != http.StatusOK {
			t.Errorf("got %+v", got)
		}
	})
}
