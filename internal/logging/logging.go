// Package logging is the one slog set-up of this system: records become the
// single-line JSON that Cloud Logging reads from a function's standard output.
//
// # Why it is built from cloud.google.com/go/logging and does not use its client
//
// The client sends entries over the network in the background. A Cloud Run
// instance has no CPU after its response, so entries would be late or lost;
// standard output is collected by the platform and costs nothing. The client's own
// way to standard output, RedirectAsJSON, prints the time in a form that is not
// RFC 3339 (v1.20.0: Timestamp.String() of the protobuf type) and puts every
// structured field below "message", where no filter and no alert finds it; and it
// has no slog handler. So the package's model is used and its transport is not: a
// record becomes a logging.Entry with its Severity, labels, trace and source
// location, and logging.ToLogEntry reads trace headers. Only the last step, writing an Entry as one line, is done here, with
// the field names of https://cloud.google.com/logging/docs/structured-logging.
//
// # What a line looks like
//
// "message" is a sentence for people and may change; "event" is a stable name for
// filters, metrics and alerts, and every line has one. The attributes
// tenant_id and booking_id, wherever they are given, are also labels of the entry.
// Other attributes are top-level fields; one that has the name of a field Cloud
// Logging interprets gets a "_" behind its name. Durations have the JSON form of
// google.protobuf.Duration ("1.5s").
//
// # What it refuses
//
// It prints none of the secrets that it was told of (package mask), and guesses
// nothing else: what is private is of a type that does not print it, and no text
// from outside gets this far. It buffers nothing and does not write to a log service.
package logging

import (
	"fmt"
	"io"
	"log/slog"
	"strings"

	"cloud.google.com/go/logging"

	"lad.internal/followup/internal/mask"
)

// Levels that slog has no name for. They lie between or above slog's own, as its
// documentation advises.
const (
	// LevelNotice is for what is normal and significant: start, stop, a held call.
	LevelNotice = slog.LevelInfo + 2
	// LevelCritical is for what stops the process or needs a person.
	LevelCritical = slog.LevelError + 4
)

// Options are the settings of New. The zero value logs from Info on, without
// traces.
type Options struct {
	// ProjectID is the Google Cloud project whose traces the entries belong to.
	// Without it the trace field holds the bare trace id, which Cloud Logging shows
	// but does not link.
	ProjectID string
	// Level is the lowest level that is printed; nil means Info. A *slog.LevelVar
	// can be changed while running.
	Level slog.Leveler
	// Secrets are exact values to take out wherever they appear (mask.NewMasker).
	Secrets []string
	// Service and Revision, usually K_SERVICE and K_REVISION, are added to errors as
	// serviceContext, by which Error Reporting groups them.
	Service, Revision string
}

// New returns a logger that writes one line per record to w, each with a single
// Write. It is safe for concurrent use.
func New(w io.Writer, o Options) *slog.Logger {
	if w == nil {
		panic("logging: New needs a writer")
	}
	if o.Level == nil {
		o.Level = slog.LevelInfo
	}
	return slog.New(&handler{
		out:    &output{w: w},
		opts:   o,
		masker: mask.NewMasker(o.Secrets...),
		scopes: []scope{{}},
	})
}

// ParseLevel reads LOG_LEVEL: debug, info, notice, warn (or warning), error or
// critical, in any case. The empty string is Info.
func ParseLevel(s string) (slog.Level, error) {
	name := strings.TrimSpace(s)
	switch strings.ToLower(name) {
	case "":
		return slog.LevelInfo, nil
	case "warn":
		name = logging.Warning.String()
	}
	for _, l := range levels {
		if logging.ParseSeverity(name) == l.severity {
			return l.level, nil
		}
	}
	return 0, fmt.Errorf("log level %q is none of debug, info, notice, warn, error, critical", mask.Setting(s))
}

const (
	// eventKey is the attribute with a record's stable name, in snake_case:
	// booking_planned.
	eventKey = "event"
	// unnamed is the event of a record that was given none: a library's.
	unnamed = "unnamed"
)

// levels maps slog's levels to severities, highest first.
var levels = []struct {
	level    slog.Level
	severity logging.Severity
}{
	{LevelCritical, logging.Critical},
	{slog.LevelError, logging.Error},
	{slog.LevelWarn, logging.Warning},
	{LevelNotice, logging.Notice},
	{slog.LevelInfo, logging.Info},
	{slog.LevelDebug, logging.Debug},
}

func severityOf(level slog.Level) logging.Severity {
	for _, l := range levels {
		if level >= l.level {
			return l.severity
		}
	}
	return logging.Debug
}
