// Package logging sets up slog for Cloud Logging: each record is one line of JSON on
// standard output, which the platform collects
// (https://cloud.google.com/logging/docs/structured-logging). A client that sends in
// the background would lose lines: a Cloud Run instance has no CPU after its response.
//
// "message" is a sentence for people and may change. "event" is a stable name for
// filters, metrics and alerts, and every line has one. tenant_id and booking_id at the
// top level are labels of the entry too. Other attributes are fields; one whose name
// Cloud Logging reads itself gets a "_" behind it. Durations have the JSON form of
// google.protobuf.Duration ("1.5s").
//
// The package does not look for secrets: whatever is private has a type that does not
// print it (settings.Secret, followup.Phone), and no text from outside is logged.
package logging

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"path"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"lad.internal/followup/pkg/followup"
)

// Levels that slog has no name for.
const (
	// LevelNotice is for what is normal and significant: start, stop, a held call.
	LevelNotice = slog.LevelInfo + 2
	// LevelCritical is for what stops the process or needs a person.
	LevelCritical = slog.LevelError + 4
)

// Options are the settings of New. The zero value logs from Info on.
type Options struct {
	// ProjectID is the Google Cloud project whose traces the entries belong to.
	// Without it the trace field holds the trace's id alone.
	ProjectID string
	// Level is the lowest level that is printed; nil means Info.
	Level slog.Leveler
	// Service and Revision, usually K_SERVICE and K_REVISION, are added to errors as
	// serviceContext, by which Error Reporting groups them.
	Service, Revision string
}

// New returns a logger that writes one line per record to w, each with one Write.
// It is safe for concurrent use.
func New(w io.Writer, o Options) *slog.Logger {
	if w == nil {
		panic("logging: New needs a writer")
	}
	lines := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: o.Level, ReplaceAttr: format})
	return slog.New(&handler{Handler: lines, opts: o})
}

// handler adds to slog's JSONHandler the fields that belong to the entry, and lets no
// two fields have one name.
type handler struct {
	slog.Handler // enabled, and formats
	opts         Options
	top          []slog.Attr // given before any group was opened
	grouped      []func(slog.Handler) slog.Handler
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	h2 := *h
	if len(h.grouped) == 0 {
		h2.top = merge(slices.Clone(h.top), attrs...)
	} else {
		h2.grouped = append(slices.Clip(h.grouped), func(in slog.Handler) slog.Handler { return in.WithAttrs(attrs) })
	}
	return &h2
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	h2 := *h
	h2.grouped = append(slices.Clip(h.grouped), func(in slog.Handler) slog.Handler { return in.WithGroup(name) })
	return &h2
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	top := merge(slices.Clone(h.top), FromContext(ctx)...)
	line := slog.NewRecord(r.Time, r.Level, r.Message, 0)
	r.Attrs(func(a slog.Attr) bool {
		if len(h.grouped) == 0 || a.Key == eventKey {
			top = merge(top, a)
		} else {
			line.AddAttrs(a)
		}
		return true
	})
	out := h.withEntry(ctx, r, top)
	for _, open := range h.grouped {
		out = open(out)
	}
	return out.Handle(ctx, line)
}

// withEntry is the handler of a line with these fields and those of its entry.
func (h *handler) withEntry(ctx context.Context, r slog.Record, fields []slog.Attr) slog.Handler {
	event := unnamed
	var labels []any
	entry := make([]slog.Attr, 0, len(fields)+8)
	for _, a := range fields {
		switch {
		case a.Key == eventKey && a.Value.Kind() == slog.KindString:
			event = a.Value.String()
			continue
		case a.Key == "tenant_id" || a.Key == "booking_id":
			labels = append(labels, a)
		case reserved(a.Key):
			a.Key += "_"
		}
		entry = append(entry, a)
	}
	entry = append(entry, slog.String(eventKey, event))
	if labels != nil {
		entry = append(entry, slog.Group(specialPrefix+"labels", labels...))
	}
	if t, ok := traceOf(ctx); ok {
		name := t.id
		if h.opts.ProjectID != "" {
			name = "projects/" + h.opts.ProjectID + "/traces/" + t.id
		}
		entry = append(entry, slog.String(specialPrefix+"trace", name), slog.Bool(specialPrefix+"trace_sampled", t.sampled))
		if t.span != "" {
			entry = append(entry, slog.String(specialPrefix+"spanId", t.span))
		}
	}
	if r.Level >= slog.LevelError && h.opts.Service != "" {
		entry = append(entry, slog.Group("serviceContext", "service", h.opts.Service, "version", h.opts.Revision))
	}
	return h.Handler.WithAttrs(append(entry, sourceLocation(r.PC)))
}

const (
	// eventKey is the attribute with a record's stable name, in snake_case.
	eventKey = "event"
	// unnamed is the event of a record that was given none: a library's.
	unnamed = "unnamed"
	// specialPrefix begins the names that Cloud Logging takes out of the line.
	specialPrefix = "logging.googleapis.com/"
)

// reserved reports whether Cloud Logging, or slog, reads a field of this name itself.
func reserved(key string) bool {
	switch key {
	case "severity", "time", "timestamp", "timestampSeconds", "timestampNanos", "message", eventKey, "httpRequest",
		"serviceContext", slog.LevelKey, slog.MessageKey:
		return true
	}
	return strings.HasPrefix(key, specialPrefix)
}

// merge appends attributes, each in the place of one with its name: two fields of one
// name in a JSON object are read differently by different readers.
func merge(all []slog.Attr, more ...slog.Attr) []slog.Attr {
	for _, a := range more {
		a.Value = a.Value.Resolve()
		if a.Key == "" && a.Value.Kind() == slog.KindGroup {
			all = merge(all, a.Value.Group()...)
			continue
		}
		if i := slices.IndexFunc(all, func(b slog.Attr) bool { return b.Key == a.Key }); i >= 0 {
			all[i] = a
		} else {
			all = append(all, a)
		}
	}
	return all
}

// maxString bounds a text in a line, in bytes: Cloud Logging refuses entries above
// 256 KiB, and a refused line explains nothing.
const maxString = 32 << 10

// format gives slog's own fields Cloud Logging's names, and values their forms.
func format(groups []string, a slog.Attr) slog.Attr {
	if level, ok := a.Value.Any().(slog.Level); ok && len(groups) == 0 && a.Key == slog.LevelKey {
		return slog.String("severity", severity(level))
	}
	if len(groups) == 0 && a.Key == slog.MessageKey {
		a.Key = "message"
	}
	switch a.Value.Kind() {
	case slog.KindTime:
		a.Value = slog.StringValue(followup.Moment{Time: a.Value.Time()}.String())
	case slog.KindDuration:
		a.Value = slog.StringValue(strconv.FormatFloat(a.Value.Duration().Seconds(), 'f', -1, 64) + "s")
	case slog.KindString:
		a.Value = slog.StringValue(shorten(a.Value.String()))
	case slog.KindAny:
		if text, ok := a.Value.Any().([]byte); ok {
			a.Value = slog.StringValue(shorten(string(text)))
		}
	}
	return a
}

func shorten(s string) string {
	if len(s) <= maxString {
		return s
	}
	cut := maxString
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// sourceLocation names the file by its import path, which is the same on every
// machine; the path at build time is not.
func sourceLocation(pc uintptr) slog.Attr {
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	if pc == 0 || frame.File == "" {
		return slog.Attr{}
	}
	slash := strings.LastIndexByte(frame.Function, '/') + 1
	pkg, _, _ := strings.Cut(frame.Function[slash:], ".")
	return slog.Group(specialPrefix+"sourceLocation",
		"file", frame.Function[:slash]+pkg+"/"+path.Base(frame.File),
		"line", strconv.Itoa(frame.Line), // an int64 is a string in protobuf's JSON
		"function", frame.Function)
}

// levels are Cloud Logging's severities, highest first.
var levels = []struct {
	level    slog.Level
	severity string
}{
	{LevelCritical, "CRITICAL"}, {slog.LevelError, "ERROR"}, {slog.LevelWarn, "WARNING"},
	{LevelNotice, "NOTICE"}, {slog.LevelInfo, "INFO"}, {slog.LevelDebug, "DEBUG"},
}

func severity(level slog.Level) string {
	for _, l := range levels {
		if level >= l.level {
			return l.severity
		}
	}
	return "DEBUG"
}

// ParseLevel reads LOG_LEVEL: debug, info, notice, warn (or warning), error or
// critical, in any case. The empty string is Info.
func ParseLevel(s string) (slog.Level, error) {
	name := strings.ToUpper(strings.TrimSpace(s))
	for _, l := range levels {
		if name == l.severity || name == "WARN" && l.severity == "WARNING" {
			return l.level, nil
		}
	}
	if name == "" {
		return slog.LevelInfo, nil
	}
	return 0, errors.New("the log level is none of debug, info, notice, warn, error, critical")
}
