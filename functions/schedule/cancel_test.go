package schedule_test

import (
	"testing"
	"time"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

func TestACancelThatComesAfterTheClaimIsRecordedAsTooLate(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve()
	now := time.Now()
	for _, c := range []struct {
		name string
		task followup.Task
		late bool
	}{
		{"before its task", followup.Task{}, false},
		{"on its way", followup.Task{Status: followup.Scheduled, Revision: 1, Key: functiontest.CurrentKey, DueAt: now}, false},
		{"stopped by an operator", followup.Task{Status: followup.Cancelled, Reason: followup.ByOperator, Revision: 1, Key: functiontest.CurrentKey}, false},
		{"being called", followup.Task{Status: followup.InProgress, Revision: 1, Attempts: 1, Key: functiontest.CurrentKey, ClaimedAt: now}, true},
		{"claimed, and nothing heard since", followup.Task{Status: followup.InProgress, Revision: 1, Attempts: 1, Key: functiontest.CurrentKey, ClaimedAt: now.Add(-time.Hour)}, true},
		{"perhaps called", followup.Task{Status: followup.Failed, Reason: followup.OutcomeUnknown, Revision: 1, Attempts: 1, Key: functiontest.CurrentKey, ClaimedAt: now}, true},
		{"called", followup.Task{Status: followup.Executed, Revision: 1, Attempts: 1, Key: functiontest.CurrentKey, ClaimedAt: now, ExecutedAt: now}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := w.Insert(functiontest.Seed{At: now, Status: "cancelled", Task: c.task})
			if got := w.event(url, binary, "booking.cancelled", b.Ref); got.status != 200 {
				t.Fatalf("answered %v", got)
			}
			late := false
			for _, line := range w.log.Events("cancel_too_late") {
				late = late || line["booking_id"] == b.BookingID.String()
			}
			if late != c.late {
				t.Errorf("recorded as too late: %t, want %t", late, c.late)
			}
		})
	}
}
