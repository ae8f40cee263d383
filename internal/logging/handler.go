package logging

import (
	"context"
	"io"
	"log/slog"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/logging"
	"cloud.google.com/go/logging/apiv2/loggingpb"

	"lad.internal/followup/internal/mask"
	"lad.internal/followup/pkg/followup"
)

// handler is the slog.Handler. Attributes are cleaned (without secrets, resolved, reduced
// to a few kinds) when they are given, so With pays once.
type handler struct {
	out    *output
	opts   Options
	masker *mask.Masker
	// scopes are the open groups, outermost first; scopes[0] is the top level.
	scopes []scope
	marks  marks
}

type scope struct {
	name  string
	attrs []slog.Attr
}

// output serialises the lines of a logger and all loggers made from it.
type output struct {
	mu sync.Mutex
	w  io.Writer
}

func (o *output) write(line []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	_, err := o.w.Write(line)
	return err
}

// Enabled implements slog.Handler.
func (h *handler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.opts.Level.Level()
}

// WithAttrs implements slog.Handler.
func (h *handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	if len(attrs) == 0 {
		return h
	}
	c := cleaner{masker: h.masker, marks: h.marks.clone()}
	h2 := *h
	h2.scopes = slices.Clone(h.scopes)
	last := &h2.scopes[len(h2.scopes)-1]
	last.attrs = slices.Clone(last.attrs)
	for _, a := range attrs {
		last.attrs = c.add(last.attrs, a, true)
	}
	h2.marks = c.marks
	return &h2
}

// WithGroup implements slog.Handler.
func (h *handler) WithGroup(name string) slog.Handler {
	if name == "" {
		return h
	}
	h2 := *h
	h2.scopes = append(slices.Clip(h.scopes), scope{name: h.masker.Text(name)})
	return &h2
}

// Handle implements slog.Handler.
func (h *handler) Handle(ctx context.Context, r slog.Record) error {
	c := cleaner{masker: h.masker, marks: h.marks.clone()}
	scopes := slices.Clone(h.scopes)

	top := slices.Clone(scopes[0].attrs)
	for _, a := range FromContext(ctx) {
		top = c.add(top, a, true)
	}
	scopes[0].attrs = top

	last := &scopes[len(scopes)-1]
	if len(scopes) > 1 {
		last.attrs = slices.Clone(last.attrs)
	}
	r.Attrs(func(a slog.Attr) bool {
		last.attrs = c.add(last.attrs, a, true)
		return true
	})

	line := linePool.Get().(*[]byte)
	defer linePool.Put(line)
	*line = h.appendLine((*line)[:0], h.entry(ctx, r, &c.marks), scopes, c.marks.event)
	return h.out.write(*line)
}

var linePool = sync.Pool{New: func() any { return new(make([]byte, 0, 1024)) }}

// entry is the record in Cloud Logging's model, without its payload's fields.
func (h *handler) entry(ctx context.Context, r slog.Record, m *marks) logging.Entry {
	e := logging.Entry{
		Severity:       severityOf(r.Level),
		Payload:        h.masker.Text(r.Message),
		Labels:         m.labels,
		SourceLocation: sourceLocation(r.PC),
	}
	if !r.Time.IsZero() {
		e.Timestamp = r.Time.UTC().Round(0)
	}
	if t, ok := traceOf(ctx); ok {
		e.Trace, e.SpanID, e.TraceSampled = t.id, t.span, t.sampled
		if h.opts.ProjectID != "" {
			e.Trace = "projects/" + h.opts.ProjectID + "/traces/" + t.id
		}
	}
	return e
}

// sourceLocation names the file by its import path, which is the same on every
// machine; the path at build time is not.
func sourceLocation(pc uintptr) *loggingpb.LogEntrySourceLocation {
	if pc == 0 {
		return nil
	}
	frame, _ := runtime.CallersFrames([]uintptr{pc}).Next()
	if frame.File == "" {
		return nil
	}
	slash := strings.LastIndexByte(frame.Function, '/') + 1
	pkg, _, _ := strings.Cut(frame.Function[slash:], ".")
	return &loggingpb.LogEntrySourceLocation{
		File:     frame.Function[:slash] + pkg + "/" + path.Base(frame.File),
		Line:     int64(frame.Line),
		Function: frame.Function,
	}
}

// marks are the attributes that mean something to the entry as a whole.
type marks struct {
	event  string
	labels map[string]string
}

func (m marks) clone() marks {
	if m.labels != nil {
		labels := make(map[string]string, len(m.labels)+2)
		for k, v := range m.labels {
			labels[k] = v
		}
		m.labels = labels
	}
	return m
}

// isLabel tells which attributes become labels: those that every question about
// one booking starts with.
func isLabel(key string) bool { return key == "tenant_id" || key == "booking_id" }

func formatTime(dst []byte, t time.Time) []byte {
	return append(dst, followup.Moment{Time: t}.String()...)
}
