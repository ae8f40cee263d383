package cloudtasks

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// Clock is the server's only source of time: schedule times, backoff, tombstones, rate limits,
// dispatch deadlines and token lifetimes all follow it.
type Clock interface {
	// Now returns the current time.
	Now() time.Time
	// AfterFunc calls f, on a goroutine of the clock's choice, once the time is at or past at.
	// The returned function cancels the call if it has not begun.
	AfterFunc(at time.Time, f func()) (cancel func())
}

// systemClock is the machine's own clock.
type systemClock struct{}

func (systemClock) Now() time.Time { return time.Now() }

func (systemClock) AfterFunc(at time.Time, f func()) func() {
	timer := time.AfterFunc(time.Until(at), f)
	return func() { timer.Stop() }
}

// ManualClock is a Clock that stands still until it is told to move, so that a test can let days
// pass in a moment and always in the same order. One clock may serve several servers.
type ManualClock struct {
	moving sync.Mutex // held by the one call that moves the clock

	mu       sync.Mutex
	now      time.Time
	seq      int // orders timers that are due at the same instant
	timers   map[int]manualTimer
	settlers map[int]func()
}

type manualTimer struct {
	seq int
	at  time.Time
	f   func()
}

// NewManualClock returns a clock that shows start.
func NewManualClock(start time.Time) *ManualClock {
	return &ManualClock{now: start, timers: map[int]manualTimer{}, settlers: map[int]func(){}}
}

// Now returns the time the clock shows.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// AfterFunc implements Clock. f runs on the goroutine that moves the clock, with the clock showing
// exactly at; a time that has passed already runs f on a goroutine of its own.
func (c *ManualClock) AfterFunc(at time.Time, f func()) func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !at.After(c.now) {
		go f()
		return func() {}
	}
	c.seq++
	id := c.seq
	c.timers[id] = manualTimer{seq: id, at: at, f: f}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.timers, id)
	}
}

// Advance moves the clock by d, stopping at every timer on the way, and lets the servers on this
// clock finish each attempt before time goes on, so that everything that had to happen within d has
// happened when it returns. A worker that hangs therefore blocks it: use Jump for those. It must not
// be called from a worker or from one of the server's hooks.
func (c *ManualClock) Advance(d time.Duration) { c.move(d, c.settle) }

// Jump moves the clock by d, stopping at every timer on the way but waiting for no attempt.
func (c *ManualClock) Jump(d time.Duration) { c.move(d, func() {}) }

func (c *ManualClock) move(d time.Duration, settle func()) {
	c.moving.Lock()
	defer c.moving.Unlock()
	settle()
	target := c.Now().Add(d)
	for {
		f, ok := c.next(target)
		if !ok {
			return
		}
		f()
		settle()
	}
}

// next shows the time of the earliest timer up to target and hands out its function. If there is
// none, the clock shows target and ok is false.
func (c *ManualClock) next(target time.Time) (f func(), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	due := make([]manualTimer, 0, len(c.timers))
	for _, t := range c.timers {
		if !t.at.After(target) {
			due = append(due, t)
		}
	}
	if len(due) == 0 {
		c.now = target
		return nil, false
	}
	first := slices.MinFunc(due, func(a, b manualTimer) int {
		return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.seq, b.seq))
	})
	delete(c.timers, first.seq)
	if first.at.After(c.now) {
		c.now = first.at
	}
	return first.f, true
}

// onSettle registers f to be called by Advance each time before the clock moves on.
func (c *ManualClock) onSettle(f func()) (cancel func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seq++
	id := c.seq
	c.settlers[id] = f
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.settlers, id)
	}
}

func (c *ManualClock) settle() {
	c.mu.Lock()
	fs := make([]func(), 0, len(c.settlers))
	for _, f := range c.settlers {
		fs = append(fs, f)
	}
	c.mu.Unlock()
	for _, f := range fs {
		f()
	}
}
