package crash_test

import (
	"sync"
	"sync/atomic"
)

// fault is what happens to a step.
type fault string

const (
	none fault = "none"
	// crashBefore: the instance is gone before the request leaves it.
	crashBefore fault = "crash_before"
	// crashAfter: the instance is gone once the request has been carried out.
	crashAfter fault = "crash_after"
	// lostAnswer: the request is carried out, and the instance is told that the
	// connection broke.
	lostAnswer fault = "lost_answer"
	// hang: the request is carried out, and its answer never comes.
	hang fault = "hang"
	// stall: the request gets nowhere, and nobody says so.
	stall fault = "stall"
)

var faults = []fault{crashBefore, crashAfter, lostAnswer, hang, stall}

// crash: the instance dies of it.
func (f fault) crash() bool { return f == crashBefore || f == crashAfter }

// fate is what a seam does with one request.
type fate struct {
	deliver bool // the server gets it
	answer  bool // the client gets the answer
	hold    bool // the client gets nothing, not even an end, until the seam is released
	kill    bool // the instance dies once the request is delivered
}

var (
	letThrough = fate{deliver: true, answer: true}
	cutOff     = fate{}
)

// seam sits on the far side of everything that the victim talks to. It counts
// the victim's steps, lets the rival act before one, and spoils one.
type seam struct {
	kill func() // ends the instance

	mu       sync.Mutex
	armed    bool
	cold     bool // connecting and preparing statements are steps, too
	steps    []string
	fault    fault
	faultAt  int
	rival    func()
	rivalAt  int
	reached  bool          // the step to spoil has come
	acted    bool          // the rival has acted
	holding  chan struct{} // closed when a step is held
	released chan struct{} // closed to end that

	dead atomic.Bool
}

// plot is what is to happen to a victim.
type plot struct {
	fault   fault
	faultAt int // the step, counted from 1
	rival   func()
	rivalAt int
	cold    bool
}

// arm begins to count.
func (s *seam) arm(p plot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed, s.cold, s.steps = true, p.cold, nil
	s.fault, s.faultAt, s.rival, s.rivalAt = p.fault, p.faultAt, p.rival, p.rivalAt
	s.reached, s.acted = false, false
	s.holding, s.released = make(chan struct{}), make(chan struct{})
	s.dead.Store(false)
}

// disarm lets everything through, and lets go of what is held.
func (s *seam) disarm() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.armed {
		s.armed = false
		close(s.released)
	}
	s.dead.Store(false)
}

// release lets go of what is held.
func (s *seam) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.released)
	s.released = make(chan struct{})
}

// at is asked by a server before each step of the victim.
func (s *seam) at(step string) (f fate, released <-chan struct{}) {
	s.mu.Lock()
	if s.dead.Load() {
		s.mu.Unlock()
		return cutOff, nil
	}
	if !s.armed {
		s.mu.Unlock()
		return letThrough, nil
	}
	s.steps = append(s.steps, step)
	n := len(s.steps)
	var rival func()
	if n == s.rivalAt && s.rival != nil {
		rival, s.acted = s.rival, true
	}
	s.mu.Unlock()
	if rival != nil {
		rival()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n != s.faultAt {
		return letThrough, nil
	}
	s.reached = true
	switch s.fault {
	case crashBefore:
		s.die()
		return cutOff, nil
	case crashAfter:
		return fate{deliver: true, kill: true}, nil
	case lostAnswer:
		return fate{deliver: true}, nil
	case hang, stall:
		close(s.holding)
		return fate{deliver: s.fault == hang, hold: true}, s.released
	default:
		return letThrough, nil
	}
}

// delivered is told by a server that it has done what the fate asked for.
func (s *seam) delivered(f fate) {
	if f.kill {
		s.die()
	}
}

// die ends the instance: nothing of it reaches anybody any more.
func (s *seam) die() {
	s.dead.Store(true)
	if s.kill != nil {
		s.kill()
	}
}

// actsNow notes that the rival acts now, and not before a step.
func (s *seam) actsNow() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acted = true
}

// seen are the steps so far, and what of the plot has happened.
func (s *seam) seen() (steps []string, reached, acted bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.steps...), s.reached, s.acted
}
