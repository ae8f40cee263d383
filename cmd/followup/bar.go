package main

import (
	"fmt"
	"io"
	"sync"
	"time"

	"lad.internal/followup/internal/cli"
)

// bar shows on a terminal how far a sweep is. Elsewhere it shows nothing. What
// is written to it, the log, goes above the bar.
type bar struct {
	w    io.Writer
	show bool

	mu                sync.Mutex
	total, done, seen int
	drawn             time.Time
}

const barEvery = 100 * time.Millisecond // so that a terminal far away can keep up

func newBar(w io.Writer) *bar { return &bar{w: w, show: cli.IsTerminal(w)} }

// Write implements io.Writer, for the log.
func (b *bar) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.show && !b.drawn.IsZero() {
		fmt.Fprint(b.w, cli.EraseLine)
		b.drawn = time.Time{}
	}
	return b.w.Write(line)
}

// start says how many steps there are.
func (b *bar) start(steps int) { b.change(func() { b.total = steps }) }

// step says that one of them is done.
func (b *bar) step() { b.change(func() { b.done++ }) }

// look says that one more booking is looked at.
func (b *bar) look() { b.change(func() { b.seen++ }) }

// clear takes the bar away.
func (b *bar) clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.show {
		fmt.Fprint(b.w, cli.EraseLine)
	}
}

func (b *bar) change(how func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	how()
	if !b.show || b.total == 0 || time.Since(b.drawn) < barEvery {
		return
	}
	b.drawn = time.Now()
	fmt.Fprintf(b.w, "%ssweeping %s, %s looked at", cli.EraseLine, cli.Meter(b.done, b.total), cli.Plural(b.seen, "booking"))
}
