package execute_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/voiceagent"
)

// everybody is a verifier that lets everybody in.
type everybody struct{}

func (everybody) Verify(context.Context, string) error { return nil }

// absent is a database without bookings, which remembers what it was asked for,
// and a voice agent and a queue that must not be asked at all.
type absent struct {
	execute.Store
	asked []followup.Ref
}

func (a *absent) Admit(_ context.Context, ref followup.Ref, rules followup.Rules, decide tenantdb.Decide) (tenantdb.Admission, error) {
	a.asked = append(a.asked, ref)
	return tenantdb.Admission{Decision: decide(nil, followup.Facts{}, time.Now())}, nil
}

func (a *absent) Authorize(context.Context) (voiceagent.Credentials, error) {
	return voiceagent.Credentials{}, nil
}

func (a *absent) StartCall(context.Context, voiceagent.Credentials, voiceagent.Call) voiceagent.Result {
	panic("a call was made for a booking that is not there")
}

func (a *absent) Job(context.Context, voiceagent.Credentials, voiceagent.Call, string) voiceagent.JobResult {
	panic("a job was asked for of a booking that is not there")
}

func (a *absent) CreateScheduledHTTPTask(context.Context, followup.Booking, followup.Task) (string, error) {
	panic("a task was created for a booking that is not there")
}

func (a *absent) Waits(context.Context, followup.Task) (bool, error) {
	panic("a task was looked for, of a booking that is not there")
}

func (a *absent) Delete(context.Context, string) error { return nil }

// handler lets everybody in to a.
func (a *absent) handler(t testing.TB) http.Handler {
	t.Helper()
	h, err := execute.New(execute.Parts{
		Rules: functiontest.Rules(), Store: a, Queue: a, Agent: a, Verifier: everybody{}, QueueName: functiontest.Queue,
		TaskPath: func(id string) string { return id }, CallTimeout: time.Second, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	return h
}

const (
	fuzzTenant  = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
	fuzzBooking = "c9bf9e57-1685-4c89-bafb-ff5af830be8a"
	fuzzTask    = `{"version":1,"tenantId":"` + fuzzTenant + `","bookingId":"` + fuzzBooking + `","idempotencyKey":"followup:` +
		fuzzTenant + `:` + fuzzBooking + `:2026-03-10T12:00:00.000Z","revision":3}`
)

// numbers are long enough for a phone's.
var numbers = regexp.MustCompile(`[0-9]{7,}`)

// FuzzTask: whatever comes to the handler, the database is asked for the booking
// that body and path agree on, or for none, and the answer quotes neither.
func FuzzTask(f *testing.F) {
	const path = "/bookings/" + fuzzBooking + "/execute-followup"
	for _, path := range []string{
		"/", path, "/api" + path, path + "/", "/bookings/" + strings.ToUpper(fuzzBooking) + "/execute-followup", "/bookings/" + fuzzBooking + "/Execute-followup",
		"/bookings/{" + fuzzBooking + "}/execute-followup", "/bookings/urn:uuid:" + fuzzBooking + "/execute-followup",
		"/bookings/x/execute-followup/bookings/" + fuzzBooking + "/execute-followup", "/bookings/" + fuzzBooking + "/execute-followup/bookings/x/execute-followup",
		"/bookings/%2Fbookings%2F" + fuzzBooking + "/execute-followup", "/bookings//execute-followup", "/bookings/" + fuzzBooking + "\x00/execute-followup",
	} {
		f.Add(path, "application/json", "", []byte(fuzzTask))
	}
	f.Add(path, "application/json; charset=utf-8", "gzip", []byte("\x1f\x8b\x08\x00"))
	f.Add(path, "text/json", "identity", []byte(fuzzTask))
	f.Add(path, "application/json", "", []byte(strings.Replace(fuzzTask, `"bookingId"`, `"BOOKINGID"`, 1)))
	f.Add(path, "application/json", "", []byte(strings.Replace(fuzzTask, `"revision":3`, `"revision":4915112345678`, 1)))
	f.Fuzz(func(t *testing.T, path, contentType, encoding string, body []byte) {
		path = "/" + strings.TrimPrefix(path, "/")
		a := &absent{}
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.URL = &url.URL{Path: path}
		r.Header = http.Header{"Authorization": {"Bearer x"}, "Content-Type": {contentType},
			"X-Cloudtasks-Queuename": {functiontest.Queue}, "X-Cloudtasks-Taskname": {"t"}}
		if encoding != "" {
			r.Header.Set("Content-Encoding", encoding)
		}
		w := httptest.NewRecorder()
		a.handler(t).ServeHTTP(w, r)

		answer := w.Body.String()
		if !json.Valid(w.Body.Bytes()) || !utf8.ValidString(answer) || strings.Contains(answer, "%!") {
			t.Errorf("answered %q", answer)
		}
		for _, number := range numbers.FindAllString(path+" "+string(body), -1) {
			if number != "2147483647" && strings.Contains(answer, number) {
				t.Errorf("the answer quotes %s: %s", number, answer)
			}
		}
		want, err := tasks.ParsePayload(body)
		switch {
		case w.Code == http.StatusOK:
			if err != nil || encoding != "" || len(a.asked) != 1 || a.asked[0] != want.Ref {
				t.Errorf("asked for %v, by %q, which is read as %+v, %v", a.asked, body, want, err)
			}
			if !strings.HasSuffix(path, "/bookings/"+want.BookingID.String()+"/execute-followup") {
				t.Errorf("%q was taken for booking %s", path, want.BookingID)
			}
		case len(a.asked) != 0:
			t.Errorf("asked for %v and answered %d", a.asked, w.Code)
		case w.Code != http.StatusBadRequest && w.Code != http.StatusUnsupportedMediaType && w.Code != http.StatusRequestEntityTooLarge:
			t.Errorf("answered %d %s", w.Code, answer)
		}
	})
}

// FuzzConfiguration: what is accepted is safe, and what is refused is refused in
// sentences that name a setting and show no secret.
func FuzzConfiguration(f *testing.F) {
	for _, seed := range [][2]string{
		{"FOLLOWUP_OIDC_MODE", "iam"}, {"K_SERVICE", ""}, {"FOLLOWUP_OIDC_MODE", "IAM"}, {"FOLLOWUP_OIDC_ISSUER", "https://issuer.example"},
		{"FOLLOWUP_OIDC_CERTS_URL", "file:///etc/passwd"}, {"FOLLOWUP_LEASE", "9223372036854775807ns"}, {"FOLLOWUP_HORIZON", "-1h"}, {"VOICE_AGENT_TIMEOUT", "1e9s"},
		{"VOICE_AGENT_BASE_URL", "https://u:swordfish-canary@lad.example"}, {"DATABASE_URL", "postgres://u:swordfish-canary@%zz"}, {"INTERNAL_SERVICE_SECRET", "swordfish-canary\x00"},
		{"DEFAULT_FOLLOW_UP_AGENT_ID", "99999999999999999999"}, {"FOLLOWUP_PAUSED", "{" + fuzzTenant + "}"}, {"FOLLOWUP_PAUSED", "%d%s%!"}, {"FOLLOWUP_ACTIVE_SINCE", "0000-00-00T00:00:00Z"},
		{"FOLLOWUP_EXECUTION_ENDPOINT", "https://execute.example/%"}, {"FOLLOWUP_OIDC_AUDIENCE", " "}, {"TENANT_SCHEMA", "\xff"}, {"FOLLOWUP_BOOKING_TYPES", ",,,"},
		{"VOICE_AGENT_LIMIT", "30/1m,,0/0s"}, {"FOLLOWUP_MAX_CALLS_PER_LEAD", "-1/1h"}, {"FOLLOWUP_TIME_MEANS", "wall,=instant"}, {"FOLLOWUP_DEFAULT_TIMEZONE", "Asia/\xff"},
		{"VOICE_AGENT_JWT_SECRET", "swordfish-canary\x00"}, {"VOICE_AGENT_JOB_AFTER", "-1s"}, {"VOICE_AGENT_JOB_PATH", "//{job_id}{job_id}"}, {"FOLLOWUP_DEFAULT_REGION", "AE,%d"},
	} {
		f.Add(seed[0], seed[1], "", "")
	}
	f.Add("K_SERVICE", "", "FOLLOWUP_OIDC_MODE", "iam")
	f.Add("FOLLOWUP_OIDC_CERTS_URL", "https://i.example/certs", "FOLLOWUP_OIDC_ISSUER", "https://i.example")
	f.Fuzz(func(t *testing.T, name, value, name2, value2 string) {
		env := environment(name, value, name2, value2)
		c, err := load(env)
		if err != nil {
			checkSentences(t, err, env)
			return
		}
		rules := c.Shared.Rules
		for what, holds := range map[string]bool{
			"a mode":                          c.OIDC.Mode == "verify" || c.OIDC.Mode == "iam",
			"iam on Cloud Run alone":          c.OIDC.Mode == "verify" || c.OIDC.Service != "",
			"another issuer elsewhere alone":  c.OIDC.Issuer == "" && c.OIDC.CertsURL == "" || c.OIDC.Service == "" && c.OIDC.Mode == "verify" && c.OIDC.Issuer != "" && c.OIDC.CertsURL != "",
			"an audience":                     c.Shared.Tasks.TokenAudience() != "",
			"an account":                      c.Shared.Tasks.ServiceAccount != "",
			"a call within its lease":         c.Agent.Timeout > 0 && c.Agent.Timeout < rules.Lease,
			"a lease within the dispatch":     rules.Lease < c.Shared.Tasks.DispatchDeadline && c.Shared.Tasks.DispatchDeadline <= 30*time.Minute,
			"a horizon within Cloud Tasks'":   rules.Horizon > 0 && rules.Horizon < 30*24*time.Hour,
			"a lead time within the horizon":  rules.LeadTime >= 0 && rules.LeadTime < rules.Horizon,
			"a start":                         !rules.ActiveSince.IsZero(),
			"a kind":                          len(rules.Kinds()) > 0,
			"one way to the tenants":          (c.Shared.Database.Schema == "") != (c.Shared.Database.Registry == ""),
			"the secrets are not shown by %v": !strings.Contains(fmt.Sprintf("%+v%#v", c, c), "swordfish"),
		} {
			if !holds {
				t.Errorf("accepted without %s: %s=%q %s=%q", what, name, value, name2, value2)
			}
		}
		if _, err := execute.NewVerifier(t.Context(), c.OIDC, c.Shared.Tasks.TokenAudience(), c.Shared.Tasks.ServiceAccount); err != nil {
			t.Errorf("accepted, and no verifier can be made of it: %v", err)
		}
	})
}

// settingName begins a sentence about a setting.
var settingName = regexp.MustCompile(`^[A-Z][A-Z0-9_]+ |^no credentials`)

func checkSentences(t *testing.T, err error, env map[string]string) {
	t.Helper()
	text := err.Error()
	if strings.Contains(text, "swordfish") || strings.Contains(text, "%!") && !strings.Contains(fmt.Sprint(env), "%!") {
		t.Errorf("said %q", text)
	}
	for _, name := range []string{"INTERNAL_SERVICE_SECRET", "VOICE_AGENT_API_KEY", "DATABASE_URL"} {
		if secret := strings.TrimSpace(env[name]); len(secret) > 5 && strings.Contains(text, secret) && !strings.Contains(fmt.Sprint(environment()), secret) {
			t.Errorf("shows %s: %q", name, text)
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		if !settingName.MatchString(line) {
			t.Errorf("a line names no setting: %q", line)
		}
	}
}
