package examples_test

import (
	"testing"
	"time"

	"lad.internal/followup/examples/internal/exampletest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/voiceagent"
)

// dieAt asks for a call and kills start-call with kill -9 as soon as it has come
// to path on the telephone.
func (w *startCallWorld) dieAt(path string, call voiceagent.Call) voiceagent.Result {
	w.t.Helper()
	there := w.telephone.holding(path)
	result := make(chan voiceagent.Result, 1)
	go func() { result <- w.start(call) }()
	select {
	case <-there:
	case <-time.After(exampletest.Patience):
		w.t.Fatalf("start-call never came to %s", path)
	}
	w.server.Kill(w.t)
	r := <-result
	w.telephone.behave()
	w.restart()
	return r
}

// What a crash leaves in doubt is never dialled by itself: at first the request
// is to come again, then it is refused for a person to look at.
func (w *startCallWorld) wantHeld(call voiceagent.Call, rang int) {
	w.t.Helper()
	w.want("after the crash", w.start(call), followup.CallUnknown, 409, "")
	w.age()
	for range 3 {
		w.want("when nobody can be dialling any more", w.start(call), followup.CallRejected, 422, "")
	}
	if open := w.sql("open-claims", call); len(open) != 1 || open[0][1] != call.IdempotencyKey {
		w.t.Errorf("the open claims are %q", open)
	}
	if n := w.telephone.rang(); n != rang {
		w.t.Errorf("the phone rang %d times, want %d", n, rang)
	}
}

func TestACrashBeforeTheClaimIsAsIfNothingHadCome(t *testing.T) {
	t.Parallel()
	w := newStartCallWorld(t)
	call := newCall()
	w.want("cut off", w.dieAt("/credits", call), followup.CallUnknown, 0, "")
	w.want("again", w.start(call), followup.CallAccepted, 200, "1")
}

func TestACrashBetweenClaimAndDialIsHeldAndCanBeReleased(t *testing.T) {
	t.Parallel()
	w := newStartCallWorld(t)
	call := newCall()
	w.want("cut off", w.dieAt("/line", call), followup.CallUnknown, 0, "")
	w.wantHeld(call, 0)
	w.sql("not-called", call) // a person found no call at the telephone company
	w.want("released", w.start(call), followup.CallAccepted, 200, "1")
}

func TestACrashBetweenDialAndAnswerNeverDialsAgain(t *testing.T) {
	t.Parallel()
	w := newStartCallWorld(t)
	call := newCall()
	w.want("cut off", w.dieAt("/dial", call), followup.CallUnknown, 0, "")
	w.wantHeld(call, 1)
	w.sql("called", call) // a person found the call at the telephone company
	w.want("settled", w.start(call), followup.CallAccepted, 200, "77")
	if n := w.telephone.rang(); n != 1 {
		t.Errorf("the phone rang %d times", n)
	}
}

func TestOldClaimsGoAndYoungOnesStay(t *testing.T) {
	t.Parallel()
	w := newStartCallWorld(t)
	old, young := newCall(), newCall()
	w.want("old", w.start(old), followup.CallAccepted, 200, "1")
	w.query("UPDATE voice_call_idempotency SET claimed_at = claimed_at - interval '31 days'")
	w.want("young", w.start(young), followup.CallAccepted, 200, "2")
	w.sql("retention", young)
	left := w.query("SELECT idempotency_key FROM voice_call_idempotency")
	if len(left) != 1 || left[0][0] != young.IdempotencyKey {
		t.Errorf("left are %q", left)
	}
}
