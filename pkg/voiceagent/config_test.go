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

func TestTheSmallestEnvironmentGetsTheDefaults(t *testing.T) {
	t.Parallel()
	c := fromEnv(t, map[string]string{"VOICE_AGENT_BASE_URL": "https://voice.example.com/v1/", "INTERNAL_SERVICE_SECRET": testSecret})
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.Timeout != 30*time.Second || c.DefaultAgentID != nil || c.InternalServiceSecret.Reveal() != testSecret {
		t.Errorf("got %+v", c)
	}
	if got, want := c.endpoint(), "https://voice.example.com/v1/api/voice-agent/calls/start-call"; got != want {
		t.Errorf("the endpoint is %s, want %s", got, want)
	}
}

func TestTheWholeEnvironmentIsRead(t *testing.T) {
	t.Parallel()
	c := fromEnv(t, map[string]string{
		"VOICE_AGENT_BASE_URL": "http://[::1]:8080", "VOICE_AGENT_START_CALL_PATH": "/calls/start-call",
		"VOICE_AGENT_FRONTEND_ID": "followup", "VOICE_AGENT_API_KEY": "key", "VOICE_AGENT_AUDIENCE": "https://voice.example.com",
		"VOICE_AGENT_TIMEOUT": "45s", "DEFAULT_FOLLOW_UP_AGENT_ID": "9007199254740993",
	})
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if c.endpoint() != "http://[::1]:8080/calls/start-call" || c.FrontendID != "followup" || c.APIKey.Reveal() != "key" ||
		c.Audience != "https://voice.example.com" || c.Timeout != 45*time.Second || *c.DefaultAgentID != 9007199254740993 {
		t.Errorf("got %+v", c)
	}
}

func TestEveryWrongSettingIsNamedInASentence(t *testing.T) {
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
		{"INTERNAL_SERVICE_SECRET", "", "no credentials for the voice agent: set INTERNAL_SERVICE_SECRET"},
		{"INTERNAL_SERVICE_SECRET", "hush-hush\n", "INTERNAL_SERVICE_SECRET contains a line break"},
		{"VOICE_AGENT_API_KEY", "hush-hush", "VOICE_AGENT_API_KEY is set but VOICE_AGENT_FRONTEND_ID is not"},
		{"VOICE_AGENT_FRONTEND_ID", "followup", "VOICE_AGENT_FRONTEND_ID is set but VOICE_AGENT_API_KEY is not"},
		{"VOICE_AGENT_TIMEOUT", "999ms", "VOICE_AGENT_TIMEOUT is 999ms: set it between 1s and 10m0s"},
		{"VOICE_AGENT_TIMEOUT", "10m1s", "VOICE_AGENT_TIMEOUT is 10m1s"},
		{"DEFAULT_FOLLOW_UP_AGENT_ID", "0", "DEFAULT_FOLLOW_UP_AGENT_ID is 0"},
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

func TestAllWrongSettingsAreReportedTogether(t *testing.T) {
	t.Parallel()
	err := Config{}.Validate()
	for _, want := range []string{"VOICE_AGENT_BASE_URL", "VOICE_AGENT_START_CALL_PATH", "no credentials", "VOICE_AGENT_TIMEOUT"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not name %s", err, want)
		}
	}
}

func TestLoopbackMaySpeakPlainHTTP(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"localhost:1", "127.0.0.1", "127.8.9.1:80", "[::1]:80"} {
		if err := testConfig("http://" + host).Validate(); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
}

func TestSecretsAreNeverPrinted(t *testing.T) {
	t.Parallel()
	config := testConfig("https://voice.example.com")
	config.FrontendID, config.APIKey = "followup", settings.NewSecret(testSecret)
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
