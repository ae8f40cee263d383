package crash_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"sync"

	"lad.internal/followup/internal/logging"
)

// caseLog is what the instances have logged during a case.
type caseLog struct {
	mu  sync.Mutex
	out bytes.Buffer
}

// Logger writes to the log as the functions do.
func (l *caseLog) Logger() *slog.Logger { return logging.New(l, logging.Options{}) }

// Write implements io.Writer.
func (l *caseLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.out.Write(p)
}

// String is what matters of each line.
func (l *caseLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var b strings.Builder
	for text := range bytes.Lines(l.out.Bytes()) {
		var line struct{ Event, Rule, Effect, Error, Detail string }
		if json.Unmarshal(text, &line) != nil {
			continue
		}
		fmt.Fprintf(&b, "  %s %s %s %s %s\n", line.Event, line.Rule, line.Effect, line.Detail, line.Error)
	}
	return b.String()
}

// Reset empties the log.
func (l *caseLog) Reset() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.out.Reset()
}
