package ladschema_test

import (
	"encoding/json"
	"testing"

	"github.com/jackc/pgx/v5"

	"lad.internal/followup/internal/ladschema"
	"lad.internal/followup/internal/localstack/postgres/postgrestest"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

func TestABookingIsAnnouncedInSnakeCaseByLADsOwnTrigger(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), postgrestest.NewDatabase(t, postgrestest.Template{Key: "empty"}).AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, schema := range []string{"lad_dev", "tenant 2"} {
		if err := ladschema.Create(t.Context(), conn, schema, ladschema.Bare, ladschema.Own001, ladschema.Trigger); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := conn.Exec(t.Context(), `
		LISTEN booking_followup_created;
		SET search_path = lad_dev;
		INSERT INTO leads (id, tenant_id) VALUES ('11111111-0000-4000-8000-000000000001', 'aaaaaaaa-0000-4000-8000-000000000001');
		INSERT INTO lead_bookings (tenant_id, lead_id) SELECT tenant_id, id FROM leads`); err != nil {
		t.Fatal(err)
	}
	notification, err := conn.WaitForNotification(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var payload struct {
		TenantID string `json:"tenant_id"`
	}
	if err := json.Unmarshal([]byte(notification.Payload), &payload); err != nil || payload.TenantID != "aaaaaaaa-0000-4000-8000-000000000001" {
		t.Errorf("payload = %s, %v", notification.Payload, err)
	}
}

func TestAFailedCreationLeavesNoSchema(t *testing.T) {
	t.Parallel()
	conn, err := pgx.Connect(t.Context(), postgrestest.NewDatabase(t, postgrestest.Template{Key: "empty"}).AdminURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := ladschema.Create(t.Context(), conn, "half", ladschema.Bare, "nonsense"); err == nil {
		t.Fatal("nonsense was accepted")
	}
	var found bool
	if err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_namespace WHERE nspname = 'half')").Scan(&found); err != nil || found {
		t.Errorf("the schema is there: %v, %v", found, err)
	}
}
