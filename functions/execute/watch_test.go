package execute_test

import (
	"testing"
	"time"

	"lad.internal/followup/functions/execute"
)

func TestWatch(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for name, started := range map[string]struct{ monotonic, wall time.Time }{
		"the machine was suspended":   {now, now.Add(-time.Hour)},
		"the wall clock was set back": {now.Add(-time.Hour), now.Add(time.Hour)},
		"the clocks agree":            {now.Add(-time.Hour), now.Add(-time.Hour)},
	} {
		if got := execute.Elapsed(started.monotonic, started.wall); got < time.Hour || got > time.Hour+time.Minute {
			t.Errorf("%s: %v have passed, want an hour", name, got)
		}
	}
}
