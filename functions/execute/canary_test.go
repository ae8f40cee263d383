package execute_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/voiceagent"
)

// stub takes every call and keeps what came with it.
type stub struct {
	*httptest.Server
	mu      sync.Mutex
	headers []http.Header
}

func newStub(t *testing.T) *stub {
	t.Helper()
	s := &stub{}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headers = append(s.headers, r.Header.Clone())
	w.WriteHeader(http.StatusOK)
}

func (s *stub) got() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.headers)
}

// agentConfig has every kind of credential.
func agentConfig(url string) voiceagent.Config {
	return voiceagent.Config{
		BaseURL: url, StartCallPath: "/calls/start-call", Timeout: 5 * time.Second,
		InternalServiceSecret: settings.NewSecret("swordfish-1"), FrontendID: "frontend", APIKey: settings.NewSecret("swordfish-2"),
	}
}

func idToken(token string) voiceagent.Option {
	return voiceagent.WithIDTokens(func(context.Context) (string, error) { return token, nil })
}

func TestEachTenantsCallsGoToItsOwnAgentAndNoSecretGoesToTheCanary(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	real, canary := newStub(t), newStub(t)
	config := agentConfig(real.URL)
	agent, err := voiceagent.New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	c, err := execute.OpenCanary(t.Context(), execute.CanaryConfig{Tenant: functiontest.TenantB.String(), URL: canary.URL}, config, idToken("of-google"))
	if err != nil {
		t.Fatal(err)
	}
	e := w.serve(func(p *execute.Parts) { p.Agent, p.Canary = agent, c })
	called := func(seed functiontest.Seed) {
		t.Helper()
		seed.Task = followup.Task{Status: followup.Scheduled, Revision: 1, Key: functiontest.CurrentKey}
		b := w.Insert(seed)
		if got := e.deliver(b, 1); got.status != http.StatusOK || w.Row(b.Ref).Task.Status != followup.Executed {
			t.Fatalf("answered %v, and the row is %+v", got, w.Row(b.Ref).Task)
		}
	}
	called(functiontest.Seed{Tenant: functiontest.TenantA})
	if len(real.got()) != 1 || len(canary.got()) != 0 {
		t.Fatalf("tenant A: %d calls to the voice agent, %d to the canary's", len(real.got()), len(canary.got()))
	}
	called(functiontest.Seed{Tenant: functiontest.TenantB})
	if len(real.got()) != 1 || len(canary.got()) != 1 {
		t.Fatalf("tenant B: %d calls to the voice agent, %d to the canary's", len(real.got()), len(canary.got()))
	}
	sent := canary.got()[0]
	if text := fmt.Sprint(sent); strings.Contains(text, "swordfish") || strings.Contains(text, "frontend") {
		t.Errorf("the canary's agent was sent %v", sent)
	}
	if got := sent.Get("Authorization"); got != "Bearer of-google" {
		t.Errorf("the canary's agent was sent the authorization %q", got)
	}
	if got := sent.Get("X-Tenant-Id"); got != functiontest.TenantB.String() {
		t.Errorf("the canary's agent was sent the tenant %q", got)
	}
	if got := real.got()[0]; got.Get("X-Internal-Service-Secret") != "swordfish-1" || got.Get("Authorization") != "" {
		t.Errorf("the voice agent was sent %v", got)
	}
}

func TestACanaryWithoutCredentialsClaimsNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	canary := newStub(t)
	broken := false
	source := voiceagent.WithIDTokens(func(context.Context) (string, error) {
		if broken {
			return "", errors.New("no metadata server")
		}
		return "of-google", nil
	})
	c, err := execute.OpenCanary(t.Context(), execute.CanaryConfig{Tenant: functiontest.TenantA.String(), URL: canary.URL}, agentConfig("https://lad.example"), source)
	if err != nil {
		t.Fatal(err)
	}
	broken = true
	e := w.serve(func(p *execute.Parts) { p.Canary = c })
	b := w.Insert(functiontest.Seed{Task: followup.Task{Status: followup.Scheduled, Revision: 1, Key: functiontest.CurrentKey}})
	if got := e.deliver(b, 1); got.status != http.StatusBadGateway || got.Result != "agent_credentials_failed" {
		t.Errorf("answered %v", got)
	}
	if row := w.Row(b.Ref).Task; row.Status != followup.Scheduled || row.Attempts != 0 || len(canary.got()) != 0 || w.agent.PostsRead("") != 0 {
		t.Errorf("the row is %+v", row)
	}
}

func TestTheStubIsReachedAsTheVoiceAgentIsLessItsSecrets(t *testing.T) {
	t.Parallel()
	of := agentConfig("https://lad.example")
	of.Audience, of.Contract, of.JobPath, of.JWTSecret = "https://lad.example", voiceagent.Backend, "/jobs/{job_id}", settings.NewSecret("swordfish-3")
	got := execute.CanaryAgent(execute.CanaryConfig{Tenant: functiontest.TenantA.String(), URL: "https://stub.example"}, of)
	want := voiceagent.Config{
		BaseURL: "https://stub.example", Audience: "https://stub.example",
		StartCallPath: of.StartCallPath, Timeout: of.Timeout, Contract: of.Contract, JobPath: of.JobPath,
	}
	if got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestNoCanaryIsNone(t *testing.T) {
	t.Parallel()
	c, err := execute.OpenCanary(t.Context(), execute.CanaryConfig{}, agentConfig("https://lad.example"))
	if err != nil || c != (execute.Canary{}) {
		t.Errorf("got %+v, %v", c, err)
	}
}

func TestHalfACanaryIsNoPart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	parts := w.serve().parts
	for _, canary := range []execute.Canary{{Tenant: functiontest.TenantA}, {Agent: parts.Agent}} {
		parts.Canary = canary
		if _, err := execute.New(parts); err == nil || !strings.Contains(err.Error(), "canary") {
			t.Errorf("%+v: said %v", canary, err)
		}
	}
}

func TestAHalfOrAMisleadingCanaryRefusesToStart(t *testing.T) {
	t.Parallel()
	const tenant, stubURL = "aaaaaaaa-0000-4000-8000-000000000001", "https://stub.example"
	for _, tc := range []struct{ tenant, url, name, also string }{
		{tenant, "", "VOICE_AGENT_CANARY_URL", "VOICE_AGENT_CANARY_TENANT"},
		{"", stubURL, "VOICE_AGENT_CANARY_TENANT", "VOICE_AGENT_CANARY_URL"},
		{"canary", stubURL, "VOICE_AGENT_CANARY_TENANT", "UUID"},
		{"00000000-0000-0000-0000-000000000000", stubURL, "VOICE_AGENT_CANARY_TENANT", "UUID"},
		{tenant, "http://stub.example", "VOICE_AGENT_CANARY_URL", "https"},
		{tenant, "https://stub.example/", "VOICE_AGENT_CANARY_URL", "alone"},
		{tenant, "https://stub.example/calls", "VOICE_AGENT_CANARY_URL", "alone"},
		{tenant, "https://user:swordfish@stub.example", "VOICE_AGENT_CANARY_URL", "alone"},
		{tenant, "stub.example", "VOICE_AGENT_CANARY_URL", "https"},
		{tenant, "https://LAD.example", "VOICE_AGENT_CANARY_URL", "VOICE_AGENT_BASE_URL"},
	} {
		_, err := load(environment("VOICE_AGENT_CANARY_TENANT", tc.tenant, "VOICE_AGENT_CANARY_URL", tc.url))
		if err == nil {
			t.Errorf("%+v was accepted", tc)
			continue
		}
		if got := err.Error(); strings.Contains(got, "\n") || !strings.HasPrefix(got, tc.name) || !strings.Contains(got, tc.also) || strings.Contains(got, "swordfish") {
			t.Errorf("%+v: said %q", tc, got)
		}
	}
	for _, url := range []string{stubURL, "https://stub.example:8443", "http://127.0.0.1:8080", "http://localhost:8080"} {
		c, err := load(environment("VOICE_AGENT_CANARY_TENANT", tenant, "VOICE_AGENT_CANARY_URL", url))
		if err != nil || !c.Canary.IsSet() {
			t.Errorf("%s: %+v, %v", url, c.Canary, err)
		}
	}
}
