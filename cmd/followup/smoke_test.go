package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/stack"
	"lad.internal/followup/internal/localstack/stack/stacktest"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

func get(t *testing.T, url string, into any) {
	t.Helper()
	resp, err := stacktest.Client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(into); err != nil {
		t.Fatal(err)
	}
}

// startStub runs `followup stub` until the test ends, and returns its URL.
func startStub(t *testing.T) string {
	t.Helper()
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	s := (&desk{ctx: ctx, t: t, settings: map[string]string{"PORT": "0"}}).start(strings.NewReader(""), nil, "stub")
	t.Cleanup(func() {
		stop()
		if <-s.done; s.code != 0 {
			t.Errorf("the stub ended with %d: %s", s.code, &s.err)
		}
	})
	port := regexp.MustCompile(`"address":"[^"]*:(\d+)"`)
	functiontest.Eventually(t, "the stub listens", func() bool { return port.MatchString(s.out.String()) })
	return "http://127.0.0.1:" + port.FindStringSubmatch(s.out.String())[1]
}

func TestTheStubTakesACallAtAnyPathWithoutCredentialsAndCannotBeToldToMisbehave(t *testing.T) {
	t.Parallel()
	url := startStub(t)
	type callAnswer struct {
		Data struct {
			JobID string `json:"job_id"`
		}
	}
	call := func(path string) (status int, answer callAnswer) {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, url+path, strings.NewReader(`{"voice_id":"default","agent_id":7,"to_number":"+12025550100","booking_id":"aaaaaaaa-0000-4000-8000-00000000000b"}`))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("X-Tenant-Id", tenantA())
		r.Header.Set("Idempotency-Key", path)
		got, err := stacktest.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer got.Body.Close()
		if err := json.NewDecoder(got.Body).Decode(&answer); err != nil {
			t.Fatal(err)
		}
		return got.StatusCode, answer
	}
	for _, path := range []string{voiceagent.StartCallPath, "/calls/start-call"} {
		if status, answer := call(path); status != http.StatusOK || !strings.HasPrefix(answer.Data.JobID, stubCallPrefix) {
			t.Errorf("%s: answered %d %+v", path, status, answer)
		} else if get(t, url+"/some/path/"+answer.Data.JobID, &answer); !strings.HasPrefix(answer.Data.JobID, stubCallPrefix) {
			t.Errorf("%s: asked about its job, it answers %+v", path, answer)
		}
	}
	r, err := stacktest.Client.Post(url+voiceagent.BehaviourPath, "application/json", strings.NewReader(`{"behaviour":"hang"}`))
	if err != nil {
		t.Fatal(err)
	}
	r.Body.Close()
	if status, _ := call("/calls/start-call"); r.StatusCode/100 == 2 || status != http.StatusOK {
		t.Errorf("it was told to hang (%s), and answers %d", r.Status, status)
	}
	var calls []voiceagent.Call
	if get(t, url+voiceagent.CallsPath, &calls); len(calls) != 3 {
		t.Errorf("it lists %+v", calls)
	}
}

// deployed is a running system with a canary, and a desk with the owner's login.
func deployed(t *testing.T, stub string) (*stack.Stack, *desk) {
	t.Helper()
	s, err := stack.Start(t.Context(), stack.Options{Function: stacktest.Function(t), SweepEvery: time.Second, Env: map[string]string{
		"VOICE_AGENT_CANARY_TENANT": "a11ce000-0000-4000-8000-000000000001", "VOICE_AGENT_CANARY_URL": stub,
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	settings := map[string]string{}
	for _, setting := range s.Env() {
		name, value, _ := strings.Cut(setting, "=")
		settings[name] = value
	}
	settings["DATABASE_URL"] = s.Tenants[0].DatabaseURL
	return s, &desk{ctx: t.Context(), t: t, settings: settings}
}

func userOf(s *stack.Stack, tenant int) stacktest.LAD {
	return stacktest.LAD{URL: s.URL, Tenant: s.Tenants[tenant].ID}
}

func TestTheSmokeTestsCallIsMadeOnTheStubAndOnNoOther(t *testing.T) {
	t.Parallel()
	stub := startStub(t)
	s, d := deployed(t, stub)
	for i := range 2 { // LAD takes the canary's user from another lead
		userOf(s, i).Book(t, time.Now().Add(24*time.Hour), nil)
	}
	called := func(url, booking string) (calls []voiceagent.Call) {
		t.Helper()
		get(t, url+voiceagent.CallsPath+"?bookingId="+booking, &calls)
		return calls
	}

	// The canary's.
	said := d.run("smoke", "--tenant", s.Tenants[0].ID).want(0, "pending\n", "scheduled, due ", "executed, call "+stubCallPrefix)
	booking := booked(t, said)
	if onStub, elsewhere := called(stub, booking), called(s.URL, ""); len(onStub) != 1 || len(elsewhere) != 0 {
		t.Errorf("the stub got %+v, the voice agent %+v", onStub, elsewhere)
	}

	// One that would never be called.
	said = d.run("smoke", "--tenant", s.Tenants[0].ID, "--type", "demo").want(cli.ExitFailed,
		"the canary would never be called", string(followup.RuleNoFollowUp), "FOLLOWUP_BOOKING_TYPES")
	if b := userOf(s, 0).Show(t, booked(t, said)); *b.Status != "cancelled" {
		t.Errorf("it was left %s", *b.Status)
	}

	// The functions know of no such canary: its calls go where all calls go.
	said = d.with(map[string]string{"VOICE_AGENT_CANARY_TENANT": s.Tenants[1].ID}).
		run("smoke", "--tenant", s.Tenants[1].ID).want(cli.ExitFailed, "not by the stub", "executed, call ")
	booking = booked(t, said)
	if onStub, elsewhere := called(stub, booking), called(s.URL, booking); len(onStub) != 0 || len(elsewhere) != 1 {
		t.Errorf("the stub got %+v, the voice agent %+v", onStub, elsewhere)
	}
}

// booked is the id of the booking that a smoke test has made.
func booked(t *testing.T, s *session) string {
	t.Helper()
	id := regexp.MustCompile(`(?m)^booked (\S+)$`).FindStringSubmatch(s.out.String())
	if id == nil {
		t.Fatalf("nothing was booked:\n%s%s", &s.out, &s.err)
	}
	return id[1]
}

// owner is the desk with the login of LAD's tables' owner, and a canary.
func (d *desk) owner(more map[string]string) *desk {
	settings := map[string]string{
		"DATABASE_URL":              d.Owner.Config().ConnString(),
		"VOICE_AGENT_CANARY_TENANT": tenantA(), "VOICE_AGENT_CANARY_URL": "https://stub.example.com",
	}
	maps.Copy(settings, more)
	return d.with(settings)
}

func TestASmokeTestThatIsNotCalledSaysWhyAndCancelsItsBooking(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.owner(nil).run("smoke", "--tenant", tenantA()).want(cli.ExitFailed, "no lead of the tenant is assigned to a user: give --user")
	d.Insert(functiontest.Seed{At: soon()})
	// Nobody sweeps here.
	ctx, cancel := context.WithTimeoutCause(t.Context(), 3*time.Second, errors.New("the build was stopped"))
	defer cancel()
	said := d.owner(nil).under(ctx).run("smoke", "--tenant", tenantA(), "--user", tenantdbtest.User(functiontest.TenantA).String()).want(cli.ExitFailed,
		"pending\n", "the build was stopped", "What would an event or the sweep make of it?", "it gets a task")
	ref, err := parseRef(tenantA(), booked(t, said))
	if err != nil {
		t.Fatal(err)
	}
	if b := d.Row(ref); b.Status != "cancelled" {
		t.Errorf("it was left %s", b.Status)
	}
	d.LAD(t, functiontest.TenantA, "DELETE FROM voice_agents")
	d.owner(nil).run("smoke", "--tenant", tenantA()).want(cli.ExitFailed, "no voice agent for this tenant: give it an agent in LAD")
}

func TestTheSmokeTestRefusesWhatCouldRingSomebody(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	before := d.Checksum()
	for _, c := range []struct {
		name     string
		settings map[string]string
		args     []string
		code     int
		want     string
	}{
		{"another tenant", nil, []string{"--tenant", tenantB()}, cli.ExitUsage, "--tenant is not VOICE_AGENT_CANARY_TENANT"},
		{"no tenant", nil, nil, cli.ExitUsage, "--tenant ID"},
		{"no canary", map[string]string{"VOICE_AGENT_CANARY_TENANT": "", "VOICE_AGENT_CANARY_URL": ""}, []string{"--tenant", tenantA()}, cli.ExitFailed, "there is no canary"},
		{"half a canary", map[string]string{"VOICE_AGENT_CANARY_URL": ""}, []string{"--tenant", tenantA()}, cli.ExitFailed, "VOICE_AGENT_CANARY_URL is missing"},
		{"a pause", map[string]string{"FOLLOWUP_PAUSED": functiontest.TenantA.String()}, []string{"--tenant", tenantA()}, cli.ExitFailed, "FOLLOWUP_PAUSED"},
		{"no user's id", nil, []string{"--tenant", tenantA(), "--user", "Ada"}, cli.ExitUsage, "--user: "},
		{"no time", nil, []string{"--tenant", tenantA(), "--timeout", "10s"}, cli.ExitUsage, "--timeout"},
		{"the functions' login", map[string]string{"DATABASE_URL": d.DatabaseURL()}, []string{"--tenant", tenantA()}, cli.ExitFailed, "permission denied"},
	} {
		d := d.owner(c.settings)
		d.run(append([]string{"smoke"}, c.args...)...).want(c.code, c.want)
	}
	if d.Checksum() != before {
		t.Error("something was booked")
	}
}
