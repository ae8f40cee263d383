package followup

import "time"

// LoggedCall is a call as the log tells of it. The log outlives a database that
// is restored to an earlier moment, and with it forgets the calls made since.
type LoggedCall struct {
	ClaimedAt  time.Time
	PlannedFor time.Time  // the booking's time that it was made for
	Revision   int        // of the task that made it
	Status     TaskStatus // what came of it; "": the log does not say
	Reason     Reason
	CallID     string
}

// ReplayedError is stored where the log alone knows of a call, and not what came
// of it.
const ReplayedError = "the log says that this call was begun, and not what came of it; the database was restored since"

const (
	alreadyShown = "the row shows its calls already"
	notRung      = "its lead was not rung, so its call is still to come"
)

// Replay brings a row to what the log says about its calls, in the order of their
// claims. A row that shows a call, or a later one, is left alone; so is one that
// waits for a call which did not start. What the log does not know the end of is
// for a person. The error is always a *RefusedError.
func (r Rules) Replay(b Booking, calls []LoggedCall) (Decision, error) {
	drop := b.Task.Name
	b.Task = b.proven()
	why, replayed := alreadyShown, false
	for i, c := range calls {
		switch last := i == len(calls)-1; {
		case c.unknown() && !last: // settled, or there had been no other call
		case c.Reason == NotStarted && !(b.Task.Status == InProgress && b.Task.ClaimedAt.Equal(c.ClaimedAt)):
			why = notRung
		case !b.Task.tellsOf(c):
			b.Task, replayed = b.replayed(c), true
		}
	}
	if !replayed {
		return refused(why)
	}
	return Decision{Effect: Update, Rule: RuleOperatorReplayed, Next: b.Task, Drop: drop}, nil
}

func (c LoggedCall) unknown() bool { return c.Status == "" || c.Reason == OutcomeUnknown }

// tellsOf reports whether a row, as it is proven, says as much of a call as the log.
func (t Task) tellsOf(c LoggedCall) bool {
	switch latest := later(t.ClaimedAt, t.ExecutedAt); {
	case !c.ClaimedAt.Equal(latest):
		return c.ClaimedAt.Before(latest)
	case t.Status == InProgress:
		return c.Status == "" // its finish, or the lease, ends it
	default:
		return !t.is(Failed, OutcomeUnknown) || c.unknown()
	}
}

func (b Booking) replayed(c LoggedCall) Task {
	next := b.Task
	next.Status, next.Reason, next.LastError = c.Status, c.Reason, ""
	if c.Status == "" {
		next.Status, next.Reason, next.LastError = Failed, OutcomeUnknown, ReplayedError
	}
	if c.Status == Executed {
		next.ExecutedAt = c.ClaimedAt
	}
	// The finish of a call under way still finds its claim.
	next.ClaimedAt, next.Revision = c.ClaimedAt, max(next.Revision, c.Revision)
	next.Key, next.PlannedFor, next.CallID = b.keyFor(c.PlannedFor), c.PlannedFor, c.CallID
	next.Name, next.DueAt = "", time.Time{}
	return next
}
