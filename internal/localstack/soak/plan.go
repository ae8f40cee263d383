package soak

import (
	"encoding/binary"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
)

// The shares of bookings for which LAD does something unusual.
const (
	silentShare = 0.03 // no event tells of the booking: a sweep must find it
	cancelShare = 0.03
	moveShare   = 0.03
	// quietShare is of the changes: no event tells of them.
	quietShare = 0.5
	// LAD writes all of its task columns back as it read them before, or holds the row.
	writeBackShare = 0.05
	lockShare      = 0.02
)

// When things happen to a booking, each spread evenly.
const (
	minAhead, maxAhead = 2 * time.Second, 6 * time.Second // booked before its time
	// A change comes around the booking's time, mostly before.
	minChange, maxChange = -4 * time.Second, time.Second
	minMove, maxMove     = 8 * time.Second, 12 * time.Second // how far it is moved
	// A write-back comes before, during or after the call.
	minWriteBack, maxWriteBack = -500 * time.Millisecond, 2 * time.Second
	minLock, maxLock           = 200 * time.Millisecond, 2 * time.Second
)

// change is what LAD does to a booking after it was made.
type change string

// The changes.
const (
	none   change = ""
	cancel change = "cancel"
	move   change = "move"
)

// end is where a follow-up may stop for good.
type end struct {
	status followup.TaskStatus
	reason followup.Reason
}

// The ends that a soak may have.
var (
	executed  = end{followup.Executed, ""}
	rejected  = end{followup.Failed, followup.Rejected}
	unknown   = end{followup.Failed, followup.OutcomeUnknown}
	cancelled = end{followup.Cancelled, followup.BookingCancelled}
)

func (e end) String() string {
	if e.reason == "" {
		return string(e.status)
	}
	return string(e.status) + "/" + string(e.reason)
}

// spec is all that the seed says about one booking. Times are counted from
// others, since the machine says how fast the run goes.
type spec struct {
	ref    followup.Ref
	lead   uuid.UUID
	ahead  time.Duration // from its insertion to its time
	silent bool

	change  change
	changed time.Duration // from its time to the change
	moved   time.Duration // from its time to the new one
	quiet   bool

	writeBack bool
	writtenAt time.Duration // from its time
	locked    time.Duration // for how long LAD holds the row; 0: not at all

	// agent is how the voice agent misbehaves; nil means it does not.
	agent *voiceagent.Behaviour
	// end is where the follow-up stops if LAD changes nothing and no process dies.
	end end
}

// misbehaviour is one way to answer badly, and what must come of it.
type misbehaviour struct {
	voiceagent.Behaviour
	end end
}

// misbehaviours are used equally often.
var misbehaviours = []misbehaviour{
	{voiceagent.Behaviour{Kind: voiceagent.HangUp, Dialled: true, Times: 1}, unknown},
	{voiceagent.Behaviour{Kind: voiceagent.HangUp, Times: 1}, unknown},
	{voiceagent.Behaviour{Kind: voiceagent.Hang, Dialled: true, Times: 1}, unknown},
	{voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusInternalServerError, Dialled: true, Times: 1}, unknown},
	{voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusBadGateway, Times: 1}, unknown},
	{voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusServiceUnavailable, Times: 1}, unknown},
	{voiceagent.Behaviour{Kind: voiceagent.Slow, DelayMS: 1500, Times: 1}, executed},
	{voiceagent.Behaviour{Kind: voiceagent.Truncate, Times: 1}, executed},
	{voiceagent.Behaviour{Kind: voiceagent.Body, Body: "<html>accepted</html>", Times: 1}, executed},
	{voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusTooManyRequests, RetryAfter: new(1), Times: 2}, executed},
	{voiceagent.Behaviour{Kind: voiceagent.DispatchFail, Times: 1}, unknown},
	{voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusServiceUnavailable, RetryAfter: new(1), Times: 1}, executed},
	{voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusPaymentRequired, Times: 1}, rejected},
}

// plan makes each booking of the seed and its number alone, so that none need
// be kept.
type plan struct {
	seed      uint64
	bookings  int
	tenants   []uuid.UUID
	misbehave float64
}

// booking is the one with this number, from 0.
func (p plan) booking(i int) spec {
	dice := rand.New(rand.NewPCG(p.seed, uint64(i)))
	s := spec{end: executed}
	s.ref = followup.Ref{TenantID: p.tenants[dice.IntN(len(p.tenants))], BookingID: numbered(dice, i)}
	s.lead = numbered(dice, i)
	s.ahead = between(dice, minAhead, maxAhead)
	s.silent = dice.Float64() < silentShare
	switch share := dice.Float64(); {
	case share < cancelShare:
		s.change = cancel
	case share < cancelShare+moveShare:
		s.change = move
	}
	s.changed, s.moved = between(dice, max(minChange, time.Second-s.ahead), maxChange), between(dice, minMove, maxMove)
	s.quiet = dice.Float64() < quietShare
	if dice.Float64() < p.misbehave {
		m := misbehaviours[dice.IntN(len(misbehaviours))]
		m.BookingID = s.ref.BookingID.String()
		s.agent, s.end = &m.Behaviour, m.end
	}
	s.writtenAt = between(dice, minWriteBack, maxWriteBack)
	s.writeBack = dice.Float64() < writeBackShare
	if hold := between(dice, minLock, maxLock); dice.Float64() < lockShare {
		s.locked = hold
	}
	return s
}

func between(dice *rand.Rand, least, most time.Duration) time.Duration {
	return least + time.Duration(dice.Int64N(int64(most-least)))
}

// numbered is a random UUID (RFC 9562, version 4) with a number in its last 48
// bits, by which its booking is found again.
func numbered(dice *rand.Rand, n int) (id uuid.UUID) {
	binary.BigEndian.PutUint64(id[:8], dice.Uint64())
	binary.BigEndian.PutUint64(id[8:], uint64(n)&(1<<48-1)|dice.Uint64()<<48)
	id[6], id[8] = id[6]&0x0f|0x40, id[8]&0x3f|0x80
	return id
}

// find is the number and the plan of a booking, if it is one of this soak.
func (p plan) find(id uuid.UUID) (n int, s spec, ok bool) {
	n = int(binary.BigEndian.Uint64(id[8:]) & (1<<48 - 1))
	if n >= p.bookings {
		return 0, spec{}, false
	}
	s = p.booking(n)
	return n, s, s.ref.BookingID == id
}
