package lad_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/uuid"

	"lad.internal/followup/internal/ladschema"
	"lad.internal/followup/internal/localstack/lad"
)

// TestWriters holds what LAD's two programs store for 14:00Z, in a column without time zone and in one
// with it.
func TestWriters(t *testing.T) {
	t.Parallel()
	const at = `"scheduledAt":"2026-12-01T14:00:00Z"`
	tests := map[string]struct {
		fields []string
		row    string // wall clock, zone and source
		shown  any
	}{
		"python":                   {[]string{at}, "2026-12-01 18:00:00 GST voice_agent", "2026-12-01T14:00:00Z"},
		"node":                     {[]string{at, `"writer":"node"`}, "2026-12-01 18:00:00 GST user_ui", "2026-12-01T14:00:00Z"},
		"in UTC":                   {[]string{at, `"timezone":"UTC"`}, "2026-12-01 14:00:00 UTC voice_agent", "2026-12-01T14:00:00Z"},
		"in Berlin":                {[]string{at, `"timezone":"Europe/Berlin"`, `"writer":"node"`}, "2026-12-01 15:00:00 Europe/Berlin user_ui", "2026-12-01T14:00:00Z"},
		"another source":           {[]string{at, `"bookingSource":"campaign"`}, "2026-12-01 18:00:00 GST campaign", "2026-12-01T14:00:00Z"},
		"wall":                     {[]string{`"wall":"2026-12-01T18:00:00"`}, "2026-12-01 18:00:00 GST voice_agent", "2026-12-01T14:00:00Z"},
		"wall in an unknown zone":  {[]string{`"wall":"2026-12-01T18:00:00"`, `"timezone":"Mars"`}, "2026-12-01 18:00:00 Mars voice_agent", nil},
		"wall without a zone":      {[]string{`"wall":"2026-12-01T18:00:00"`, `"timezone":null`}, "2026-12-01 18:00:00 voice_agent", nil},
		"wall that is no moment":   {[]string{`"wall":"infinity"`}, "infinity GST voice_agent", nil},
		"the zone of a wall clock": {[]string{`"wall":"2026-12-01T18:00:00+09"`}, "2026-12-01 18:00:00 GST voice_agent", "2026-12-01T14:00:00Z"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, nil)
			for tenant, schema := range map[string]string{tenantA: shared, tenantC: own} {
				id := b.create(t, tenant, tt.fields...)
				row := value[string](t, b, schema, `SELECT concat_ws(' ', scheduled_at::timestamp, timezone, booking_source) FROM lead_bookings WHERE id = $1`, id)
				if row != tt.row {
					t.Errorf("%s: the row is %q, want %q", schema, row, tt.row)
				}
				if shown := b.do(t, http.MethodGet, lad.BookingsPath+"/"+id, "", as(tenant)); shown.json["scheduledAt"] != tt.shown {
					t.Errorf("%s: GET answered %s, want %v", schema, shown.text, tt.shown)
				}
			}
		})
	}
}

func TestLead(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	read := func() string {
		return value[string](t, b, shared, `SELECT concat_ws(' ', country_code, base_number, is_deleted, is_archived, assigned_user_id) FROM leads`)
	}
	b.create(t, tenantA, `"assignedUserId":null`, `"countryCode":"+971"`, `"baseNumber":"500000103"`, `"leadArchived":true`)
	first := strings.Fields(read())
	if len(first) != 5 || strings.Join(first[:4], " ") != "+971 500000103 f t" || first[4] == userID {
		t.Errorf("the lead is %v", first)
	}
	b.create(t, tenantA, `"scheduledAt":"2030-02-01T00:00:00Z"`, `"leadDeleted":true`)
	if got := read(); got != "+971 500000103 t t "+userID {
		t.Errorf("the lead is then %q", got)
	}
}

func TestGenericUpdate(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	id := b.create(t, tenantA)
	shot, err := b.lad.Snapshot(t.Context(), tenantA, id)
	if err != nil {
		t.Fatal(err)
	}
	const columns = `concat_ws(' ', task_status, task_name, task_scheduled_at, executed_at, execution_attempts, last_execution_error, idempotency_key)`
	before := value[string](t, b, shared, `SELECT `+columns+` FROM lead_bookings`)
	value[int](t, b, shared, `
		WITH called AS (UPDATE lead_bookings SET task_status = 'executed', task_name = 't', task_scheduled_at = now(), executed_at = now(),
			execution_attempts = 1, last_execution_error = 'e', idempotency_key = 'k', task_revision = 4 RETURNING 1)
		SELECT count(*) FROM called`)
	if err := b.lad.WriteBack(t.Context(), shot); err != nil {
		t.Fatal(err)
	}
	if after := value[string](t, b, shared, `SELECT `+columns+` || ' revision ' || task_revision FROM lead_bookings`); after != before+" revision 4" {
		t.Errorf("the row is %q, was %q", after, before)
	}
}

func TestSeedAgent(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	if err := ladschema.Create(t.Context(), b.conn, "old", ladschema.Dump, ladschema.Minimal); err != nil {
		t.Fatal(err)
	}
	for _, schema := range []string{own, own, "old"} {
		if err := lad.SeedAgent(t.Context(), b.conn, schema, tenantC, 103); err != nil {
			t.Fatal(err)
		}
	}
	got := value[string](t, b, own, `
		SELECT string_agg(concat_ws(' ', a.id, a.tenant_id, n.tenant_id, country_code, base_number, status, default_agent_id), ', ')
		FROM voice_agents a, voice_agent_numbers n`)
	if want := "103 " + tenantC + " " + tenantC + " +1 2025550103 active 103"; got != want {
		t.Errorf("agent and number are %q, want %q", got, want)
	}
}

func TestLogCall(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	b.create(t, tenantA) // with the user
	if err := lad.SeedAgent(t.Context(), b.conn, shared, tenantB, 102); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		call lad.Call
		want string
	}{
		"under its user's tenant":  {lad.Call{TenantID: tenantC, InitiatedBy: userID, AgentID: 102}, tenantA},
		"under its agent's tenant": {lad.Call{TenantID: tenantC, InitiatedBy: nobody, AgentID: 102}, tenantB},
		"under the caller's":       {lad.Call{TenantID: tenantC, AgentID: 7}, tenantC},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) { // one connection: not parallel
			tt.call.LeadID, tt.call.JobID = leadID, uuid.NewString()
			id, err := b.lad.LogCall(t.Context(), tt.call)
			if err != nil {
				t.Fatal(err)
			}
			schema := map[bool]string{true: own, false: shared}[tt.want == tenantC]
			got := value[string](t, b, schema, `SELECT concat_ws(' ', tenant_id, lead_id, metadata ->> 'job_id', status) FROM voice_call_logs WHERE id = $1`, id)
			if want := tt.want + " " + leadID + " " + tt.call.JobID + " in_queue"; got != want {
				t.Errorf("the log has %q, want %q", got, want)
			}
		})
	}
	t.Run("nobody's", func(t *testing.T) {
		if _, err := b.lad.LogCall(t.Context(), lad.Call{TenantID: nobody}); err == nil {
			t.Error("it was logged")
		}
	})
}
