package voiceagent

import (
	"bytes"
	"cmp"
	"encoding/json"
	"regexp"
	"strings"
)

// ids are those that are kept, of calls and jobs: such a one is no sentence, and
// means in a path what it says. LAD's are UUIDs.
var ids = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// answer is what is read from the voice agent's body. Everything is optional.
type answer struct {
	length  int // in bytes, at most maxBodyBytes
	callID  string
	jobID   string
	message string // as it is: see Config.Quote
	failed  bool   // "success": false
	upgrade bool   // upgrade_required: the tenant lacks the feature
	hours   any    // business_hours, as decoded; nil: there are none
	status  string
	code    Code
}

// parseAnswer reads the shapes of LAD's backend, {"success","message","data":{…}},
// and of the voice service, {"job_id","status","results":[{"call_log_id"}],"error"},
// and their cousins. The body may be truncated or anything at all.
func parseAnswer(body []byte) answer {
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber() // a numeric id beyond 2^53 must keep its digits
	var root map[string]any
	if err := dec.Decode(&root); err != nil {
		return answer{length: len(body)}
	}
	a := answer{length: len(body), message: findMessage(root)}
	for _, place := range places(root) {
		a.callID = cmp.Or(a.callID, asID(place["callId"]), asID(place["call_id"]))
		a.jobID = cmp.Or(a.jobID, asID(place["job_id"]))
		a.status = cmp.Or(a.status, asID(place["status"]))
		a.code = cmp.Or(a.code, asCode(place["error"]), asCode(place["error_code"]), asCode(place["code"]))
		a.failed = a.failed || place["success"] == false
		a.upgrade = a.upgrade || place["upgrade_required"] == true || asCode(place["error"]) == upgradeRequired || asCode(place["code"]) == upgradeRequired
		if hours := place["business_hours"]; a.hours == nil {
			a.hours = hours
		}
	}
	// A call's own id comes before that of its entry in the call log.
	for _, place := range places(root) {
		a.callID = cmp.Or(a.callID, callLogID(place))
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

// asID accepts a string or a number.
func asID(v any) string {
	var id string
	switch v := v.(type) {
	case string:
		id = strings.TrimSpace(v)
	case json.Number:
		id = v.String()
	}
	if !ids.MatchString(id) {
		return ""
	}
	return id
}

// findMessage looks where LAD (message, error) and FastAPI (detail: a string or a
// list of {"msg"}) say what went wrong. Bodies in other forms help nobody.
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
