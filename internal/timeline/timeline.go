// Package timeline reads what the functions have logged about a booking: from a
// file of the lines that they print, or from Cloud Logging.
//
// It trusts a line's labels, not its words: an entry belongs to the booking that
// its labels name. It refuses to interpret what happened; it sorts, and it
// leaves out what only says where in the program a line was written.
package timeline

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"lad.internal/followup/pkg/followup"
)

// Entry is one line of the log.
type Entry struct {
	Time     followup.Moment `json:"time"`
	Function string          `json:"function"` // who wrote it, "" if that cannot be told
	Severity string          `json:"severity"`
	Event    string          `json:"event"`   // stable name, for machines
	Message  string          `json:"message"` // a sentence, for people
	// Fields are the other fields, by name. Numbers from a file are
	// json.Number, so that they are printed as they were written.
	Fields map[string]any `json:"fields,omitempty"`
	Ref    followup.Ref   `json:"-"` // zero if the line is about no single booking

	trace string // lines of one request have the same
}

// The functions, as a line's source location tells them apart. Packages that
// both functions use, as internal/reconcile, tell nothing.
var functions = map[string]string{
	"lad.internal/followup/functions/execute.":  "ExecuteFollowUp",
	"lad.internal/followup/functions/schedule.": "ScheduleFollowUp",
}

func functionOf(source string) string {
	for prefix, name := range functions {
		if strings.HasPrefix(source, prefix) {
			return name
		}
	}
	return ""
}

// Sort orders entries by time, and gives those whose function cannot be told by
// themselves that of another entry of the same request.
func Sort(entries []Entry) {
	byTrace := map[string]string{}
	for _, e := range entries {
		if e.trace != "" && e.Function != "" {
			byTrace[e.trace] = e.Function
		}
	}
	for i, e := range entries {
		if e.Function == "" && e.trace != "" {
			entries[i].Function = byTrace[e.trace]
		}
	}
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Time.Compare(b.Time.Time) })
}

// matter are the fields that say what happened, in the order in which they are
// best read. Others follow by name.
var matter = []string{
	"rule", "effect", "outcome", "task_status", "task_reason", "task_revision", "attempt", "due_at",
	"dial_lag_ms", "call_ms", "http_status", "call_id", "detail", "error", "operator",
}

// Describe is the fields of an entry for people, as name=value. Empty ones are
// left out, and text with spaces is quoted.
func (e Entry) Describe() string {
	names := slices.SortedFunc(maps.Keys(e.Fields), func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
	})
	var parts []string
	for _, name := range names {
		if value := text(e.Fields[name]); value != "" {
			parts = append(parts, name+"="+value)
		}
	}
	return strings.Join(parts, " ")
}

func rank(name string) int {
	if i := slices.Index(matter, name); i >= 0 {
		return i
	}
	return len(matter)
}

func text(value any) string {
	s, ok := value.(string)
	if ok && !strings.ContainsAny(s, " \t\n\"=") {
		return s
	}
	if value == nil {
		return ""
	}
	raw, err := json.Marshal(value)
	if err != nil {
		return "?" // a value that came out of JSON goes back into it
	}
	return string(raw)
}

// fill takes the fields of a line that have names of their own out of it, and
// the rest as Fields.
func (e *Entry) fill(line map[string]any) {
	str := func(name string) string {
		s, _ := line[name].(string)
		delete(line, name)
		return s
	}
	e.Message, e.Event = str("message"), str("event")
	if name := str("function"); name != "" {
		e.Function = name
	}
	if service, ok := line["serviceContext"].(map[string]any); ok && e.Function == "" {
		e.Function, _ = service["service"].(string)
	}
	delete(line, "serviceContext")
	if _, byHand := line["operator"]; byHand && e.Function == "" {
		e.Function = "followup"
	}
	e.Ref = ref(str("tenant_id"), str("booking_id"))
	if len(line) > 0 {
		e.Fields = line
	}
}

// ref is the booking of these ids, zero if one of them is none.
func ref(tenant, booking string) followup.Ref {
	t, err := followup.ParseID(tenant)
	if err != nil {
		return followup.Ref{}
	}
	b, err := followup.ParseID(booking)
	if err != nil {
		return followup.Ref{}
	}
	return followup.Ref{TenantID: t, BookingID: b}
}
