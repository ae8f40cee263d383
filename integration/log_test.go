package integration_test

import (
	"bytes"
	"encoding/json"
	"slices"
	"sync"
)

// logBuffer keeps what the functions print. The stack writes whole lines.
type logBuffer struct {
	mu      sync.Mutex
	text    bytes.Buffer
	entries []entry
}

// entry is what tests look for in a line.
type entry struct {
	Event     string `json:"event"`
	BookingID string `json:"booking_id"`
	line      []byte
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for line := range bytes.Lines(p) {
		var e entry
		// A line that is no JSON is found by checkLine, in the end.
		_ = json.Unmarshal(line, &e)
		e.line = bytes.Clone(line)
		l.entries = append(l.entries, e)
	}
	return l.text.Write(p)
}

// count counts the lines of an event, about one booking if that is given.
func (l *logBuffer) count(event, booking string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.entries {
		if e.Event == event && (booking == "" || e.BookingID == booking) {
			n++
		}
	}
	return n
}

// last is the last line of an event about a booking.
func (l *logBuffer) last(event, booking string) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range slices.Backward(l.entries) {
		if e.Event == event && e.BookingID == booking {
			return e.line
		}
	}
	return nil
}

func (l *logBuffer) bytes() []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	return bytes.Clone(l.text.Bytes())
}
