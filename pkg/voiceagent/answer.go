package voiceagent

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxCallID is the longest call id kept, in bytes. LAD's are UUIDs.
const maxCallID = 200

var (
	// jobIDs are the ids that are asked about: such a one means in a path what it says.
	jobIDs = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)
	// errorCodes are the voice service's own words for a failed job, which are kept
	// as they are: such a one is no sentence and holds no number of a lead.
	errorCodes = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)
)

// answer is what is read from the voice agent's body. Everything is optional.
type answer struct {
	callID  string
	jobID   string
	message string
	failed  bool // "success": false
	upgrade bool // upgrade_required: the tenant lacks the feature
	hours   any  // business_hours, as decoded; nil: there are none
	status  string
	code    string // of an error
}

// parseAnswer reads the shapes of LAD's backend, {"success","message","data":{…}},
// and of the voice service, {"job_id","status","results":[{"call_log_id"}],"error"},
// and their cousins. The body may be truncated or anything at all.
func parseAnswer(body []byte) answer {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // a numeric id beyond 2^53 must keep its digits
	var root map[string]any
	if err := dec.Decode(&root); err != nil {
		return answer{}
	}
	a := answer{message: findMessage(root)}
	for _, place := range places(root) {
		a.callID = first(a.callID, asID(place["callId"]), asID(place["call_id"]))
		a.jobID = first(a.jobID, asID(place["job_id"]))
		a.status = first(a.status, asID(place["status"]))
		a.code = first(a.code, asCode(place["error"]), asCode(place["error_code"]), asCode(place["code"]))
		a.failed = a.failed || place["success"] == false
		a.upgrade = a.upgrade || place["upgrade_required"] == true || asCode(place["error"]) == "upgrade_required" || place["code"] == "upgrade_required"
		if hours := place["business_hours"]; a.hours == nil {
			a.hours = hours
		}
	}
	// A call's own id comes before that of its entry in the call log.
	for _, place := range places(root) {
		a.callID = first(a.callID, callLogID(place))
	}
	if !jobIDs.MatchString(a.jobID) {
		a.jobID = ""
	}
	return a
}

// places are the objects that an answer may have its fields in.
func places(root map[string]any) []map[string]any {
	found := []map[string]any{root}
	for _, name := range []string{"data", "result", "error"} {
		if inner, ok := root[name].(map[string]any); ok {
			found = append(found, inner)
		}
	}
	return found
}

// callLogID is results[0].call_log_id: one request starts one call.
func callLogID(place map[string]any) string {
	results, _ := place["results"].([]any)
	if len(results) == 0 {
		return ""
	}
	only, _ := results[0].(map[string]any)
	return asID(only["call_log_id"])
}

func first(texts ...string) string {
	for _, text := range texts {
		if text != "" {
			return text
		}
	}
	return ""
}

// asID accepts a string or a number. It refuses control characters: Postgres
// cannot store a NUL, and losing the id is better than losing the outcome.
func asID(v any) string {
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

func asCode(v any) string {
	if code, _ := v.(string); errorCodes.MatchString(code) {
		return code
	}
	return ""
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
