package voiceagent

import (
	"fmt"
	"log/slog"
)

const redacted = "[secret]"

// Secret is a setting that must not be printed. Every verb of fmt, slog and JSON
// shows "[secret]", or nothing when it is unset. It holds a pointer because fmt
// calls no methods on unexported fields: printed as part of a larger struct, a
// plain string type would show itself.
type Secret struct{ value *string }

// NewSecret wraps s. The empty string gives the unset Secret.
func NewSecret(s string) Secret {
	if s == "" {
		return Secret{}
	}
	return Secret{value: &s}
}

// Reveal returns the secret itself, "" if it is unset.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// IsSet reports whether there is a secret.
func (s Secret) IsSet() bool { return s.value != nil }

// UnmarshalText implements encoding.TextUnmarshaler, which envconfig uses.
func (s *Secret) UnmarshalText(text []byte) error {
	*s = NewSecret(string(text))
	return nil
}

// MarshalText implements encoding.TextMarshaler. It does not undo UnmarshalText:
// it redacts.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// String implements fmt.Stringer.
func (s Secret) String() string {
	if s.value == nil {
		return ""
	}
	return redacted
}

// Format implements fmt.Formatter, so that no verb or flag gets round String.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// LogValue implements slog.LogValuer.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
