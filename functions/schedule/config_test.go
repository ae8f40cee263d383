package schedule_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/settings"
)

// environment is all that this function needs: nothing of the voice agent.
var environment = map[string]string{
	"DATABASE_URL": "postgres://app:swordfish@db/lad", "TENANT_SCHEMA": "lad_dev",
	"GCP_PROJECT_ID": "p", "GCP_LOCATION": "europe-west3",
	"GCP_CLOUD_TASKS_SERVICE_ACCOUNT": "invoker@p.iam.gserviceaccount.com",
	"FOLLOWUP_EXECUTION_ENDPOINT":     "https://execute.example/bookings/:id/execute-followup",
	"FOLLOWUP_ACTIVE_SINCE":           "2026-01-31T00:00:00Z",
}

func TestTheFunctionStartsWithoutTheVoiceAgentsSettings(t *testing.T) {
	t.Parallel()
	var c schedule.Config
	if err := settings.Load(t.Context(), envconfig.MapLookuper(environment), &c); err != nil {
		t.Error(err)
	}
}

func TestEachMissingSettingIsOneSentenceThatNamesIt(t *testing.T) {
	t.Parallel()
	for name := range environment {
		env := maps.Clone(environment)
		delete(env, name)
		var c schedule.Config
		err := settings.Load(t.Context(), envconfig.MapLookuper(env), &c)
		if err == nil || strings.Contains(err.Error(), "\n") || !strings.HasPrefix(err.Error(), name+" is missing: set it to ") {
			t.Errorf("without %s: %v", name, err)
		}
	}
}
