package voiceagent

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"lad.internal/followup/pkg/followup"
)

func TestOutcomeByStatus(t *testing.T) {
	t.Parallel()
	same := func(o followup.Outcome, statuses ...int) map[int][2]followup.Outcome {
		m := map[int][2]followup.Outcome{}
		for _, s := range statuses {
			m[s] = [2]followup.Outcome{o, o}
		}
		return m
	}
	// Without and with Retry-After.
	tables := []map[int][2]followup.Outcome{
		same(followup.CallAccepted, 200, 201, 202, 203, 204, 206, 299),
		same(followup.CallRejected, 300, 301, 302, 303, 304, 307, 308, 400, 402, 404, 405, 413, 415, 422),
		same(followup.CallMisconfigured, 401, 403),
		same(followup.CallLimited, 429),
		same(followup.CallNotStarted, 425),
		{503: {followup.CallUnknown, followup.CallNotStarted}},
		same(followup.CallUnknown, 408, 409, 500, 502, 504),
		// In no table of the design.
		same(followup.CallUnknown, 101, 406, 407, 410, 411, 412, 417, 418, 421, 424, 426, 428, 431, 451, 499, 501, 505, 507, 511, 520, 599, 600, 999),
	}
	for _, table := range tables {
		for status, want := range table {
			for i, header := range []string{"", "Retry-After: 7\r\n"} {
				t.Run(fmt.Sprintf("%d %s", status, strings.TrimSpace(header)), func(t *testing.T) {
					t.Parallel()
					server := newRawServer(t, answerWith(status, header, `{"message":"because"}`))
					got := start(t, t.Context(), newTestClient(t, server.URL, 0), testCall())
					if got.Outcome != want[i] || got.Status != status {
						t.Errorf("got %v with status %d, want %v", got.Outcome, got.Status, want[i])
					}
					wait := time.Duration(i) * 7 * time.Second
					if wait == 0 && status == 429 {
						wait = time.Minute
					}
					if got.RetryAfter != wait {
						t.Errorf("got a Retry-After of %s, want %s", got.RetryAfter, wait)
					}
					if !strings.Contains(got.Detail, fmt.Sprint(status)) {
						t.Errorf("detail %q does not name the status", got.Detail)
					}
					if n := server.posts.Load(); n != 1 {
						t.Errorf("the server read %d POSTs", n)
					}
				})
			}
		}
	}
}

func TestOutcomeByBody(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 19, 0, 0, 0, time.UTC) // Sunday, 23:00 in Dubai
	const hours = `"business_hours":{"start":"08:00","end":"22:00","timezone":"Asia/Dubai","allowed_days":["monday","friday"]}`
	for name, tc := range map[string]struct {
		status int
		body   string
		want   followup.Outcome
		detail string
	}{
		"success false":           {200, `{"success":false,"message":"no agent","call_id":"12","data":{"job_id":"16"}}`, followup.CallUnknown, `200 OK: "success" is false (`},
		"success false in data":   {202, `{"data":{"success":false}}`, followup.CallUnknown, `"success" is false`},
		"success as text":         {200, `{"success":"false"}`, followup.CallAccepted, "200 OK"},
		"credentials":             {403, `{"message":"Invalid token"}`, followup.CallMisconfigured, "403 Forbidden: the credentials were refused (27 bytes of no type)"},
		"no credentials":          {401, `{"message":"No token"}`, followup.CallMisconfigured, "401 Unauthorized: the credentials were refused ("},
		"feature":                 {403, `{"success":false,"upgrade_required":true}`, followup.CallMisconfigured, "the tenant does not have the voice agent's feature"},
		"feature as error":        {403, `{"error":"upgrade_required"}`, followup.CallMisconfigured, "feature"},
		"feature as code":         {403, `{"error":{"code":"upgrade_required"}}`, followup.CallMisconfigured, "feature"},
		"feature and hours":       {403, `{"upgrade_required":true,` + hours + `}`, followup.CallMisconfigured, "feature"},
		"closed":                  {403, `{"success":false,` + hours + `,"message":"closed"}`, followup.CallClosed, "403 Forbidden: outside business hours until 2026-03-02 04:00Z ("},
		"closed, in data":         {403, `{"data":{` + hours + `}}`, followup.CallClosed, "until 2026-03-02 04:00Z"},
		"closed, hours unread":    {403, `{"business_hours":"by day"}`, followup.CallClosed, "until 2026-03-01 20:00Z"},
		"hours null":              {403, `{"business_hours":null}`, followup.CallMisconfigured, "credentials"},
		"hours with another 4xx":  {402, `{` + hours + `}`, followup.CallRejected, "402"},
		"success false, rejected": {400, `{"success":false}`, followup.CallRejected, "400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got := readResult(response(tc.status, tc.body), now)
			if got.Outcome != tc.want || !strings.Contains(got.Detail, tc.detail) {
				t.Errorf("got %v, %q, want %v, %q", got.Outcome, got.Detail, tc.want, tc.detail)
			}
			if got.OpensAt.IsZero() != (got.Outcome != followup.CallClosed) || got.CallID != "" || got.JobID != "" {
				t.Errorf("got %+v", got)
			}
		})
	}
}

func TestOutcomeOf2xx(t *testing.T) {
	t.Parallel()
	whole := func(body string) func(*peer) { return answerWith(200, "", body) }
	cases := []struct {
		name   string
		handle func(*peer)
		callID string
	}{
		{"LAD's answer", whole(`{"success":true,"message":"Call started","data":{"call_id":"11"}}`), "11"},
		{"empty", whole(""), ""},
		{"no content", func(p *peer) { p.readRequest(); p.write("HTTP/1.1 204 No Content\r\n\r\n") }, ""},
		{"HTML", whole("<html>It works</html>"), ""},
		{"odd types", whole(`{"callId":{"a":1},"call_id":[1],"data":"x","result":7}`), ""},
		{"array", whole(`["call_id"]`), ""},
		{"huge", whole(`{"call_id":"13","pad":"` + strings.Repeat("x", 1<<20) + `"}`), ""},
		{"truncated", func(p *peer) {
			p.readRequest()
			p.write("HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n" + `{"data":{"call_id":"14`)
		}, ""},
		{"whole JSON in a truncated body", func(p *peer) {
			p.readRequest()
			p.write("HTTP/1.1 201 Created\r\nContent-Length: 500\r\n\r\n" + `{"data":{"call_id":"15"}}`)
		}, "15"},
		{"broken chunks", func(p *peer) {
			p.readRequest()
			p.write("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
		}, ""},
		{"gzip that nobody asked for", func(p *peer) {
			p.readRequest()
			p.write("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00")
		}, ""},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			server := newRawServer(t, tc.handle)
			got := start(t, t.Context(), newTestClient(t, server.URL, 0), testCall())
			if got.Outcome != followup.CallAccepted || got.CallID != tc.callID {
				t.Errorf("got %+v, want accepted with the call id %q", got, tc.callID)
			}
		})
	}
}

func TestTricklingAnswer(t *testing.T) {
	t.Parallel()
	for status, want := range map[int]followup.Outcome{200: followup.CallAccepted, 429: followup.CallLimited, 400: followup.CallRejected, 500: followup.CallUnknown} {
		t.Run(fmt.Sprint(status), func(t *testing.T) {
			t.Parallel()
			// The server never stops by itself, so returning at all is the proof.
			server := newRawServer(t, func(p *peer) {
				p.readRequest()
				p.write("HTTP/1.1 %d Words\r\nContent-Length: 60000\r\n\r\n", status)
				trickle(p)
			})
			got := start(t, t.Context(), newTestClient(t, server.URL, 300*time.Millisecond), testCall())
			if got.Outcome != want {
				t.Errorf("got %+v, want %v", got, want)
			}
		})
	}
}

func TestRetryAfter(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	cases := []struct {
		value string
		wait  time.Duration
		given bool
	}{
		{"", 0, false},
		{"0", 0, true},
		{"120", 2 * time.Minute, true},
		{"3600", time.Hour, true},
		{"3601", MaxRetryAfter, true},
		{"99999999999999999999999", MaxRetryAfter, true},
		{"-1", 0, false},
		{"1.5", 0, false},
		{"soon", 0, false},
		{now.Add(90 * time.Second).Format(http.TimeFormat), 90 * time.Second, true},
		{now.Add(-time.Hour).Format(http.TimeFormat), 0, true},
		{now.Add(48 * time.Hour).Format(http.TimeFormat), MaxRetryAfter, true},
	}
	for _, tc := range cases {
		if wait, given := retryAfter(tc.value, now); wait != tc.wait || given != tc.given {
			t.Errorf("Retry-After %q: got %s, %t, want %s, %t", tc.value, wait, given, tc.wait, tc.given)
		}
	}
}
