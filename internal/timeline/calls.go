package timeline

import (
	"encoding/json"
	"slices"
	"time"

	"lad.internal/followup/pkg/followup"
)

// callEvents are the lines that tell of a call, and those of a person who has
// settled one.
var callEvents = []string{"call_started", "call_finished", "outcome_lost", "job_asked", "operator_resolved", "operator_retried"}

// Calls is what entries say about calls, each booking's in the order of their
// claims. incomplete are entries about a call that cannot be told from others,
// since they lack the time of its claim.
func Calls(entries []Entry) (calls map[followup.Ref][]followup.LoggedCall, incomplete []Entry) {
	Sort(entries)
	calls = map[followup.Ref][]followup.LoggedCall{}
	for _, e := range entries {
		if e.Ref == (followup.Ref{}) || !slices.Contains(callEvents, e.Event) {
			continue
		}
		if e.Event == "operator_resolved" || e.Event == "operator_retried" {
			calls[e.Ref] = settled(calls[e.Ref], e)
			continue
		}
		c := followup.LoggedCall{ClaimedAt: e.moment("claimed_at"), PlannedFor: e.moment("planned_for"), Revision: e.number("task_revision")}
		if c.ClaimedAt.IsZero() || c.PlannedFor.IsZero() || c.Revision < 1 {
			incomplete = append(incomplete, e)
			continue
		}
		c.Status, c.Reason = followup.TaskStatus(e.text("task_status")), followup.Reason(e.text("task_reason"))
		c.CallID = e.text("call_id")
		calls[e.Ref] = record(calls[e.Ref], c)
	}
	return calls, incomplete
}

// record adds a call, or what is known of it since. Lines of two functions may
// have changed places: a beginning tells nothing new of an end.
func record(calls []followup.LoggedCall, c followup.LoggedCall) []followup.LoggedCall {
	at, known := slices.BinarySearchFunc(calls, c.ClaimedAt, func(c followup.LoggedCall, t time.Time) int { return c.ClaimedAt.Compare(t) })
	switch {
	case !known:
		return slices.Insert(calls, at, c)
	case c.Status != "":
		calls[at] = c
	}
	return calls
}

// settled is the calls once a person has said what came of the last one.
func settled(calls []followup.LoggedCall, e Entry) []followup.LoggedCall {
	if len(calls) == 0 {
		return nil
	}
	last := &calls[len(calls)-1]
	if e.text("to") != string(followup.Executed) {
		return calls[:len(calls)-1]
	}
	last.Status, last.Reason = followup.Executed, ""
	return calls
}

func (e Entry) text(name string) string {
	s, _ := e.Fields[name].(string)
	return s
}

func (e Entry) moment(name string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, e.text(name))
	if err != nil {
		return time.Time{}
	}
	return t.UTC()
}

// number is a whole number from a file (json.Number) or from Cloud Logging.
func (e Entry) number(name string) int {
	switch n := e.Fields[name].(type) {
	case json.Number:
		i, _ := n.Int64() // 0 if it is none
		return int(i)
	case float64:
		return int(n)
	default:
		return 0
	}
}
