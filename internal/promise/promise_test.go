package promise

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
)

var (
	noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	ref  = followup.Ref{TenantID: uuid.New(), BookingID: uuid.New()}
)

// story is a booking that was called at noon, as it should be, until somebody
// doctors it.
func story() Trace {
	word := Means(ref, true, noon, noon.Add(time.Hour))
	t := Trace{
		Ref: ref, Now: noon.Add(time.Minute), Ended: true, Undisturbed: true, Latest: noon, Posts: 1,
		Attempts: []Attempt{{At: noon, Key: word.Key, Words: []Word{word}}},
		Permits:  func(r Row) bool { return r.Status == followup.Executed },
	}
	t.call(word.Key)
	t.Rows = []Row{
		{Word: word, Task: followup.Task{Status: followup.Scheduled, Revision: 1}},
		{Word: word, CalledAt: noon, Task: followup.Task{
			Status: followup.Executed, Revision: 1, Key: word.Key, ClaimedAt: noon, ExecutedAt: noon, CallID: t.Calls[0].IDs[0],
		}},
	}
	return t
}

func (t *Trace) call(key string) {
	t.Calls = append(t.Calls, Call{IDs: []string{uuid.NewString()}, TenantID: t.Ref.TenantID.String(), Key: key})
}

func (t *Trace) last() *Row { return &t.Rows[len(t.Rows)-1] }

// becomes has the booking end so, and never called.
func (t *Trace) becomes(status followup.TaskStatus, reason followup.Reason) {
	t.Calls, t.Undisturbed = nil, false
	r := t.last()
	r.Status, r.Reason, r.CallID, r.CalledAt, r.ExecutedAt = status, reason, "", time.Time{}, time.Time{}
}

func (t *Trace) withdrawn() { t.last().Word.Live = false }

// moved is LAD's word once it has moved the booking.
func (t *Trace) moved(d time.Duration) {
	t.last().Word = Means(ref, true, noon.Add(d), noon.Add(d+time.Hour))
}

func permitted(t *Trace) { t.Permits = func(Row) bool { return true } }

func TestCheck(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		doctor func(*Trace)
		want   []Kind
	}{
		{"all_is_well", func(*Trace) {}, nil},
		{"a_second_call", func(t *Trace) { t.call(t.last().Key) }, []Kind{CalledTwice}},
		{"a_call_without_a_claim", func(t *Trace) { t.call("another") }, []Kind{Unclaimed}},
		{"a_request_without_a_claim", func(t *Trace) { t.Posts++ }, []Kind{Unclaimed}},
		{"a_foreign_call", func(t *Trace) { t.Calls[0].TenantID = uuid.NewString() }, []Kind{ForeignTenant}},

		{"claimed_after_a_cancel", func(t *Trace) { t.Attempts[0].Words[0].Live = false }, []Kind{CalledAfterChange}},
		{"claimed_after_or_before_a_cancel", func(t *Trace) {
			word := t.Attempts[0].Words[0]
			word.Live = false
			t.Attempts[0].Words = append(t.Attempts[0].Words, word)
		}, nil},
		{"claimed_for_another_time", func(t *Trace) { t.Attempts[0].Words[0].Key = "another" }, []Kind{WrongTime}},
		{"claimed_without_a_time", func(t *Trace) { t.Attempts[0].Words = []Word{Means(ref, true, time.Time{}, time.Time{})} }, []Kind{WrongTime}},
		{"claimed_too_early", func(t *Trace) { t.Attempts[0].Words[0].At = noon.Add(6 * time.Second) }, []Kind{WrongTime}},
		{"claimed_as_early_as_clocks_differ", func(t *Trace) { t.Attempts[0].Words[0].At = noon.Add(5 * time.Second) }, nil},
		{"claimed_too_late", func(t *Trace) { t.Attempts[0].Words[0].Until = noon.Add(-time.Second) }, []Kind{WrongTime}},

		{"executed_without_a_call", func(t *Trace) { t.Calls = nil; t.last().CallID = "" }, []Kind{NeverCalled, WrongEnd}},
		{"executed_without_a_claim", func(t *Trace) { t.last().ExecutedAt = noon.Add(time.Second) }, []Kind{NeverCalled}},
		{"on_record_without_a_claim", func(t *Trace) { t.last().CalledAt = noon.Add(time.Second) }, []Kind{NeverCalled}},
		{"executed_and_the_agent_refused", func(t *Trace) { t.Permits = nil }, []Kind{WrongEnd}},
		{"executed_under_another_key", func(t *Trace) { t.last().Key = "another" }, []Kind{WrongEnd}},
		{"executed_and_moved_to_later", func(t *Trace) { t.moved(time.Minute) }, []Kind{WrongEnd}},
		{"executed_and_moved_to_earlier", func(t *Trace) { t.moved(-time.Minute) }, nil},
		{"executed_and_cancelled", (*Trace).withdrawn, nil},
		{"a_call_id_of_nobody", func(t *Trace) { t.last().CallID = "x" }, []Kind{WrongEnd}},
		{"undisturbed_without_a_call_id", func(t *Trace) { t.last().CallID = "" }, []Kind{WrongEnd}},
		{"a_lower_revision", func(t *Trace) { t.last().Revision = 0 }, []Kind{WentBack}},

		{"no_end", func(t *Trace) { t.becomes(followup.Scheduled, "") }, []Kind{NotEnded}},
		{"to_be_tried_again", func(t *Trace) { permitted(t); t.becomes(followup.Failed, followup.NotStarted) }, []Kind{NotEnded}},
		{"an_end_without_a_reason", func(t *Trace) { t.becomes(followup.Cancelled, "") }, []Kind{NotEnded}},
		{"a_claim_left", func(t *Trace) { t.becomes(followup.InProgress, ""); t.Ended = false }, []Kind{WrongEnd}},
		{"a_claim_left_as_permitted", func(t *Trace) { permitted(t); t.becomes(followup.InProgress, ""); t.Ended = false }, nil},

		{"in_doubt_as_permitted", func(t *Trace) { permitted(t); t.becomes(followup.Failed, followup.OutcomeUnknown) }, nil},
		{"in_doubt_for_long", func(t *Trace) {
			t.becomes(followup.Failed, followup.OutcomeUnknown)
			t.Rows = append(t.Rows, *t.last())
			asked := 0
			t.Permits = func(Row) bool { asked++; return asked == 1 }
		}, nil},
		{"in_doubt_for_no_cause", func(t *Trace) { t.becomes(followup.Failed, followup.OutcomeUnknown) }, []Kind{Unexplained}},
		{"in_doubt_without_a_claim", func(t *Trace) {
			permitted(t)
			t.becomes(followup.Failed, followup.OutcomeUnknown)
			t.last().ClaimedAt = noon.Add(time.Second)
		}, []Kind{Unexplained}},
		{"rejected_for_no_cause", func(t *Trace) { t.becomes(followup.Failed, followup.Rejected) }, []Kind{WrongEnd}},
		{"rejected_and_called", func(t *Trace) {
			permitted(t)
			t.becomes(followup.Failed, followup.Rejected)
			t.call(t.last().Key)
		}, []Kind{WrongEnd}},
		{"rejected_and_called_for_an_earlier_time", func(t *Trace) {
			permitted(t)
			t.becomes(followup.Failed, followup.Rejected)
			t.call(t.last().Key)
			t.Latest = noon.Add(time.Minute)
		}, nil},
		{"a_reason_of_nobody", func(t *Trace) { t.becomes(followup.Cancelled, followup.ByOperator) }, []Kind{WrongEnd}},

		{"cancelled", func(t *Trace) { t.becomes(followup.Cancelled, followup.BookingCancelled); t.withdrawn() }, nil},
		{"cancelled_by_nobody", func(t *Trace) { t.becomes(followup.Cancelled, followup.BookingCancelled) }, []Kind{WrongEnd}},
		{"cancelled_and_called", func(t *Trace) {
			t.becomes(followup.Cancelled, followup.BookingCancelled)
			t.withdrawn()
			t.call(t.last().Key)
		}, []Kind{WrongEnd}},
		{"expired", func(t *Trace) { t.becomes(followup.Failed, followup.Expired); t.Now = noon.Add(2 * time.Hour) }, nil},
		{"expired_too_early", func(t *Trace) { t.becomes(followup.Failed, followup.Expired) }, []Kind{WrongEnd}},
		{"expired_too_early_for_now", func(t *Trace) { t.becomes(followup.Failed, followup.Expired); t.Ended = false }, []Kind{WrongEnd}},
		{"expired_for_a_time_that_has_moved", func(t *Trace) {
			t.becomes(followup.Failed, followup.Expired)
			t.moved(time.Hour)
			t.Ended = false
		}, nil},
		{"no_timezone", func(t *Trace) {
			t.becomes(followup.Failed, followup.UnknownTimezone)
			t.last().Word = Means(ref, true, time.Time{}, time.Time{})
			t.Undisturbed = true
		}, nil},
		{"no_timezone_and_there_is_one", func(t *Trace) { t.becomes(followup.Failed, followup.UnknownTimezone) }, []Kind{WrongEnd}},

		{"undisturbed_and_not_called", func(t *Trace) {
			permitted(t)
			t.becomes(followup.Failed, followup.Rejected)
			t.Undisturbed = true
		}, []Kind{WrongEnd}},
		{"undisturbed_and_not_cancelled", func(t *Trace) {
			permitted(t)
			t.becomes(followup.Failed, followup.Rejected)
			t.withdrawn()
			t.Undisturbed = true
		}, []Kind{WrongEnd}},
		{"undisturbed_and_without_a_time", func(t *Trace) {
			permitted(t)
			t.becomes(followup.Failed, followup.Rejected)
			t.last().Word = Means(ref, true, time.Time{}, time.Time{})
			t.Undisturbed = true
		}, []Kind{WrongEnd}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := story()
			c.doctor(&s)
			kinds(t, s.Check(), c.want)
		})
	}
}

func TestAttempted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		after  time.Duration // that it was moved by after its call
		doctor func(*Trace, *Attempt)
		want   []Kind
	}{
		{"for_a_later_time", time.Hour, func(*Trace, *Attempt) {}, nil},
		{"once_more", 0, func(*Trace, *Attempt) {}, []Kind{CalledTwice}},
		{"for_an_earlier_time", -time.Hour, func(*Trace, *Attempt) {}, []Kind{CalledTwice}},
		{"within_what_clocks_differ_by", followup.Earliness, func(*Trace, *Attempt) {}, []Kind{CalledTwice}},
		{"nobody_was_rung", 0, func(t *Trace, _ *Attempt) { t.Calls = nil }, nil},
		{"the_agent_deduplicates", 0, func(t *Trace, _ *Attempt) { t.Idempotent = true }, nil},
		{"against_LADs_word", time.Hour, func(_ *Trace, a *Attempt) { a.Words[0].Live = false }, []Kind{CalledAfterChange}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s, word := story(), Means(ref, true, noon.Add(c.after), time.Time{})
			a := Attempt{At: noon.Add(max(c.after, time.Minute)), Key: word.Key, Words: []Word{word}}
			c.doctor(&s, &a)
			kinds(t, s.Attempted(a), c.want)
		})
	}
}

func kinds(t *testing.T, found []Violation, want []Kind) {
	t.Helper()
	var got []Kind
	for _, v := range found {
		got = append(got, v.Kind)
	}
	if !slices.Equal(got, want) {
		t.Errorf("it finds %v, want %v", found, want)
	}
}
