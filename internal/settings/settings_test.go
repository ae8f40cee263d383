package settings_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-envconfig"
	"go.uber.org/goleak"

	"lad.internal/followup/internal/settings"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type queue struct {
	Project string        `env:"GCP_PROJECT_ID, required" help:"the id of the project that owns the queue"`
	Horizon time.Duration `env:"FOLLOWUP_HORIZON, default=168h"`
	Lead    time.Duration `env:"FOLLOWUP_LEAD_TIME, default=0s"`
}

func (q queue) Validate() error {
	var problems settings.Problems
	problems.Unless(q.Horizon < 720*time.Hour, "FOLLOWUP_HORIZON", "is %s: set it below 720h", q.Horizon)
	problems.Unless(q.Lead >= 0, "FOLLOWUP_LEAD_TIME", "is negative: set it to 0 or more")
	return problems.Err()
}

type agent struct {
	Secret     settings.Secret `env:"INTERNAL_SERVICE_SECRET, required"`
	Idempotent bool            `env:"VOICE_AGENT_IDEMPOTENT, default=false"`
	Since      time.Time       `env:"FOLLOWUP_ACTIVE_SINCE, required" help:"the start of operation"`
	Paused     []string        `env:"FOLLOWUP_PAUSED"`
	Retries    int             `env:"RETRIES, default=3"`
	ID         *int64          `env:"DEFAULT_FOLLOW_UP_AGENT_ID, noinit"`
	Mode       mode            `env:"MODE, default=iam"`
}

type mode string

func (m *mode) UnmarshalText(text []byte) error {
	if string(text) != "iam" && string(text) != "verify" {
		return errors.New("it is neither verify nor iam")
	}
	*m = mode(text)
	return nil
}

// whole validates through a pointer.
type whole struct {
	Queue queue
	Agent agent
	calls int
}

func (w *whole) Validate() error {
	w.calls++
	if w.Agent.Retries > 5 {
		return errors.Join(errors.New("RETRIES is too many"), nil)
	}
	return nil
}

// complete is an environment without problems, changed by pairs of name and value.
func complete(pairs ...string) map[string]string {
	env := map[string]string{
		"GCP_PROJECT_ID": "p-1", "INTERNAL_SERVICE_SECRET": "swordfish", "FOLLOWUP_ACTIVE_SINCE": "2026-01-02T03:04:05Z",
	}
	for i := 0; i < len(pairs); i += 2 {
		env[pairs[i]] = pairs[i+1]
	}
	return env
}

func load(t *testing.T, cfg any, env map[string]string) error {
	t.Helper()
	return settings.Load(t.Context(), envconfig.MapLookuper(env), cfg)
}

func TestACompleteEnvironmentFillsEveryStruct(t *testing.T) {
	t.Parallel()
	var cfg whole
	err := load(t, &cfg, complete("INTERNAL_SERVICE_SECRET", "swordfish\n", "FOLLOWUP_PAUSED", " a, b ", "VOICE_AGENT_IDEMPOTENT", " true\n", "FOLLOWUP_LEAD_TIME", "5s",
		"RETRIES", "", "DEFAULT_FOLLOW_UP_AGENT_ID", "7"))
	if err != nil {
		t.Fatal(err)
	}
	if want := (queue{"p-1", 168 * time.Hour, 5 * time.Second}); cfg.Queue != want {
		t.Errorf("queue %+v, want %+v", cfg.Queue, want)
	}
	if cfg.Agent.ID == nil || *cfg.Agent.ID != 7 {
		t.Errorf("agent id %v, want 7", cfg.Agent.ID)
	}
	cfg.Agent.ID = nil
	want := agent{
		Secret: settings.NewSecret("swordfish"), Idempotent: true, Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Paused: []string{"a", "b"}, Retries: 3, Mode: "iam",
	}
	same := cmp.Comparer(func(a, b settings.Secret) bool { return a.Reveal() == b.Reveal() })
	if diff := cmp.Diff(want, cfg.Agent, same); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if cfg.calls != 1 {
		t.Errorf("the whole was validated %d times", cfg.calls)
	}
}

func TestAnOptionalVariableThatIsNotSetLeavesItsPointerNil(t *testing.T) {
	t.Parallel()
	var cfg whole
	if err := load(t, &cfg, complete()); err != nil || cfg.Agent.ID != nil {
		t.Errorf("agent id %v, error %v", cfg.Agent.ID, err)
	}
}

func TestEachProblemIsASentenceThatNamesItsVariable(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, value, want string }{
		{"GCP_PROJECT_ID", "", "GCP_PROJECT_ID is missing: set it to the id of the project that owns the queue"},
		{"GCP_PROJECT_ID", " \n", "GCP_PROJECT_ID is missing: set it to the id of the project that owns the queue"},
		{"INTERNAL_SERVICE_SECRET", "", "INTERNAL_SERVICE_SECRET is missing: set it"},
		{"FOLLOWUP_HORIZON", "1 week", "FOLLOWUP_HORIZON cannot be read as a duration, as 90s or 24h"},
		{"FOLLOWUP_HORIZON", "900h", "FOLLOWUP_HORIZON is 900h0m0s: set it below 720h"},
		{"FOLLOWUP_LEAD_TIME", "-1s", "FOLLOWUP_LEAD_TIME is negative: set it to 0 or more"},
		{"VOICE_AGENT_IDEMPOTENT", "ja", "VOICE_AGENT_IDEMPOTENT cannot be read as true or false"},
		{"RETRIES", "x", "RETRIES cannot be read as a whole number: write it in decimal, without zeros in front"},
		{"RETRIES", "010", "RETRIES cannot be read as a whole number: write it in decimal, without zeros in front"}, // 8 in Go
		{"RETRIES", "0x3", "RETRIES cannot be read as a whole number: write it in decimal, without zeros in front"},
		{"RETRIES", "99999999999999999999", "RETRIES cannot be read as a whole number"},
		{"RETRIES", "6", "RETRIES is too many"},
		{"DEFAULT_FOLLOW_UP_AGENT_ID", "1.5", "DEFAULT_FOLLOW_UP_AGENT_ID cannot be read as a whole number: write it in decimal, without zeros in front"},
		{"MODE", "none", "MODE cannot be read: it is neither verify nor iam"},
	} {
		t.Run(tc.name+"="+tc.value, func(t *testing.T) {
			t.Parallel()
			err := load(t, &whole{}, complete(tc.name, tc.value))
			if err == nil || err.Error() != tc.want {
				t.Errorf("got  %v\nwant %v", err, tc.want)
			}
		})
	}
}

func TestAllProblemsAreReportedAtOnceInOrder(t *testing.T) {
	t.Parallel()
	var cfg struct {
		Valid   queue
		Missing struct {
			A string `env:"A, required"`
			B int    `env:"B, default=1"`
		}
		Agent agent
	}
	err := load(t, &cfg, map[string]string{
		"GCP_PROJECT_ID": "p", "FOLLOWUP_HORIZON": "900h", "FOLLOWUP_LEAD_TIME": "-1s", "B": "b", "RETRIES": "?",
	})
	if err == nil {
		t.Fatal("no error")
	}
	var names []string
	for line := range strings.SplitSeq(err.Error(), "\n") {
		name, _, _ := strings.Cut(line, " ")
		names = append(names, name)
	}
	want := []string{
		"FOLLOWUP_HORIZON", "FOLLOWUP_LEAD_TIME", "A", "B", "INTERNAL_SERVICE_SECRET", "FOLLOWUP_ACTIVE_SINCE", "RETRIES",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestAStructThatDidNotDecodeIsNotValidated(t *testing.T) {
	t.Parallel()
	cfg := whole{}
	err := load(t, &cfg, complete("GCP_PROJECT_ID", "", "FOLLOWUP_LEAD_TIME", "-1s"))
	if err == nil || strings.Contains(err.Error(), "negative") || cfg.calls != 0 {
		t.Errorf("error %v, whole validated %d times", err, cfg.calls)
	}
}

func TestNoSentenceRepeatsASecretOrAPhoneNumber(t *testing.T) {
	t.Parallel()
	var cfg struct {
		Key   time.Duration `env:"VOICE_API_KEY"`
		Count time.Duration `env:"TIMEOUT"`
		Call  time.Duration `env:"INTERVAL"`
	}
	err := load(t, &cfg, map[string]string{
		"VOICE_API_KEY": "swordfish", "TIMEOUT": "postgres://app:swordfish@db", "INTERVAL": "+4917012345678",
	})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Fatalf("want three problems, got %v", err)
	}
	for _, leak := range []string{"swordfish", "17012345678"} {
		if strings.Contains(err.Error(), leak) {
			t.Errorf("%q is in %v", leak, err)
		}
	}
}

func TestStructsDeclaredWronglyAreRefused(t *testing.T) {
	t.Parallel()
	for name, cfg := range map[string]any{
		"no pointer":           queue{},
		"nil":                  (*queue)(nil),
		"pointer to no struct": new(int),
		"not exported": &struct {
			x string `env:"X"`
		}{},
		"required and default": &struct {
			X string `env:"X, required, default=1"`
		}{},
		"unknown option": &struct {
			X string `env:"X, requird"`
		}{},
		"no name": &struct {
			X string `env:", required"`
		}{},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if err := load(t, cfg, map[string]string{}); err == nil {
				t.Error("accepted")
			}
		})
	}
}

func TestASecretPrintsItselfNowhere(t *testing.T) {
	t.Parallel()
	type holder struct {
		Shown  settings.Secret
		hidden settings.Secret
	}
	secret := settings.NewSecret("swordfish")
	h := holder{secret, secret}
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		for _, value := range []any{secret, &secret, h, &h, []settings.Secret{secret}} {
			fmt.Fprintf(&out, verb+"\n", value)
		}
	}
	raw, err := json.Marshal(h)
	if err != nil || string(raw) != `{"Shown":"[redacted]"}` {
		t.Errorf("JSON is %s, %v", raw, err)
	}
	slog.New(slog.NewJSONHandler(&out, nil)).Info("m", "s", secret, "p", &secret, "h", h)
	slog.New(slog.NewTextHandler(&out, nil)).Info("m", "s", secret, "p", &secret, "h", h)
	for _, leak := range []string{"swordfish", "73776f7264", "115 119"} {
		if strings.Contains(out.String(), leak) {
			t.Errorf("%q is in\n%s", leak, out.String())
		}
	}
	if n := strings.Count(out.String(), "[redacted]"); n < 10 {
		t.Errorf("redacted only %d times", n)
	}
	if secret.Reveal() != "swordfish" || !secret.IsSet() {
		t.Error("the secret is not what was put in")
	}
	if empty := settings.NewSecret(""); empty.IsSet() || empty.String() != "" || empty.Reveal() != "" {
		t.Error("the empty secret is not empty")
	}
}

func TestNoProblemsAreNoError(t *testing.T) {
	t.Parallel()
	var problems settings.Problems
	problems.Join(nil, nil)
	problems.Unless(true, "X", "is wrong")
	if err := problems.Err(); err != nil {
		t.Errorf("got %v", err)
	}
}
