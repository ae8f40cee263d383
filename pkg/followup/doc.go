// Package followup holds the rules of automatic follow-up calls: what should
// become of a booking now ([Rules.Plan]), whether a task that has just fired
// may dial ([Rules.Admit]), what an outcome makes of the row ([Rules.Finish]),
// and what a person may do about it ([Rules.Retry] and its neighbours).
//
// The rules are pure functions of a row and a time. The package refuses to do
// any I/O, to read a clock or the environment, or to know how a row is stored,
// a task queued or a call placed: handlers, the sweep, the command's explain,
// the property tests and the model checker all ask these same functions.
//
// # The row is the truth
//
// A booking and the state of its follow-up are one row of LAD's lead_bookings.
// Events and tasks are hints that make somebody look at the row again, so lost,
// duplicated, reordered and stale ones are harmless.
//
//	pending ──arm──▶ scheduled ──claim──▶ in_progress ──finish──▶ executed
//	   ▲                │  ▲                   │
//	   └──park/retry────┘  └────not_started────┴──▶ failed / cancelled
//
// The claim's COMMIT is the point of no return: before it nothing can dial,
// after it only an outcome that is proven not to have started a call may be
// tried again. Everything ambiguous is held for a person as failed with reason
// outcome_unknown.
//
// # Time
//
// Every function takes the time as an argument, and callers pass the
// database's clock as it was read with the row. A zero time.Time stands for
// SQL's NULL.
package followup
