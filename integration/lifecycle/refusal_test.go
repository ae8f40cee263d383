package lifecycle_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// TestRefusal checks when a call that the voice agent has refused is tried again.
func TestRefusal(t *testing.T) {
	t.Parallel()
	t.Run("for_now", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		ref := w.refused(voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusServiceUnavailable, RetryAfter: new(60)})
		w.pass(23*time.Hour, 10*time.Minute)
		w.want(ref, followup.Failed, followup.NotStarted, 0)
		w.pass(2*time.Hour, 10*time.Minute)
		w.want(ref, followup.Failed, followup.Expired, 0)
		posts := w.posts(ref)
		w.pass(24*time.Hour, time.Hour)
		if after := w.posts(ref); after != posts {
			t.Errorf("%d calls were tried after the booking had expired", after-posts)
		}
	})
	t.Run("misconfigured", func(t *testing.T) {
		t.Parallel()
		for _, refusal := range []voiceagent.Behaviour{
			{Kind: voiceagent.Status, Status: http.StatusUnauthorized}, {Kind: voiceagent.Status, Status: http.StatusForbidden},
			{Kind: voiceagent.UpgradeRequired},
		} {
			w := newWorld(t)
			ref := w.refused(refusal)
			w.pass(26*time.Hour, 10*time.Minute)
			w.want(ref, followup.Failed, followup.Misconfigured, 0)
			if posts := w.posts(ref); posts != 1 {
				t.Errorf("%s %d: the call was tried %d times, want once: each refusal brings the service nearer to blocking everybody", refusal.Kind, refusal.Status, posts)
			}
		}
	})
	t.Run("rate_limited", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		ref := w.refused(voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusTooManyRequests, RetryAfter: new(600), Times: 1})
		w.pass(9*time.Minute, 30*time.Second)
		w.want(ref, followup.Scheduled, followup.RateLimited, 0)
		if posts := w.posts(ref); posts != 1 {
			t.Errorf("the call was tried %d times within the wait", posts)
		}
		w.pass(3*time.Minute, 30*time.Second)
		w.want(ref, followup.Executed, "", 1)
	})
	t.Run("outside_hours", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		opens := w.clock.Now().Add(3 * time.Hour).Truncate(time.Minute)
		ref := w.refused(closedUntil(opens))
		w.pass(opens.Sub(w.clock.Now())-2*time.Minute, 5*time.Minute)
		w.want(ref, followup.Scheduled, followup.OutsideHours, 0)
		if posts := w.posts(ref); posts != 1 {
			t.Errorf("the call was tried %d times before business hours", posts)
		}
		w.pass(10*time.Minute, time.Minute)
		w.want(ref, followup.Executed, "", 1)
		if claimed := w.row(ref).Task.ClaimedAt; claimed.Before(opens.Add(-followup.Earliness)) {
			t.Errorf("called at %v, before business hours at %v", claimed, opens)
		}
	})
	t.Run("outside_hours_until_too_late", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t, func(r *followup.Rules, _ *[]tenantdbtest.Option) { r.MaxLateness = time.Hour })
		ref := w.refused(closedUntil(w.clock.Now().Add(3 * time.Hour)))
		w.want(ref, followup.Failed, followup.Expired, 0)
		w.pass(5*time.Hour, 10*time.Minute)
		w.want(ref, followup.Failed, followup.Expired, 0)
	})
}

// refused is a booking whose first call the voice agent has just refused so.
func (w *world) refused(b voiceagent.Behaviour) followup.Ref {
	w.t.Helper()
	ref := w.book(time.Minute)
	b.Match = voiceagent.Match{BookingID: ref.BookingID.String()}
	w.agent.Must(b)
	w.pass(time.Minute, time.Minute)
	w.settle()
	if w.posts(ref) == 0 {
		w.t.Fatal("the call was not tried at its time")
	}
	return ref
}

// closedUntil refuses one call because business hours, a minute of each day, begin
// later.
func closedUntil(opens time.Time) voiceagent.Behaviour {
	opens = opens.UTC()
	return voiceagent.Behaviour{Kind: voiceagent.Closed, Times: 1, Hours: fmt.Appendf(nil,
		`{"start":%q,"end":%q,"timezone":"UTC","allowed_days":[]}`, opens.Format("15:04"), opens.Add(time.Minute).Format("15:04"))}
}

func (w *world) posts(ref followup.Ref) int { return w.agent.PostsRead(ref.BookingID.String()) }
