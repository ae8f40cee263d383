package functiontest

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"lad.internal/followup/internal/logging"
)

// Log is a log as the functions write it, kept for reading.
type Log struct {
	mu  sync.Mutex
	out bytes.Buffer
}

// Logger writes to the log.
func (l *Log) Logger() *slog.Logger { return logging.New(l, logging.Options{Level: slog.LevelDebug}) }

// Write implements io.Writer.
func (l *Log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

// String is the whole log.
func (l *Log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.String()
}

// Events are the lines with this event.
func (l *Log) Events(event string) []map[string]any {
	var found []map[string]any
	for text := range strings.Lines(l.String()) {
		line := map[string]any{}
		if json.Unmarshal([]byte(text), &line) == nil && line["event"] == event {
			found = append(found, line)
		}
	}
	return found
}

// Eventually waits for something that another goroutine or process brings about.
func Eventually(t testing.TB, what string, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !happened(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain: %s", what)
		}
	}
}
