package followup

import (
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

// world is a row, a task that fires, and the moment at which they are looked
// at. Times are drawn around the borders that the rules know, so that both
// sides of each are met.
type world struct {
	rules  Rules
	now    time.Time
	row    Booking
	facts  Facts
	ticket Ticket
}

// drawWorld starts from a row whose own task fires on time, and bends as much
// of it as the draw says: a little, so that calls are made, or everything.
func drawWorld(t *rapid.T) world {
	d := drawer{T: t, oddity: rapid.SampledFrom([]int{1, 3, 8}).Draw(t, "eighths that are odd")}
	w := world{rules: d.rules(), now: noon}
	w.row = d.booking(w.rules)
	w.facts = odd(d, "lead", reachable, unreachable, Facts{})
	w.ticket = Ticket{
		Key:      d.key(w.row, "ticket key"),
		Revision: max(1, w.row.Task.Revision+odd(d, "ticket revision", 0, -1, 1, 2)),
		TaskName: odd(d, "task name", oldTask, newTask),
	}
	return w
}

// drawer draws what is usual, or else something odd.
type drawer struct {
	*rapid.T
	oddity int // of 8
}

func odd[V any](d drawer, label string, usual V, others ...V) V {
	if rapid.IntRange(0, 7).Draw(d.T, label+" is odd") >= d.oddity {
		return usual
	}
	return rapid.SampledFrom(others).Draw(d.T, label)
}

func (d drawer) rules() Rules {
	r := standard()
	r.ActiveSince = odd(d, "active since", r.ActiveSince, noon, noon.Add(time.Hour))
	r.LeadTime = odd(d, "lead time", leadTime, 0, time.Hour)
	r.AgentIdempotent = rapid.Bool().Draw(d.T, "idempotent")
	r.Paused = odd(d, "paused", Pause{}, Pause{All: true}, Pause{Tenants: []uuid.UUID{tenant}})
	return r
}

func (d drawer) booking(r Rules) Booking {
	b := *booked(d.time(r, "scheduled at", noon.Add(r.LeadTime)), d.task(r))
	b.Type = odd(d, "type", "follow_up", "Follow-Up", "follow up", "meeting")
	b.CreatedAt = noon.Add(-odd(d, "age", time.Hour, 0, tick, lateness, lateness+tick, 60*24*time.Hour))
	b.Status = odd(d, "booking status", BookingScheduled, BookingPending, BookingConfirmed, "cancelled", "completed", "")
	b.Deleted = odd(d, "deleted", false, true)
	b.Task.Key = d.key(b, "key")
	return b
}

func (d drawer) task(r Rules) Task {
	return Task{
		Status:     odd(d, "status", Scheduled, Pending, InProgress, Executed, Cancelled, Failed),
		Reason:     odd(d, "reason", "", NotStarted, Rejected, OutcomeUnknown, Expired, BookingCancelled, ByOperator, "other"),
		Name:       odd(d, "name", oldTask, ""),
		DueAt:      d.time(r, "due at", noon),
		Revision:   odd(d, "revision", 3, 0, 1, 4),
		Attempts:   odd(d, "attempts", 0, 1, 2),
		ClaimedAt:  d.time(r, "claimed at", time.Time{}),
		ExecutedAt: d.time(r, "executed at", time.Time{}),
		LastError:  odd(d, "last error", "", "the line was busy"),
	}
}

// time draws an odd time on, or a tick beside, a border that the rules know.
func (d drawer) time(r Rules, label string, usual time.Time) time.Time {
	border := odd(d, label, time.Duration(-1),
		0, 1, r.LeadTime, r.LeadTime+Earliness, -Earliness, -r.Lease, -r.Grace, -r.MaxLateness, r.Horizon, time.Hour, -time.Hour)
	switch border {
	case -1:
		return usual
	case 1:
		return time.Time{}
	default:
		return noon.Add(border + rapid.SampledFrom([]time.Duration{0, -tick, tick}).Draw(d.T, label+" side"))
	}
}

func (d drawer) key(b Booking, label string) string {
	return odd(d, label, b.Key(), keyFor(noon.Add(90*time.Minute)), "")
}
