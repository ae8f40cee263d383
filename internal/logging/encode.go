package logging

import (
	"encoding/json"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"strings"

	"cloud.google.com/go/logging"
)

// The fields Cloud Logging takes out of the payload and reads itself:
// https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields
const (
	specialPrefix = "logging.googleapis.com/"
	labelsKey     = specialPrefix + "labels"
	traceNameKey  = specialPrefix + "trace"
	spanKey       = specialPrefix + "spanId"
	sampledKey    = specialPrefix + "trace_sampled"
	sourceKey     = specialPrefix + "sourceLocation"
)

// appendLine appends the entry and its fields as one line of JSON. Everything in
// them is clean already.
func (h *handler) appendLine(b []byte, e logging.Entry, scopes []scope, event string) []byte {
	if event == "" {
		event = unnamed
	}
	message, _ := e.Payload.(string)

	b = append(b, `{"severity":"`...)
	b = append(b, strings.ToUpper(e.Severity.String())...)
	b = append(b, '"')
	if !e.Timestamp.IsZero() {
		b = append(b, `,"time":"`...)
		b = append(formatTime(b, e.Timestamp), '"')
	}
	b = appendString(append(b, `,"message":`...), message)
	b = appendString(append(b, `,"event":`...), event)
	b = appendScopes(b, scopes)
	b = h.appendSpecial(b, e)
	return append(b, '}', '\n')
}

func (h *handler) appendSpecial(b []byte, e logging.Entry) []byte {
	if len(e.Labels) > 0 {
		b = append(b, `,"`+labelsKey+`":{`...)
		for i, key := range slices.Sorted(maps.Keys(e.Labels)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendString(append(appendString(b, key), ':'), e.Labels[key])
		}
		b = append(b, '}')
	}
	if e.Trace != "" {
		b = appendString(append(b, `,"`+traceNameKey+`":`...), e.Trace)
		if e.SpanID != "" {
			b = appendString(append(b, `,"`+spanKey+`":`...), e.SpanID)
		}
		b = strconv.AppendBool(append(b, `,"`+sampledKey+`":`...), e.TraceSampled)
	}
	if s := e.SourceLocation; s != nil {
		b = appendString(append(b, `,"`+sourceKey+`":{"file":`...), s.GetFile())
		// An int64 is a string in protobuf's JSON.
		b = append(b, `,"line":"`...)
		b = append(strconv.AppendInt(b, s.GetLine(), 10), `","function":`...)
		b = append(appendString(b, s.GetFunction()), '}')
	}
	if e.Severity >= logging.Error && h.opts.Service != "" {
		b = appendString(append(b, `,"serviceContext":{"service":`...), h.opts.Service)
		b = append(appendString(append(b, `,"version":`...), h.opts.Revision), '}')
	}
	return b
}

// appendScopes appends the fields, those of open groups nested in each other. A
// group without fields is left out.
func appendScopes(b []byte, scopes []scope) []byte {
	depth := len(scopes)
	for depth > 1 && len(scopes[depth-1].attrs) == 0 {
		depth--
	}
	for i, s := range scopes[:depth] {
		if i > 0 {
			b = append(b, ',')
			b = append(appendString(b, fieldName(s.name, i == 1)), ':', '{')
		}
		b = appendAttrs(b, s.attrs, i == 0)
	}
	for range depth - 1 {
		b = append(b, '}')
	}
	return b
}

func appendAttrs(b []byte, attrs []slog.Attr, top bool) []byte {
	for _, a := range attrs {
		if b[len(b)-1] != '{' {
			b = append(b, ',')
		}
		b = append(appendString(b, fieldName(a.Key, top)), ':')
		b = appendValue(b, a.Value)
	}
	return b
}

// fieldName keeps an attribute at the top level from taking the place of a field
// that is written from the entry.
func fieldName(key string, top bool) string {
	if !top {
		return key
	}
	switch key {
	case "severity", "time", "timestamp", "timestampSeconds", "timestampNanos", "message", eventKey, "httpRequest", "serviceContext":
		return key + "_"
	}
	if strings.HasPrefix(key, specialPrefix) {
		return key + "_"
	}
	return key
}

func appendValue(b []byte, v slog.Value) []byte {
	switch v.Kind() {
	case slog.KindString:
		return appendString(b, v.String())
	case slog.KindInt64:
		return strconv.AppendInt(b, v.Int64(), 10)
	case slog.KindUint64:
		return strconv.AppendUint(b, v.Uint64(), 10)
	case slog.KindFloat64:
		return strconv.AppendFloat(b, v.Float64(), 'g', -1, 64)
	case slog.KindBool:
		return strconv.AppendBool(b, v.Bool())
	case slog.KindTime:
		return append(formatTime(append(b, '"'), v.Time()), '"')
	case slog.KindGroup:
		return append(appendAttrs(append(b, '{'), v.Group(), false), '}')
	}
	raw, _ := v.Any().(json.RawMessage)
	return append(b, raw...)
}

const hexDigits = "0123456789abcdef"

// appendString appends s, which is valid UTF-8, as a JSON string (RFC 8259).
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		b = append(b, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	return append(append(b, s[start:]...), '"')
}
