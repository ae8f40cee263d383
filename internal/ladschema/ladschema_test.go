package ladschema_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/internal/ladschema"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func connect(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), postgrestest.NewDatabase(t, postgrestest.Template{Key: "empty"}).AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

const (
	tenant = "aaaaaaaa-0000-4000-8000-000000000001"
	user   = "99999999-0000-4000-8000-000000000001"
)

// leadSQL stores a lead with a user, and one without.
const leadSQL = `
	INSERT INTO users (id, tenant_id) VALUES ('` + user + `', '` + tenant + `');
	INSERT INTO leads (id, tenant_id, assigned_user_id) VALUES
		('11111111-0000-4000-8000-000000000001', '` + tenant + `', '` + user + `'),
		('22222222-0000-4000-8000-000000000002', '` + tenant + `', NULL)`

func insert(lead, kind, at string) string {
	return `INSERT INTO lead_bookings (tenant_id, lead_id, booking_type, booking_source, scheduled_at)
		SELECT tenant_id, id, '` + kind + `', 'system', '` + at + `' FROM leads WHERE id::text LIKE '` + lead + `%'`
}

func TestVariants(t *testing.T) {
	t.Parallel()
	for _, variant := range ladschema.Variants() {
		t.Run(variant.Name, func(t *testing.T) {
			t.Parallel()
			conn := connect(t)
			for _, schema := range []string{"lad_dev", "tenant 2"} {
				if err := ladschema.Create(t.Context(), conn, schema, variant.Parts...); err != nil {
					t.Fatal(err)
				}
			}
			if _, err := conn.Exec(t.Context(), `SET search_path = "tenant 2"; `+leadSQL+`; `+insert("1", "follow_up", "2026-06-01 18:00")); err != nil {
				t.Fatal(err)
			}
			var assigned string
			if err := conn.QueryRow(t.Context(), "SELECT assigned_user_id::text FROM lead_bookings").Scan(&assigned); err != nil || assigned != user {
				t.Errorf("assigned to %q, %v", assigned, err)
			}
			if _, err := conn.Exec(t.Context(), insert("2", "follow_up", "2026-06-01 18:00")); err == nil || !strings.Contains(err.Error(), "no assigned user") {
				t.Errorf("a lead without a user: %v", err)
			}
		})
	}
}

func TestDuplicates(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	if err := ladschema.Create(t.Context(), conn, "lad_dev", ladschema.Default...); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SET search_path = lad_dev; "+leadSQL+"; "+insert("1", "follow_up", "2026-06-01 18:00:10")); err != nil {
		t.Fatal(err)
	}
	var pgErr *pgconn.PgError
	if _, err := conn.Exec(t.Context(), insert("1", "follow_up", "2026-06-01 18:00:50")); !errors.As(err, &pgErr) || pgErr.Code != "23505" {
		t.Errorf("a second booking of the minute: %v", err)
	}
}

func TestTrigger(t *testing.T) {
	t.Parallel()
	conn := connect(t)
	if err := ladschema.Create(t.Context(), conn, "lad_dev", ladschema.Default...); err != nil {
		t.Fatal(err)
	}
	// The first two say nothing: no follow-up, and not the trigger's type.
	if _, err := conn.Exec(t.Context(), "LISTEN booking_followup_created; SET search_path = lad_dev; "+leadSQL+"; "+
		insert("1", "meeting", "2026-06-01 17:00")+"; "+insert("1", "scheduled_followup", "2026-06-01 17:30")+"; "+insert("1", "Follow-Up", "2026-06-01 18:00")); err != nil {
		t.Fatal(err)
	}
	notification, err := conn.WaitForNotification(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var payload struct {
		TenantID    string `json:"tenant_id"`
		ScheduledAt string `json:"scheduled_at"`
		Timezone    string `json:"timezone"`
	}
	if err := json.Unmarshal([]byte(notification.Payload), &payload); err != nil ||
		payload.TenantID != tenant || payload.ScheduledAt != "2026-06-01T18:00:00" || payload.Timezone != "GST" {
		t.Errorf("payload = %s, %v", notification.Payload, err)
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	t.Run("failure leaves no schema", func(t *testing.T) {
		t.Parallel()
		conn := connect(t)
		if err := ladschema.Create(t.Context(), conn, "half", ladschema.Dump, "nonsense"); err == nil {
			t.Fatal("nonsense was accepted")
		}
		var found bool
		if err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'half')").Scan(&found); err != nil || found {
			t.Errorf("the schema is there: %v, %v", found, err)
		}
	})
}
