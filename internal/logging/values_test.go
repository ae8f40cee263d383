package logging

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
)

const phone = followup.Phone("+4917012345678")

type (
	valuer    struct{ v any }
	panicking struct{}
	lead      struct {
		Name   string
		Phone  followup.Phone
		Secret settings.Secret
	}
)

func (v valuer) LogValue() slog.Value { return slog.AnyValue(v.v) }
func (panicking) Error() string       { panic("of an error") }
func cycle() any                      { m := map[string]any{"x": phone}; m["self"] = m; return m }

// Private values, in whatever they reach the logger: their types do not print them.
func TestPrivate(t *testing.T) {
	t.Parallel()
	secret := settings.NewSecret("swordfish")
	for name, args := range map[string][]any{
		"phone":                 {"to", phone},
		"secret":                {"key", secret},
		"error with a phone":    {"error", fmt.Errorf("call %s with %v: %w", phone, secret, io.EOF)},
		"error that panics":     {"error", panicking{}, "to", phone},
		"valuer":                {"k", valuer{phone}},
		"valuer of a valuer":    {"k", valuer{valuer{secret}}},
		"valuer of a group":     {"k", valuer{slog.GroupValue(slog.Any("phone", phone))}},
		"group":                 {slog.Group("g", "x", phone, slog.Group("h", "password", secret))},
		"inline group":          {slog.Group("", "x", phone)},
		"struct":                {"k", lead{"N.", phone, secret}},
		"pointer to struct":     {"k", &lead{"N.", phone, secret}},
		"map":                   {"k", map[string]any{"to": phone, "password": secret}},
		"slice":                 {"k", []any{phone, secret}},
		"what JSON cannot hold": {"k", func() string { return string(phone) }},
		"cyclic":                {"k", cycle()},
	} {
		for way, log := range map[string]func(*slog.Logger){
			"call":    func(l *slog.Logger) { l.Info("m", args...) },
			"With":    func(l *slog.Logger) { l.With(args...).Info("m") },
			"group":   func(l *slog.Logger) { l.WithGroup("g").With(args...).Info("m") },
			"context": func(l *slog.Logger) { l.InfoContext(With(t.Context(), slog.Group("", args...)), "m") },
		} {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				logger, r := setup(Options{})
				log(logger)
				only(t, r)
				for _, leak := range []string{"1234567", "swordfish"} {
					if bytes.Contains(r.writes[0], []byte(leak)) {
						t.Errorf("%q is in %s", leak, r.writes[0])
					}
				}
			})
		}
	}
}

func TestNew_values(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.FixedZone("", 3600))
	type row struct {
		ID  string    `json:"id"`
		At  time.Time `json:"at"`
		N   int       `json:"n"`
		Off *bool     `json:"off"`
	}
	logger, r := setup(Options{})
	logger.Info("m",
		"key", "followup:550e8400-e29b-41d4-a716-446655440000:550e8400-e29b-41d4-a716-446655440000:2026-01-02T03:04:05.000Z",
		"row", row{ID: "a\"\n<b>", At: at, N: 12345},
		"at", at, "number", int64(17012345678), "ok", true, "f", 0.5, "u", uint64(7), "nothing", nil, "control", "a\x01b\u2028ü", "empty", "")
	got := only(t, r)
	for key, want := range map[string]any{
		"key": "followup:550e8400-e29b-41d4-a716-446655440000:550e8400-e29b-41d4-a716-446655440000:2026-01-02T03:04:05.000Z",
		"at":  "2026-01-02T02:04:05.006Z", "number": 17012345678.0, "ok": true, "f": 0.5, "u": 7.0, "nothing": nil, "control": "a\x01b\u2028ü", "empty": "",
	} {
		if value, ok := got[key]; !ok || value != want {
			t.Errorf("%s is %v, want %v", key, value, want)
		}
	}
	if row := fmt.Sprint(got["row"]); row != `map[at:2026-01-02T03:04:05.006+01:00 id:a"`+"\n"+`<b> n:12345 off:<nil>]` {
		t.Errorf("row is %s", row)
	}
}

func TestNew_limit(t *testing.T) {
	t.Parallel()
	logger, r := setup(Options{})
	logger.Info("m", "long", strings.Repeat("ä", maxString), "list", strings.Split(strings.Repeat("x,", maxString), ","))
	only(t, r)
	if n := len(r.writes[0]); n > 200<<10 {
		t.Errorf("%d bytes", n)
	}
}

// BenchmarkHandler reports the cost of a typical record as a multiple of slog's
// own JSON handler.
func BenchmarkHandler(b *testing.B) {
	record := func(l *slog.Logger) {
		l.Info("The booking has its task.", "event", "booking_armed",
			"tenant_id", "550e8400-e29b-41d4-a716-446655440000", "booking_id", "550e8400-e29b-41d4-a716-446655440001",
			"revision", 3, "due", time.Unix(1767322800, 0), "took", 12*time.Millisecond)
	}
	plain := slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{AddSource: true}))
	ours := New(io.Discard, Options{})
	b.ReportAllocs()
	var plainTime, ourTime time.Duration
	for range b.N {
		start := time.Now()
		record(plain)
		middle := time.Now()
		record(ours)
		plainTime += middle.Sub(start)
		ourTime += time.Since(middle)
	}
	b.ReportMetric(float64(ourTime)/float64(plainTime), "x-slog")
}
