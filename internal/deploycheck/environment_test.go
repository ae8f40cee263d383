package deploycheck_test

import (
	"errors"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-envconfig"
	"github.com/zclconf/go-cty/cty"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/config"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/phone"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
)

// command is what the command reads, in the jobs doctor and operate.
type command struct{ Shared config.Shared }

// choices are variables that a team may set.
func choices() map[string]map[string]cty.Value {
	necessary := func(more map[string]cty.Value) map[string]cty.Value {
		all := map[string]cty.Value{
			"project_id": cty.StringVal("lad-test"), "region": cty.StringVal("europe-west1"),
			"active_since": cty.StringVal("2026-01-31T00:00:00Z"), "tenant_schema": cty.StringVal("lad_dev"),
			"voice_agent_base_url": cty.StringVal("https://voice.example.com"),
			"secret_versions":      object("INTERNAL_SERVICE_SECRET", cty.StringVal("1")),
		}
		maps.Copy(all, more)
		return all
	}
	return map[string]map[string]cty.Value{
		"only what is necessary": necessary(nil),
		"LAD's own instance, a schema per tenant": necessary(map[string]cty.Value{
			"tenant_schema": cty.NullVal(cty.String), "tenant_registry": cty.StringVal("public.tenants"),
			"existing_instance": cty.StringVal("example.com:lad-data:europe-west1:main"),
			"secret_versions": cty.ObjectVal(map[string]cty.Value{
				"INTERNAL_SERVICE_SECRET": cty.StringVal("1"), "VOICE_AGENT_JWT_SECRET": cty.StringVal("2"),
			}),
			"network": cty.StringVal("projects/p/global/networks/n"), "subnetwork": cty.StringVal("projects/p/regions/r/subnetworks/s"),
		}),
		"everything set": necessary(map[string]cty.Value{
			"secret_versions": cty.ObjectVal(map[string]cty.Value{
				"INTERNAL_SERVICE_SECRET": cty.StringVal("1"), "VOICE_AGENT_API_KEY": cty.StringVal("2"), "OWNER_DATABASE_URL": cty.StringVal("3"),
			}),
			"paused": cty.StringVal("aaaaaaaa-0000-4000-8000-000000000001,bbbbbbbb-0000-4000-8000-000000000002"),
			"canary": cty.StringVal(canaryTenant),
			"settings": ownWords(map[string]string{
				"DEFAULT_FOLLOW_UP_AGENT_ID": "7", "FOLLOWUP_BOOKING_TYPES": "follow_up", "FOLLOWUP_DEFAULT_REGION": "AE", "FOLLOWUP_DEFAULT_TIMEZONE": "Asia/Dubai",
				"FOLLOWUP_DISPATCH_DEADLINE": "4m", "FOLLOWUP_GRACE": "6m", "FOLLOWUP_HORIZON": "696h", "FOLLOWUP_LEAD_TIME": "90s", "FOLLOWUP_LEASE": "3m",
				"FOLLOWUP_MAX_BACKDATE": "2h", "FOLLOWUP_MAX_CALLS_PER_LEAD": "off", "FOLLOWUP_MAX_LATENESS": "10m", "FOLLOWUP_TIMELINE": "2",
				"FOLLOWUP_TIME_MEANS": "wall,web=instant", "FOLLOWUP_TRACES": "gcp", "FOLLOWUP_TRACES_RATIO": "0.25", "LOG_LEVEL": "debug",
				"VOICE_AGENT_AUDIENCE": "https://voice.example.com", "VOICE_AGENT_CONTRACT": "service", "VOICE_AGENT_DISPATCH_FAILED": "not_started",
				"VOICE_AGENT_FRONTEND_ID": "followup", "VOICE_AGENT_IDEMPOTENT": "true", "VOICE_AGENT_JOB_AFTER": "3s", "VOICE_AGENT_JOB_PATH": "/calls/job/{job_id}",
				"VOICE_AGENT_JWT_TTL": "2m", "VOICE_AGENT_LIMIT": "120/1m,30/5s", "VOICE_AGENT_QUOTE": "true",
				"VOICE_AGENT_START_CALL_PATH": "/calls/start-call", "VOICE_AGENT_TIMEOUT": "45s",
			}),
		}),
	}
}

func ownWords(values map[string]string) cty.Value {
	all := map[string]cty.Value{}
	for name, value := range values {
		all[name] = cty.StringVal(value)
	}
	return cty.MapVal(all)
}

// environment is what a function or job finds, its secrets included, and what
// Cloud Run adds.
func (p *plan) environment(target string) map[string]string {
	p.t.Helper()
	env := decode[map[string]map[string]string](p, "environment")[target]
	for _, name := range decode[map[string][]string](p, "secret_environment")[target] {
		env[name] = "a-secret"
	}
	env["K_SERVICE"], env["K_REVISION"] = "followup-"+target, "followup-"+target+"-00001"
	return env
}

func TestTheFunctionsAcceptTheEnvironmentsThatTerraformGivesThem(t *testing.T) {
	t.Parallel()
	m := readModule(t)
	for name, given := range choices() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := m.plan(t, given)
			for target, into := range map[string]any{"schedule": &schedule.Config{}, "execute": &execute.Config{}, "doctor": &command{}, "operate": &command{}} {
				env := p.environment(target)
				if err := settings.Load(t.Context(), envconfig.MapLookuper(env), into); err != nil {
					t.Errorf("%s cannot start:\n%v", target, err)
				}
			}
		})
	}
}

func TestTerraformSetsEveryRequiredVariableAndNoUnknownOne(t *testing.T) {
	t.Parallel()
	m := readModule(t)
	for name, given := range choices() {
		p := m.plan(t, given)
		for target, kind := range map[string]reflect.Type{"schedule": reflect.TypeFor[schedule.Config](), "execute": reflect.TypeFor[execute.Config]()} {
			env, known := p.environment(target), variables(kind)
			for variable, required := range known {
				if _, set := env[variable]; required && !set {
					t.Errorf("%s: %s lacks %s, which it requires", name, target, variable)
				}
			}
			for variable := range env {
				if _, ok := known[variable]; !ok {
					t.Errorf("%s: %s is given %s, which it does not know", name, target, variable)
				}
			}
		}
	}
}

// variables are the variables that a configuration reads, and whether it
// requires them.
func variables(kind reflect.Type) map[string]bool {
	found := map[string]bool{}
	for i := range kind.NumField() {
		field := kind.Field(i)
		if tag, ok := field.Tag.Lookup("env"); ok {
			name, options, _ := strings.Cut(tag, ",")
			found[name] = strings.TrimSpace(options) == "required"
		} else if field.Type.Kind() == reflect.Struct {
			maps.Copy(found, variables(field.Type))
		}
	}
	return found
}

// unset are left to their defaults, or have no place in Google's cloud. Whoever
// adds a setting decides here, or in Terraform, what becomes of it.
var unset = []string{
	"CLOUD_TASKS_EMULATOR_HOST", "FOLLOWUP_OIDC_ISSUER", "FOLLOWUP_OIDC_CERTS_URL", // for emulators
	"DATABASE_URL",                                                   // Cloud SQL is entered by IAM login
	"DB_LOCK_TIMEOUT", "DB_STATEMENT_TIMEOUT", "TENANT_REGISTRY_TTL", // good as they are
}

func TestNoSettingIsForgotten(t *testing.T) {
	t.Parallel()
	m := readModule(t)
	set := map[string]bool{}
	for _, given := range choices() {
		for name := range m.plan(t, given).environment("execute") {
			set[name] = true
		}
	}
	for name := range variables(reflect.TypeFor[execute.Config]()) {
		if set[name] == slices.Contains(unset, name) {
			t.Errorf("%s: set by Terraform: %v; listed as left alone: %v", name, set[name], slices.Contains(unset, name))
		}
	}
}

// Terraform computes with some defaults of the functions' own, and repeats others.
func TestDefaults(t *testing.T) {
	t.Parallel()
	p := readModule(t).plan(t, choices()["only what is necessary"])
	var terraform, own execute.Config
	env := p.environment("execute")
	for name := range decode[map[string]string](p, "default_times") {
		if value, set := env[name]; set {
			t.Errorf("%s is %s, though nobody has set it", name, value)
		}
	}
	maps.Copy(env, decode[map[string]string](p, "default_times"))
	if err := settings.Load(t.Context(), envconfig.MapLookuper(env), &terraform); err != nil {
		t.Fatal(err)
	}
	for name := range decode[map[string]string](p, "default_times") {
		delete(env, name)
	}
	for _, name := range []string{"FOLLOWUP_PAUSED", "FOLLOWUP_QUEUE_NAME", "DB_PRIVATE_IP", "DB_MAX_CONNS"} {
		if _, ok := env[name]; !ok {
			t.Errorf("%s is not set by Terraform any more: take it off this list", name)
		}
		delete(env, name)
	}
	if err := settings.Load(t.Context(), envconfig.MapLookuper(env), &own); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(own, terraform, cmp.Comparer(func(a, b settings.Secret) bool { return a.Reveal() == b.Reveal() }),
		cmp.Comparer(func(a, b followup.TimeMeans) bool { return a.String() == b.String() }),
		cmp.Comparer(func(a, b phone.Regions) bool { return a.String() == b.String() })); d != "" {
		t.Errorf("defaults (-the functions' +Terraform's):\n%s", d)
	}
}

func TestEntryPoints(t *testing.T) {
	t.Parallel()
	type function struct {
		EntryPoint string `json:"entry_point"`
	}
	got := decode[map[string]function](readModule(t).plan(t, choices()["only what is necessary"]), "functions")
	if d := cmp.Diff(map[string]function{"schedule": {schedule.Name}, "execute": {execute.Name}}, got); d != "" {
		t.Errorf("(-the code's +Terraform's):\n%s", d)
	}
}

const canaryTenant = "cccccccc-0000-4000-8000-00000000000c"

func TestTheSmokeTestAndTheFunctionAgreeOnTheCanary(t *testing.T) {
	t.Parallel()
	m := readModule(t)
	for name, given := range choices() {
		for _, want := range []execute.CanaryConfig{{}, {Tenant: canaryTenant, URL: "https://followup-stub-123456789012.europe-west1.run.app"}} {
			delete(given, "canary")
			if want.Tenant != "" {
				given["canary"] = cty.StringVal(want.Tenant)
			}
			p := m.plan(t, given)
			var job struct {
				Rules    followup.Rules
				Database tenantdb.Config
				Log      config.Log
				Canary   execute.CanaryConfig
			}
			env := p.environment("smoke")
			delete(env, "OWNER_DATABASE_URL") // the secret's name; the job finds it as
			env["DATABASE_URL"] = "postgres://owner:a-secret@10.1.2.3:5432/lad"
			var function execute.Config
			err := errors.Join(settings.Load(t.Context(), envconfig.MapLookuper(env), &job), settings.Load(t.Context(), envconfig.MapLookuper(p.environment("execute")), &function))
			if err != nil || job.Canary != want || function.Canary != want {
				t.Errorf("%s: the job has %+v, the function %+v, want %+v: %v", name, job.Canary, function.Canary, want, err)
			}
		}
	}
}

func TestTheQueueTriesATaskForAsLongAsItsCallMayBeMade(t *testing.T) {
	t.Parallel()
	m := readModule(t)
	for name, given := range choices() {
		p := m.plan(t, given)
		var rules struct{ Part followup.Rules }
		if err := settings.Load(t.Context(), envconfig.MapLookuper(p.environment("execute")), &rules); err != nil {
			t.Fatal(err)
		}
		retry := decode[map[string]int](p, "queue_retry")
		seconds := func(attribute string) time.Duration { return time.Duration(retry[attribute]) * time.Second }
		queue := tasks.Queue{
			MaxAttempts: retry["max_attempts"], MaxDoublings: retry["max_doublings"],
			MinBackoff: seconds("min_backoff_seconds"), MaxBackoff: seconds("max_backoff_seconds"),
		}
		if queue.MaxAttempts < 1 {
			t.Errorf("%s: max_attempts is %d: what it means together with a duration is not written down", name, queue.MaxAttempts)
		}
		attempts := queue.RetryBudget()
		queue.MaxRetryDuration = seconds("max_retry_seconds")
		limit := rules.Part.MaxLateness + rules.Part.LeadTime
		switch budget := queue.RetryBudget(); {
		case attempts >= limit:
			t.Errorf("%s: the attempts last %v, longer than the %v after which a call is too late", name, attempts, limit)
		case budget < limit+queue.MaxBackoff:
			t.Errorf("%s: a task is given up after %v, before an attempt has found that %v is too late", name, budget, limit)
		case budget > limit+5*time.Minute:
			t.Errorf("%s: a task is tried for %v, though its call is too late after %v", name, budget, limit)
		case queue.MaxBackoff >= rules.Part.Grace:
			t.Errorf("%s: a pause of %v is no shorter than the grace of %v", name, queue.MaxBackoff, rules.Part.Grace)
		}
	}
}
