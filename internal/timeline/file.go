package timeline

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strings"
	"time"
)

// maxLine bounds a line, in bytes: four times what Cloud Logging takes. What is
// longer was not written by the functions and is left out.
const maxLine = 1 << 20

// special begins the names of the fields that Cloud Logging takes out of a line
// (https://cloud.google.com/logging/docs/structured-logging).
const special = "logging.googleapis.com/"

// Read is every entry in a log as the functions print it, in the order of the
// lines. Lines that are none of theirs (another program's, or cut short) are
// left out. An error of r ends it.
func Read(r io.Reader) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		lines := bufio.NewReaderSize(r, 64<<10)
		for {
			line, err := readLine(lines)
			if e, ok := parse(line); ok && !yield(e, nil) {
				return
			}
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil {
				yield(Entry{}, fmt.Errorf("read log: %w", err))
				return
			}
		}
	}
}

// readLine reads to the end of a line. One that is too long is nil.
func readLine(r *bufio.Reader) ([]byte, error) {
	var line []byte
	for length := 0; ; {
		part, err := r.ReadSlice('\n')
		if length += len(part); length <= maxLine {
			line = append(line, part...)
		} else {
			line = nil
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

func parse(line []byte) (Entry, bool) {
	if line = bytes.TrimSpace(line); len(line) == 0 || line[0] != '{' {
		return Entry{}, false
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.UseNumber()
	var fields map[string]any
	if decoder.Decode(&fields) != nil {
		return Entry{}, false
	}
	var e Entry
	at, _ := fields["time"].(string)
	var err error
	if e.Time.Time, err = time.Parse(time.RFC3339Nano, at); err != nil {
		return Entry{}, false
	}
	e.Severity, _ = fields["severity"].(string)
	if source, ok := fields[special+"sourceLocation"].(map[string]any); ok {
		name, _ := source["function"].(string)
		e.Function = functionOf(name)
	}
	e.trace, _ = fields[special+"trace"].(string)
	delete(fields, "time")
	delete(fields, "severity")
	for name := range fields {
		if strings.HasPrefix(name, special) {
			delete(fields, name)
		}
	}
	e.fill(fields)
	return e, e.Event != ""
}
