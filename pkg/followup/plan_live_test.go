package followup

import "testing"

// lifeless are the ways in which LAD no longer means a booking to take place.
func lifeless() map[string]edit {
	return map[string]edit{
		"in_progress":     inStatus("in_progress"),
		"completed":       inStatus("completed"),
		"missed":          inStatus("missed"),
		"failed":          inStatus("failed"),
		"cancelled":       inStatus("cancelled"),
		"no status":       inStatus(""),
		"unknown status":  inStatus("archived"),
		"other case":      inStatus("Scheduled"),
		"deleted":         deleted,
		"without a time":  timeless,
		"of another type": ofType("meeting"),
	}
}

func notLiveCases() []planCase {
	cases := []planCase{
		{"a lifeless booking that never had a task is cancelled", standard(),
			booked(onTime, fresh(), inStatus("cancelled")), isCancelled},
		{"a lifeless booking past its lateness is cancelled, not expired", standard(),
			booked(noon.Add(-lateness-tick), scheduled(onTime), createdAt(noon.Add(-lateness-tick)), deleted), isCancelled},
		{"a lifeless booking beyond the horizon is cancelled, not parked", standard(),
			booked(noon.Add(horizon+tick), scheduled(onTime), deleted), isCancelled},
	}
	for word, edit := range lifeless() {
		cases = append(cases,
			planCase{"not live (" + word + ") and pending", standard(),
				booked(onTime, state(onTime, Pending, ""), edit), isCancelled},
			planCase{"not live (" + word + ") and scheduled", standard(),
				booked(onTime, scheduled(onTime), edit), isCancelled},
			planCase{"not live (" + word + ") and not started", standard(),
				booked(onTime, state(onTime, Failed, NotStarted), edit), isCancelled},
			planCase{"not live (" + word + ") and executed", standard(),
				booked(onTime, at(state(onTime, Executed, ""), executedAt(noon.Add(-hourAhead))), edit), nothing(RuleNotLive)},
			planCase{"not live (" + word + ") and rejected", standard(),
				booked(onTime, state(onTime, Failed, Rejected), edit), nothing(RuleNotLive)},
			planCase{"not live (" + word + ") and expired", standard(),
				booked(onTime, state(onTime, Failed, Expired), edit), nothing(RuleNotLive)},
			planCase{"not live (" + word + ") and cancelled by LAD", standard(),
				booked(onTime, state(onTime, Cancelled, BookingCancelled), edit), nothing(RuleNotLive)},
			planCase{"not live (" + word + ") and cancelled by an operator", standard(),
				booked(onTime, state(onTime, Cancelled, ByOperator), edit), nothing(RuleNotLive)},
		)
	}
	return cases
}

func TestOnlyThreeOfLadsStatusesAreLive(t *testing.T) {
	t.Parallel()
	for _, status := range []BookingStatus{"pending", "scheduled", "confirmed"} {
		row := booked(onTime, fresh(), inStatus(status))
		diff(t, row, armsAnew(RuleArm, noon), standard().Plan(row, noon))
	}
	for word, edit := range lifeless() {
		if row := booked(onTime, scheduled(onTime), edit); standard().look(*row, noon).live() {
			t.Errorf("%s is live", word)
		}
	}
}
