package mask

import (
	"errors"
	"net/url"
	"strings"
	"testing"
)

func TestText(t *testing.T) {
	t.Parallel()
	const secret, dsn = `s3/cr"et`, "postgres://app:sword%20fish@db/lad"
	m := NewMasker(secret, "short", "", dsn)
	for text, want := range map[string]string{
		"say " + secret + ".":                  "say [redacted].",
		"say " + url.QueryEscape(secret):       "say [redacted]",
		"say " + url.PathEscape(secret):        "say [redacted]",
		`{"x":"s3/cr\"et"}`:                    `{"x":"[redacted]"}`,
		"connect " + dsn:                       "connect [redacted]",
		"password sword fish":                  "password [redacted]",
		"in a URL sword%20fish, as sword+fish": "in a URL [redacted], as [redacted]",
		"a short word is no secret":            "a short word is no secret",
		"bro\xffken":                           "bro\uFFFDken",
		"":                                     "",
	} {
		if got := m.Text(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	for _, none := range []*Masker{nil, {}, NewMasker(), NewMasker("short")} {
		if got := none.Text("short and " + secret); got != "short and "+secret {
			t.Errorf("without secrets: %q", got)
		}
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	m := NewMasker("swordfish")
	if got := m.Error(errors.New("a\nswordfish\x00b"), 100); got != "a [redacted] b" {
		t.Errorf("got %q", got)
	}
	if got := m.Error(errors.New(strings.Repeat("ü", 20)), 10); got != strings.Repeat("ü", 9)+"…" {
		t.Errorf("got %q", got)
	}
}

func TestSetting(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]string{
		"https://user:pass@host/path":  "https://[redacted]@host/path",
		"https://user:p/a@ss@host":     "https://[redacted]@host",
		"+4917012345678":               "[redacted]",
		"call +49 (170) 123-45.67/8":   "call [redacted]",
		"1234567":                      "[redacted]",
		"123456":                       "123456",
		"us-central1":                  "us-central1",
		"caller@p.iam.gserviceaccount": "caller@p.iam.gserviceaccount",
		"https://host.example/x?y=1":   "https://host.example/x?y=1",
		"\xff":                         "\uFFFD",
	} {
		if got := Setting(value); got != want {
			t.Errorf("%q became %q, want %q", value, got, want)
		}
	}
}

func TestIsSecretName(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]bool{
		"VOICE_AGENT_API_KEY": true, "INTERNAL_SERVICE_SECRET": true, "DATABASE_URL": true, "X-Internal-Service-Secret": true,
		"VOICE_AGENT_JWT_SECRET": true, "DB_PASSWORD": true, "DB_USER": false, "LOG_LEVEL": false, "VOICE_AGENT_BASE_URL": false, "": false,
	} {
		if got := IsSecretName(name); got != want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
