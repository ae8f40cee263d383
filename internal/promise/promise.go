// Package promise states what this system promises about a booking, for all tests
// that look at it from outside: a lead is called at most once for a time, never
// against LAD's word, every booking reaches an end, and no row says what did not
// happen.
//
// A test that plays an adversary hands in a [Trace]: what LAD meant, who claimed,
// what the voice agent saw, how the row stood. What its adversary may bring about
// (a broken call, an operator's word) it says in Permits; it states no promise of
// its own. Nothing here asks the code under test.
package promise

import (
	"fmt"
	"slices"
	"time"

	"lad.internal/followup/pkg/followup"
)

// Kind is a promise that was broken.
type Kind string

// The kinds.
const (
	CalledTwice       Kind = "called twice"        // more than one call with one key, or one more for a time that was called
	CalledAfterChange Kind = "called after change" // a claim or a call after a committed cancel
	WrongTime         Kind = "wrong time"          // a claim or a call for a time that the booking does not have, before it, or too late
	ForeignTenant     Kind = "foreign tenant"      // one tenant's row or call in another's name
	Unclaimed         Kind = "unclaimed"           // a request or a call without a claim
	NotEnded          Kind = "not ended"           // due, and still without an end
	NeverCalled       Kind = "never called"        // executed, but not called
	WrongEnd          Kind = "wrong end"           // a state that nothing explains
	Unexplained       Kind = "unexplained"         // an unknown outcome that nothing explains
	WentBack          Kind = "went back"           // a revision that was lowered
)

// Violation is one promise that was broken.
type Violation struct {
	Kind   Kind
	Detail string
}

// String says it for people.
func (v Violation) String() string { return string(v.Kind) + ": " + v.Detail }

// Word is what LAD means by a booking at one moment.
type Word struct {
	Live  bool
	At    time.Time // when the call is due; zero if its timezone cannot be read
	Key   string    // of a call at that time
	Until time.Time // when it is too late for the call; zero: never
}

// Means is the word of a booking.
func Means(ref followup.Ref, live bool, at, until time.Time) Word {
	return Word{Live: live, At: at, Key: followup.Booking{Ref: ref, ScheduledAt: at}.Key(), Until: until}
}

// Attempt is a claim, or the request or the call that followed it.
type Attempt struct {
	At    time.Time // zero if it is not known
	Key   string    // "" if it is not known, or if nothing was sent
	Words []Word    // one of these held, the newest last; at least one
}

// Call is one that the voice agent has made.
type Call struct {
	TenantID, Key string
	IDs           []string // by which the row may name it
}

// Row is how the follow-up stood at one moment.
type Row struct {
	followup.Task
	CalledAt time.Time // of the call that is on record
	Word     Word      // at that moment
}

// Trace is what was seen of one booking from outside.
type Trace struct {
	Ref      followup.Ref
	Attempts []Attempt // oldest first
	Posts    int       // that the voice agent has read, if each has an attempt of its own
	Calls    []Call    // that the voice agent has made
	Rows     []Row     // oldest first; at least one
	Latest   time.Time // the latest time that it was moved to; zero if it was not moved to a later one
	Now      time.Time

	// Idempotent: the voice agent may be asked again with the same key.
	Idempotent bool
	// Undisturbed: neither a fault nor an operator has come between.
	Undisturbed bool
	// Ended: the faults are over, and the time for an end has gone by.
	Ended bool
	// Permits reports whether the voice agent's answers or an adversary account for
	// a row's state, where LAD's word does not. It is asked once for each state.
	Permits func(Row) bool

	found []Violation
}

func (t *Trace) violated(kind Kind, format string, args ...any) {
	t.found = append(t.found, Violation{kind, fmt.Sprintf(format, args...)})
}

// Attempted returns what is wrong with an attempt as it is made: t is what was
// seen before it.
func (t Trace) Attempted(a Attempt) []Violation {
	t.checkWord(a)
	if t.Idempotent {
		return t.found // what the last call came to was not known, and the key may be another by now
	}
	due := a.Words[len(a.Words)-1].At
	for _, earlier := range t.Attempts {
		if t.Rung(earlier.Key) > 0 && !due.After(earlier.At.Add(followup.Earliness)) {
			t.violated(CalledTwice, "called at %v, and was at %v, which was not before its time", a.At, earlier.At)
		}
	}
	return t.found
}

// Check returns the promises that were broken.
func (t Trace) Check() []Violation {
	for _, a := range t.Attempts {
		t.checkWord(a)
	}
	t.checkCalls()
	var before Row
	for _, r := range t.Rows {
		t.checkRow(before, r)
		before = r
	}
	if t.Ended {
		t.checkEnd(before)
	} else {
		t.checkMoment(before)
	}
	return t.found
}

// Rung counts the calls that were made with a key.
func (t Trace) Rung(key string) (n int) {
	for _, call := range t.Calls {
		if key != "" && call.Key == key {
			n++
		}
	}
	return n
}

// RungAt reports whether the attempt of that moment led to a call.
func (t Trace) RungAt(claimed time.Time) bool {
	return slices.ContainsFunc(t.Attempts, func(a Attempt) bool { return a.At.Equal(claimed) && t.Rung(a.Key) > 0 })
}

// checkWord: never against LAD's word.
func (t *Trace) checkWord(a Attempt) {
	var wrong Violation
	for _, w := range a.Words {
		if wrong = w.forbids(a); wrong.Kind == "" {
			return
		}
	}
	t.found = append(t.found, wrong)
}

func (w Word) forbids(a Attempt) Violation {
	switch {
	case !w.Live:
		return Violation{CalledAfterChange, fmt.Sprintf("claimed or called at %v for %q, and LAD no longer means it", a.At, a.Key)}
	case a.Key != "" && a.Key != w.Key:
		return Violation{WrongTime, fmt.Sprintf("claimed or called for %q, and its time is that of %q", a.Key, w.Key)}
	case !a.At.IsZero() && a.At.Before(w.At.Add(-followup.Earliness)):
		return Violation{WrongTime, fmt.Sprintf("claimed or called at %v, before its time %v", a.At, w.At)}
	case !w.Until.IsZero() && a.At.After(w.Until):
		return Violation{WrongTime, fmt.Sprintf("claimed or called at %v, and %v was too late", a.At, w.Until)}
	default:
		return Violation{}
	}
}

// checkCalls: never twice, and never without a claim.
func (t *Trace) checkCalls() {
	told := map[string]bool{}
	for _, call := range t.Calls {
		key := call.Key
		if call.TenantID != t.Ref.TenantID.String() {
			t.violated(ForeignTenant, "called for tenant %s", call.TenantID)
		}
		if !slices.ContainsFunc(t.Attempts, func(a Attempt) bool { return a.Key == key }) {
			t.violated(Unclaimed, "called for %q, which nobody had claimed", key)
		}
		if n := t.Rung(key); n > 1 && !told[key] {
			told[key] = true
			t.violated(CalledTwice, "the lead was rung %d times for %s", n, key)
		}
	}
	if t.Posts > len(t.Attempts) {
		t.violated(Unclaimed, "%d requests on %d claims", t.Posts, len(t.Attempts))
	}
}

// checkRow: never a lie.
func (t *Trace) checkRow(before, r Row) {
	if r.Revision < before.Revision {
		t.violated(WentBack, "revision %d became %d", before.Revision, r.Revision)
	}
	is := r.Status == followup.Executed
	switch {
	case is && !t.RungAt(r.ExecutedAt):
		t.violated(NeverCalled, "executed at %v, and nobody was rung", r.ExecutedAt)
		return
	case !r.CalledAt.IsZero() && !t.RungAt(r.CalledAt):
		t.violated(NeverCalled, "a call is on record at %v, and nobody was rung", r.CalledAt)
	}
	if r.Reason == before.Reason && (r.Reason != "" || r.Status == before.Status) {
		return
	}
	kind := WrongEnd
	switch r.Reason {
	case followup.BookingCancelled, followup.Expired, followup.UnknownTimezone:
		return // for which LAD's word is the reason: see checkMoment and checkEnd
	case followup.OutcomeUnknown, followup.Rejected:
		if !slices.ContainsFunc(t.Attempts, func(a Attempt) bool { return a.At.Equal(r.ClaimedAt) }) {
			t.violated(Unexplained, "%s, and nobody had claimed it", state(r))
			return
		}
		if r.Reason == followup.OutcomeUnknown {
			kind = Unexplained
		}
	case "":
		if !is {
			return // it is on its way
		}
	default:
	}
	if !t.permits(r) {
		t.violated(kind, "%s, claimed at %v, and nothing accounts for that", state(r), r.ClaimedAt)
	}
}

func (t *Trace) permits(r Row) bool { return t.Permits != nil && t.Permits(r) }

// checkMoment looks at a row while nobody is at work and more may happen.
func (t *Trace) checkMoment(r Row) {
	switch {
	case r.Status == followup.InProgress && !t.permits(r):
		t.violated(WrongEnd, "%s, and nobody is at work", state(r))
	case r.Reason == followup.Expired && r.Key == r.Word.Key && !t.late(r):
		t.violated(WrongEnd, "%s before its time", state(r))
	}
}

// claimedFor: the row names the key that its call was claimed for.
func (t *Trace) claimedFor(r Row) bool {
	return slices.ContainsFunc(t.Attempts, func(a Attempt) bool { return a.At.Equal(r.ExecutedAt) && a.Key == r.Key })
}

func (t *Trace) late(r Row) bool { return !r.Word.Until.IsZero() && t.Now.After(r.Word.Until) }

// ends are the states that a follow-up may stop in for good.
var ends = map[followup.Reason]followup.TaskStatus{
	"":                        followup.Executed,
	followup.BookingCancelled: followup.Cancelled,
	followup.ByOperator:       followup.Cancelled,
	followup.Expired:          followup.Failed,
	followup.UnknownTimezone:  followup.Failed,
	followup.OutcomeUnknown:   followup.Failed,
	followup.Rejected:         followup.Failed,
	followup.Misconfigured:    followup.Failed,
}

// Over reports whether a follow-up stands at an end.
func Over(t followup.Task) bool {
	status, ok := ends[t.Reason]
	return ok && status == t.Status
}

// checkEnd: never lost, and an end that fits what has happened.
func (t *Trace) checkEnd(r Row) {
	w, rang := r.Word, len(t.Calls) > 0
	switch {
	case !Over(r.Task):
		t.violated(NotEnded, "%s, due %v", state(r), w.At)
		return
	case r.Reason == followup.BookingCancelled && w.Live:
		t.violated(WrongEnd, "cancelled, but not by LAD")
	case r.Reason == followup.Expired && !t.late(r) && (w.Live || !t.permits(r)):
		t.violated(WrongEnd, "expired, and it is not too late")
	case r.Reason == followup.UnknownTimezone && !w.At.IsZero() && (w.Live || !t.permits(r)):
		t.violated(WrongEnd, "ended without a time, and it has one: %v", w.At)
	case r.Status == followup.Executed && w.Live && w.At.After(r.ExecutedAt.Add(followup.Earliness)):
		t.violated(WrongEnd, "executed at %v, before its time %v", r.ExecutedAt, w.At)
	case r.Status == followup.Executed && w.Live && !w.At.IsZero() && r.Key != w.Key && !t.claimedFor(r):
		t.violated(WrongEnd, "executed at %v for the key %q, which is neither its claim's nor %q", r.ExecutedAt, r.Key, w.Key)
	}
	if r.Status != followup.Executed && r.Reason != followup.OutcomeUnknown && r.Reason != followup.UnknownTimezone && !t.Idempotent {
		for _, a := range t.Attempts {
			if t.Rung(a.Key) > 0 && !t.Latest.After(a.At.Add(followup.Earliness)) {
				t.violated(WrongEnd, "%s, but called at %v", state(r), a.At)
				break
			}
		}
	}
	if r.CallID != "" && !slices.ContainsFunc(t.Calls, func(c Call) bool { return slices.Contains(c.IDs, r.CallID) }) {
		t.violated(WrongEnd, "%s with the call id %q, which is none of its calls'", state(r), r.CallID)
	}
	if !t.Undisturbed || t.late(r) {
		return
	}
	fits := rang || r.Reason == followup.UnknownTimezone || !w.Live && r.Status == followup.Cancelled
	if w.Live && !w.At.IsZero() {
		fits = r.Status == followup.Executed && r.CallID != ""
	}
	if !fits {
		t.violated(WrongEnd, "nothing has disturbed it, and it ends as %s, call %q", state(r), r.CallID)
	}
}

// state is a row's, for people.
func state(r Row) string {
	if r.Reason == "" {
		return string(r.Status)
	}
	return string(r.Status) + "/" + string(r.Reason)
}
