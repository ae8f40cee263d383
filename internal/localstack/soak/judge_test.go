package soak

import (
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/internal/promise"
	"lad.internal/followup/pkg/followup"
)

// story is a soak that is over, as it should be, until somebody doctors it.
type story struct {
	plan    plan
	rows    []row // by number
	tenants []uuid.UUID
	changes map[uuid.UUID]changed
	calls   []voiceagent.Call
	posts   map[string]int
	kills   *faults
	gone    map[int]bool
}

var noon = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func newStory() *story {
	s := &story{
		plan:    plan{seed: 1, bookings: 600, tenants: []uuid.UUID{uuid.New(), uuid.New(), uuid.New()}, misbehave: 0.3},
		changes: map[uuid.UUID]changed{}, posts: map[string]int{}, kills: newFaults(1), gone: map[int]bool{},
	}
	for i := range s.plan.bookings {
		b := s.plan.booking(i)
		due := noon.Add(time.Duration(i) * time.Second)
		r := row{id: b.ref.BookingID, scheduledAt: due, end: b.end}
		if b.change != none {
			c := changed{change: b.change, from: due, to: due, committed: due}
			if b.change == move {
				c.to = due.Add(b.moved)
				r.scheduledAt = c.to
			}
			s.changes[r.id] = c
		}
		if b.change == cancel {
			r.end = cancelled
		} else {
			r.claimedAt = r.scheduledAt
			s.posts[r.id.String()] = 1
		}
		s.rows, s.tenants = append(s.rows, r), append(s.tenants, b.ref.TenantID)
		if r.end == executed {
			s.call(i, r.scheduledAt)
			s.rows[i].calledAt = r.claimedAt
		}
		s.rows[i].key = s.key(i, r.scheduledAt)
	}
	return s
}

func (s *story) key(i int, at time.Time) string {
	return followup.Booking{Ref: s.plan.booking(i).ref, ScheduledAt: at}.Key()
}

// call books a call for a booking's time, at that time.
func (s *story) call(i int, due time.Time) *voiceagent.Call {
	ref := s.plan.booking(i).ref
	s.calls = append(s.calls, voiceagent.Call{
		CallID: uuid.NewString(), TenantID: ref.TenantID.String(), BookingID: ref.BookingID.String(),
		IdempotencyKey: s.key(i, due), At: due,
	})
	return &s.calls[len(s.calls)-1]
}

// callOf is a booking's only call.
func (s *story) callOf(i int) *voiceagent.Call {
	at := slices.IndexFunc(s.calls, func(c voiceagent.Call) bool { return c.BookingID == s.rows[i].id.String() })
	return &s.calls[at]
}

// uncall takes a booking's only call out of the book.
func (s *story) uncall(i int) {
	s.calls = slices.DeleteFunc(s.calls, func(c voiceagent.Call) bool { return c.BookingID == s.rows[i].id.String() })
}

// first is the first booking with this change and this end.
func (s *story) first(c change, e end) int {
	for i := range s.plan.bookings {
		if b := s.plan.booking(i); b.change == c && b.end == e {
			return i
		}
	}
	panic("the seed has no such booking")
}

func (s *story) judge() *Report {
	j := newJudge(s.plan, s.changes, s.calls, func(b string) int { return s.posts[b] }, s.kills.broke)
	for i, r := range s.rows {
		if !s.gone[i] {
			j.look(s.tenants[i], r)
		}
	}
	return j.verdict()
}

func TestTheJudgeFindsWhatWentWrongAndNothingElse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		doctor func(*story)
		want   []promise.Kind
	}{
		{"all is well", func(*story) {}, nil},
		{"a call is made twice", func(s *story) {
			i := s.first(none, executed)
			s.call(i, s.rows[i].scheduledAt)
		}, []promise.Kind{promise.CalledTwice}},
		{"a row is gone", func(s *story) {
			s.gone[s.first(none, rejected)] = true
		}, []promise.Kind{LostRow}},
		{"a row is gone whose call was made", func(s *story) {
			s.gone[s.first(none, executed)] = true
		}, []promise.Kind{LostRow, Stranger}},
		{"a row still waits", func(s *story) {
			i := s.first(none, unknown)
			s.rows[i].end = end{followup.Scheduled, ""}
		}, []promise.Kind{promise.NotEnded}},
		{"a row still waits to be tried again", func(s *story) {
			s.rows[s.first(none, rejected)].end = end{followup.Failed, followup.NotStarted}
		}, []promise.Kind{promise.NotEnded}},
		{"a call is made after the cancel", func(s *story) {
			i := s.first(cancel, executed)
			s.posts[s.rows[i].id.String()] = 1
			s.call(i, s.rows[i].scheduledAt)
		}, []promise.Kind{promise.CalledAfterChange, promise.WrongEnd}},
		{"a claim is made after the cancel", func(s *story) {
			i := s.first(cancel, executed)
			s.rows[i].claimedAt = s.changes[s.rows[i].id].committed.Add(time.Second)
		}, []promise.Kind{promise.CalledAfterChange}},
		{"a claim is made after a cancel that came too late", func(s *story) {
			i := s.first(cancel, executed)
			ch := s.changes[s.rows[i].id]
			ch.claimed = ch.committed.Add(-time.Second)
			s.changes[s.rows[i].id] = ch
			s.rows[i].claimedAt = ch.committed.Add(time.Millisecond)
		}, []promise.Kind{promise.CalledAfterChange}},
		{"a cancel came too late, which is nobody's fault", func(s *story) {
			i := s.first(cancel, executed)
			ch := s.changes[s.rows[i].id]
			ch.claimed = ch.committed.Add(-time.Second)
			s.changes[s.rows[i].id] = ch
			s.rows[i].claimedAt, s.rows[i].calledAt, s.rows[i].end = ch.claimed, ch.claimed, executed
			s.call(i, s.rows[i].scheduledAt)
		}, nil},
		{"a booking that was cancelled in time counts as executed", func(s *story) {
			s.rows[s.first(cancel, executed)].end = executed
		}, []promise.Kind{promise.NeverCalled}},
		{"the old time is called after the move", func(s *story) {
			i := s.first(move, executed)
			s.call(i, s.changes[s.rows[i].id].from)
		}, []promise.Kind{promise.WrongTime}},
		{"the old time was called before the move", func(s *story) {
			i := s.first(move, executed)
			ch := s.changes[s.rows[i].id]
			ch.claimed = ch.from
			s.changes[s.rows[i].id] = ch
			s.call(i, ch.from)
		}, nil},
		{"executed, but never called", func(s *story) {
			s.uncall(s.first(none, executed))
		}, []promise.Kind{promise.NeverCalled}},
		{"executed, but the voice agent never said so", func(s *story) {
			i := s.first(none, unknown)
			s.rows[i].end, s.rows[i].calledAt = executed, s.rows[i].claimedAt
			s.call(i, s.rows[i].scheduledAt)
		}, []promise.Kind{promise.WrongEnd}},
		{"executed for another time", func(s *story) {
			i := s.first(none, executed)
			s.rows[i].key = s.key(i, s.rows[i].scheduledAt.Add(time.Hour))
		}, []promise.Kind{promise.WrongEnd}},
		{"the outcome is unknown of a booking that was cancelled in time", func(s *story) {
			i := s.first(cancel, unknown)
			s.rows[i].end = unknown
		}, []promise.Kind{promise.Unexplained}},
		{"executed with another call's id", func(s *story) {
			s.rows[s.first(none, executed)].callID = uuid.NewString()
		}, []promise.Kind{promise.WrongEnd}},
		{"refused by an agent that behaves", func(s *story) {
			i := s.first(none, executed)
			s.uncall(i)
			s.rows[i].end = rejected
		}, []promise.Kind{promise.WrongEnd}},
		{"an unknown outcome without a cause", func(s *story) {
			s.rows[s.first(none, executed)].end = unknown
		}, []promise.Kind{promise.Unexplained}},
		{"an unknown outcome of an agent that was never asked", func(s *story) {
			s.posts[s.rows[s.first(none, unknown)].id.String()] = 0
		}, []promise.Kind{promise.Unexplained}},
		{"an unknown outcome of a process that was killed", func(s *story) {
			r := &s.rows[s.first(none, executed)]
			r.end = unknown
			s.kills.kills = []kill{{r.claimedAt.Add(time.Second), r.claimedAt.Add(time.Second)}}
			s.kills.attempts[r.id] = []attempt{{r.claimedAt.Add(-time.Second), r.claimedAt.Add(2 * time.Second)}}
		}, nil},
		{"called before its time", func(s *story) {
			c := s.callOf(s.first(none, executed))
			c.At = c.At.Add(-6 * time.Second)
		}, []promise.Kind{promise.WrongTime}},
		{"called for a time that it never had", func(s *story) {
			i := s.first(none, executed)
			s.call(i, s.rows[i].scheduledAt.Add(time.Hour))
		}, []promise.Kind{promise.WrongTime}},
		{"called for another tenant", func(s *story) {
			s.callOf(s.first(none, executed)).TenantID = uuid.NewString()
		}, []promise.Kind{promise.ForeignTenant}},
		{"a row in another tenant's tables", func(s *story) {
			i := s.first(none, rejected)
			s.tenants[i] = uuid.New()
		}, []promise.Kind{promise.ForeignTenant, LostRow}},
		{"a row that nobody has made", func(s *story) {
			s.rows, s.tenants = append(s.rows, row{id: uuid.New()}), append(s.tenants, s.tenants[0])
		}, []promise.Kind{Stranger}},
		{"a row twice", func(s *story) {
			i := s.first(none, rejected)
			s.rows, s.tenants = append(s.rows, s.rows[i]), append(s.tenants, s.tenants[i])
		}, []promise.Kind{Stranger}},
		{"a call for a booking that nobody has made", func(s *story) {
			s.calls = append(s.calls, voiceagent.Call{BookingID: uuid.NewString()})
		}, []promise.Kind{Stranger}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newStory()
			c.doctor(s)
			report := s.judge()
			var got []promise.Kind
			for _, v := range report.Violations {
				got = append(got, v.Kind)
			}
			slices.Sort(got)
			if want := slices.Sorted(slices.Values(c.want)); !slices.Equal(got, want) || report.Violated != len(got) {
				t.Errorf("it finds %v (%d), want %v: %+v", got, report.Violated, want, report.Violations)
			}
		})
	}
}

func TestTheReportCountsUnknownOutcomesByTheirCause(t *testing.T) {
	t.Parallel()
	s := newStory()
	want := 0
	for _, r := range s.rows {
		if r.end == unknown {
			want++
		}
	}
	for _, i := range []int{s.first(none, executed), s.first(move, executed)} {
		r := &s.rows[i]
		r.end = unknown
		s.kills.kills = append(s.kills.kills, kill{r.claimedAt, r.claimedAt})
		s.kills.attempts[r.id] = []attempt{{r.claimedAt, r.claimedAt}}
	}
	report := s.judge()
	if report.Violated != 0 || report.UnknownByAgent != want || report.UnknownByKill != 2 || want < 10 ||
		report.Unknown() != float64(want+2)/600 || report.Ends["failed/outcome_unknown"] != want+2 {
		t.Errorf("want %d by the agent and 2 by kills: %+v", want, *report)
	}
}

func TestAThousandViolationsAreCountedAndSomeAreNamed(t *testing.T) {
	t.Parallel()
	s := newStory()
	for i := range s.rows {
		s.gone[i] = true
	}
	s.calls = nil
	if report := s.judge(); report.Violated != 600 || len(report.Violations) != maxViolations {
		t.Errorf("%d violations, %d of them named", report.Violated, len(report.Violations))
	}
}
