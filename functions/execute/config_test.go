package execute_test

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/voiceagent"
)

// environment is a complete and good one, as Terraform writes it, with changes:
// name, value, name, value, … An empty value is none.
func environment(changes ...string) map[string]string {
	env := map[string]string{
		"INSTANCE_CONNECTION_NAME": "p:europe-west3:lad", "DB_USER": "execute@p.iam", "DB_NAME": "lad",
		"TENANT_REGISTRY": "public.tenants",
		"GCP_PROJECT_ID":  "p", "GCP_LOCATION": "europe-west3",
		"GCP_CLOUD_TASKS_SERVICE_ACCOUNT": "invoker@p.iam.gserviceaccount.com",
		"FOLLOWUP_EXECUTION_ENDPOINT":     "https://execute.example/api/deals-pipeline/bookings/:id/execute-followup",
		"VOICE_AGENT_BASE_URL":            "https://lad.example",
		"INTERNAL_SERVICE_SECRET":         "swordfish-1",
		"FOLLOWUP_ACTIVE_SINCE":           "2026-01-31T00:00:00Z",
		"K_SERVICE":                       "execute",
	}
	for i := 0; i < len(changes); i += 2 {
		env[changes[i]] = changes[i+1]
	}
	return env
}

func load(env map[string]string) (execute.Config, error) {
	var c execute.Config
	err := settings.Load(context.Background(), envconfig.MapLookuper(env), &c)
	return c, err
}

func TestTheSmallestGoodEnvironmentGivesTheDesignsDefaults(t *testing.T) {
	t.Parallel()
	c, err := load(environment())
	if err != nil {
		t.Fatal(err)
	}
	for name, pair := range map[string][2]any{
		"queue":             {c.Shared.Tasks.Queue, "follow-up-calls"},
		"dispatch deadline": {c.Shared.Tasks.DispatchDeadline, 3 * time.Minute},
		"audience":          {c.Shared.Tasks.TokenAudience(), "https://execute.example"},
		"active since":      {c.Shared.Rules.ActiveSince, time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)},
		"horizon":           {c.Shared.Rules.Horizon, 168 * time.Hour},
		"lead time":         {c.Shared.Rules.LeadTime, time.Duration(0)},
		"max lateness":      {c.Shared.Rules.MaxLateness, 24 * time.Hour},
		"lease":             {c.Shared.Rules.Lease, 2 * time.Minute},
		"grace":             {c.Shared.Rules.Grace, 5 * time.Minute},
		"idempotent":        {c.Shared.Rules.AgentIdempotent, false},
		"paused":            {c.Shared.Rules.Paused.All || len(c.Shared.Rules.Paused.Tenants) > 0, false},
		"types":             {strings.Join(c.Shared.Rules.Kinds(), " "), "autofollowup followup manualfollowup scheduledcall scheduledfollowup"},
		"contract":          {c.Agent.Contract, voiceagent.Backend},
		"timeout":           {c.Agent.Timeout, 30 * time.Second},
		"job after":         {c.Agent.JobAfter, 5 * time.Second},
		"failed dispatch":   {c.Agent.DispatchFailed, voiceagent.DispatchHold},
		"token's life":      {c.Agent.JWTTTL, 5 * time.Minute},
		"default agent":     {c.Shared.Rules.DefaultAgentID == nil, true},
		"limit":             {c.Shared.Rules.Limit.String(), "30/1m0s,10/5s"},
		"calls per lead":    {c.Shared.Rules.MaxCalls, followup.CallShare{N: 3, Per: 168 * time.Hour}},
		"what times mean":   {c.Shared.Database.Times.Means.String(), "wall"},
		"default zone":      {c.Shared.Database.Times.DefaultZone, ""},
		"token check":       {c.OIDC.Mode, "verify"},
		"log level":         {c.Shared.Log.Level, "info"},
		"private address":   {c.Shared.Database.PrivateIP, true},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %v, want %v", name, pair[0], pair[1])
		}
	}
}

func TestTheWholeEnvironmentIsRead(t *testing.T) {
	t.Parallel()
	c, err := load(environment(
		"INSTANCE_CONNECTION_NAME", "", "DB_USER", "", "DB_NAME", "", "DATABASE_URL", "postgres://app:swordfish-2@db/lad",
		"TENANT_REGISTRY", "", "TENANT_SCHEMA", "lad_dev", "FOLLOWUP_QUEUE_NAME", "q2", "FOLLOWUP_OIDC_AUDIENCE", "https://audience.example",
		"VOICE_AGENT_START_CALL_PATH", "/calls/start-call", "VOICE_AGENT_FRONTEND_ID", "f", "VOICE_AGENT_API_KEY", "swordfish-3", "VOICE_AGENT_AUDIENCE", "https://lad.example",
		"VOICE_AGENT_TIMEOUT", "20s", "VOICE_AGENT_IDEMPOTENT", "true", "DEFAULT_FOLLOW_UP_AGENT_ID", "7",
		"FOLLOWUP_BOOKING_TYPES", "follow_up, Demo Call", "FOLLOWUP_HORIZON", "24h", "FOLLOWUP_LEAD_TIME", "1m", "FOLLOWUP_MAX_LATENESS", "2h",
		"VOICE_AGENT_CONTRACT", "service", "VOICE_AGENT_JOB_PATH", "/jobs/{job_id}", "VOICE_AGENT_JOB_AFTER", "2s", "VOICE_AGENT_DISPATCH_FAILED", "not_started",
		"VOICE_AGENT_LIMIT", "120/1m,30/5s", "FOLLOWUP_MAX_CALLS_PER_LEAD", "off", "FOLLOWUP_TIME_MEANS", "wall,web=instant", "FOLLOWUP_DEFAULT_TIMEZONE", "Asia/Dubai",
		"FOLLOWUP_LEASE", "1m", "FOLLOWUP_GRACE", "2m", "FOLLOWUP_DISPATCH_DEADLINE", "90s",
		"FOLLOWUP_PAUSED", "aaaaaaaa-0000-4000-8000-000000000001,bbbbbbbb-0000-4000-8000-000000000002", "FOLLOWUP_OIDC_MODE", "iam", "LOG_LEVEL", "warn"))
	if err != nil {
		t.Fatal(err)
	}
	if *c.Shared.Rules.DefaultAgentID != 7 || !c.Shared.Rules.AgentIdempotent || len(c.Shared.Rules.Paused.Tenants) != 2 || c.Shared.Rules.LeadTime != time.Minute ||
		c.Shared.Tasks.TokenAudience() != "https://audience.example" || c.Agent.APIKey.Reveal() != "swordfish-3" || strings.Join(c.Shared.Rules.Kinds(), " ") != "democall followup" {
		t.Errorf("read %+v", c)
	}
	if c.Agent.Contract != voiceagent.Service || c.Agent.JobPath != "/jobs/{job_id}" || c.Agent.JobAfter != 2*time.Second || c.Agent.DispatchFailed != "not_started" ||
		c.Shared.Rules.Limit.String() != "120/1m0s,30/5s" || c.Shared.Rules.MaxCalls.N != 0 ||
		c.Shared.Database.Times.Means.String() != "wall,web=instant" || c.Shared.Database.Times.DefaultZone != "Asia/Dubai" {
		t.Errorf("read %+v", c)
	}
}

func TestEachWrongSettingIsOneSentenceThatNamesIt(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		changes []string
		name    string // what the sentence begins with
		also    string // what else it names
	}{
		// Missing.
		{[]string{"GCP_PROJECT_ID", ""}, "GCP_PROJECT_ID", "set it to"},
		{[]string{"GCP_LOCATION", ""}, "GCP_LOCATION", "set it to"},
		{[]string{"GCP_CLOUD_TASKS_SERVICE_ACCOUNT", ""}, "GCP_CLOUD_TASKS_SERVICE_ACCOUNT", "set it to"},
		{[]string{"FOLLOWUP_EXECUTION_ENDPOINT", ""}, "FOLLOWUP_EXECUTION_ENDPOINT", "set it to"},
		{[]string{"FOLLOWUP_ACTIVE_SINCE", ""}, "FOLLOWUP_ACTIVE_SINCE", "set it to"},
		{[]string{"VOICE_AGENT_BASE_URL", ""}, "VOICE_AGENT_BASE_URL", "set it to"},
		{[]string{"INTERNAL_SERVICE_SECRET", ""}, "no credentials", "INTERNAL_SERVICE_SECRET"},
		{[]string{"INSTANCE_CONNECTION_NAME", "", "DB_USER", "", "DB_NAME", ""}, "DATABASE_URL", "INSTANCE_CONNECTION_NAME"},
		{[]string{"INSTANCE_CONNECTION_NAME", ""}, "INSTANCE_CONNECTION_NAME", "project:region:instance"},
		{[]string{"DB_USER", ""}, "DB_USER", "set it to"},
		{[]string{"DB_NAME", ""}, "DB_NAME", "set it to"},
		{[]string{"TENANT_REGISTRY", ""}, "TENANT_SCHEMA", "TENANT_REGISTRY"},
		// Contradictory.
		{[]string{"DATABASE_URL", "postgres://db/lad"}, "DATABASE_URL", "INSTANCE_CONNECTION_NAME"},
		{[]string{"TENANT_SCHEMA", "lad_dev"}, "TENANT_SCHEMA", "TENANT_REGISTRY"},
		{[]string{"VOICE_AGENT_FRONTEND_ID", "f"}, "VOICE_AGENT_FRONTEND_ID", "VOICE_AGENT_API_KEY"},
		{[]string{"VOICE_AGENT_API_KEY", "k"}, "VOICE_AGENT_API_KEY", "VOICE_AGENT_FRONTEND_ID"},
		{[]string{"FOLLOWUP_LEASE", "40s"}, "FOLLOWUP_LEASE", "VOICE_AGENT_TIMEOUT"},
		{[]string{"VOICE_AGENT_TIMEOUT", "110s"}, "FOLLOWUP_LEASE", "VOICE_AGENT_TIMEOUT"},
		{[]string{"VOICE_AGENT_JWT_SECRET", "swordfish-4", "VOICE_AGENT_AUDIENCE", "https://lad.example"}, "VOICE_AGENT_JWT_SECRET", "VOICE_AGENT_AUDIENCE"},
		{[]string{"VOICE_AGENT_JWT_SECRET", "swordfish-4", "VOICE_AGENT_CONTRACT", "service"}, "VOICE_AGENT_JWT_SECRET", "VOICE_AGENT_CONTRACT"},
		{[]string{"FOLLOWUP_DISPATCH_DEADLINE", "2m"}, "FOLLOWUP_DISPATCH_DEADLINE", "FOLLOWUP_LEASE"},
		{[]string{"FOLLOWUP_LEAD_TIME", "168h"}, "FOLLOWUP_LEAD_TIME", "FOLLOWUP_HORIZON"},
		{[]string{"DB_STATEMENT_TIMEOUT", "1s"}, "DB_STATEMENT_TIMEOUT", "DB_LOCK_TIMEOUT"},
		{[]string{"FOLLOWUP_OIDC_MODE", "iam", "K_SERVICE", ""}, "FOLLOWUP_OIDC_MODE", "outside Cloud Run"},
		{[]string{"FOLLOWUP_OIDC_ISSUER", "https://issuer.example", "K_SERVICE", ""}, "FOLLOWUP_OIDC_ISSUER", "FOLLOWUP_OIDC_CERTS_URL"},
		{[]string{"FOLLOWUP_OIDC_CERTS_URL", "https://issuer.example/certs"}, "FOLLOWUP_OIDC_ISSUER", "FOLLOWUP_OIDC_CERTS_URL"},
		{[]string{"FOLLOWUP_OIDC_ISSUER", "https://issuer.example", "FOLLOWUP_OIDC_CERTS_URL", "https://issuer.example/certs"}, "FOLLOWUP_OIDC_ISSUER", "on Cloud Run"},
		// Out of range, or not what it should be.
		{[]string{"FOLLOWUP_HORIZON", "720h"}, "FOLLOWUP_HORIZON", "30 days"},
		{[]string{"FOLLOWUP_HORIZON", "0s"}, "FOLLOWUP_HORIZON", "above 0"},
		{[]string{"FOLLOWUP_HORIZON", "a week"}, "FOLLOWUP_HORIZON", "duration"},
		{[]string{"FOLLOWUP_LEAD_TIME", "-1s"}, "FOLLOWUP_LEAD_TIME", "0 or more"},
		{[]string{"FOLLOWUP_MAX_LATENESS", "1s"}, "FOLLOWUP_MAX_LATENESS", "1m"},
		{[]string{"FOLLOWUP_GRACE", "0s"}, "FOLLOWUP_GRACE", "1s"},
		{[]string{"FOLLOWUP_ACTIVE_SINCE", "yesterday"}, "FOLLOWUP_ACTIVE_SINCE", "RFC 3339"},
		{[]string{"FOLLOWUP_BOOKING_TYPES", "-,_"}, "FOLLOWUP_BOOKING_TYPES", "at least one"},
		{[]string{"FOLLOWUP_PAUSED", "maybe"}, "FOLLOWUP_PAUSED", "tenant ids"},
		{[]string{"FOLLOWUP_DISPATCH_DEADLINE", "31m"}, "FOLLOWUP_DISPATCH_DEADLINE", "30m"},
		{[]string{"FOLLOWUP_QUEUE_NAME", "projects/p/locations/l/queues/q"}, "FOLLOWUP_QUEUE_NAME", "short name"},
		{[]string{"FOLLOWUP_EXECUTION_ENDPOINT", "http://execute.example/"}, "FOLLOWUP_EXECUTION_ENDPOINT", "https"},
		{[]string{"FOLLOWUP_EXECUTION_ENDPOINT", "execute.example"}, "FOLLOWUP_EXECUTION_ENDPOINT", "https"},
		{[]string{"FOLLOWUP_EXECUTION_ENDPOINT", "https://execute.example/:id"}, "FOLLOWUP_EXECUTION_ENDPOINT", "/bookings/:id/execute-followup"},
		{[]string{"FOLLOWUP_OIDC_MODE", "none"}, "FOLLOWUP_OIDC_MODE", "verify"},
		{[]string{"VOICE_AGENT_TIMEOUT", "0s"}, "VOICE_AGENT_TIMEOUT", "between"},
		{[]string{"VOICE_AGENT_CONTRACT", "direct"}, "VOICE_AGENT_CONTRACT", "service"},
		{[]string{"VOICE_AGENT_JOB_PATH", "/calls/job"}, "VOICE_AGENT_JOB_PATH", "{job_id}"},
		{[]string{"VOICE_AGENT_JOB_AFTER", "2m"}, "VOICE_AGENT_JOB_AFTER", "1m"},
		{[]string{"VOICE_AGENT_JWT_SECRET", "s", "VOICE_AGENT_JWT_TTL", "1h"}, "VOICE_AGENT_JWT_TTL", "between"},
		{[]string{"VOICE_AGENT_DISPATCH_FAILED", "retry"}, "VOICE_AGENT_DISPATCH_FAILED", "not_started"},
		{[]string{"VOICE_AGENT_LIMIT", "30"}, "VOICE_AGENT_LIMIT", "30/1m"},
		{[]string{"FOLLOWUP_MAX_CALLS_PER_LEAD", "0/1h"}, "FOLLOWUP_MAX_CALLS_PER_LEAD", "3/168h"},
		{[]string{"FOLLOWUP_TIME_MEANS", "local"}, "FOLLOWUP_TIME_MEANS", "instant"},
		{[]string{"FOLLOWUP_DEFAULT_TIMEZONE", "GST+4"}, "FOLLOWUP_DEFAULT_TIMEZONE", "Asia/Dubai"},
		{[]string{"FOLLOWUP_DEFAULT_REGION", "Dubai"}, "FOLLOWUP_DEFAULT_REGION", "AE"},
		{[]string{"DEFAULT_FOLLOW_UP_AGENT_ID", "0"}, "DEFAULT_FOLLOW_UP_AGENT_ID", "number of an agent"},
		{[]string{"VOICE_AGENT_BASE_URL", "http://lad.example"}, "VOICE_AGENT_BASE_URL", "https"},
		{[]string{"DEFAULT_FOLLOW_UP_AGENT_ID", "seven"}, "DEFAULT_FOLLOW_UP_AGENT_ID", "whole number"},
		{[]string{"VOICE_AGENT_IDEMPOTENT", "perhaps"}, "VOICE_AGENT_IDEMPOTENT", "true or false"},
		{[]string{"DB_MAX_CONNS", "0"}, "DB_MAX_CONNS", "1 or more"},
		{[]string{"TENANT_REGISTRY", "tenants"}, "TENANT_REGISTRY", "schema.table"},
		{[]string{"LOG_LEVEL", "loud"}, "LOG_LEVEL", "debug"},
	} {
		t.Run(fmt.Sprint(tc.changes), func(t *testing.T) {
			t.Parallel()
			_, err := load(environment(tc.changes...))
			if err == nil {
				t.Fatal("it was accepted")
			}
			got := err.Error()
			if strings.Contains(got, "\n") || !strings.HasPrefix(got, tc.name) || !strings.Contains(got, tc.also) {
				t.Errorf("said %q, want one sentence that begins with %s and has %q in it", got, tc.name, tc.also)
			}
		})
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, value string
		perCall     int
		retry       bool
	}{
		{"VOICE_AGENT_JOB_AFTER", "5s", 2, false}, // the question counts against the limit
		{"VOICE_AGENT_JOB_AFTER", "0s", 1, false},
		{"VOICE_AGENT_DISPATCH_FAILED", "not_started", 2, true},
	} {
		c, err := load(environment(tc.name, tc.value))
		if err != nil {
			t.Fatal(err)
		}
		if rules := execute.RulesOf(c); rules.Limit.PerCall != tc.perCall || rules.RetryDispatch != tc.retry {
			t.Errorf("%s=%s: %+v", tc.name, tc.value, rules)
		}
	}
}

func TestAnEmulatorsIssuerIsTakenOutsideCloudRun(t *testing.T) {
	t.Parallel()
	c, err := load(environment("K_SERVICE", "", "FOLLOWUP_OIDC_ISSUER", "http://127.0.0.1:1", "FOLLOWUP_OIDC_CERTS_URL", "http://127.0.0.1:1/certs"))
	if err != nil || c.OIDC.Issuer == "" {
		t.Errorf("%+v, %v", c.OIDC, err)
	}
	_, err = load(environment("K_SERVICE", "", "FOLLOWUP_OIDC_ISSUER", "x", "FOLLOWUP_OIDC_CERTS_URL", "certs"))
	if err == nil || !strings.HasPrefix(err.Error(), "FOLLOWUP_OIDC_CERTS_URL") {
		t.Errorf("said %v", err)
	}
}

func TestEverythingWrongIsSaidAtOnce(t *testing.T) {
	t.Parallel()
	_, err := load(map[string]string{})
	if err == nil {
		t.Fatal("nothing is a good environment")
	}
	for _, name := range []string{"DATABASE_URL", "TENANT_SCHEMA", "GCP_PROJECT_ID", "GCP_LOCATION", "GCP_CLOUD_TASKS_SERVICE_ACCOUNT",
		"FOLLOWUP_EXECUTION_ENDPOINT", "FOLLOWUP_ACTIVE_SINCE", "VOICE_AGENT_BASE_URL", "INTERNAL_SERVICE_SECRET"} {
		if !strings.Contains(err.Error(), name) {
			t.Errorf("%s is not named in\n%v", name, err)
		}
	}
}

func TestNoSecretIsPrintedHoweverTheConfigurationIs(t *testing.T) {
	t.Parallel()
	secrets := maps.Clone(environment("VOICE_AGENT_FRONTEND_ID", "f", "VOICE_AGENT_API_KEY", "swordfish-3",
		"INSTANCE_CONNECTION_NAME", "", "DB_USER", "", "DB_NAME", "", "DATABASE_URL", "postgres://app:swordfish-2@db/lad"))
	c, err := load(secrets)
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if text := fmt.Sprintf(verb, c); strings.Contains(text, "swordfish") {
			t.Errorf("%s prints a secret: %s", verb, text)
		}
	}
	for _, bad := range []string{"swordfish-9\nx", "swordfish-9\x00"} {
		for _, name := range []string{"INTERNAL_SERVICE_SECRET", "VOICE_AGENT_API_KEY", "DATABASE_URL", "VOICE_AGENT_BASE_URL"} {
			env := maps.Clone(secrets)
			env[name] = bad
			if _, err := load(env); err != nil && strings.Contains(err.Error(), "swordfish") {
				t.Errorf("%s: a secret is in %q", name, err)
			}
		}
	}
}
