package followup

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

// Ledger is what is known of all tenants' calls: no more than who, and when.
type Ledger struct {
	Claims []Entry // calls that were claimed within Limit.Window
	Slots  []Entry // the last moment to which each tenant's waiting calls have been put off
	// BlockedUntil is until when the voice service refuses everybody; zero: it does not.
	BlockedUntil time.Time
}

// Entry is a call of a tenant.
type Entry struct {
	Tenant uuid.UUID
	At     time.Time
}

// Limit is how many requests the voice service takes from all tenants together.
// Its zero value is no limit.
type Limit struct {
	Rates []Rate
	// PerCall is how many requests a call makes, with the questions about its job.
	PerCall int
}

// Rate is N requests in any window of Per.
type Rate struct {
	N   int
	Per time.Duration
}

// UnmarshalText reads "off", or rates as "30/1m,10/5s".
func (l *Limit) UnmarshalText(text []byte) error {
	l.Rates = nil
	s := strings.TrimSpace(string(text))
	if strings.EqualFold(s, "off") {
		return nil
	}
	for part := range strings.SplitSeq(s, ",") {
		n, per, err := countPer(part)
		if err != nil || n < 1 || per > time.Hour {
			return fmt.Errorf("want off, or requests and periods of at most 1h, as 30/1m,10/5s")
		}
		l.Rates = append(l.Rates, Rate{N: n, Per: per})
	}
	return nil
}

// String is the form that UnmarshalText reads.
func (l Limit) String() string {
	if len(l.Rates) == 0 {
		return "off"
	}
	parts := make([]string, 0, len(l.Rates))
	for _, r := range l.Rates {
		parts = append(parts, fmt.Sprintf("%d/%s", r.N, r.Per))
	}
	return strings.Join(parts, ",")
}

// Window is how far back the ledger must reach; 0 without a limit.
func (l Limit) Window() (window time.Duration) {
	for _, r := range l.Rates {
		window = max(window, r.Per)
	}
	return window
}

// calls is how many calls fit into a rate's window.
func (l Limit) calls(r Rate) int { return max(1, r.N/max(1, l.PerCall)) }

// Spacing is the time between two calls at the highest steady pace.
func (l Limit) Spacing() (spacing time.Duration) {
	for _, r := range l.Rates {
		spacing = max(spacing, r.Per/time.Duration(l.calls(r)))
	}
	return spacing
}

// Calls is how long n calls take that are due at once.
func (l Limit) Calls(n int) time.Duration {
	burst := math.MaxInt
	for _, r := range l.Rates {
		burst = min(burst, l.calls(r))
	}
	return time.Duration(max(0, n-burst)) * l.Spacing()
}

// slot is when this booking's call may be made instead, or zero if it may be made
// now. Once calls wait, a new one queues up behind its own tenant's, each tenant
// at an equal share of the pace; a call whose slot has come waits only for what
// is in the window.
func (l Limit) slot(b Booking, ledger Ledger, now time.Time) time.Time {
	if len(l.Rates) == 0 {
		return time.Time{}
	}
	free := l.freeAt(b.TenantID, ledger, now)
	if slices.Contains([]Reason{Paced, RateLimited, OutsideHours}, b.Task.Reason) { // it has a slot
		switch {
		case b.Task.DueAt.After(now.Add(Earliness)):
			return b.Task.DueAt
		case !free.After(now):
			return time.Time{}
		}
		return free.Add(l.Spacing())
	}
	if !free.After(now) && len(ledger.Slots) == 0 {
		return time.Time{}
	}
	waiting := ledger.waiting(b.TenantID)
	free = later(free, waiting[b.TenantID])
	return free.Add(l.Spacing() * time.Duration(len(waiting)))
}

// waiting are the tenants with calls that wait, this one included, and until when.
func (g Ledger) waiting(tenant uuid.UUID) map[uuid.UUID]time.Time {
	until := map[uuid.UUID]time.Time{tenant: {}}
	for _, s := range g.Slots {
		until[s.Tenant] = later(until[s.Tenant], s.At)
	}
	return until
}

// freeAt is when the voice service takes the tenant's next call: now, or when
// enough calls have left each window that is full. A tenant that has had its share
// of a window leaves room for each waiting one that has not.
func (l Limit) freeAt(tenant uuid.UUID, ledger Ledger, now time.Time) time.Time {
	free := later(now, ledger.BlockedUntil)
	waiting := ledger.waiting(tenant)
	for _, r := range l.Rates {
		var inside []time.Time
		had := map[uuid.UUID]int{}
		for _, c := range ledger.Claims {
			if c.At.After(now.Add(-r.Per)) {
				inside = append(inside, c.At)
				had[c.Tenant]++
			}
		}
		room := l.calls(r)
		if share := max(1, room/len(waiting)); had[tenant] >= share {
			for other := range waiting {
				if other != tenant && had[other] < share {
					room--
				}
			}
		}
		if room = max(1, room); len(inside) >= room {
			slices.SortFunc(inside, time.Time.Compare)
			free = later(free, inside[len(inside)-room].Add(r.Per))
		}
	}
	return free
}

// CallShare is how often a lead is rung: at most N times in any period of Per.
// N is 0 without a bound.
type CallShare struct {
	N   int
	Per time.Duration
}

// UnmarshalText reads "off", or a count and a period as "3/168h".
func (c *CallShare) UnmarshalText(text []byte) (err error) {
	*c = CallShare{}
	s := strings.TrimSpace(string(text))
	if strings.EqualFold(s, "off") {
		return nil
	}
	if c.N, c.Per, err = countPer(s); err != nil || c.N < 1 {
		return fmt.Errorf("want off, or a count and a period, as 3/168h")
	}
	return nil
}

func (c CallShare) reached(calls int) bool { return c.N > 0 && calls >= c.N }

// countPer reads a count and a period.
func countPer(s string) (n int, per time.Duration, err error) {
	count, period, ok := strings.Cut(strings.TrimSpace(s), "/")
	if !ok {
		return 0, 0, fmt.Errorf("no period")
	}
	if n, err = strconv.Atoi(count); err != nil {
		return 0, 0, err
	}
	if per, err = time.ParseDuration(period); err == nil && per <= 0 {
		err = fmt.Errorf("no period")
	}
	return n, per, err
}
