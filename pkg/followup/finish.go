package followup

// Outcome is what is known of a call that was tried.
type Outcome string

// The outcomes. Whatever is not proven to be one of the other three is unknown.
const (
	CallAccepted   Outcome = "accepted"    // the voice agent took the call
	CallNotStarted Outcome = "not_started" // proven not to have rung
	CallRejected   Outcome = "rejected"    // refused for good
	CallUnknown    Outcome = "unknown"     // it may have rung
)

// Report is what an attempt found out.
type Report struct {
	Outcome Outcome
	CallID  string // if the voice agent named one
	Detail  string // masked, for people, at most MaxErrorLength characters
}

// Finish is the state that a report makes of a claimed task. An accepted call
// counts as made at the moment of its claim: from then on nobody else may have
// rung the lead.
func (r Rules) Finish(claimed Task, report Report) Task {
	next := claimed
	next.Status, next.LastError = Failed, report.Detail
	switch report.Outcome {
	case CallAccepted:
		next.Status, next.Reason, next.LastError = Executed, "", ""
		next.ExecutedAt, next.CallID = claimed.ClaimedAt, report.CallID
	case CallNotStarted:
		next.Reason = NotStarted
	case CallRejected:
		next.Reason = Rejected
	default:
		next.Reason = OutcomeUnknown
		if r.AgentIdempotent {
			next.Reason = NotStarted
		}
	}
	return next
}
