package followup

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/uuid"
)

// playLine plays a queue of calls under a limit: each asks, and asks again at its
// slot, until it may dial. It tells when each of the tenants' calls was made, and
// how often they asked.
func playLine(t *testing.T, limit Limit, tenants ...int) (made map[uuid.UUID][]time.Duration, asked int) {
	t.Helper()
	type call struct {
		b  Booking
		at time.Time
	}
	var calls []call
	for i, n := range tenants {
		for range n {
			calls = append(calls, call{Booking{Ref: Ref{TenantID: uuid.MustParse(fmt.Sprintf("%08d-0000-4000-8000-000000000000", i+1))}}, noon})
		}
	}
	var ledger Ledger
	made = map[uuid.UUID][]time.Duration{}
	for len(calls) > 0 {
		next := 0
		for i := range calls {
			if calls[i].at.Before(calls[next].at) {
				next = i
			}
		}
		c := &calls[next]
		now := c.at
		if asked++; asked > 100_000 {
			t.Fatal("the line does not move")
		}
		slots := map[uuid.UUID]time.Time{}
		for _, other := range calls {
			if other.b.Task.Reason == Paced {
				slots[other.b.TenantID] = later(slots[other.b.TenantID], other.at)
			}
		}
		ledger.Slots = nil
		for tenant, at := range slots {
			ledger.Slots = append(ledger.Slots, Entry{tenant, at})
		}
		slot := limit.slot(c.b, ledger, now)
		if !slot.IsZero() {
			if !slot.After(now) {
				t.Fatalf("at %s the slot is %s", now, slot)
			}
			c.b.Task.Reason, c.b.Task.DueAt, c.at = Paced, slot, slot
			continue
		}
		ledger.Claims = append(ledger.Claims, Entry{c.b.TenantID, now})
		made[c.b.TenantID] = append(made[c.b.TenantID], now.Sub(noon))
		calls = slices.Delete(calls, next, next+1)
	}
	for _, r := range limit.Rates {
		for _, a := range ledger.Claims {
			n := 0
			for _, b := range ledger.Claims {
				if d := b.At.Sub(a.At); d >= 0 && d < r.Per {
					n++
				}
			}
			if n*max(1, limit.PerCall) > r.N {
				t.Errorf("%d calls of %d requests within %s, the limit is %d", n, limit.PerCall, r.Per, r.N)
			}
		}
	}
	return made, asked
}

func TestLimit(t *testing.T) {
	t.Parallel()
	lower := Limit{Rates: []Rate{{30, time.Minute}, {10, 5 * time.Second}}, PerCall: 2}
	higher := Limit{Rates: []Rate{{120, time.Minute}, {30, 5 * time.Second}}, PerCall: 2}

	t.Run("a burst takes what the documents say", func(t *testing.T) {
		t.Parallel()
		for _, limit := range []Limit{lower, higher} {
			made, asked := playLine(t, limit, 100)
			for _, times := range made {
				if last, bound := slices.Max(times), limit.Calls(100); last > bound+time.Minute+5*time.Second || last < bound-time.Minute {
					t.Errorf("%s: the last of 100 calls is made after %s, want about %s", limit, last, bound)
				}
			}
			if asked > 300 {
				t.Errorf("%s: 100 calls asked %d times", limit, asked)
			}
		}
	})
	t.Run("each tenant has its share", func(t *testing.T) {
		t.Parallel()
		made, _ := playLine(t, lower, 200, 10)
		for tenant, times := range made {
			if tenant[3] != 2 { // of the second tenant
				continue
			}
			if last := slices.Max(times); last > 4*time.Minute {
				t.Errorf("the small tenant's calls are made after %s", times)
			}
		}
	})
	t.Run("no limit, no slot", func(t *testing.T) {
		t.Parallel()
		if slot := (Limit{}).slot(Booking{}, Ledger{BlockedUntil: noon.Add(time.Hour)}, noon); !slot.IsZero() {
			t.Errorf("slot %s", slot)
		}
	})
	t.Run("blocked", func(t *testing.T) {
		t.Parallel()
		until := noon.Add(time.Minute)
		if slot := lower.slot(Booking{}, Ledger{BlockedUntil: until}, noon); !slot.Equal(until.Add(lower.Spacing())) {
			t.Errorf("slot %s", slot)
		}
	})
	t.Run("before its slot", func(t *testing.T) {
		t.Parallel()
		b := Booking{Task: Task{Reason: Paced, DueAt: noon.Add(time.Hour)}}
		if slot := lower.slot(b, Ledger{}, noon); !slot.Equal(b.Task.DueAt) {
			t.Errorf("slot %s", slot)
		}
	})
}

func TestLimit_text(t *testing.T) {
	t.Parallel()
	for _, s := range []string{"off", "30/1m0s,10/5s"} {
		var l Limit
		if err := l.UnmarshalText([]byte(s)); err != nil || l.String() != s {
			t.Errorf("%q is %s, %v", s, l, err)
		}
	}
	for _, s := range []string{"", "30", "30/", "/1m", "0/1m", "-1/1m", "30/0s", "30/2h", "x/1m", "30/1m,"} {
		if err := new(Limit).UnmarshalText([]byte(s)); err == nil {
			t.Errorf("limit %q was accepted", s)
		}
		if err := new(CallShare).UnmarshalText([]byte(s)); err == nil && s != "30/2h" {
			t.Errorf("share %q was accepted", s)
		}
	}
	var share CallShare
	if err := share.UnmarshalText([]byte("OFF")); err != nil || share.reached(1000) {
		t.Errorf("off: %+v, %v", share, err)
	}
}

func TestDefer(t *testing.T) {
	t.Parallel()
	row := booked(onTime, state(onTime, Failed, NotStarted))
	until := noon.Add(3 * time.Hour)
	d := standard().Defer(*row, OutsideHours, until, noon)
	want := row.Task
	want.Status, want.Reason, want.Revision, want.DueAt, want.Name = Scheduled, OutsideHours, 4, until, ""
	diff(t, row, func(Booking) Decision {
		return Decision{Effect: Arm, Rule: RuleDeferred, Next: want, Drop: oldTask}
	}, d)
	diff(t, row, isExpired, standard().Defer(*row, OutsideHours, noon.Add(lateness+time.Hour), noon))
}
