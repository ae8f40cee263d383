package logging

import (
	"encoding"
	"encoding/json"
	"fmt"
	"log/slog"
	"math"
	"strconv"
	"time"
	"unicode/utf8"

	"lad.internal/followup/internal/mask"
)

// maxString bounds a single text in a line, in bytes: Cloud Logging refuses
// entries above 256 KiB, and a refused line explains nothing.
const maxString = 32 << 10

// cleaner turns attributes into ones that can be printed as they are: strings
// without secrets, numbers, booleans, times, JSON, and groups of these. On the way
// it collects what belongs to the entry as a whole.
type cleaner struct {
	masker *mask.Masker
	marks  marks
}

// add appends the cleaned attribute to attrs, in the place of one with the same
// key if there is one: doubled fields in a JSON object are read by nobody in the
// same way. direct tells that the attribute was given to the logger itself and is
// not a member of a group value.
func (c *cleaner) add(attrs []slog.Attr, a slog.Attr, direct bool) []slog.Attr {
	value := a.Value.Resolve()
	if a.Key == "" && value.Kind() == slog.KindGroup {
		for _, member := range value.Group() {
			attrs = c.add(attrs, member, direct)
		}
		return attrs
	}
	if a.Key == "" && value.Equal(slog.Value{}) {
		return attrs
	}
	if direct && c.hoist(a.Key, value) {
		return attrs
	}
	value, ok := c.value(value)
	if !ok {
		return attrs
	}
	if isLabel(a.Key) && value.Kind() == slog.KindString {
		if c.marks.labels == nil {
			c.marks.labels = make(map[string]string, 2)
		}
		c.marks.labels[a.Key] = value.String()
	}
	cleaned := slog.Attr{Key: c.masker.Text(a.Key), Value: value}
	for i := range attrs {
		if attrs[i].Key == cleaned.Key {
			attrs[i] = cleaned
			return attrs
		}
	}
	return append(attrs, cleaned)
}

// hoist takes the attributes that are fields of the entry, not of its payload.
func (c *cleaner) hoist(key string, value slog.Value) bool {
	if key != eventKey || value.Kind() != slog.KindString {
		return false
	}
	c.marks.event = c.text(value.String())
	return true
}

// value cleans a resolved value. It reports false for a group without members,
// which slog.Handler says to leave out.
func (c *cleaner) value(value slog.Value) (slog.Value, bool) {
	if value.Kind() == slog.KindGroup && len(value.Group()) == 0 {
		return slog.Value{}, false
	}
	switch value.Kind() {
	case slog.KindString:
		return slog.StringValue(c.text(value.String())), true
	case slog.KindFloat64:
		if f := value.Float64(); math.IsNaN(f) || math.IsInf(f, 0) {
			return slog.StringValue(strconv.FormatFloat(f, 'g', -1, 64)), true
		}
		return value, true
	case slog.KindInt64, slog.KindUint64, slog.KindBool, slog.KindTime:
		return value, true
	case slog.KindDuration:
		return slog.StringValue(formatDuration(value.Duration())), true
	case slog.KindGroup:
		var members []slog.Attr
		for _, a := range value.Group() {
			members = c.add(members, a, false)
		}
		return slog.GroupValue(members...), len(members) > 0
	}
	return c.any(value.Any()), true
}

func (c *cleaner) text(s string) string {
	s = c.masker.Text(s)
	if len(s) <= maxString {
		return s
	}
	cut := maxString
	for !utf8.RuneStart(s[cut]) {
		cut--
	}
	return s[:cut] + "…"
}

// any cleans a value of another type: errors and Stringers by their text, the
// rest as encoding/json prints it. A value whose methods panic must not take the
// request down with it.
func (c *cleaner) any(v any) (cleaned slog.Value) {
	defer func() {
		if p := recover(); p != nil {
			cleaned = slog.StringValue(fmt.Sprintf("!PANIC: %T", p))
		}
	}()
	switch v := v.(type) {
	case nil:
		return slog.AnyValue(json.RawMessage("null"))
	case error:
		return slog.StringValue(c.text(v.Error()))
	case []byte:
		return slog.StringValue(c.text(string(v)))
	case json.Marshaler, encoding.TextMarshaler:
	case fmt.Stringer:
		return slog.StringValue(c.text(v.String()))
	}
	raw, err := json.Marshal(v)
	if err != nil {
		// Not with %+v: encoding/json also fails on a value that contains itself.
		return slog.StringValue(c.text(fmt.Sprintf("!ERROR: %T: %v", v, err)))
	}
	if text := c.text(string(raw)); text != string(raw) {
		return slog.StringValue(text) // a secret, or a text that is too long: it need not be JSON any more
	}
	return slog.AnyValue(json.RawMessage(raw))
}

// formatDuration is the JSON form of google.protobuf.Duration: decimal seconds.
func formatDuration(d time.Duration) string {
	return strconv.FormatFloat(d.Seconds(), 'f', -1, 64) + "s"
}
