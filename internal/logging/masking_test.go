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
)

const (
	phone    = "+4917012345678"
	national = "17012345678"
	password = "swordfish"
)

type (
	textError   struct{ text string }
	valuer      struct{ v any }
	stringer    struct{ text string }
	textual     struct{ text string }
	panicking   struct{}
	lead        struct{ Name, Phone string }
	credentials struct {
		APIKey string `json:"api_key"`
		Nested map[string]any
	}
)

func (e *textError) Error() string             { return e.text }
func (v valuer) LogValue() slog.Value          { return slog.AnyValue(v.v) }
func (s stringer) String() string              { return s.text }
func (t textual) MarshalText() ([]byte, error) { return []byte(t.text), nil }
func (panicking) Error() string                { panic("to " + phone) }
func number(s string) (f float64)              { _ = json.Unmarshal([]byte(s), &f); return f }
func cycle() any                               { m := map[string]any{"x": phone}; m["self"] = m; return m }

// carriers are the ways in which a phone number and a secret reach a logger.
func carriers() map[string][]any {
	u, _ := url.Parse("postgres://app:" + password + "@db/lad?x=%2B" + phone[1:])
	header := http.Header{"X-Api-Key": {password}, "X-To": {phone}}
	dsn := "postgres://app:" + password + "@db"
	return map[string][]any{
		"string":                 {"k", "to " + phone + " with password=" + password},
		"string, spaced":         {"k", "+49 170 1234 5678 Bearer " + password},
		"string in JSON":         {"k", `{"to":"` + phone + `","password":"` + password + `"}`},
		"key":                    {"to " + phone, 1},
		"named like a phone":     {"to_number", "0-17012345678"},
		"named like a secret":    {"api_key", password},
		"header named":           {"X-Internal-Service-Secret", password},
		"group named":            {slog.Group("token", "v", password)},
		"error":                  {"error", errors.New("call " + phone + ": token=" + password)},
		"wrapped error":          {"error", fmt.Errorf("start: %w", &textError{phone + " " + dsn})},
		"joined errors":          {"error", errors.Join(errors.New(phone), errors.New("secret: "+password))},
		"error that panics":      {"error", panicking{}},
		"nil error in a pointer": {"error", (*textError)(nil)},
		"stringer":               {"k", stringer{phone + " " + dsn}},
		"text marshaler":         {"k", textual{phone + " " + dsn}},
		"valuer":                 {"k", valuer{phone}},
		"valuer of a valuer":     {"k", valuer{valuer{errors.New(phone)}}},
		"valuer of a group":      {"k", valuer{slog.GroupValue(slog.String("phone", phone))}},
		"group":                  {slog.Group("g", "x", phone, slog.Group("h", "password", password))},
		"inline group":           {slog.Group("", "x", phone)},
		"bytes":                  {"k", []byte(phone + " " + dsn)},
		"raw JSON":               {"k", json.RawMessage(`{"a":[{"to":"` + phone + `","token":{"v":"` + password + `"}}]}`)},
		"struct":                 {"k", lead{"N.", phone}},
		"pointer to struct":      {"k", &credentials{password, map[string]any{"x": []any{phone}, "secret": []string{password}}}},
		"map":                    {"k", map[string]any{phone: "x", "password": password}},
		"map of numbers":         {"k", map[string]any{"to": number(national)}},
		"slice":                  {"k", []string{phone, "Bearer " + password}},
		"any holding an error":   {"k", []any{stringer{phone}.text, dsn}},
		"integer":                {"k", int64(17012345678)},
		"unsigned":               {"k", uint64(17012345678)},
		"float":                  {"k", float64(17012345678)},
		"short number, named":    {"phone", 17012},
		"URL":                    {"k", u},
		"header":                 {"k", header},
		"request error":          {"error", &url.Error{Op: "Post", URL: u.String(), Err: errors.New("timeout")}},
		"what JSON cannot hold":  {"k", func() string { return phone }},
		"cyclic":                 {"k", cycle()},
	}
}

func TestPhoneNumbersAndSecretsAreMaskedWhateverTheyArriveIn(t *testing.T) {
	t.Parallel()
	for name, args := range carriers() {
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
				assertMasked(t, r.writes[0])
			})
		}
	}
}

func assertMasked(t *testing.T, line []byte) {
	t.Helper()
	for _, leak := range []string{national, "1234567", password, "17012\n", ":17012}"} {
		if bytes.Contains(line, []byte(leak)) {
			t.Errorf("%q is in %s", leak, line)
		}
	}
}

func TestTheMessageIsMasked(t *testing.T) {
	t.Parallel()
	logger, r := setup(Options{Secrets: []string{"abra/cadabra"}})
	logger.Info("to "+phone+", password="+password+", abra/cadabra", "x", "say abra%2Fcadabra")
	assertMasked(t, r.writes[0])
	if strings.Contains(string(r.writes[0]), "cadabra") {
		t.Errorf("a configured secret is in %s", r.writes[0])
	}
}

func TestWhatIsNeitherPhoneNorSecretIsPrintedAsItIs(t *testing.T) {
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
		"at", at, "ok", true, "f", 0.5, "u", uint64(7), "nothing", nil, "control", "a\x01b\u2028ü", "empty", "")
	got := only(t, r)
	for key, want := range map[string]any{
		"key": "followup:550e8400-e29b-41d4-a716-446655440000:550e8400-e29b-41d4-a716-446655440000:2026-01-02T03:04:05.000Z",
		"at":  "2026-01-02T02:04:05.006Z", "ok": true, "f": 0.5, "u": 7.0, "nothing": nil, "control": "a\x01b\u2028ü", "empty": "",
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
// own JSON handler, which masks nothing.
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
