package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

// The kinds of drift.
const (
	driftMissing  = "missing"  // a booking counts on a task that is not there
	driftStale    = "stale"    // a task of an older revision than its booking's
	driftOrphaned = "orphaned" // a task that its booking does not wait for
	driftForeign  = "foreign"  // a task that is none of ours
)

// sweepMargin is how long after a row has become the sweep's business it may
// take: a tick every minute, one of which may be lost, and its work.
const sweepMargin = 3 * time.Minute

// difference is one row or task without its counterpart.
type difference struct {
	Kind      string          `json:"kind"`
	TenantID  uuid.UUID       `json:"tenantId,omitzero"` // zero if foreign
	BookingID uuid.UUID       `json:"bookingId,omitzero"`
	Task      string          `json:"task"` // the task's full name
	DueAt     followup.Moment `json:"dueAt"`
	Detail    string          `json:"detail"`
	Heals     string          `json:"heals"` // how it heals by itself; "" if it does not
}

// tenantDrift is one tenant's share, in numbers.
type tenantDrift struct {
	TenantID uuid.UUID `json:"tenantId"`
	Waiting  int       `json:"waiting"`
	Tasks    int       `json:"tasks"`
	Missing  int       `json:"missing"`
	Stale    int       `json:"stale"`
	Orphaned int       `json:"orphaned"`
}

// comparison is what was found, as --json prints it.
type comparison struct {
	Tenants []*tenantDrift `json:"tenants"`
	Foreign int            `json:"foreign"`
	Drift   []difference   `json:"drift"`

	rules followup.Rules
	queue string // resource name of the queue
	now   time.Time
	all   bool
	count map[uuid.UUID]*tenantDrift
}

// stuck counts what does not heal by itself.
func (c *comparison) stuck() (n int) {
	for _, d := range c.Drift {
		if d.Heals == "" {
			n++
		}
	}
	return n
}

// compare looks at the rows, then at the queue, then again at the rows that do
// not agree with it: the two cannot be read at one moment, and only what was
// wrong before and after is drift.
func compare(ctx context.Context, env *environment, tenants []uuid.UUID, all bool) (*comparison, error) {
	c := &comparison{Tenants: []*tenantDrift{}, Drift: []difference{}, rules: env.Rules, queue: env.Tasks.QueuePath(), all: all, count: map[uuid.UUID]*tenantDrift{}}
	waiting := map[followup.Ref]followup.Booking{}
	for _, tenant := range tenants {
		c.tenant(tenant)
		err := env.DB.Waiting(ctx, tenant, env.Rules, func(b followup.Booking) { waiting[b.Ref] = b })
		if err != nil {
			return nil, err
		}
	}
	suspects, err := c.readQueue(ctx, env.Queue, waiting)
	if err != nil {
		return nil, err
	}
	rows, err := c.readAgain(ctx, env, waiting, suspects)
	if err != nil {
		return nil, err
	}
	for _, b := range waiting {
		c.judgeRow(b, rows)
	}
	for _, t := range suspects {
		c.judgeTask(t, rows)
	}
	c.finish()
	return c, nil
}

func (c *comparison) tenant(id uuid.UUID) *tenantDrift {
	if c.count[id] == nil {
		c.count[id] = &tenantDrift{TenantID: id}
	}
	return c.count[id]
}

// readQueue takes the bookings whose task is there out of waiting, and returns
// the tasks that are nobody's.
func (c *comparison) readQueue(ctx context.Context, queue *tasks.Client, waiting map[followup.Ref]followup.Booking) ([]tasks.Queued, error) {
	for ref := range waiting {
		c.tenant(ref.TenantID).Waiting++
	}
	var suspects []tasks.Queued
	for t, err := range queue.List(ctx) {
		if err != nil {
			return nil, err
		}
		ref := t.Payload.Ref
		switch {
		case t.Problem != nil:
			if c.all {
				c.Foreign++
				c.add(difference{Kind: driftForeign, Task: t.Name, DueAt: followup.Moment{Time: t.DueAt}, Detail: t.Problem.Error()})
			}
			continue
		case !c.all && c.count[ref.TenantID] == nil:
			continue // another tenant's
		}
		c.tenant(ref.TenantID).Tasks++
		if b, ok := waiting[ref]; ok && b.Task.Name == t.Name {
			delete(waiting, ref)
			continue
		}
		suspects = append(suspects, t)
	}
	return suspects, nil
}

// readAgain reads the rows that do not agree with the queue, after it.
func (c *comparison) readAgain(ctx context.Context, env *environment, waiting map[followup.Ref]followup.Booking, suspects []tasks.Queued) (map[followup.Ref]followup.Booking, error) {
	ids := map[uuid.UUID][]uuid.UUID{}
	for ref := range waiting {
		ids[ref.TenantID] = append(ids[ref.TenantID], ref.BookingID)
	}
	for _, t := range suspects {
		ids[t.Payload.TenantID] = append(ids[t.Payload.TenantID], t.Payload.BookingID)
	}
	rows := map[followup.Ref]followup.Booking{}
	for tenant, wanted := range ids {
		bookings, err := env.DB.Bookings(ctx, tenant, wanted)
		if err != nil {
			return nil, err
		}
		for _, b := range bookings {
			rows[b.Ref] = b
		}
	}
	var err error
	c.now, err = env.DB.Clock(ctx)
	return rows, err
}

// judgeRow looks at a row whose task was not on the queue.
func (c *comparison) judgeRow(before followup.Booking, rows map[followup.Ref]followup.Booking) {
	b, ok := rows[before.Ref]
	if !ok || b.Task != before.Task {
		return // it has changed meanwhile
	}
	plan := c.rules.Plan(&b, c.now)
	d := difference{Kind: driftMissing, TenantID: b.TenantID, BookingID: b.BookingID, Task: b.Task.Name, DueAt: followup.Moment{Time: b.Task.DueAt}}
	switch {
	case b.Task.Name == "":
		d.Detail = "the row names no task"
	case !strings.HasPrefix(b.Task.Name, c.queue+"/"):
		d.Detail = "its task is on another queue"
	default:
		d.Detail = "there is no task of that name"
	}
	swept := b.Task.DueAt // when the sweep comes to think that the task was lost
	if b.Task.ClaimedAt.After(swept) {
		swept = b.Task.ClaimedAt
	}
	swept = swept.Add(c.rules.Grace)
	switch {
	case plan.Effect == followup.None:
		d.Heals = "by the sweep, at " + moment(swept)
	case b.Task.Key == b.Key() && plan.Rule != followup.RuleNotLive && c.now.After(swept.Add(sweepMargin)):
		d.Detail += "; the sweep should have seen to it at " + moment(swept) + ": does it run?"
	default:
		d.Heals = "by the next sweep"
	}
	c.add(d)
}

// judgeTask looks at a task that no row has named.
func (c *comparison) judgeTask(t tasks.Queued, rows map[followup.Ref]followup.Booking) {
	b, found := rows[t.Payload.Ref]
	waits := b.Task.Status == followup.Scheduled || b.Task.Status == followup.InProgress ||
		b.Task.Status == followup.Failed && b.Task.Reason == followup.NotStarted
	if found && waits && b.Task.Name == t.Name {
		return // it was armed, or claimed, meanwhile
	}
	d := difference{Kind: driftOrphaned, TenantID: t.Payload.TenantID, BookingID: t.Payload.BookingID, Task: t.Name, DueAt: followup.Moment{Time: t.DueAt}}
	switch {
	case !found:
		d.Detail = "there is no such booking"
	case t.Payload.Revision < b.Task.Revision:
		d.Kind = driftStale
		d.Detail = fmt.Sprintf("it is of revision %d, the booking is at %d", t.Payload.Revision, b.Task.Revision)
	case waits:
		d.Detail = "the booking waits for another task"
	default:
		d.Detail = "the booking is " + string(b.Task.Status)
	}
	if c.now.After(t.DueAt.Add(c.rules.Grace)) {
		d.Detail += "; it was due, and the queue does not send it"
	} else {
		d.Heals = "when it fires, at " + moment(t.DueAt)
	}
	c.add(d)
}

func (c *comparison) add(d difference) {
	switch d.Kind {
	case driftMissing:
		c.tenant(d.TenantID).Missing++
	case driftStale:
		c.tenant(d.TenantID).Stale++
	case driftOrphaned:
		c.tenant(d.TenantID).Orphaned++
	}
	c.Drift = append(c.Drift, d)
}

// finish puts everything into an order that two runs agree on: what needs a
// person first.
func (c *comparison) finish() {
	for _, t := range c.count {
		c.Tenants = append(c.Tenants, t)
	}
	slices.SortFunc(c.Tenants, func(a, b *tenantDrift) int { return strings.Compare(a.TenantID.String(), b.TenantID.String()) })
	slices.SortFunc(c.Drift, func(a, b difference) int {
		return cmp.Or(
			cmp.Compare(min(len(a.Heals), 1), min(len(b.Heals), 1)),
			strings.Compare(a.Kind, b.Kind),
			strings.Compare(a.TenantID.String(), b.TenantID.String()),
			a.DueAt.Compare(b.DueAt.Time), strings.Compare(a.Task, b.Task))
	})
}
