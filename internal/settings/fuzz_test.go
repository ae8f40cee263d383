package settings_test

import (
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/sethvargo/go-envconfig"

	"lad.internal/followup/internal/settings"
)

// FuzzLoad: a value arrives as it stands, but for the space around it, or is
// refused by the name of its variable, and a secret is shown by no error.
func FuzzLoad(f *testing.F) {
	for _, seed := range []string{"swordfish", " swordfish\n", "", "%d%s%!", "$(GCP_PROJECT_ID)", "${GCP_PROJECT_ID}", "a,b", "\x00", "\xff", "1e3", "0x10", "-1", "9223372036854775808", "1h", "1_000", "true", "T", "2026-01-31T00:00:00Z", `"x"`, "prefix:x"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		trimmed := strings.TrimSpace(value)
		var text struct {
			Value  string          `env:"VALUE, default=none"`
			Secret settings.Secret `env:"SECRET"`
		}
		if err := settings.Load(t.Context(), envconfig.MapLookuper(map[string]string{"VALUE": value, "SECRET": value}), &text); err != nil {
			t.Fatalf("%q: %v", value, err)
		}
		if want := or(trimmed, "none"); text.Value != want {
			t.Errorf("%q arrived as %q, want %q", value, text.Value, want)
		}
		if text.Secret.Reveal() != trimmed || text.Secret.IsSet() != (trimmed != "") {
			t.Errorf("%q arrived as the secret %q", value, text.Secret.Reveal())
		}

		var numbers struct {
			Number int           `env:"NUMBER, required"`
			Wait   time.Duration `env:"WAIT, required"`
			Token  time.Time     `env:"API_TOKEN, required"` // a secret by its name
		}
		err := settings.Load(t.Context(), envconfig.MapLookuper(map[string]string{"NUMBER": value, "WAIT": value, "API_TOKEN": value}), &numbers)
		if err == nil {
			t.Fatalf("%q is a number, a duration and a time", value)
		}
		lines := strings.Split(err.Error(), "\n")
		for _, line := range lines {
			name, _, _ := strings.Cut(line, " ")
			if name != "NUMBER" && name != "WAIT" && name != "API_TOKEN" || strings.Contains(line, "%!") && !strings.Contains(value, "%!") {
				t.Errorf("%q: said %q", value, line)
			}
			if strings.ContainsFunc(line, unicode.IsControl) {
				t.Errorf("%q: a line has control characters: %q", value, line)
			}
			if name == "API_TOKEN" && len(trimmed) > 12 && strings.Contains(line, trimmed) {
				t.Errorf("%q is shown: %q", value, line)
			}
		}
		// A number has one spelling, so that 010 is not 8.
		n, wrong := strconv.Atoi(trimmed)
		plain := wrong == nil && strconv.Itoa(n) == trimmed
		if plain && numbers.Number != n || !plain && numbers.Number != 0 && trimmed != "-0" {
			t.Errorf("%q arrived as %d", value, numbers.Number)
		}
	})
}

func or(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
