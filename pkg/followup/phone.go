package followup

import (
	"fmt"
	"log/slog"
	"strings"
)

// Phone is a number in E.164, "" if there is none. However it is printed, logged
// or encoded it is masked, unless as a key of a map; string(p) is the number itself.
type Phone string

// String is the number with its first two and last two digits: +49*********78.
func (p Phone) String() string {
	const kept = len("+49") + len("78")
	if len(p) <= kept+3 {
		return strings.Repeat("*", len(p))
	}
	return string(p[:3]) + strings.Repeat("*", len(p)-kept) + string(p[len(p)-2:])
}

// Format implements fmt.Formatter, so that no verb or flag gets round String.
func (p Phone) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(p.String())) }

// MarshalText implements encoding.TextMarshaler.
func (p Phone) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// LogValue implements slog.LogValuer.
func (p Phone) LogValue() slog.Value { return slog.StringValue(p.String()) }
