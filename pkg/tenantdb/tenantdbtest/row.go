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
	ScheduledAt time.Time // the instant; zero: in an hour. Stored is the wall clock of Timezone
	Timezone    string    // "": UTC. The wall clock of a zone that cannot be read is UTC's
	Source      string    // "": voice_agent
	CreatedAt   time.Time // zero: LAD's default, now
	Status      followup.BookingStatus
	Deleted     bool
	AgentID     string // "": no metadata
	// Task is stored as this system stores it, unless it is the zero Task. If it
	// was planned for another time than ScheduledAt, LAD has moved the booking since.
	Task followup.Task
	Lead Lead
	// Columns overrides any column by any value; nil is NULL, and a time is taken in
	// UTC. A lead or a user that it names is created, or takes part in this one.
	Columns map[string]any
}

// Lead is whom to ring. Without names, number and note it is Ada, with a number
// and no note.
type Lead struct {
	FirstName, LastName, Phone, Note string
	CountryCode, BaseNumber          string
	Deleted, Archived                bool
}

// User is the user to whom a tenant's leads are assigned, and so, by LAD's
// trigger, its bookings.
func User(tenant uuid.UUID) uuid.UUID { return uuid.NewSHA1(tenant, []byte("user")) }

// Insert stores a booking and its lead as LAD does.
func (f *Fixture) Insert(t testing.TB, row Row) followup.Ref {
	t.Helper()
	return f.InsertAll(t, row.tenant(), []Row{row})[0]
}

// InsertAll stores bookings of one tenant, whatever theirs is, at once. Each has
// a lead of its own.
func (f *Fixture) InsertAll(t testing.TB, tenant uuid.UUID, rows []Row) []followup.Ref {
	t.Helper()
	refs := make([]followup.Ref, 0, len(rows))
	batch := &pgx.Batch{}
	users := map[uuid.UUID]bool{}
	for _, row := range rows {
		ref := followup.Ref{TenantID: tenant, BookingID: uuid.New()}
		lead, user := row.id("lead_id", uuid.New()), row.id("assigned_user_id", User(tenant))
		if !users[user] {
			batch.Queue(`INSERT INTO users (id, tenant_id) VALUES ($1, $2) ON CONFLICT DO NOTHING`, user, tenant)
			users[user] = true
		}
		queueLead(batch, tenant, lead, user, row.Lead)
		columns := row.columns(f.Config.Times, ref, lead)
		batch.Queue(insertSQL("lead_bookings", columns), values(columns)...)
		for _, name := range []string{"lead_id", "assigned_user_id"} {
			if v, given := row.Columns[name]; given && v == nil { // LAD's trigger refuses it
				batch.Queue(`UPDATE lead_bookings SET `+name+` = NULL WHERE id = $1`, columns["id"])
			}
		}
		refs = append(refs, ref)
	}
	err := f.inSchema(t.Context(), tenant, func(tx pgx.Tx) error { return tx.SendBatch(t.Context(), batch).Close() })
	if err != nil {
		t.Fatalf("insert bookings: %v", err)
	}
	return refs
}

func (row Row) tenant() uuid.UUID { return orElse(row.Tenant, TenantA) }

// id is what Columns names, or else another one.
func (row Row) id(column string, other uuid.UUID) uuid.UUID {
	if id, ok := row.Columns[column].(uuid.UUID); ok {
		return id
	}
	return other
}

func queueLead(batch *pgx.Batch, tenant, id, user uuid.UUID, lead Lead) {
	if (Lead{FirstName: lead.FirstName, LastName: lead.LastName, Phone: lead.Phone, Note: lead.Note, BaseNumber: lead.BaseNumber}) == (Lead{}) {
		lead.FirstName, lead.LastName, lead.Phone = "Ada", "Lovelace", "+4915112345678"
	}
	columns := map[string]any{
		"id": id, "tenant_id": tenant, "assigned_user_id": user,
		"first_name": orNull(lead.FirstName), "last_name": orNull(lead.LastName), "phone": orNull(lead.Phone),
	}
	for name, v := range map[string]any{ // not every LAD has these
		"country_code": orNull(lead.CountryCode), "base_number": orNull(lead.BaseNumber),
		"is_deleted": orNull(lead.Deleted), "is_archived": orNull(lead.Archived),
	} {
		if v != nil {
			columns[name] = v
		}
	}
	batch.Queue(insertSQL("leads", columns)+` ON CONFLICT (id) DO UPDATE SET assigned_user_id = excluded.assigned_user_id`, values(columns)...)
	if lead.Note != "" {
		batch.Queue(`INSERT INTO lead_notes (tenant_id, lead_id, content) VALUES ($1, $2, $3)`, tenant, id, lead.Note)
	}
}

func (row Row) columns(times followup.Times, ref followup.Ref, lead uuid.UUID) map[string]any {
	at := orElse(row.ScheduledAt, time.Now().Add(time.Hour).Truncate(time.Second))
	zone, source := orElse(row.Timezone, "UTC"), orElse(row.Source, "voice_agent")
	columns := map[string]any{
		"id": ref.BookingID, "tenant_id": ref.TenantID,
		"booking_type": orElse(row.Type, "follow_up"), "booking_source": source,
		"scheduled_at": wall(at, zone), "timezone": zone,
		"status":     string(orElse(row.Status, followup.BookingScheduled)),
		"is_deleted": row.Deleted,
	}
	if !row.CreatedAt.IsZero() {
		columns["created_at"] = row.CreatedAt
	}
	if row.AgentID != "" {
		columns["metadata"] = `{"agent_id": ` + strconv.Quote(row.AgentID) + `}`
	}
	if row.Task != (followup.Task{}) {
		maps.Copy(columns, taskColumns(row.Task))
		seen := followup.When{Wall: wall(orElse(row.Task.PlannedFor, at), zone), Zone: zone, Source: source}
		maps.Copy(columns, map[string]any{
			"call_at": orNull(times.Instant(seen).At), "call_at_wall": seen.Wall, "call_at_zone": zone, "call_at_rule": times.Rule(),
		})
	}
	maps.Copy(columns, row.Columns)
	columns["lead_id"] = lead
	delete(columns, "assigned_user_id") // the trigger takes the lead's
	for name, v := range columns {
		if at, ok := v.(time.Time); ok {
			columns[name] = at.UTC() // a column without time zone takes the clock's reading
		}
	}
	return columns
}

// wall is the wall clock of at in a zone, as if it were UTC.
func wall(at time.Time, zone string) time.Time {
	return orElse(followup.Times{}.Wall(at, zone), at.UTC())
}

func taskColumns(t followup.Task) map[string]any {
	return map[string]any{
		"task_status": string(orElse(t.Status, followup.Pending)), "task_reason": orNull(t.Reason),
		"task_name": orNull(t.Name), "task_scheduled_at": orNull(t.DueAt), "task_revision": t.Revision,
		"planned_for": orNull(t.PlannedFor), "execution_attempts": t.Attempts, "claimed_at": orNull(t.ClaimedAt),
		"executed_at": orNull(t.ExecutedAt), "called_at": orNull(t.ExecutedAt), "call_id": orNull(t.CallID), "last_execution_error": orNull(t.LastError),
		"idempotency_key": orNull(t.Key),
	}
}

func insertSQL(table string, columns map[string]any) string {
	names := slices.Sorted(maps.Keys(columns))
	places := make([]string, len(names))
	for i := range names {
		places[i] = "$" + strconv.Itoa(i+1)
	}
	return "INSERT INTO " + table + " (" + strings.Join(names, ", ") + ") VALUES (" + strings.Join(places, ", ") + ")"
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
