package voiceagent

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxCallID is the longest call id kept, in bytes. LAD's are UUIDs.
const maxCallID = 200

// answer is what is read from the voice agent's body. Both are optional: no body,
// however odd, changes an outcome.
type answer struct {
	callID  string
	message string
}

// parseAnswer reads LAD's shape, {"success","message","data"|"result":{"call_id"}},
// and its cousins. The body may be truncated or anything at all.
func parseAnswer(body []byte) answer {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // a numeric id beyond 2^53 must keep its digits
	var root map[string]any
	if err := dec.Decode(&root); err != nil {
		return answer{}
	}
	return answer{callID: findCallID(root), message: findMessage(root)}
}

func findCallID(root map[string]any) string {
	places := []map[string]any{root}
	for _, name := range []string{"data", "result"} {
		if inner, ok := root[name].(map[string]any); ok {
			places = append(places, inner)
		}
	}
	for _, place := range places {
		for _, name := range []string{"callId", "call_id"} {
			if id := asCallID(place[name]); id != "" {
				return id
			}
		}
	}
	return ""
}

// asCallID accepts a string or a number. It refuses control characters: Postgres
// cannot store a NUL, and losing the id is better than losing the outcome.
func asCallID(v any) string {
	var id string
	switch v := v.(type) {
	case string:
		id = strings.TrimSpace(v)
	case json.Number:
		id = v.String()
	}
	if len(id) > maxCallID || !utf8.ValidString(id) || strings.ContainsFunc(id, unicode.IsControl) {
		return ""
	}
	return id
}

// findMessage looks where LAD (message, error) and FastAPI (detail: a string or a
// list of {"msg"}) say what went wrong. Bodies in other forms are not quoted: HTML
// pages help nobody, and only decoded text can be redacted reliably.
func findMessage(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case map[string]any:
		for _, name := range []string{"message", "msg", "error", "detail"} {
			if text := findMessage(v[name]); text != "" {
				return text
			}
		}
	case []any:
		if len(v) > 0 {
			return findMessage(v[0])
		}
	}
	return ""
}
