package followup

import "time"

// ends are the states without a call that hold while the booking keeps its time.
func ends() map[string]Task {
	return map[string]Task{
		"rejected":                      state(onTime, Failed, Rejected),
		"expired":                       state(onTime, Failed, Expired),
		"failed for an unknown reason":  state(onTime, Failed, "agent_on_fire"),
		"cancelled by an operator":      state(onTime, Cancelled, ByOperator),
		"cancelled for unknown reasons": state(onTime, Cancelled, "spring_cleaning"),
	}
}

func settledCases() []planCase {
	later := onTime.Add(time.Hour)
	far := noon.Add(horizon + tick)
	old := noon.Add(-lateness - tick)
	var cases []planCase
	for word, task := range ends() {
		cases = append(cases,
			planCase{word + " holds for its time", standard(), booked(onTime, task), nothing(RuleSettled)},
			planCase{word + " holds however long ago it was due", standard(),
				booked(onTime, task, dueAt(old)), nothing(RuleSettled)},
			planCase{word + " and moved is armed anew", standard(),
				booked(later, task), armsAnew(RuleArm, later.Add(-leadTime))},
			planCase{word + " and moved past the horizon is parked", standard(), booked(far, task), isParked},
			planCase{word + " and moved too far back expires", standard(),
				booked(old, task, createdAt(old)), isExpired},
		)
	}
	return append(cases,
		planCase{"stopped before there was a key holds for the time it has", standard(),
			booked(onTime, Task{Status: Cancelled}), becomes(RuleSettled, Cancelled, "")},
		planCase{"executed by somebody else, without key or time, holds for the time it has", standard(),
			booked(onTime, Task{Status: Executed}), becomes(RuleSettled, Executed, "")},
		planCase{"stopped before there was a key and not live is left alone", standard(),
			booked(onTime, Task{Status: Cancelled}, deleted), nothing(RuleNotLive)},
		planCase{"executed at a time, without a key, and moved is armed", standard(),
			booked(onTime, Task{Status: Executed, ExecutedAt: noon.Add(-time.Hour)}), armsAnew(RuleArm, noon)},
		planCase{"cancelled with LAD's booking and revived is armed", standard(),
			booked(onTime, state(onTime, Cancelled, BookingCancelled)), arms(RuleArm, noon)},
		planCase{"cancelled with LAD's booking, revived and moved is armed anew", standard(),
			booked(later, state(onTime, Cancelled, BookingCancelled)), armsAnew(RuleArm, later.Add(-leadTime))},
	)
}

func onItsWayCases() []planCase {
	hour := onTime.Add(time.Hour)
	long := noon.Add(-time.Hour)
	edge, gone := noon.Add(-grace), noon.Add(-grace-tick)
	tried := state(hour, Failed, NotStarted)
	cases := []planCase{
		{"scheduled by LAD itself without a time is armed", standard(),
			booked(onTime, Task{Status: Scheduled, Key: keyFor(onTime)}), arms(RuleOverdue, noon)},
		{"not started: the grace counts from the last claim", standard(),
			booked(hour, tried, dueAt(long), claimedAt(edge)), nothing(RuleOnItsWay)},
		{"not started: its task is overdue since the last claim", standard(),
			booked(hour, tried, dueAt(long), claimedAt(gone)), arms(RuleOverdue, noon.Add(time.Hour))},
		{"not started: an old claim does not shorten the grace", standard(),
			booked(hour, tried, dueAt(edge), claimedAt(long)), nothing(RuleOnItsWay)},
	}
	for word, task := range map[string]Task{
		"scheduled":   scheduled(hour),
		"not started": state(hour, Failed, NotStarted),
	} {
		cases = append(cases,
			planCase{word + ": its task is on the way", standard(), booked(hour, task), nothing(RuleOnItsWay)},
			planCase{word + ": its task may still come at the end of its grace", standard(),
				booked(hour, task, dueAt(edge)), nothing(RuleOnItsWay)},
			planCase{word + ": its task is overdue", standard(),
				booked(hour, task, dueAt(gone)), arms(RuleOverdue, noon.Add(time.Hour))},
			planCase{word + ": a task for another time is no use", standard(),
				booked(hour, task, movedTo(hour.Add(time.Hour))), armsAnew(RuleArm, noon.Add(2*time.Hour))},
			planCase{word + ": a row without a key is armed", standard(),
				booked(hour, task, withoutKey), armsAnew(RuleArm, noon.Add(time.Hour))},
		)
	}
	return cases
}

func armCases() []planCase {
	paused := standard()
	paused.Paused = Pause{All: true}
	hour := onTime.Add(time.Hour)
	return []planCase{
		{"a new booking is armed for its lead time before its time", standard(),
			booked(hour, fresh()), armsAnew(RuleArm, noon.Add(time.Hour))},
		{"a new booking due now is armed for now", standard(),
			booked(onTime, fresh()), armsAnew(RuleArm, noon)},
		{"a new booking within its lead time is armed for now", standard(),
			booked(onTime.Add(-tick), fresh()), armsAnew(RuleArm, noon)},
		{"a new booking in the past is armed for now", standard(),
			booked(noon.Add(-time.Hour), fresh()), armsAnew(RuleArm, noon)},
		{"a pending row under its own key keeps its attempts", standard(),
			booked(hour, state(hour, Pending, "")), arms(RuleArm, noon.Add(time.Hour))},
		{"a pending row under another key starts over", standard(),
			booked(hour, state(onTime, Pending, "")), armsAnew(RuleArm, noon.Add(time.Hour))},
		{"a scheduled row that was moved drops its task", standard(),
			booked(hour, scheduled(onTime)), armsAnew(RuleArm, noon.Add(time.Hour))},
		{"a time that differs by less than a key shows keeps its task", standard(),
			booked(hour.Add(999*time.Microsecond), scheduled(hour)), nothing(RuleOnItsWay)},
		{"a pause does not keep a row from being armed", paused,
			booked(hour, fresh()), armsAnew(RuleArm, noon.Add(time.Hour))},
	}
}

func expiryCases() []planCase {
	edge, late := noon.Add(-lateness), noon.Add(-lateness-tick)
	long := late.Add(-time.Hour)
	return []planCase{
		{"at the end of its lateness a row is armed", standard(),
			booked(edge, fresh(), createdAt(long)), armsAnew(RuleArm, noon)},
		{"past its lateness a new row expires", standard(),
			booked(late, fresh(), createdAt(long)), isExpired},
		{"past its lateness an overdue row expires, its task goes", standard(),
			booked(late, scheduled(late), createdAt(long)), isExpired},
		{"past its lateness a row that could not start expires", standard(),
			booked(late, state(late, Failed, NotStarted), createdAt(long)), isExpired},
		{"past its lateness a revived row expires", standard(),
			booked(late, state(late, Cancelled, BookingCancelled), createdAt(long)), isExpired},
		{"booked after its time, lateness counts from the booking", standard(),
			booked(long, fresh(), createdAt(edge)), armsAnew(RuleArm, noon)},
		{"booked after its time and past its lateness a row expires", standard(),
			booked(long, fresh(), createdAt(late)), isExpired},
	}
}

func horizonCases() []planCase {
	edge, far := noon.Add(horizon), noon.Add(horizon+tick)
	return []planCase{
		{"at the horizon a row is armed", standard(),
			booked(edge, fresh()), armsAnew(RuleArm, edge.Add(-leadTime))},
		{"beyond the horizon a new row waits", standard(), booked(far, fresh()), nothing(RuleBeyond)},
		{"beyond the horizon a pending row of an earlier key waits", standard(),
			booked(far, state(onTime, Pending, "")), nothing(RuleBeyond)},
		{"moved beyond the horizon a scheduled row is parked, its task goes", standard(),
			booked(far, scheduled(onTime)), isParked},
		{"moved beyond the horizon a row that could not start is parked", standard(),
			booked(far, state(onTime, Failed, NotStarted)), isParked},
		{"revived beyond the horizon a cancelled row is parked", standard(),
			booked(far, state(far, Cancelled, BookingCancelled)), isParked},
		{"overdue and beyond the horizon a scheduled row is parked", standard(),
			booked(far, scheduled(far), dueAt(noon.Add(-grace-tick))), isParked},
	}
}
