package voiceagent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"lad.internal/followup/internal/settings"
)

func fromEnv(t *testing.T, env map[string]string) Config {
	t.Helper()
	var c Config
	if err := envconfig.ProcessWith(t.Context(), &envconfig.Config{Target: &c, Lookuper: envconfig.MapLookuper(env)}); err != nil {
		t.Fatal(err)
	}
	return c
}

func TestConfigDefaults(t *testing.T) {
	t.Parallel()
	c := fromEnv(t, map[string]string{"VOICE_AGENT_BASE_URL": "https://voice.example.com/v1/", "INTERNAL_SERVICE_SECRET": testSecret})
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.Timeout != 30*time.Second || c.Contract != Backend || c.JobAfter != 5*time.Second || c.DispatchFailed != DispatchHold ||
		c.JWTTTL != 5*time.Minute || c.InternalServiceSecret.Reveal() != testSecret {
		t.Errorf("got %+v", c)
	}
}

func TestConfigPaths(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		config      Config
		start, jobs string
	}{
		"none":    {Config{}, "/api/voice-agent/calls/start-call", "/api/voice-agent/calls/job/j-1"},
		"backend": {Config{Contract: Backend}, "/api/voice-agent/calls/start-call", "/api/voice-agent/calls/job/j-1"},
		"service": {Config{Contract: Service}, "/calls/start-call", "/calls/job/j-1"},
		"set":     {Config{Contract: Service, StartCallPath: "/v2/call", JobPath: "/v2/{job_id}/state"}, "/v2/call", "/v2/j-1/state"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tc.config.BaseURL = "https://voice.example.com/v1/"
			const base = "https://voice.example.com/v1"
			if got := tc.config.startCallURL(); got != base+tc.start {
				t.Errorf("calls go to %s, want %s", got, base+tc.start)
			}
			if got := tc.config.jobURL("j-1"); got != base+tc.jobs {
				t.Errorf("the job is asked for at %s, want %s", got, base+tc.jobs)
			}
			if got := tc.config.jobURL("a/b?"); !strings.Contains(got, "a%2Fb%3F") {
				t.Errorf("an id is not escaped in %s", got)
			}
		})
	}
}

func TestConfigEnvironment(t *testing.T) {
	t.Parallel()
	got := fromEnv(t, map[string]string{
		"VOICE_AGENT_BASE_URL": "http://[::1]:8080", "VOICE_AGENT_CONTRACT": "service", "VOICE_AGENT_START_CALL_PATH": "/v2/start-call",
		"VOICE_AGENT_JOB_PATH": "/v2/job/{job_id}", "VOICE_AGENT_FRONTEND_ID": "followup", "VOICE_AGENT_API_KEY": "key",
		"VOICE_AGENT_AUDIENCE": "https://voice.example.com", "VOICE_AGENT_TIMEOUT": "45s", "VOICE_AGENT_JOB_AFTER": "0s",
		"VOICE_AGENT_DISPATCH_FAILED": "not_started", "VOICE_AGENT_JWT_TTL": "10m",
	})
	if err := got.Validate(); err != nil {
		t.Fatal(err)
	}
	want := Config{
		BaseURL: "http://[::1]:8080", Contract: Service, StartCallPath: "/v2/start-call", JobPath: "/v2/job/{job_id}", FrontendID: "followup",
		APIKey: got.APIKey, Audience: "https://voice.example.com", Timeout: 45 * time.Second, DispatchFailed: DispatchNotStarted, JWTTTL: 10 * time.Minute,
	}
	if got != want || got.APIKey.Reveal() != "key" {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestConfigProblem(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, value string // one setting of a valid environment, changed
		want        string
	}{
		{"VOICE_AGENT_BASE_URL", "", "VOICE_AGENT_BASE_URL is missing"},
		{"VOICE_AGENT_BASE_URL", "https://%zz", "VOICE_AGENT_BASE_URL is not a URL"},
		{"VOICE_AGENT_BASE_URL", "voice.example.com", "VOICE_AGENT_BASE_URL does not start with https://"},
		{"VOICE_AGENT_BASE_URL", "ftp://voice.example.com", "VOICE_AGENT_BASE_URL does not start with https://"},
		{"VOICE_AGENT_BASE_URL", "https://", "VOICE_AGENT_BASE_URL has no host"},
		{"VOICE_AGENT_BASE_URL", "https://:443", "VOICE_AGENT_BASE_URL has no host"},
		{"VOICE_AGENT_BASE_URL", "https://me:pass@voice.example.com", "VOICE_AGENT_BASE_URL contains a user name"},
		{"VOICE_AGENT_BASE_URL", "https://voice.example.com?a=b", "VOICE_AGENT_BASE_URL contains a query"},
		{"VOICE_AGENT_BASE_URL", "https://voice.example.com?", "VOICE_AGENT_BASE_URL contains a query"},
		{"VOICE_AGENT_BASE_URL", "https://voice.example.com/#", "VOICE_AGENT_BASE_URL contains a query or fragment"},
		{"VOICE_AGENT_BASE_URL", "http://voice.example.com", "VOICE_AGENT_BASE_URL is http://"},
		{"VOICE_AGENT_BASE_URL", "http://10.0.0.7", "VOICE_AGENT_BASE_URL is http://"},
		{"VOICE_AGENT_START_CALL_PATH", "calls/start-call", "VOICE_AGENT_START_CALL_PATH does not start"},
		{"VOICE_AGENT_START_CALL_PATH", "/calls?x=1", "VOICE_AGENT_START_CALL_PATH is not a plain path"},
		{"VOICE_AGENT_START_CALL_PATH", "/calls/%zz", "VOICE_AGENT_START_CALL_PATH is not a plain path"},
		{"VOICE_AGENT_START_CALL_PATH", "//elsewhere/calls", "VOICE_AGENT_START_CALL_PATH is not a plain path"},
		{"VOICE_AGENT_START_CALL_PATH", "/", "VOICE_AGENT_START_CALL_PATH is not a plain path"},
		{"INTERNAL_SERVICE_SECRET", "", "no credentials for the voice agent: set VOICE_AGENT_JWT_SECRET"},
		{"INTERNAL_SERVICE_SECRET", "hush-hush\n", "INTERNAL_SERVICE_SECRET contains a line break"},
		{"VOICE_AGENT_API_KEY", "hush-hush", "VOICE_AGENT_API_KEY is set but VOICE_AGENT_FRONTEND_ID is not"},
		{"VOICE_AGENT_FRONTEND_ID", "followup", "VOICE_AGENT_FRONTEND_ID is set but VOICE_AGENT_API_KEY is not"},
		{"VOICE_AGENT_TIMEOUT", "999ms", "VOICE_AGENT_TIMEOUT is 999ms: set it between 1s and 10m0s"},
		{"VOICE_AGENT_TIMEOUT", "10m1s", "VOICE_AGENT_TIMEOUT is 10m1s"},
		{"VOICE_AGENT_CONTRACT", "Backend", `VOICE_AGENT_CONTRACT is "Backend"`},
		{"VOICE_AGENT_JOB_PATH", "/calls/job", "VOICE_AGENT_JOB_PATH does not contain {job_id} once"},
		{"VOICE_AGENT_JOB_PATH", "calls/{job_id}", "VOICE_AGENT_JOB_PATH does not start"},
		{"VOICE_AGENT_JOB_PATH", "/job?id={job_id}", "VOICE_AGENT_JOB_PATH is not a plain path"},
		{"VOICE_AGENT_JOB_AFTER", "-1s", "VOICE_AGENT_JOB_AFTER is -1s: set it between 0s"},
		{"VOICE_AGENT_JOB_AFTER", "61s", "VOICE_AGENT_JOB_AFTER is 1m1s"},
		{"VOICE_AGENT_DISPATCH_FAILED", "retry", `VOICE_AGENT_DISPATCH_FAILED is "retry"`},
	}
	for _, tc := range cases {
		t.Run(tc.name+"="+tc.value, func(t *testing.T) {
			t.Parallel()
			env := map[string]string{"VOICE_AGENT_BASE_URL": "https://voice.example.com", "INTERNAL_SERVICE_SECRET": testSecret}
			env[tc.name] = tc.value
			err := fromEnv(t, env).Validate()
			if err == nil {
				t.Fatal("accepted")
			}
			if got := err.Error(); !strings.HasPrefix(got, tc.want) || strings.Contains(got, "\n") || !strings.Contains(got, ": ") {
				t.Errorf("got %q, want one sentence that starts with %q and says what to do", got, tc.want)
			}
			for _, secret := range []string{"pass", "hush", testSecret} {
				if strings.Contains(strings.ReplaceAll(err.Error(), "password", ""), secret) {
					t.Errorf("%q shows a secret", err)
				}
			}
			if _, err := New(t.Context(), fromEnv(t, env)); err == nil {
				t.Error("New accepts what Validate refuses")
			}
		})
	}
}

func TestConfigJWT(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"alone":    {func(c *Config) { c.InternalServiceSecret = settings.Secret{} }, ""},
		"service":  {func(c *Config) { c.Contract = Service }, "VOICE_AGENT_JWT_SECRET is set and VOICE_AGENT_CONTRACT is service"},
		"audience": {func(c *Config) { c.Audience = "https://voice.example.com" }, "VOICE_AGENT_JWT_SECRET and VOICE_AGENT_AUDIENCE are both set"},
		"short":    {func(c *Config) { c.JWTTTL = 59 * time.Second }, "VOICE_AGENT_JWT_TTL is 59s: set it between 1m0s and 15m0s"},
		"long":     {func(c *Config) { c.JWTTTL = 15*time.Minute + 1 }, "VOICE_AGENT_JWT_TTL is 15m0.000000001s"},
		"unused":   {func(c *Config) { c.JWTSecret, c.JWTTTL = settings.Secret{}, 0 }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := testConfig("https://voice.example.com")
			config.JWTSecret, config.JWTTTL = settings.NewSecret("sign"), time.Minute
			tc.change(&config)
			err := config.Validate()
			if (err == nil) != (tc.want == "") || err != nil && !strings.HasPrefix(err.Error(), tc.want) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestConfigProblems(t *testing.T) {
	t.Parallel()
	err := Config{Contract: "x", DispatchFailed: "x"}.Validate()
	for _, want := range []string{"VOICE_AGENT_BASE_URL", "VOICE_AGENT_CONTRACT", "no credentials", "VOICE_AGENT_TIMEOUT", "VOICE_AGENT_DISPATCH_FAILED"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestConfigLoopback(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"localhost:1", "127.0.0.1", "127.8.9.1:80", "[::1]:80"} {
		if err := testConfig("http://" + host).Validate(); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestConfigSecrets(t *testing.T) {
	t.Parallel()
	config := testConfig("https://voice.example.com")
	config.FrontendID, config.APIKey = "followup", settings.NewSecret(testSecret)
	config.JWTSecret, config.JWTTTL = settings.NewSecret(testSecret), time.Minute
	client, err := New(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	creds := Credentials{ready: true, idToken: settings.NewSecret(testSecret)}

	var out bytes.Buffer
	for _, v := range []any{config, &config, config.APIKey, &config.APIKey, client, *client, creds, &creds} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, handler := range []slog.Handler{slog.NewJSONHandler(&out, nil), slog.NewTextHandler(&out, nil)} {
		slog.New(handler).Info("config", "config", config, "secret", config.APIKey, "creds", creds)
	}
	if err := json.NewEncoder(&out).Encode(config); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), testSecret) || strings.Contains(out.String(), fmt.Sprintf("%x", testSecret)) {
		t.Errorf("the secret is in\n%s", out.String())
	}
	if !strings.Contains(out.String(), "[redacted]") {
		t.Error("nothing was printed in its place")
	}
}
