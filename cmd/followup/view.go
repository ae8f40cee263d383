package main

import (
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
)

// bookingView is a booking for machines. It has the names that LAD's endpoint
// answers with, and null for what there is not. It holds nothing of the lead
// but the id.
type bookingView struct {
	ID             string           `json:"id"`
	TenantID       string           `json:"tenantId"`
	LeadID         *uuid.UUID       `json:"leadId"`
	AssignedUserID *uuid.UUID       `json:"assignedUserId"`
	BookingType    *string          `json:"bookingType"`
	Status         *string          `json:"status"`
	IsDeleted      bool             `json:"isDeleted"`
	ScheduledAt    *followup.Moment `json:"scheduledAt"`
	CreatedAt      *followup.Moment `json:"createdAt"`
	DueAt          *followup.Moment `json:"dueAt"` // when the call should be made
	taskView
	TaskName           *string          `json:"taskName"`
	PlannedFor         *followup.Moment `json:"plannedFor"`
	ExecutionAttempts  int              `json:"executionAttempts"`
	ClaimedAt          *followup.Moment `json:"claimedAt"`
	ExecutedAt         *followup.Moment `json:"executedAt"`
	CallID             *string          `json:"callId"`
	LastExecutionError *string          `json:"lastExecutionError"`
	IdempotencyKey     *string          `json:"idempotencyKey"`
}

// taskView is how a follow-up stands, in a booking's view and in what explain says
// that it becomes.
type taskView struct {
	TaskStatus      string           `json:"taskStatus"`
	TaskReason      *string          `json:"taskReason"`
	TaskRevision    int              `json:"taskRevision"`
	TaskScheduledAt *followup.Moment `json:"taskScheduledAt"`
}

func taskOf(t followup.Task) taskView {
	return taskView{TaskStatus: string(t.Status), TaskReason: orNull(string(t.Reason)), TaskRevision: t.Revision, TaskScheduledAt: momentOrNull(t.DueAt)}
}

func viewOf(r followup.Rules, b followup.Booking) bookingView {
	t := b.Task
	return bookingView{
		ID: b.BookingID.String(), TenantID: b.TenantID.String(),
		LeadID: idOrNull(b.LeadID), AssignedUserID: idOrNull(b.AssignedUserID),
		BookingType: orNull(b.Type), Status: orNull(string(b.Status)), IsDeleted: b.Deleted,
		ScheduledAt: momentOrNull(b.ScheduledAt), CreatedAt: momentOrNull(b.CreatedAt), DueAt: momentOrNull(due(r, b)),
		taskView: taskOf(t), TaskName: orNull(t.Name), PlannedFor: momentOrNull(t.PlannedFor),
		ExecutionAttempts: t.Attempts, ClaimedAt: momentOrNull(t.ClaimedAt), ExecutedAt: momentOrNull(t.ExecutedAt),
		CallID: orNull(t.CallID), LastExecutionError: orNull(t.LastError), IdempotencyKey: orNull(t.Key),
	}
}

// due is when the booking's call should be made, zero if it has no time.
func due(r followup.Rules, b followup.Booking) time.Time {
	if b.ScheduledAt.IsZero() {
		return time.Time{}
	}
	return b.ScheduledAt.Add(-r.LeadTime)
}

// standing is status and reason in one word, as failed/rejected.
func standing(t followup.Task) string {
	if t.Reason == "" {
		return string(t.Status)
	}
	return string(t.Status) + "/" + string(t.Reason)
}

func orNull[V comparable](v V) *V {
	var zero V
	if v == zero {
		return nil
	}
	return &v
}

func idOrNull(id uuid.NullUUID) *uuid.UUID {
	if !id.Valid {
		return nil
	}
	return &id.UUID
}
