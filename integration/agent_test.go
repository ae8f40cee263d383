package integration_test

import (
	"strings"
	"testing"

	"github.com/google/uuid"

	"lad.internal/followup/internal/localstack/stack/stacktest"
	"lad.internal/followup/internal/localstack/voiceagent"
)

func TestWhatTheVoiceAgentDoesDecidesHowABookingEnds(t *testing.T) {
	t.Parallel()
	seconds := func(n int) *int { return &n }
	for _, c := range []struct {
		name         string
		agent        voiceagent.Behaviour
		state        string
		posts, calls int
		reported     string // in the row's last error
	}{
		{"accepts", voiceagent.Behaviour{Kind: voiceagent.Accept}, "executed", 1, 1, ""},
		{"is busy twice and then accepts", voiceagent.Behaviour{Kind: voiceagent.Status, Status: 429, Times: 2}, "executed", 3, 1, ""},
		{"is away, says until when, and then accepts", voiceagent.Behaviour{Kind: voiceagent.Status, Status: 503, RetryAfter: seconds(1), Times: 1}, "executed", 2, 1, ""},
		{"hangs up after reading, having dialled", voiceagent.Behaviour{Kind: voiceagent.HangUp, Dialled: true}, "failed/outcome_unknown", 1, 1, "EOF"},
		{"hangs up after reading, not having dialled", voiceagent.Behaviour{Kind: voiceagent.HangUp}, "failed/outcome_unknown", 1, 0, "EOF"},
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
