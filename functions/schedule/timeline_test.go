package schedule_test

import (
	"testing"

	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

// A database that was restored shows calls as overdue that were made.
func TestTimeline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	restored := w.DB.On(2)
	b := w.Insert(functiontest.Seed{Task: followup.Task{Status: followup.Scheduled, Revision: 1, Key: functiontest.CurrentKey}})
	before := w.Checksum()

	h, err := schedule.New(functiontest.Rules(), restored, w.queue.Client, w.log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	if swept := h.Sweep(t.Context()); swept.Broken != 2 || swept.Looked != 0 {
		t.Errorf("swept %+v", swept)
	}
	url := w.serve(func(p *parts) { p.store = restored })
	if got := w.event(url, binary, "booking.updated", b.Ref); got.status != 500 {
		t.Errorf("the event is answered %+v", got)
	}
	if lines := w.log.Events("timeline_changed"); len(lines) != 3 || lines[0]["severity"] != "ERROR" {
		t.Errorf("logged %v", lines)
	}
	if tasks := w.queue.List(); w.Checksum() != before || len(tasks) != 0 {
		t.Errorf("a row was changed, or a task made: %v", tasks)
	}

	working, err := schedule.New(functiontest.Rules(), w.DB.On(1), w.queue.Client, w.log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	if swept := working.Sweep(t.Context()); swept.Broken != 0 || swept.Changed[followup.RuleOverdue] != 1 {
		t.Errorf("once a person has gone on, swept %+v", swept)
	}
}
