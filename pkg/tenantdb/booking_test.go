package tenantdb_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

func TestABookingIsReadWithEveryColumnToTheMicrosecond(t *testing.T) {
	t.Parallel()
	for _, tenant := range []uuid.UUID{tenantdbtest.TenantA, tenantdbtest.TenantB} {
		f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
		at := time.Date(2026, 3, 10, 12, 0, 0, 123456000, time.UTC)
		lead, user := uuid.New(), uuid.New()
		want := followup.Booking{
			LeadID:         uuid.NullUUID{UUID: lead, Valid: true},
			AssignedUserID: uuid.NullUUID{UUID: user, Valid: true},
			Type:           "Follow-Up",
			When:           followup.When{Wall: at, Zone: "UTC", Source: "voice_agent"},
			ScheduledAt:    at,
			Stale:          true, // planned for another moment
			CreatedAt:      at.Add(-time.Hour),
			Status:         "odd status",
			Deleted:        true,
			AgentID:        "42",
			Task: followup.Task{
				Status: followup.Failed, Reason: followup.NotStarted, Name: "projects/p/tasks/t",
				DueAt: at.Add(1 * time.Microsecond), Revision: 7, PlannedFor: at.Add(2 * time.Microsecond), Attempts: 3,
				ClaimedAt: at.Add(3 * time.Microsecond), ExecutedAt: at.Add(4 * time.Microsecond),
				CallID: "call-1", LastError: "the line was busy: größer", Key: "followup:key",
			},
		}
		want.Ref = f.Insert(t, tenantdbtest.Row{
			Tenant: tenant, Type: want.Type, ScheduledAt: want.ScheduledAt, CreatedAt: want.CreatedAt, Status: want.Status,
			Deleted: true, AgentID: want.AgentID, Task: want.Task,
			Columns: map[string]any{"lead_id": lead, "assigned_user_id": user},
		})
		got, now := f.Read(t, want.Ref)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("tenant %s (-want +got):\n%s", tenant, diff)
		}
		if skew := time.Since(now); skew < 0 || skew > time.Minute {
			t.Errorf("the database's clock is %v behind", skew)
		}
	}
}

func TestWhatLADLeavesNullIsReadAsNothing(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry())
	f.Loosen(t, tenantdbtest.TenantB, "lead_id", "booking_type", "booking_source", "scheduled_at", "status", "task_status", "execution_attempts")
	nulls := map[string]any{}
	for _, column := range []string{
		"lead_id", "assigned_user_id", "booking_type", "booking_source", "scheduled_at", "timezone", "created_at", "status", "is_deleted", "metadata",
		"task_status", "task_reason", "task_name", "task_scheduled_at", "planned_for", "execution_attempts",
		"claimed_at", "executed_at", "call_id", "last_execution_error", "idempotency_key",
	} {
		nulls[column] = nil
	}
	ref := f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantB, Columns: nulls})
	got, _ := f.Read(t, ref)
	want := followup.Booking{Ref: ref, Stale: true, Task: followup.Task{Status: followup.Pending}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	// And such a row can be written to.
	next := followup.Task{Status: followup.Cancelled, Reason: followup.BookingCancelled}
	if stored, err := f.DB.Update(t.Context(), got, next); err != nil || !stored {
		t.Errorf("stored %v, error %v", stored, err)
	}
}

func TestATimeThatIsNoMomentIsReadAsNone(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	for _, odd := range []string{"infinity", "-infinity", "0001-01-01 00:00:00+00"} {
		columns := map[string]any{}
		for _, column := range []string{"scheduled_at", "created_at", "task_scheduled_at", "executed_at"} {
			columns[column] = odd
		}
		ref := f.Insert(t, tenantdbtest.Row{Columns: columns})
		got, _ := f.Read(t, ref)
		times := []time.Time{got.ScheduledAt, got.CreatedAt, got.Task.DueAt, got.Task.ExecutedAt}
		for i, at := range times {
			if !at.IsZero() {
				t.Errorf("%s: time %d is %v", odd, i, at)
			}
		}
		// The guard compares what was read.
		next := followup.Task{Status: followup.Cancelled, Reason: followup.BookingCancelled}
		if stored, err := f.DB.Update(t.Context(), got, next); err != nil || !stored {
			t.Errorf("%s: stored %v, error %v", odd, stored, err)
		}
	}
}

func TestTimesFarFromOursAreReadAsTheyAre(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	for text, want := range map[string]time.Time{
		"0044-03-15 12:00:00+00 BC":     time.Date(-43, 3, 15, 12, 0, 0, 0, time.UTC),
		"1899-12-31 23:59:59.999999+00": time.Date(1899, 12, 31, 23, 59, 59, 999999000, time.UTC),
		"20000-01-01 00:00:00":          time.Date(20000, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		ref := f.Insert(t, tenantdbtest.Row{Columns: map[string]any{"scheduled_at": text}})
		got, _ := f.Read(t, ref)
		if !got.ScheduledAt.Equal(want) {
			t.Errorf("%s is read as %v", text, got.ScheduledAt)
		}
		if stored, err := f.DB.Update(t.Context(), got, followup.Task{Status: followup.Cancelled}); err != nil || !stored {
			t.Errorf("%s: stored %v, error %v", text, stored, err)
		}
	}
}

func TestTheAgentIsTheOneOfTheBookingsMetadata(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	for metadata, want := range map[any]string{
		`{"agent_id": 7}`: "7", `{"agent_id": "7"}`: "7", `{"agent_id": null}`: "", `{}`: "", `[]`: "", `"agent_id"`: "", `null`: "", nil: "",
	} {
		ref := f.Insert(t, tenantdbtest.Row{Columns: map[string]any{"metadata": metadata}})
		if got, _ := f.Read(t, ref); got.AgentID != want {
			t.Errorf("%v: agent %q, want %q", metadata, got.AgentID, want)
		}
	}
}

// Whoever asks must not learn which of the three it is.
func TestAnAbsentAForeignAndAnUnknownTenantsBookingAreAllNone(t *testing.T) {
	t.Parallel()
	stranger := uuid.New()
	for name, options := range map[string][]tenantdbtest.Option{"shared": nil, "registry": {tenantdbtest.WithRegistry()}} {
		f := tenantdbtest.New(t, options...)
		mine := f.Insert(t, tenantdbtest.Row{Tenant: tenantdbtest.TenantA})
		for _, ref := range []followup.Ref{
			{TenantID: tenantdbtest.TenantA, BookingID: uuid.New()},
			{TenantID: tenantdbtest.TenantB, BookingID: mine.BookingID},
			{TenantID: stranger, BookingID: mine.BookingID},
			{TenantID: uuid.Nil, BookingID: mine.BookingID},
			{TenantID: tenantdbtest.TenantA, BookingID: uuid.Nil},
		} {
			b, _, err := f.DB.Booking(t.Context(), ref)
			if b != nil || err != nil {
				t.Errorf("%s: %s: booking %v, error %v", name, ref, b, err)
			}
			admission, err := f.DB.Admit(t.Context(), ref, rules(), func(b *followup.Booking, _ followup.Facts, now time.Time) followup.Decision {
				return rules().Admit(b, followup.Facts{}, followup.Ticket{}, now)
			})
			if err != nil || admission.Booking != nil || admission.Decision.Rule != followup.RuleAbsent {
				t.Errorf("%s: %s: admission %+v, error %v", name, ref, admission, err)
			}
			if stored, err := f.DB.Update(t.Context(), followup.Booking{Ref: ref}, followup.Task{Status: followup.Failed}); err != nil || stored {
				t.Errorf("%s: %s: stored %v, error %v", name, ref, stored, err)
			}
		}
		if got, _ := f.Read(t, mine); got.Task.Status != followup.Pending {
			t.Errorf("%s: the row has become %s", name, got.Task.Status)
		}
	}
}
