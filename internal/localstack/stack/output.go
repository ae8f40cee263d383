package stack

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"sync"
)

// sharedWriter is one writer for the output of several processes.
type sharedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (s *sharedWriter) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.w.Write(p)
}

// tailLines is how many of the last lines of a function are remembered.
const tailLines = 8

// output takes what the processes of one function print, one process at a time,
// and passes it on in whole lines: what a pipe yields begins and ends anywhere,
// and the functions' lines must not mix.
type output struct {
	to      io.Writer
	partial []byte
	tail    []string
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	o.partial = append(o.partial, p...)
	end := bytes.LastIndexByte(o.partial, '\n') + 1
	if end == 0 {
		return len(p), nil
	}
	if err := o.pass(o.partial[:end]); err != nil {
		return 0, err
	}
	o.partial = append(o.partial[:0], o.partial[end:]...)
	return len(p), nil
}

// end passes on what a process left unfinished, as a line.
func (o *output) end() error {
	if len(o.partial) == 0 {
		return nil
	}
	_, err := o.Write([]byte("\n"))
	return err
}

func (o *output) pass(lines []byte) error {
	for line := range strings.Lines(string(lines)) {
		o.tail = append(o.tail, strings.TrimSpace(line))
	}
	o.tail = o.tail[max(0, len(o.tail)-tailLines):]
	_, err := o.to.Write(lines)
	return err
}

// reason says why the last process ended, if it could not start: the sentences
// of its log that name the settings, else its last lines.
func (o *output) reason() string {
	for _, line := range o.tail {
		var entry struct{ Event, Error string }
		// What is no JSON was printed by something below the function's own log.
		if json.Unmarshal([]byte(line), &entry) == nil && entry.Event == "start_failed" {
			return entry.Error
		}
	}
	if len(o.tail) == 0 {
		return "it printed nothing"
	}
	return strings.Join(o.tail, "\n")
}
