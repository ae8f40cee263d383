package execute_test

import (
	"testing"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/tenantdb"
)

// A database that was restored may have forgotten that the call was made.
func TestTimeline(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) {
		p.Store = w.Open(func(c *tenantdb.Config) { c.Timeline = 2 })
	})
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	before := w.Checksum()
	got := e.deliver(b, 1)
	if got.status != 409 || got.Result != "timeline_changed" || got.header.Get("Retry-After") != "150" {
		t.Errorf("answered %s, Retry-After %q", got, got.header.Get("Retry-After"))
	}
	if w.Checksum() != before || len(w.agent.Calls("")) != 0 {
		t.Error("the row was changed, or its lead was rung")
	}
	if lines := w.log.Events("timeline_changed"); len(lines) != 1 || lines[0]["severity"] != "ERROR" || lines[0]["booking_id"] != b.BookingID.String() {
		t.Errorf("logged %v", lines)
	}
}
