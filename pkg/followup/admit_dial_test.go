package followup

import "time"

func lifelessCases() []admitCase {
	cases := []admitCase{
		try("lifeless and too early is cancelled, not armed",
			booked(onTime.Add(time.Hour), scheduled(onTime.Add(time.Hour)), deleted),
			ticketFor(onTime.Add(time.Hour)), isCancelled),
		try("lifeless and past its lateness is cancelled, not expired",
			booked(noon.Add(-lateness-tick), fresh(), createdAt(noon.Add(-lateness-tick)), deleted),
			ticketFor(noon.Add(-lateness-tick)), isCancelled),
	}
	for word, edit := range lifeless() {
		if word == "without a time" {
			continue // such a row has no key, so every ticket is for another call
		}
		word = "not live (" + word + ") and "
		cases = append(cases,
			try(word+"pending", booked(onTime, fresh(), edit), ticketFor(onTime), isCancelled),
			try(word+"scheduled", booked(onTime, scheduled(onTime), edit), ticketFor(onTime), isCancelled),
			try(word+"scheduled, newer task", booked(onTime, scheduled(onTime), edit), nextTicket(onTime), isCancelled),
			try(word+"not started", booked(onTime, state(onTime, Failed, NotStarted), edit),
				ticketFor(onTime), isCancelled),
			try(word+"executed", booked(onTime, state(onTime, Executed, ""), edit),
				ticketFor(onTime), nothing(RuleCalled)),
			try(word+"executed, newer task", booked(onTime, state(onTime, Executed, ""), edit),
				nextTicket(onTime), nothing(RuleCalled)),
			try(word+"rejected", booked(onTime, state(onTime, Failed, Rejected), edit),
				ticketFor(onTime), nothing(RuleNotLive)),
			try(word+"cancelled", booked(onTime, state(onTime, Cancelled, BookingCancelled), edit),
				ticketFor(onTime), nothing(RuleNotLive)),
			try(word+"cancelled, newer task", booked(onTime, state(onTime, Cancelled, BookingCancelled), edit),
				nextTicket(onTime), nothing(RuleNotLive)),
		)
	}
	return cases
}

// prematureCases: a revision above the row's, and Plan would not arm.
func prematureCases() []admitCase {
	late := noon.Add(-lateness - tick)
	far := noon.Add(horizon + tick)
	since := standard()
	since.ActiveSince = noon
	cases := []admitCase{
		try("a newer task for a row whose own is on the way does nothing",
			booked(onTime, scheduled(onTime)), nextTicket(onTime), nothing(RulePremature)),
		try("a newer task for a row that comes again does nothing",
			booked(onTime, state(onTime, Failed, NotStarted)), nextTicket(onTime), nothing(RulePremature)),
		try("a newer task past its lateness does nothing, the sweep expires the row",
			booked(late, fresh(), createdAt(late)), nextTicket(late), nothing(RulePremature)),
		try("a newer task beyond the horizon does nothing",
			booked(far, fresh()), nextTicket(far), nothing(RulePremature)),
		{"a newer task for a historic row does nothing", since,
			booked(noon.Add(-tick), fresh(), createdAt(noon.Add(-tick))), reachable,
			nextTicket(noon.Add(-tick)), nothing(RulePremature)},
	}
	for word, task := range ends() {
		cases = append(cases, try(word+" does not dial for a newer task",
			booked(onTime, task), nextTicket(onTime), nothing(RulePremature)))
	}
	return cases
}

// finalCases: the row's own revision, and an end.
func finalCases() []admitCase {
	later := onTime.Add(time.Hour)
	cases := []admitCase{
		try("cancelled with LAD's booking does not dial for its own task, though it was revived",
			booked(onTime, state(onTime, Cancelled, BookingCancelled)), ticketFor(onTime), nothing(RuleSettled)),
		try("cancelled with LAD's booking dials for a newer task once it was revived",
			booked(onTime, state(onTime, Cancelled, BookingCancelled)), nextTicket(onTime),
			admitsEarly(nextTicket(onTime), 2, "the line was busy")),
	}
	for word, task := range ends() {
		cases = append(cases,
			try(word+" does not dial for its own task", booked(onTime, task), ticketFor(onTime), nothing(RuleSettled)),
			try(word+" does not dial for its own task under another key",
				booked(onTime, task, withKeyOf(noon)), ticketFor(onTime), nothing(RuleSettled)),
			try(word+" is not armed by its own task that is too early",
				booked(later, task, withKeyOf(later)), ticketFor(later), nothing(RuleSettled)),
			try(word+" and moved dials for a newer task",
				booked(onTime, task, withKeyOf(noon)), nextTicket(onTime), admitsEarly(nextTicket(onTime), 1, "")),
		)
	}
	return cases
}

func timeCases() []admitCase {
	early := onTime.Add(5 * time.Second)
	tooEarly := early.Add(tick)
	far := noon.Add(horizon + tick)
	edge, late := noon.Add(-lateness), noon.Add(-lateness-tick)
	paused := standard()
	paused.Paused = Pause{All: true}
	return []admitCase{
		try("five seconds early is on time", booked(early, scheduled(early)), ticketFor(early),
			admits(ticketFor(early))),
		try("more than five seconds early is armed again", booked(tooEarly, scheduled(tooEarly)),
			ticketFor(tooEarly), arms(RuleTooEarly, tooEarly.Add(-leadTime))),
		try("too early and not started is armed again",
			booked(tooEarly, state(tooEarly, Failed, NotStarted)), ticketFor(tooEarly),
			arms(RuleTooEarly, tooEarly.Add(-leadTime))),
		try("too early under a key of another time is armed anew",
			booked(tooEarly, scheduled(onTime)), ticketFor(tooEarly),
			armsAnew(RuleTooEarly, tooEarly.Add(-leadTime))),
		try("too early by more than the horizon is parked", booked(far, scheduled(far)),
			ticketFor(far), isParked),
		try("too early by more than the horizon and pending waits", booked(far, state(far, Pending, "")),
			ticketFor(far), nothing(RuleBeyond)),
		{"too early is armed again, though dialling is paused", paused,
			booked(tooEarly, scheduled(tooEarly)), reachable, ticketFor(tooEarly),
			arms(RuleTooEarly, tooEarly.Add(-leadTime))},
		{"too early is armed again, though there is no number yet", standard(),
			booked(tooEarly, scheduled(tooEarly)), unreachable, ticketFor(tooEarly),
			arms(RuleTooEarly, tooEarly.Add(-leadTime))},

		try("at the end of its lateness a call is made", booked(edge, scheduled(edge), createdAt(late)),
			ticketFor(edge), admits(ticketFor(edge))),
		try("past its lateness a call expires", booked(late, scheduled(late), createdAt(late)),
			ticketFor(late), isExpired),
		try("past its lateness a call that could not start expires",
			booked(late, state(late, Failed, NotStarted), createdAt(late)), ticketFor(late), isExpired),
		try("booked after its time, lateness counts from the booking",
			booked(late, scheduled(late), createdAt(edge)), ticketFor(late), admits(ticketFor(late))),
		{"past its lateness a call expires, whoever the lead is", standard(),
			booked(late, scheduled(late), createdAt(late)), unreachable, ticketFor(late), isExpired},
	}
}

func phoneCases() []admitCase {
	row := booked(onTime, scheduled(onTime))
	return []admitCase{
		{"no lead is rejected", standard(), row, unreachable, ticketFor(onTime), isUnreachable},
		{"a lead without a country code is rejected", standard(), row,
			unreachable, ticketFor(onTime), isUnreachable},
		{"a newer task for a lead without a number is rejected", standard(), booked(onTime, fresh()),
			unreachable, nextTicket(onTime), isUnreachable},
	}
}

func dialCases() []admitCase {
	overdue := dueAt(noon.Add(-grace - tick))
	return []admitCase{
		try("its own task dials", booked(onTime, scheduled(onTime)), ticketFor(onTime), admits(ticketFor(onTime))),
		try("its own task dials again after it could not start",
			booked(onTime, state(onTime, Failed, NotStarted), claimedAt(noon.Add(-tick))),
			ticketFor(onTime), admits(ticketFor(onTime))),
		try("a task of the row's revision dials for a pending row",
			booked(onTime, state(onTime, Pending, "")), ticketFor(onTime), admits(ticketFor(onTime))),
		try("a call for an earlier time is no obstacle",
			booked(onTime, scheduled(onTime), executedAt(noon.Add(-time.Hour))),
			ticketFor(onTime), admits(ticketFor(onTime))),
		try("a confirmed booking is called", booked(onTime, scheduled(onTime), inStatus(BookingConfirmed)),
			ticketFor(onTime), admits(ticketFor(onTime))),
		try("a pending booking is called", booked(onTime, scheduled(onTime), inStatus(BookingPending)),
			ticketFor(onTime), admits(ticketFor(onTime))),
		try("the first task that beat its UPDATE dials and records it",
			booked(onTime, fresh()), Ticket{Key: keyFor(onTime), Revision: 1, TaskName: newTask},
			admitsEarly(Ticket{Revision: 1, TaskName: newTask}, 1, "")),
		try("the task that replaces an overdue one dials and records it",
			booked(onTime, scheduled(onTime), overdue), nextTicket(onTime),
			admitsEarly(nextTicket(onTime), 2, "the line was busy")),
		try("the task that replaces one for another time dials and starts over",
			booked(onTime, scheduled(noon)), nextTicket(onTime), admitsEarly(nextTicket(onTime), 1, "")),
		try("a task many revisions ahead dials",
			booked(onTime, fresh()), Ticket{Key: keyFor(onTime), Revision: 7, TaskName: newTask},
			admitsEarly(Ticket{Revision: 7, TaskName: newTask}, 1, "")),
	}
}
