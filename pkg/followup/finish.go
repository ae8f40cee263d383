package followup

// Outcome is what is known of a call that was tried. The zero value counts as
// CallUnknown.
type Outcome string

// The outcomes. Whatever is not proven to be one of the others is unknown.
const (
	CallAccepted       Outcome = "accepted"        // the voice service took the call
	CallNotStarted     Outcome = "not_started"     // proven not to have rung
	CallRejected       Outcome = "rejected"        // refused for good
	CallUnknown        Outcome = "unknown"         // it may have rung
	CallLimited        Outcome = "rate_limited"    // refused by the voice service's limit, which holds for all tenants
	CallClosed         Outcome = "outside_hours"   // refused outside business hours
	CallMisconfigured  Outcome = "misconfigured"   // a credential was refused, or the tenant lacks the feature
	CallDispatchFailed Outcome = "dispatch_failed" // accepted, and then its job failed
)

// Report is what an attempt found out.
type Report struct {
	Outcome Outcome
	CallID  string // if the voice service named one
	Detail  string // in this system's own words, for people
}

// Finish is the state that a report makes of a claimed task. An accepted call
// counts as made at the moment of its claim: from then on nobody else may have
// rung the lead. It may be asked again with what the call's job said later.
func (r Rules) Finish(claimed Task, report Report) Task {
	next := claimed
	next.Status, next.LastError = Failed, report.Detail
	if report.CallID != "" {
		next.CallID = report.CallID
	}
	switch report.Outcome {
	case CallAccepted:
		next.Status, next.Reason, next.LastError = Executed, "", ""
		next.ExecutedAt, next.CallID = claimed.ClaimedAt, report.CallID
	case CallNotStarted, CallLimited, CallClosed:
		next.Reason = NotStarted
	case CallRejected:
		next.Reason = Rejected
	case CallMisconfigured:
		next.Reason = Misconfigured
	case CallDispatchFailed:
		next.Reason = OutcomeUnknown // its dispatch may have begun
		if r.RetryDispatch {
			next.Reason = NotStarted
		}
	default:
		next.Reason = OutcomeUnknown
		if r.AgentIdempotent {
			next.Reason = NotStarted
		}
	}
	return next
}
