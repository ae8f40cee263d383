package logging

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
)

const (
	phone    = followup.Phone("+4917012345678")
	password = "swordfish"
)

type (
	textError struct{ text string }
	valuer    struct{ v any }
	stringer  struct{ text string }
	textual   struct{ text string }
	panicking struct{}
	lead      struct {
		Name   string
		Phone  followup.Phone
		Secret settings.Secret
	}
)

func (e *textError) Error() string             { return e.text }
func (v valuer) LogValue() slog.Value          { return slog.AnyValue(v.v) }
func (s stringer) String() string              { return s.text }
func (t textual) MarshalText() ([]byte, error) { return []byte(t.text), nil }
func (panicking) Error() string                { panic("of " + password) }
func cycle() any                               { m := map[string]any{"x": phone}; m["self"] = m; return m }

// carriers are the ways in which a phone number and a secret that the logger was
// told of reach it.
func carriers() map[string][]any {
	u, _ := url.Parse("postgres://app:" + password + "@db/lad")
	dsn := u.String()
	secret := settings.NewSecret("not told of")
	return map[string][]any{
		"string":                {"k", "password=" + password},
		"string in JSON":        {"k", `{"password":"` + password + `"}`},
		"key":                   {"x " + password, 1},
		"phone":                 {"to", phone},
		"secret":                {"key", secret},
		"error":                 {"error", errors.New("token=" + password)},
		"error with a phone":    {"error", fmt.Errorf("call %s: %w", phone, &textError{dsn})},
		"joined errors":         {"error", errors.Join(errors.New("a"), errors.New("secret: "+password))},
		"error that panics":     {"error", panicking{}},
		"nil in a pointer":      {"error", (*textError)(nil)},
		"stringer":              {"k", stringer{dsn}},
		"text marshaler":        {"k", textual{dsn}},
		"valuer":                {"k", valuer{phone}},
		"valuer of a valuer":    {"k", valuer{valuer{errors.New(dsn)}}},
		"valuer of a group":     {"k", valuer{slog.GroupValue(slog.Any("phone", phone))}},
		"group":                 {slog.Group("g", "x", phone, slog.Group("h", "password", password))},
		"inline group":          {slog.Group("", "x", phone)},
		"bytes":                 {"k", []byte(dsn)},
		"raw JSON":              {"k", json.RawMessage(`{"a":[{"token":{"v":"` + password + `"}}]}`)},
		"struct":                {"k", lead{"N.", phone, secret}},
		"pointer to struct":     {"k", &lead{"N.", phone, secret}},
		"map":                   {"k", map[string]any{"to": phone, "password": password}},
		"slice":                 {"k", []string{phone.String(), "Bearer " + password}},
		"any holding a secret":  {"k", []any{phone, secret, dsn}},
		"URL":                   {"k", u},
		"header":                {"k", http.Header{"X-Api-Key": {password}}},
		"request error":         {"error", &url.Error{Op: "Post", URL: u.String(), Err: errors.New("timeout")}},
		"what JSON cannot hold": {"k", func() string { return password }},
		"cyclic":                {"k", cycle()},
	}
}

func TestPhonesAndSecretsAreMaskedWhateverTheyArriveIn(t *testing.T) {
	t.Parallel()
	for name, args := range carriers() {
		for way, log := range map[string]func(*slog.Logger){
			"call":    func(l *slog.Logger) { l.Info("m", args...) },
			"With":    func(l *slog.Logger) { l.With(args...).Info("m") },
			"group":   func(l *slog.Logger) { l.WithGroup("g").With(args...).Info("m") },
			"context": func(l *slog.Logger) { l.InfoContext(With(t.Context(), slog.Group("", args...)), "m") },
			"message": func(l *slog.Logger) { l.Info(fmt.Sprint(args...)) },
		} {
			if way == "message" && (name == "error that panics" || name == "bytes" || name == "cyclic" || name == "raw JSON" || name == "nil in a pointer" || strings.HasPrefix(name, "valuer")) {
				continue // fmt prints bytes as numbers, and the rest not at all
			}
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				logger, r := setup(Options{Secrets: []string{password, "told/of"}})
				log(logger)
				only(t, r)
				for _, leak := range []string{"1234567", password, "not told of"} {
					if bytes.Contains(r.writes[0], []byte(leak)) {
						t.Errorf("%q is in %s", leak, r.writes[0])
					}
				}
			})
		}
	}
}

func TestWhatIsNotPrivateIsPrintedAsItIs(t *testing.T) {
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

func TestALineStaysBelowCloudLoggingsLimit(t *testing.T) {
	t.Parallel()
	logger, r := setup(Options{})
	logger.Info("m", "long", strings.Repeat("ä", maxString), "list", strings.Split(strings.Repeat("x,", maxString), ","))
	only(t, r)
	if n := len(r.writes[0]); n > 200<<10 {
		t.Errorf("%d bytes", n)
	}
}

// BenchmarkHandler reports the cost of a typical record as a multiple of slog's
// own JSON handler, which takes no secrets out.
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
