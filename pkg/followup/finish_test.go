package followup

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestAnOutcomeDecidesWhatBecomesOfTheClaim(t *testing.T) {
	t.Parallel()
	started := noon.Add(time.Second) // not when the task was due
	claim := claimed(onTime, started)
	called := at(claim, executedAt(noon.Add(-time.Hour))) // an earlier call, for an earlier time
	called.CallID = "earlier"
	executed := func(before Task, callID string) Task {
		before.Status, before.Reason, before.LastError = Executed, "", ""
		before.ExecutedAt, before.CallID = started, callID
		return before
	}
	failed := func(before Task, reason Reason, detail string) Task {
		before.Status, before.Reason, before.LastError = Failed, reason, detail
		return before
	}
	retrying := standard()
	retrying.RetryDispatch = true
	for _, c := range []struct {
		name   string
		rules  Rules
		claim  Task
		report Report
		want   Task
	}{
		{"accepted with a call id", standard(), claim,
			Report{Outcome: CallAccepted, CallID: "call-1"}, executed(claim, "call-1")},
		{"accepted without a call id", standard(), claim, Report{Outcome: CallAccepted}, executed(claim, "")},
		{"accepted after an earlier call takes its place", standard(), called,
			Report{Outcome: CallAccepted, CallID: "call-2"}, executed(called, "call-2")},
		{"accepted leaves no error behind", standard(), claim,
			Report{Outcome: CallAccepted, Detail: "odd body"}, executed(claim, "")},
		{"accepted by an idempotent agent", idempotent(), claim,
			Report{Outcome: CallAccepted, CallID: "call-1"}, executed(claim, "call-1")},
		{"not started", standard(), claim,
			Report{Outcome: CallNotStarted, Detail: "refused"}, failed(claim, NotStarted, "refused")},
		{"not started after an earlier call, which stays on record", standard(), called,
			Report{Outcome: CallNotStarted, Detail: "refused"}, failed(called, NotStarted, "refused")},
		{"not started at an idempotent agent", idempotent(), claim,
			Report{Outcome: CallNotStarted, Detail: "refused"}, failed(claim, NotStarted, "refused")},
		{"rejected", standard(), claim,
			Report{Outcome: CallRejected, Detail: "402"}, failed(claim, Rejected, "402")},
		{"rejected by an idempotent agent", idempotent(), claim,
			Report{Outcome: CallRejected, Detail: "402"}, failed(claim, Rejected, "402")},
		{"unknown", standard(), claim,
			Report{Outcome: CallUnknown, Detail: "EOF"}, failed(claim, OutcomeUnknown, "EOF")},
		{"unknown at an idempotent agent may be tried again", idempotent(), claim,
			Report{Outcome: CallUnknown, Detail: "EOF"}, failed(claim, NotStarted, "EOF")},
		{"no outcome is unknown", standard(), claim, Report{}, failed(claim, OutcomeUnknown, "")},
		{"an outcome nobody knows is unknown", standard(), claim,
			Report{Outcome: "splendid"}, failed(claim, OutcomeUnknown, "")},
		{"refused for now by the limit", standard(), claim,
			Report{Outcome: CallLimited, Detail: "429"}, failed(claim, NotStarted, "429")},
		{"refused outside business hours", standard(), claim,
			Report{Outcome: CallClosed, Detail: "403"}, failed(claim, NotStarted, "403")},
		{"a refused credential", standard(), claim,
			Report{Outcome: CallMisconfigured, Detail: "401"}, failed(claim, Misconfigured, "401")},
		{"accepted, and not dispatched", standard(), claim,
			Report{Outcome: CallDispatchFailed, Detail: "no_trunk"}, failed(claim, OutcomeUnknown, "no_trunk")},
		{"accepted, and not dispatched, to be tried again", retrying, claim,
			Report{Outcome: CallDispatchFailed, Detail: "no_trunk"}, failed(claim, NotStarted, "no_trunk")},
		{"an outcome nobody knows, at an idempotent agent", idempotent(), claim,
			Report{Outcome: "splendid"}, failed(claim, NotStarted, "")},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if d := cmp.Diff(c.want, c.rules.Finish(c.claim, c.report)); d != "" {
				t.Errorf("task (-want +got):\n%s", d)
			}
		})
	}
}

// What a finished row answers when it is looked at again is what makes an
// outcome more than a word.
func TestAFinishedRowAnswersByItsOutcome(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		outcome Outcome
		plan    want
		admit   want
	}{
		{CallAccepted, nothing(RuleCalled), nothing(RuleCalled)},
		{CallRejected, nothing(RuleSettled), nothing(RuleSettled)},
		{CallUnknown, nothing(RuleHeld), nothing(RuleHeld)},
		{CallNotStarted, nothing(RuleOnItsWay), admits(ticketFor(onTime))},
	} {
		t.Run(string(c.outcome), func(t *testing.T) {
			t.Parallel()
			r := standard()
			row := booked(onTime, r.Finish(claimed(onTime, noon), Report{Outcome: c.outcome}))
			diff(t, row, c.plan, r.Plan(row, noon))
			diff(t, row, c.admit, r.Admit(row, reachable, ticketFor(onTime), noon))
		})
	}
}
