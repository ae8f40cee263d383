package tenantdbtest

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/followup"
)

// Row is a booking to be stored. Its zero value is a live follow-up of TenantA,
// an hour ahead, as LAD inserts one, of a lead who can be rung.
type Row struct {
	Tenant      uuid.UUID
	Type        string    // "": follow_up
	ScheduledAt time.Time // zero: in an hour
	CreatedAt   time.Time // zero: LAD's default, now
	Status      followup.BookingStatus
	Deleted     bool
	AgentID     string // "": no metadata
	// Task is stored as this system stores it, unless it is the zero Task.
	Task followup.Task
	Lead Lead
	// Columns overrides any column by any value; nil is NULL.
	Columns map[string]any
}

// Lead is whom to ring. The zero value is Ada, with a number and no note.
type Lead struct {
	FirstName, LastName, Phone, Note string
}

// Insert stores a booking and its lead as LAD does.
func (f *Fixture) Insert(t testing.TB, row Row) followup.Ref {
	t.Helper()
	return f.InsertAll(t, row.tenant(), []Row{row})[0]
}

// InsertAll stores bookings of one tenant, whatever theirs is, at once.
func (f *Fixture) InsertAll(t testing.TB, tenant uuid.UUID, rows []Row) []followup.Ref {
	t.Helper()
	refs := make([]followup.Ref, 0, len(rows))
	batch := &pgx.Batch{}
	for _, row := range rows {
		ref, lead := followup.Ref{TenantID: tenant, BookingID: uuid.New()}, uuid.New()
		queueLead(batch, tenant, lead, row.Lead)
		columns := row.columns(ref, lead)
		batch.Queue(insertSQL(columns), values(columns)...)
		refs = append(refs, ref)
	}
	err := f.inSchema(t.Context(), tenant, func(tx pgx.Tx) error { return tx.SendBatch(t.Context(), batch).Close() })
	if err != nil {
		t.Fatalf("insert bookings: %v", err)
	}
	return refs
}

func (row Row) tenant() uuid.UUID { return orElse(row.Tenant, TenantA) }

func queueLead(batch *pgx.Batch, tenant, id uuid.UUID, lead Lead) {
	if lead == (Lead{}) {
		lead = Lead{FirstName: "Ada", LastName: "Lovelace", Phone: "+4915112345678"}
	}
	batch.Queue(`INSERT INTO leads (id, tenant_id, first_name, last_name, phone) VALUES ($1, $2, $3, $4, $5)`,
		id, tenant, orNull(lead.FirstName), orNull(lead.LastName), orNull(lead.Phone))
	if lead.Note != "" {
		batch.Queue(`INSERT INTO lead_notes (tenant_id, lead_id, content) VALUES ($1, $2, $3)`, tenant, id, lead.Note)
	}
}

func (row Row) columns(ref followup.Ref, lead uuid.UUID) map[string]any {
	columns := map[string]any{
		"id": ref.BookingID, "tenant_id": ref.TenantID, "lead_id": lead,
		"booking_type": orElse(row.Type, "follow_up"),
		"scheduled_at": orElse(row.ScheduledAt, time.Now().Add(time.Hour).Truncate(time.Second)),
		"status":       string(orElse(row.Status, followup.BookingScheduled)),
		"is_deleted":   row.Deleted,
	}
	if !row.CreatedAt.IsZero() {
		columns["created_at"] = row.CreatedAt
	}
	if row.AgentID != "" {
		columns["metadata"] = `{"agent_id": ` + strconv.Quote(row.AgentID) + `}`
	}
	if row.Task != (followup.Task{}) {
		maps.Copy(columns, taskColumns(row.Task))
	}
	maps.Copy(columns, row.Columns)
	return columns
}

func taskColumns(t followup.Task) map[string]any {
	return map[string]any{
		"task_status": string(orElse(t.Status, followup.Pending)), "task_reason": orNull(t.Reason),
		"task_name": orNull(t.Name), "task_scheduled_at": orNull(t.DueAt), "task_revision": t.Revision,
		"planned_for": orNull(t.PlannedFor), "execution_attempts": t.Attempts, "claimed_at": orNull(t.ClaimedAt),
		"executed_at": orNull(t.ExecutedAt), "call_id": orNull(t.CallID), "last_execution_error": orNull(t.LastError),
		"idempotency_key": orNull(t.Key),
	}
}

func insertSQL(columns map[string]any) string {
	names := slices.Sorted(maps.Keys(columns))
	places := make([]string, len(names))
	for i := range names {
		places[i] = "$" + strconv.Itoa(i+1)
	}
	return "INSERT INTO lead_bookings (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(places, ", ") + ")"
}

func values(columns map[string]any) []any {
	all := make([]any, 0, len(columns))
	for _, name := range slices.Sorted(maps.Keys(columns)) {
		all = append(all, columns[name])
	}
	return all
}

func orElse[V comparable](v, other V) V {
	var zero V
	if v == zero {
		return other
	}
	return v
}

// orNull is NULL for the zero value.
func orNull[V comparable](v V) any {
	var zero V
	if v == zero {
		return nil
	}
	return v
}
