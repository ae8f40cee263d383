package functiontest

import (
	"bytes"
	"encoding/json"
	"fmt"
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

// Reset empties the log.
func (l *Log) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out.Reset()
}

// Brief is what matters of the lines about a booking, or of all lines for "".
func (l *Log) Brief(booking string) string {
	var b strings.Builder
	for text := range strings.Lines(l.String()) {
		var line struct {
			Event, Rule, Effect, Error, Detail string
			Booking                            string `json:"booking_id"`
		}
		if json.Unmarshal([]byte(text), &line) == nil && (booking == "" || line.Booking == booking) {
			fmt.Fprintf(&b, "  %s %s %s %s %s\n", line.Event, line.Rule, line.Effect, line.Detail, line.Error)
		}
	}
	return b.String()
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
