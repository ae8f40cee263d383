package integration_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/localstack/stack/stacktest"
	"lad.internal/followup/internal/localstack/voiceagent"
)

func TestWhatTheVoiceAgentDoesDecidesHowABookingEnds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		agent        voiceagent.Behaviour
		state        string
		posts, calls int
		reported     string // in the row's last error
	}{
		{"accepts", voiceagent.Behaviour{Kind: voiceagent.Accept}, "executed", 1, 1, ""},
		{"is not ready twice and then accepts", voiceagent.Behaviour{Kind: voiceagent.Status, Status: 425, Times: 2}, "executed", 3, 1, ""},
		{"is away, says until when, and then accepts", voiceagent.Behaviour{Kind: voiceagent.Status, Status: 503, RetryAfter: new(1), Times: 1}, "executed", 2, 1, ""},
		{"limits, says until when, and then accepts", voiceagent.Behaviour{Kind: voiceagent.Status, Status: 429, RetryAfter: new(1), Times: 1}, "executed", 2, 1, ""},
		{"limits", voiceagent.Behaviour{Kind: voiceagent.Status, Status: 429}, "scheduled/rate_limited", 1, 0, "429"},
		{"is closed", closedFor(2 * time.Hour), "scheduled/outside_hours", 1, 0, "403"},
		{"refuses the credentials", voiceagent.Behaviour{Kind: voiceagent.Status, Status: 401}, "failed/misconfigured", 1, 0, "401"},
		{"refuses the token", voiceagent.Behaviour{Kind: voiceagent.Status, Status: 403}, "failed/misconfigured", 1, 0, "403"},
		{"lacks the feature for the tenant", voiceagent.Behaviour{Kind: voiceagent.UpgradeRequired}, "failed/misconfigured", 1, 0, "403"},
		{"accepts and then fails to dispatch", voiceagent.Behaviour{Kind: voiceagent.DispatchFail, Error: "no_trunk"}, "failed/outcome_unknown", 1, 0, "no_trunk"},
		{"answers that it has failed", voiceagent.Behaviour{Kind: voiceagent.SuccessFalse}, "failed/outcome_unknown", 1, 0, "200"},
		{"hangs up after reading, having dialled", voiceagent.Behaviour{Kind: voiceagent.HangUp, Dialled: true}, "failed/outcome_unknown", 1, 1, "the connection ended"},
		{"hangs up after reading, not having dialled", voiceagent.Behaviour{Kind: voiceagent.HangUp}, "failed/outcome_unknown", 1, 0, "the connection ended"},
		{"breaks", voiceagent.Behaviour{Kind: voiceagent.Status, Status: 500}, "failed/outcome_unknown", 1, 0, "500"},
		{"has no credits", voiceagent.Behaviour{Kind: voiceagent.Status, Status: 402}, "failed/rejected", 1, 0, "402"},
		{"hangs until the timeout", voiceagent.Behaviour{Kind: voiceagent.Hang, Dialled: true}, "failed/outcome_unknown", 1, 1, ""},
		{"dials and breaks off its answer", voiceagent.Behaviour{Kind: voiceagent.Truncate}, "executed", 1, 1, ""},
		{"dials and answers nonsense", voiceagent.Behaviour{Kind: voiceagent.Body, Body: "<html>"}, "executed", 1, 1, ""},
	} {
		t.Run("it "+c.name, func(t *testing.T) {
			t.Parallel()
			w := impatient(t)
			user := w.user(1)
			c.agent.LeadID = uuid.NewString()
			if err := w.Agent.Behave(c.agent); err != nil {
				t.Fatal(err)
			}
			id := user.Book(t, in(0), map[string]any{"leadId": c.agent.LeadID})
			b := user.Await(t, id, c.state)
			w.expectCalls(t, id, c.posts, c.calls)
			if b.ExecutionAttempts != c.posts {
				t.Errorf("it was claimed %d times for %d POSTs", b.ExecutionAttempts, c.posts)
			}
			if failed := c.state != "executed"; failed && (b.LastExecutionError == nil || !strings.Contains(*b.LastExecutionError, c.reported)) {
				t.Errorf("the row's last error is %v, want one with %q", b.LastExecutionError, c.reported)
			}
			if state := stacktest.State(user.Show(t, id)); state != c.state {
				t.Errorf("it did not stay %s, but became %s", c.state, state)
			}
			attempts := w.attempts(id)
			if last := attempts[len(attempts)-1]; len(attempts) != c.posts || last.HTTPStatus != 200 {
				t.Errorf("Cloud Tasks tried %d times, last with status %d", len(attempts), last.HTTPStatus)
			}
		})
	}
}

// closedFor refuses every call because business hours, a minute of each day, begin
// only then.
func closedFor(d time.Duration) voiceagent.Behaviour {
	opens := time.Now().UTC().Add(d)
	return voiceagent.Behaviour{Kind: voiceagent.Closed, Hours: fmt.Appendf(nil,
		`{"start":%q,"end":%q,"timezone":"UTC","allowed_days":[]}`, opens.Format("15:04"), opens.Add(time.Minute).Format("15:04"))}
}
