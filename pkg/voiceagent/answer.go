package voiceagent

import (
	"bytes"
	"cmp"
	"encoding/json"
	"strings"

	"github.com/google/uuid"
)

// id is the id of a call or a job: a UUID, as the voice service's are, or a serial
// number of at most minDigits-1 digits, which nobody's phone number fits in. Nothing
// else from outside is kept, since an id goes into the log and the row.
type id string

// minDigits are the fewest digits of an international number (E.164).
const minDigits = 7

func parseID(v any) id {
	var text string
	switch v := v.(type) {
	case string:
		text = strings.TrimSpace(v)
	case json.Number:
		text = v.String()
	}
	if len(text) == 36 && uuid.Validate(text) == nil || len(text) < minDigits && isDigits(text) {
		return id(text)
	}
	return ""
}

// answer is what is read from the voice agent's body. Everything is optional.
type answer struct {
	length  int // in bytes, at most maxBodyBytes
	callID  id
	jobID   id
	failed  bool // "success": false
	upgrade bool // upgrade_required: the tenant lacks the feature
	hours   any  // business_hours, as decoded; nil: there are none
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
	a := answer{length: len(body)}
	for _, place := range places(root) {
		a.callID = cmp.Or(a.callID, parseID(place["callId"]), parseID(place["call_id"]))
		a.jobID = cmp.Or(a.jobID, parseID(place["job_id"]))
		a.status = cmp.Or(a.status, asText(place["status"]))
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
func callLogID(place map[string]any) id {
	results, _ := place["results"].([]any)
	if len(results) == 0 {
		return ""
	}
	only, _ := results[0].(map[string]any)
	return parseID(only["call_log_id"])
}

// asText is a string, or "". Nothing but the contract's words is made of it.
func asText(v any) string {
	text, _ := v.(string)
	return text
}
