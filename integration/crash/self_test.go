package crash_test

import (
	"slices"
	"strings"
	"testing"
)

// Were VOICE_AGENT_IDEMPOTENT set for an agent that does not deduplicate, a lead
// would be rung twice: the matrix must see it.
func TestTheMatrixSeesASecondCall(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setup{idempotent: true, deduplicates: false})
	plan := scenarios[slices.IndexFunc(scenarios, func(s scenario) bool { return s.name == "execute_due_idempotent" })]
	undisturbed := w.play(t, plan, spoiled{fault: none, rival: nobody})
	if len(undisturbed.problems) > 0 {
		t.Fatal(undisturbed.report())
	}
	step := slices.Index(undisturbed.steps, "start-call") + 1
	for _, f := range []fault{crashAfter, lostAnswer, hang} {
		r := w.play(t, plan, spoiled{fault: f, step: step, rival: nobody})
		if !r.reached || !slices.ContainsFunc(r.problems, func(p string) bool { return strings.Contains(p, "rung 2 times") }) {
			t.Errorf("%s: the second call was not seen: %s", f, r.report())
		}
	}
}
