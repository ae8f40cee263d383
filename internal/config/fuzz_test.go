package config_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"lad.internal/followup/internal/settings"
)

// FuzzLoad: the settings that both functions share are refused in sentences that
// name one of them and show no secret, or they agree with each other.
func FuzzLoad(f *testing.F) {
	for _, seed := range [][2]string{
		{"DATABASE_URL", ""}, {"DATABASE_URL", "swordfish-canary"}, {"INSTANCE_CONNECTION_NAME", "p:r:i"}, {"TENANT_SCHEMA", "\x00"}, {"TENANT_SCHEMA", strings.Repeat("x", 64)},
		{"TENANT_REGISTRY", "public.tenants"}, {"TENANT_REGISTRY_TTL", "-1s"}, {"TENANT_REGISTRY_TTL", "1e99h"}, {"DB_MAX_CONNS", "0"}, {"DB_MAX_CONNS", "99999999999"}, {"DB_LOCK_TIMEOUT", "0"},
		{"DB_STATEMENT_TIMEOUT", "2s"}, {"DB_PRIVATE_IP", "perhaps"}, {"FOLLOWUP_ACTIVE_SINCE", "2026-01-31"}, {"FOLLOWUP_ACTIVE_SINCE", "0001-01-01T00:00:00Z"}, {"FOLLOWUP_LEASE", "3m"},
		{"FOLLOWUP_EXECUTION_ENDPOINT", "https://user:swordfish-canary@x/"}, {"FOLLOWUP_EXECUTION_ENDPOINT", "https://%zz"}, {"FOLLOWUP_EXECUTION_ENDPOINT", "https:///x"}, {"FOLLOWUP_OIDC_AUDIENCE", "%s"},
		{"CLOUD_TASKS_EMULATOR_HOST", "http://x"}, {"GCP_CLOUD_TASKS_SERVICE_ACCOUNT", "+4915112345678"}, {"GCP_PROJECT_ID", "%d%s%!"}, {"GCP_LOCATION", "a/b"}, {"LOG_LEVEL", "INFO"}, {"LOG_LEVEL", "\xff\n"}, {"FOLLOWUP_PAUSED", "all"},
	} {
		f.Add(seed[0], seed[1], "", "")
	}
	f.Add("DATABASE_URL", "", "INSTANCE_CONNECTION_NAME", "p:r:i")
	f.Add("TENANT_SCHEMA", "", "TENANT_REGISTRY", "public.tenants")
	names := regexp.MustCompile(`^[A-Z][A-Z0-9_]+ `)
	f.Fuzz(func(t *testing.T, name, value, name2, value2 string) {
		env := environment("postgres://app:swordfish-canary@db/lad", "127.0.0.1:1")
		env[name], env[name2] = value, value2
		var c target
		if err := settings.Load(t.Context(), envconfig.MapLookuper(env), &c); err != nil {
			if text := err.Error(); strings.Contains(text, "swordfish") || strings.Contains(text, "%!") && !strings.Contains(value+value2, "%!") {
				t.Errorf("said %q", text)
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !names.MatchString(line) {
					t.Errorf("a line names no setting: %q", line)
				}
			}
			return
		}
		s := c.Shared
		for what, holds := range map[string]bool{
			"one way to the database":       s.Database.URL.IsSet() != (s.Database.Instance != ""),
			"one way to the tenants":        (s.Database.Schema == "") != (s.Database.Registry == ""),
			"a name that Postgres takes":    len(s.Database.Schema) <= 63 && !strings.ContainsRune(s.Database.Schema, 0),
			"a pool":                        s.Database.MaxConns >= 1,
			"a bounded wait for a lock":     s.Database.LockTimeout > 0 && s.Database.LockTimeout < s.Database.StatementTimeout,
			"a short memory for tenants":    s.Database.RegistryTTL > 0 && s.Database.RegistryTTL <= time.Hour,
			"a lease within the dispatch":   s.Rules.Lease >= time.Second && s.Rules.Lease < s.Tasks.DispatchDeadline,
			"a horizon below 30 days":       s.Rules.Horizon > 0 && s.Rules.Horizon < 30*24*time.Hour,
			"a start":                       !s.Rules.ActiveSince.IsZero(),
			"an audience":                   s.Tasks.TokenAudience() != "",
			"a queue's full name":           regexp.MustCompile(`^projects/[^/]+/locations/[^/]+/queues/[^/]+$`).MatchString(s.Tasks.QueuePath()),
			"an endpoint that tokens go to": strings.HasPrefix(s.Tasks.Endpoint, "https://") || s.Tasks.EmulatorHost != "",
			"its secrets to itself":         !strings.Contains(fmt.Sprintf("%v%+v%#v", c, c, c), "swordfish-canary") || strings.Contains(s.Tasks.Endpoint+s.Tasks.Audience, "swordfish"),
		} {
			if !holds {
				t.Errorf("accepted without %s: %s=%q %s=%q", what, name, value, name2, value2)
			}
		}
	})
}
