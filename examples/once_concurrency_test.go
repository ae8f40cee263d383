package examples_test

import (
	"sync"
	"testing"

	"github.com/google/uuid"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/voiceagent"
)

func TestFiftyConcurrentRequestsWithOneKeyDialOnce(t *testing.T) {
	t.Parallel()
	for _, express := range []string{"express", "express4"} {
		t.Run(express, func(t *testing.T) {
			t.Parallel()
			w := newStartCallWorld(t, "EXPRESS="+express)
			call := newCall()
			results := make([]voiceagent.Result, 50)
			var all sync.WaitGroup
			for i := range results {
				all.Go(func() { results[i] = w.start(call) })
			}
			all.Wait()
			if n := w.telephone.rang(); n != 1 {
				t.Errorf("the phone rang %d times", n)
			}
			accepted := 0
			for _, r := range results {
				switch {
				case r.Outcome == followup.CallAccepted && r.CallID == "1":
					accepted++
				case r.Outcome == followup.CallUnknown && r.Status == 409:
				default:
					t.Errorf("got %s, status %d, call %q", r.Outcome, r.Status, r.CallID)
				}
			}
			if accepted == 0 {
				t.Error("nobody was told of the call")
			}
			t.Logf("%d were told of the call, %d to come again", accepted, len(results)-accepted)
			w.want("afterwards", w.start(call), followup.CallAccepted, 200, "1")
			if n := w.telephone.rang(); n != 1 {
				t.Errorf("the phone rang %d times in the end", n)
			}
		})
	}
}

func TestEachTenantAndEachKeyHasItsOwnCall(t *testing.T) {
	t.Parallel()
	w := newStartCallWorld(t)
	first := newCall()
	w.want("first", w.start(first), followup.CallAccepted, 200, "1")
	other := first
	other.TenantID = functiontest.TenantB.String()
	w.want("another tenant with the same key", w.start(other), followup.CallAccepted, 200, "2")
	moved := first
	moved.IdempotencyKey = "followup:" + uuid.NewString()
	w.want("the same tenant with another key", w.start(moved), followup.CallAccepted, 200, "3")
	w.want("first again", w.start(first), followup.CallAccepted, 200, "1")
	w.want("the other again", w.start(other), followup.CallAccepted, 200, "2")
}

// LAD answers 402 and 403 for reasons that pass: kept, they would be repeated for
// ever.
func TestARefusalBeforeDiallingIsNotKept(t *testing.T) {
	t.Parallel()
	w := newStartCallWorld(t)
	call := newCall()
	w.telephone.refusing("/credits", 402)
	w.want("without credits", w.start(call), followup.CallRejected, 402, "")
	w.telephone.behave()
	w.telephone.refusing("/line", 503)
	w.want("without a line", w.start(call), followup.CallUnknown, 500, "")
	w.telephone.behave()
	w.want("with both", w.start(call), followup.CallAccepted, 200, "1")
}

// The call that took the last credit was made; whoever asks again must hear so.
func TestACallThatWasMadeIsReplayedBeforeTheChecks(t *testing.T) {
	t.Parallel()
	w := newStartCallWorld(t)
	call := newCall()
	w.want("first", w.start(call), followup.CallAccepted, 200, "1")
	w.telephone.refusing("/credits", 402)
	w.want("again, without credits", w.start(call), followup.CallAccepted, 200, "1")
}

func TestAFailureWhileDiallingKeepsTheKeyTaken(t *testing.T) {
	t.Parallel()
	w := newStartCallWorld(t)
	call := newCall()
	w.telephone.refusing("/dial", 500)
	w.want("the telephone fails", w.start(call), followup.CallUnknown, 500, "")
	w.telephone.behave()
	w.want("at once", w.start(call), followup.CallUnknown, 409, "")
	w.age()
	w.want("later", w.start(call), followup.CallRejected, 422, "")
	if n := w.telephone.rang(); n != 1 {
		t.Errorf("the phone rang %d times", n)
	}
}
