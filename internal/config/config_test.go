package config_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/sethvargo/go-envconfig"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/internal/config"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/settings"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// environment is complete and good, for one database and one queue.
func environment(databaseURL, queue string) map[string]string {
	return map[string]string{
		"DATABASE_URL": databaseURL, "TENANT_SCHEMA": "lad_dev",
		"GCP_PROJECT_ID": "p", "GCP_LOCATION": "l", "CLOUD_TASKS_EMULATOR_HOST": queue,
		"GCP_CLOUD_TASKS_SERVICE_ACCOUNT": functiontest.Account,
		"FOLLOWUP_EXECUTION_ENDPOINT":     "https://execute.example/bookings/:id/execute-followup",
		"FOLLOWUP_ACTIVE_SINCE":           "2026-01-31T00:00:00Z",
		"LOG_LEVEL":                       "warn",
	}
}

// target is what a function reads.
type target struct{ Shared config.Shared }

func load(t *testing.T, env map[string]string) config.Shared {
	t.Helper()
	var c target
	if err := settings.Load(t.Context(), envconfig.MapLookuper(env), &c); err != nil {
		t.Fatal(err)
	}
	return c.Shared
}

func TestLoadReadsTheEnvironmentOfTheProcess(t *testing.T) {
	for name, value := range environment("postgres://db/lad", "127.0.0.1:1") {
		t.Setenv(name, value)
	}
	t.Setenv("FOLLOWUP_LEASE", "150s")
	var c target
	if err := config.Load(t.Context(), &c); err != nil || c.Shared.Rules.Lease != 150*time.Second {
		t.Errorf("%+v, %v", c.Shared.Rules, err)
	}
	t.Setenv("FOLLOWUP_LEASE", "200s")
	err := config.Load(t.Context(), &c)
	if err == nil || !strings.HasPrefix(err.Error(), "FOLLOWUP_DISPATCH_DEADLINE is 3m0s and FOLLOWUP_LEASE is 3m20s") {
		t.Errorf("said %v", err)
	}
}

func TestLogger(t *testing.T) {
	t.Parallel()
	const database = "postgres://app:swordfish-2@db/lad"
	shared := load(t, environment(database, ""))
	var out bytes.Buffer
	log := shared.Logger(&out)
	log.Info("not at this level", "event", "quiet")
	log.Warn("all settings", "event", "loud", "shared", shared, "error", fmt.Errorf("with %+v", shared))
	text := out.String()
	if strings.Contains(text, "swordfish") {
		t.Errorf("the log holds a secret: %s", text)
	}
	if strings.Contains(text, "quiet") || !strings.Contains(text, `"event":"loud"`) {
		t.Errorf("the log is %s", text)
	}
}

func TestTheOpenedPartsWorkAndClose(t *testing.T) {
	t.Parallel()
	database := functiontest.NewDatabase(t)
	queue := functiontest.NewTasks(t, "http://127.0.0.1:1/bookings/:id/execute-followup")
	shared := load(t, environment(database.DatabaseURL(), queue.Addr))
	parts, err := shared.Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if tenants, err := parts.DB.Tenants(t.Context()); err != nil || len(tenants) != 0 {
		t.Errorf("tenants %v, %v", tenants, err)
	}
	if err := parts.Queue.Delete(t.Context(), shared.Tasks.TaskPath("none")); err != nil {
		t.Error(err)
	}
	if err := parts.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestNothingIsContactedWhenThePartsAreOpened(t *testing.T) {
	t.Parallel()
	parts, err := load(t, environment("postgres://app:x@127.0.0.1:1/lad", "127.0.0.1:1")).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := parts.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

func TestAConnectionStringThatIsNoneIsRefusedWithoutQuotingIt(t *testing.T) {
	t.Parallel()
	_, err := load(t, environment("postgres://app:swordfish@db:port/lad", "127.0.0.1:1")).Open(t.Context())
	if err == nil || !strings.Contains(err.Error(), "DATABASE_URL") || strings.Contains(err.Error(), "swordfish") {
		t.Errorf("said %v", err)
	}
}
