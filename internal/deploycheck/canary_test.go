package deploycheck_test

import (
	"testing"

	"github.com/sethvargo/go-envconfig"
	"github.com/zclconf/go-cty/cty"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/config"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

const canaryTenant = "cccccccc-0000-4000-8000-00000000000c"

// smoke is what the command reads.
type smoke struct {
	Rules    followup.Rules
	Database tenantdb.Config
	Log      config.Log
	Canary   execute.CanaryConfig
}

func TestTheSmokeTestAndTheFunctionAgreeOnTheCanary(t *testing.T) {
	t.Parallel()
	m := readModule(t)
	for name, given := range choices() {
		given["canary"] = cty.StringVal(canaryTenant)
		p := m.plan(t, given)
		env := p.environment("smoke")
		delete(env, "OWNER_DATABASE_URL") // the secret's name; the job finds it as
		env["DATABASE_URL"] = "postgres://owner:a-secret@10.1.2.3:5432/lad"
		var job smoke
		if err := settings.Load(t.Context(), envconfig.MapLookuper(env), &job); err != nil {
			t.Errorf("%s: the job smoke cannot start:\n%v", name, err)
		}
		var function execute.Config
		if err := settings.Load(t.Context(), envconfig.MapLookuper(p.environment("execute")), &function); err != nil {
			t.Errorf("%s: execute cannot start:\n%v", name, err)
		}
		want := execute.CanaryConfig{Tenant: canaryTenant, URL: "https://followup-stub-123456789012.europe-west1.run.app"}
		if job.Canary != want || function.Canary != want {
			t.Errorf("%s: the job has %+v, the function %+v, want %+v", name, job.Canary, function.Canary, want)
		}
	}
}

func TestWithoutACanaryTheFunctionHasNone(t *testing.T) {
	t.Parallel()
	env := readModule(t).plan(t, choices()["only what is necessary"]).environment("execute")
	for _, name := range []string{"VOICE_AGENT_CANARY_TENANT", "VOICE_AGENT_CANARY_URL"} {
		if value, set := env[name]; set {
			t.Errorf("%s is %q", name, value)
		}
	}
}
