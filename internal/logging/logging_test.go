package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/slogtest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// recorder counts the writes and keeps them apart.
type recorder struct {
	mu     sync.Mutex
	writes [][]byte
}

func (r *recorder) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.writes = append(r.writes, bytes.Clone(p))
	return len(p), nil
}

// lines parses every write as one line of JSON.
func (r *recorder) lines(t *testing.T) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, w := range r.writes {
		if bytes.Count(w, []byte("\n")) != 1 || w[len(w)-1] != '\n' {
			t.Fatalf("a write is not one line: %q", w)
		}
		line := map[string]any{}
		if err := json.Unmarshal(w, &line); err != nil {
			t.Fatalf("no JSON: %v\n%s", err, w)
		}
		all = append(all, line)
	}
	return all
}

func setup(o Options) (*slog.Logger, *recorder) {
	if o.Level == nil {
		o.Level = slog.LevelDebug
	}
	r := &recorder{}
	return New(r, o), r
}

func only(t *testing.T, r *recorder) map[string]any {
	t.Helper()
	lines := r.lines(t)
	if len(lines) != 1 {
		t.Fatalf("%d lines, want one: %v", len(lines), lines)
	}
	return lines[0]
}

func TestNew_slogtest(t *testing.T) {
	t.Parallel()
	logger, r := setup(Options{})
	err := slogtest.TestHandler(logger.Handler(), func() []map[string]any {
		lines := r.lines(t)
		for _, line := range lines {
			for from, to := range map[string]string{"severity": slog.LevelKey, "message": slog.MessageKey} {
				line[to] = line[from]
			}
		}
		return lines
	})
	if err != nil {
		t.Error(err)
	}
}

func TestNew_line(t *testing.T) {
	t.Parallel()
	logger, r := setup(Options{ProjectID: "p-1", Service: "execute", Revision: "execute-00001"})
	ctx := WithTrace(t.Context(), http.Header{"Traceparent": {"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}})
	ctx = With(ctx, slog.String("tenant_id", "t-1"))

	before := time.Now()
	logger.With("booking_id", "b-1").ErrorContext(ctx, "The call was not made.",
		"event", "call_not_started", "error", errors.New("dial: refused"), slog.Duration("took", 1500*time.Millisecond), slog.Int("attempt", 2))

	got := only(t, r)
	at, err := time.Parse(time.RFC3339Nano, got["time"].(string))
	if err != nil || at.Location() != time.UTC || at.Before(before.Add(-time.Millisecond)) || time.Since(at) < 0 {
		t.Errorf("time %v: %v", got["time"], err)
	}
	source := got["logging.googleapis.com/sourceLocation"].(map[string]any)
	if source["file"] != "lad.internal/followup/internal/logging/logging_test.go" || source["line"] == "0" ||
		!strings.HasSuffix(source["function"].(string), "TestNew_line") {
		t.Errorf("source location %v", source)
	}
	delete(got, "time")
	delete(got, "logging.googleapis.com/sourceLocation")
	want := map[string]any{
		"severity": "ERROR", "message": "The call was not made.", "event": "call_not_started",
		"error": "dial: refused", "took": "1.5s", "attempt": 2.0, "tenant_id": "t-1", "booking_id": "b-1",
		"logging.googleapis.com/labels":        map[string]any{"tenant_id": "t-1", "booking_id": "b-1"},
		"logging.googleapis.com/trace":         "projects/p-1/traces/4bf92f3577b34da6a3ce929d0e0e4736",
		"logging.googleapis.com/spanId":        "00f067aa0ba902b7",
		"logging.googleapis.com/trace_sampled": true,
		"serviceContext":                       map[string]any{"service": "execute", "version": "execute-00001"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestParseLevel(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name     string
		level    slog.Level
		severity string
	}{
		{"debug", slog.LevelDebug, "DEBUG"},
		{"", slog.LevelInfo, "INFO"},
		{"Info", slog.LevelInfo, "INFO"},
		{"notice", LevelNotice, "NOTICE"},
		{"warn", slog.LevelWarn, "WARNING"},
		{"WARNING", slog.LevelWarn, "WARNING"},
		{"error", slog.LevelError, "ERROR"},
		{"critical", LevelCritical, "CRITICAL"},
	} {
		level, err := ParseLevel(tc.name)
		if err != nil || level != tc.level {
			t.Errorf("ParseLevel(%q) = %v, %v; want %v", tc.name, level, err, tc.level)
		}
		logger, r := setup(Options{Level: tc.level})
		logger.Log(t.Context(), tc.level, "m")
		logger.Log(t.Context(), tc.level-1, "below")
		if got := only(t, r)["severity"]; got != tc.severity {
			t.Errorf("severity %v, want %s", got, tc.severity)
		}
	}
	for _, name := range []string{"loud", "default", "alert"} {
		if _, err := ParseLevel(name); err == nil {
			t.Errorf("ParseLevel(%q) was accepted", name)
		}
	}
}

func TestWithTrace(t *testing.T) {
	t.Parallel()
	const id = "4bf92f3577b34da6a3ce929d0e0e4736"
	for _, tc := range []struct {
		name, header, value string
		want                trace
	}{
		{"W3C, sampled", "Traceparent", "00-" + id + "-00f067aa0ba902b7-01", trace{id, "00f067aa0ba902b7", true}},
		{"W3C, not sampled", "Traceparent", "00-" + id + "-00f067aa0ba902b7-00", trace{id, "00f067aa0ba902b7", false}},
		{"Google's, sampled", "X-Cloud-Trace-Context", id + "/1;o=1", trace{id, "0000000000000001", true}},
		{"Google's, id alone", "X-Cloud-Trace-Context", id, trace{id, "", false}},
		{"W3C, zero id", "Traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01", trace{}},
		{"W3C, another version", "Traceparent", "zz-" + id + "-00f067aa0ba902b7-01", trace{}},
		{"Google's, id too long", "X-Cloud-Trace-Context", id + "00", trace{}},
		{"Google's, text", "X-Cloud-Trace-Context", "call +4917012345678", trace{}},
		{"endless", "X-Cloud-Trace-Context", strings.Repeat("a", 1<<20), trace{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			header := http.Header{}
			header.Set(tc.header, tc.value)
			got, _ := WithTrace(t.Context(), header).Value(traceKey{}).(trace)
			if got != tc.want {
				t.Errorf("got %+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestWith_group(t *testing.T) {
	t.Parallel()
	logger, r := setup(Options{})
	ctx := With(With(t.Context(), slog.String("tenant_id", "t-1")), slog.String("message_id", "m-1"))
	logger.WithGroup("g").With("x", 1).InfoContext(ctx, "m", "event", "e", "booking_id", "b-1")

	got := only(t, r)
	want := map[string]any{"x": 1.0, "booking_id": "b-1"}
	if diff := cmp.Diff(want, got["g"]); diff != "" {
		t.Errorf("group: -want +got\n%s", diff)
	}
	if got["message_id"] != "m-1" || got["event"] != "e" {
		t.Errorf("top level: %v", got)
	}
	if diff := cmp.Diff(map[string]any{"tenant_id": "t-1"}, got["logging.googleapis.com/labels"]); diff != "" {
		t.Errorf("labels: -want +got\n%s", diff)
	}
}

func TestNew_siblings(t *testing.T) {
	t.Parallel()
	logger, r := setup(Options{})
	parent := logger.With("a", 1, "tenant_id", "t-1")
	one, two := parent.With("b", 1, "booking_id", "b-1"), parent.With("c", 1)
	one.Info("m")
	two.Info("m", "tenant_id", "t-2")
	parent.Info("m")

	lines := r.lines(t)
	for i, want := range []map[string]any{
		{"tenant_id": "t-1", "booking_id": "b-1"}, {"tenant_id": "t-2"}, {"tenant_id": "t-1"},
	} {
		if diff := cmp.Diff(want, lines[i]["logging.googleapis.com/labels"]); diff != "" {
			t.Errorf("line %d: -want +got\n%s", i, diff)
		}
	}
	if _, ok := lines[1]["b"]; ok {
		t.Errorf("an attribute of a sibling: %v", lines[1])
	}
}

func TestNew_record(t *testing.T) {
	t.Parallel()
	logger, r := setup(Options{})
	for _, l := range []*slog.Logger{logger.With("k", "logger"), logger.WithGroup("g").With("k", "logger")} {
		l.Info("m", "k", "record")
		l.Info("m")
	}
	lines := r.lines(t)
	if got := lines[1]["k"]; got != "logger" {
		t.Errorf("k is %v afterwards", got)
	}
	if diff := cmp.Diff(map[string]any{"k": "logger"}, lines[3]["g"]); diff != "" {
		t.Errorf("group afterwards: -want +got\n%s", diff)
	}
}

func TestNew_names(t *testing.T) {
	t.Parallel()
	logger, r := setup(Options{})
	logger.With("k", "old").Info("m", "k", "new", "severity", "x", "message", "x", "time", "x",
		"logging.googleapis.com/trace", "x", "event", 7)
	if n := bytes.Count(r.writes[0], []byte(`"k"`)); n != 1 {
		t.Errorf("k stands there %d times", n)
	}
	got := only(t, r)
	for key, want := range map[string]any{
		"k": "new", "severity": "INFO", "message": "m", "event": "unnamed", "severity_": "x", "message_": "x",
		"time_": "x", "event_": 7.0, "logging.googleapis.com/trace_": "x",
	} {
		if got[key] != want {
			t.Errorf("%s is %v, want %v", key, got[key], want)
		}
	}
}

func TestNew_concurrent(t *testing.T) {
	t.Parallel()
	logger, r := setup(Options{})
	shared := logger.With("tenant_id", "t-1").WithGroup("g")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			shared.With("i", i).InfoContext(context.Background(), strings.Repeat("m", i*100), "booking_id", "b")
		})
	}
	wg.Wait()
	if n := len(r.lines(t)); n != 50 {
		t.Errorf("%d lines, want 50", n)
	}
}

func TestNew_nil(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("New(nil) did not panic")
		}
	}()
	New(nil, Options{})
}

// Example shows the set-up that the functions use.
func Example() {
	logger := New(os.Stdout, Options{ProjectID: os.Getenv("GCP_PROJECT_ID")})
	ctx := With(context.Background(), slog.String("tenant_id", "…"), slog.String("booking_id", "…"))
	logger.InfoContext(ctx, "The booking has its task.", "event", "booking_armed")
}
