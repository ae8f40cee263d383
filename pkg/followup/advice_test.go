package followup

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestAdviceSaysHowACallStandsAndWhatToDo(t *testing.T) {
	t.Parallel()
	late := noon.Add(-2 * lateness)
	zoneless := func(b *Booking) { b.ScheduledAt, b.When = time.Time{}, When{Wall: onTime, Zone: "Mars"} }
	for _, c := range []struct {
		name string
		row  *Booking
		want string // part of it
	}{
		{"a meeting", booked(onTime, fresh(), ofType("meeting")), "no follow-up"},
		{"from before this system", booked(noon.Add(-31*24*time.Hour), fresh(), createdAt(noon.Add(-32*24*time.Hour))), "before FOLLOWUP_ACTIVE_SINCE, 2026-02-08T12:00:00Z"},
		{"new", booked(onTime, fresh()), "still to come"},
		{"far ahead", booked(noon.Add(2*horizon), fresh()), "still to come"},
		{"scheduled", booked(onTime, scheduled(onTime)), "still to come"},
		{"scheduled, and cancelled in LAD", booked(onTime, scheduled(onTime), inStatus("cancelled")), "the next sweep cancels"},
		{"scheduled, and called for a later time", booked(onTime, scheduled(onTime), executedAt(noon)), "for this time has been made"},
		{"new, but too late", booked(late, fresh(), createdAt(late)), "at night"},
		{"under way", booked(onTime, claimed(onTime, noon)), "under way"},
		{"a lapsed claim", booked(onTime, claimed(onTime, noon.Add(-lease-tick))), "ended without an outcome"},
		{"made", booked(onTime, state(onTime, Executed, "")), "has been made"},
		{"made, then moved", booked(onTime.Add(time.Hour), at(state(onTime, Executed, ""), executedAt(noon))), "moved or revived"},
		{"in doubt", booked(onTime, state(onTime, Failed, OutcomeUnknown)), "resolve it"},
		{"not started", booked(onTime, state(onTime, Failed, NotStarted)), "certainly not rung"},
		{"refused", booked(onTime, state(onTime, Failed, Rejected)), "then retry it"},
		{"refused, and deleted", booked(onTime, state(onTime, Failed, Rejected), deleted), "no call will be made as it stands"},
		{"made, and completed", booked(onTime, state(onTime, Executed, ""), inStatus("completed")), "has been made"},
		{"expired", booked(onTime, state(onTime, Failed, Expired)), "at night"},
		{"stopped", booked(onTime, state(onTime, Cancelled, ByOperator)), "an operator has cancelled it"},
		{"cancelled in LAD", booked(onTime, state(onTime, Cancelled, BookingCancelled), deleted), "revive it in LAD"},
		{"cancelled in LAD, then revived", booked(onTime, state(onTime, Cancelled, BookingCancelled)), "moved or revived"},
		{"waits for its turn", booked(onTime, state(onTime, Scheduled, Paced)), "its turn under VOICE_AGENT_LIMIT"},
		{"waits with everybody", booked(onTime, state(onTime, Scheduled, RateLimited)), "all calls wait"},
		{"outside hours", booked(onTime, state(onTime, Scheduled, OutsideHours)), "business hours"},
		{"a setting is wrong", booked(onTime, state(onTime, Failed, Misconfigured)), "then retry it"},
		{"a zone unread", booked(onTime, fresh(), zoneless), "set FOLLOWUP_DEFAULT_TIMEZONE"},
		{"a zone unread, and said", booked(onTime, state(onTime, Failed, UnknownTimezone), zoneless), "set FOLLOWUP_DEFAULT_TIMEZONE"},
		{"a zone corrected", booked(onTime, at(state(onTime, Failed, UnknownTimezone), withoutKey)), "moved or revived"},
		{"the lead is deleted", booked(onTime, state(onTime, Cancelled, LeadDeleted)), "LAD has deleted the lead"},
		{"the lead is archived", booked(onTime, state(onTime, Cancelled, LeadArchived)), "LAD has archived the lead"},
		{"the lead is not to be called", booked(onTime, state(onTime, Cancelled, DoNotCall)), "marked not to be called"},
		{"a double", booked(onTime, state(onTime, Cancelled, Duplicate)), "another booking of the lead"},
		{"called often", booked(onTime, state(onTime, Cancelled, CallLimit)), "FOLLOWUP_MAX_CALLS_PER_LEAD"},
		{"cancelled by a stranger", booked(onTime, state(onTime, Cancelled, ""), byLAD), "outside this system"},
	} {
		if got := standard().Advice(*c.row, noon); !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q in it", c.name, got, c.want)
		}
	}
}

// What advice tells a person to do must be allowed, and what must not be done
// must not be advised.
func TestAdviceIsGoodAdvice(t *testing.T) {
	t.Parallel()
	inEveryWorld(t, func(t *rapid.T, w world) (tells bool) {
		advice := w.rules.Advice(w.row, w.now)
		if advice == "" || strings.HasSuffix(advice, ".") || strings.Contains(advice, "\n") {
			t.Fatalf("no clause: %q", advice)
		}
		for part, do := range map[string]act{"cancel it": stop, "resolve it": notCalled} {
			if _, err := do(w.rules, w.row, w.now); strings.Contains(advice, part) && err != nil {
				t.Fatalf("%q, but: %v", advice, err)
			}
		}
		return true
	})
}
