package deploycheck_test

import (
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

// What the command reads in the jobs doctor and operate, and in the job smoke.
type (
	command struct{ Shared config.Shared }
	smoke   struct {
		Rules    followup.Rules
		Database tenantdb.Config
		Log      config.Log
		Canary   execute.CanaryConfig
	}
)

var canary = execute.CanaryConfig{Tenant: "cccccccc-0000-4000-8000-00000000000c", URL: "https://followup-stub-123456789012.europe-west1.run.app"}

// necessary are the variables that have no default, and more of them.
func necessary(more map[string]cty.Value) map[string]cty.Value {
	all := map[string]cty.Value{
		"project_id": cty.StringVal("lad-test"), "region": cty.StringVal("europe-west1"),
		"active_since": cty.StringVal("2026-01-31T00:00:00Z"), "tenant_schema": cty.StringVal("lad_dev"),
		"voice_agent_base_url": cty.StringVal("https://voice.example.com"),
		"secret_versions":      texts(map[string]string{"INTERNAL_SERVICE_SECRET": "1"}),
	}
	maps.Copy(all, more)
	return all
}

// choices are variables that a team may set.
func choices() map[string]map[string]cty.Value {
	return map[string]map[string]cty.Value{
		"only what is necessary": necessary(nil),
		"LAD's own instance, a schema per tenant": necessary(map[string]cty.Value{
			"tenant_schema": cty.NullVal(cty.String), "tenant_registry": cty.StringVal("public.tenants"),
			"existing_instance": cty.StringVal("example.com:lad-data:europe-west1:main"),
			"secret_versions":   texts(map[string]string{"INTERNAL_SERVICE_SECRET": "1", "VOICE_AGENT_JWT_SECRET": "2"}),
			"network":           cty.StringVal("projects/p/global/networks/n"), "subnetwork": cty.StringVal("projects/p/regions/r/subnetworks/s"),
		}),
		"everything set": necessary(map[string]cty.Value{
			"secret_versions": texts(map[string]string{"INTERNAL_SERVICE_SECRET": "1", "VOICE_AGENT_API_KEY": "2", "OWNER_DATABASE_URL": "3"}),
			"paused":          cty.StringVal("aaaaaaaa-0000-4000-8000-000000000001,bbbbbbbb-0000-4000-8000-000000000002"),
			"canary":          cty.StringVal(canary.Tenant),
			"settings": texts(map[string]string{
				"DEFAULT_FOLLOW_UP_AGENT_ID": "7", "FOLLOWUP_BOOKING_TYPES": "follow_up", "FOLLOWUP_DEFAULT_REGION": "AE", "FOLLOWUP_DEFAULT_TIMEZONE": "Asia/Dubai",
				"FOLLOWUP_DISPATCH_DEADLINE": "4m", "FOLLOWUP_GRACE": "6m", "FOLLOWUP_HORIZON": "696h", "FOLLOWUP_LEAD_TIME": "90s", "FOLLOWUP_LEASE": "3m",
				"FOLLOWUP_MAX_BACKDATE": "2h", "FOLLOWUP_MAX_CALLS_PER_LEAD": "off", "FOLLOWUP_MAX_LATENESS": "10m", "FOLLOWUP_TIMELINE": "2",
				"FOLLOWUP_TIME_MEANS": "wall,web=instant", "FOLLOWUP_TRACES": "gcp", "FOLLOWUP_TRACES_RATIO": "0.25", "LOG_LEVEL": "debug",
				"VOICE_AGENT_AUDIENCE": "https://voice.example.com", "VOICE_AGENT_CONTRACT": "service", "VOICE_AGENT_DISPATCH_FAILED": "not_started",
				"VOICE_AGENT_FRONTEND_ID": "followup", "VOICE_AGENT_IDEMPOTENT": "true", "VOICE_AGENT_JOB_AFTER": "3s", "VOICE_AGENT_JOB_PATH": "/calls/job/{job_id}",
				"VOICE_AGENT_JWT_TTL": "2m", "VOICE_AGENT_LIMIT": "120/1m,30/5s",
				"VOICE_AGENT_START_CALL_PATH": "/calls/start-call", "VOICE_AGENT_TIMEOUT": "45s",
			}),
		}),
	}
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
	if target == "smoke" { // the job finds the owner's secret under another name
		delete(env, "OWNER_DATABASE_URL")
		env["DATABASE_URL"] = "postgres://owner:a-secret@10.1.2.3:5432/lad"
	}
	return env
}

func load(t *testing.T, env map[string]string, into any) {
	t.Helper()
	if err := settings.Load(t.Context(), envconfig.MapLookuper(env), into); err != nil {
		t.Errorf("%s cannot start:\n%v", env["K_SERVICE"], err)
	}
}

// variables are the variables that a configuration reads.
func variables(kind reflect.Type) (found []string) {
	for i := range kind.NumField() {
		field := kind.Field(i)
		if tag, ok := field.Tag.Lookup("env"); ok {
			name, _, _ := strings.Cut(tag, ",")
			found = append(found, name)
		} else if field.Type.Kind() == reflect.Struct {
			found = append(found, variables(field.Type)...)
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

func TestEnvironments(t *testing.T) {
	t.Parallel()
	m := readModule(t)
	set := map[string]bool{}
	for name, given := range choices() {
		p := m.plan(t, given)
		job, function := smoke{}, execute.Config{}
		for target, into := range map[string]any{"schedule": &schedule.Config{}, "execute": &function, "doctor": &command{}, "operate": &command{}, "smoke": &job} {
			env := p.environment(target)
			load(t, env, into)
			known := variables(reflect.TypeOf(into).Elem())
			for variable := range env {
				if (target == "schedule" || target == "execute") && !slices.Contains(known, variable) {
					t.Errorf("%s: %s is given %s, which it does not know", name, target, variable)
				}
				set[variable] = true
			}
		}
		want := execute.CanaryConfig{}
		if _, ok := given["canary"]; ok {
			want = canary
		}
		if job.Canary != want || function.Canary != want {
			t.Errorf("%s: the job smoke has %+v, the function %+v, want %+v", name, job.Canary, function.Canary, want)
		}
	}
	delete(set, "DATABASE_URL") // of the job smoke
	for _, name := range variables(reflect.TypeFor[execute.Config]()) {
		if set[name] == slices.Contains(unset, name) {
			t.Errorf("%s: set by Terraform: %v; listed as left alone: %v", name, set[name], slices.Contains(unset, name))
		}
	}
}

// Terraform computes with some defaults of the functions' own, and repeats others.
func TestDefaults(t *testing.T) {
	t.Parallel()
	p := readModule(t).plan(t, necessary(nil))
	var terraform, own execute.Config
	env, times := p.environment("execute"), decode[map[string]string](p, "default_times")
	for name := range times {
		if value, given := env[name]; given {
			t.Errorf("%s is %s, though nobody has set it", name, value)
		}
	}
	maps.Copy(env, times)
	load(t, env, &terraform)
	for name := range times {
		delete(env, name)
	}
	for _, name := range []string{"FOLLOWUP_PAUSED", "FOLLOWUP_QUEUE_NAME", "DB_PRIVATE_IP", "DB_MAX_CONNS"} {
		if _, ok := env[name]; !ok {
			t.Errorf("%s is not set by Terraform any more: take it off this list", name)
		}
		delete(env, name)
	}
	load(t, env, &own)
	if d := cmp.Diff(own, terraform, cmp.Comparer(func(a, b settings.Secret) bool { return a.Reveal() == b.Reveal() }),
		cmp.Comparer(func(a, b followup.TimeMeans) bool { return a.String() == b.String() }),
		cmp.Comparer(func(a, b phone.Regions) bool { return a.String() == b.String() })); d != "" {
		t.Errorf("defaults (-the functions' +Terraform's):\n%s", d)
	}
}

func TestFunctions(t *testing.T) {
	t.Parallel()
	for name, given := range choices() {
		p := readModule(t).plan(t, given)
		got := decode[map[string]struct {
			EntryPoint string `json:"entry_point"`
			Timeout    float64
		}](p, "functions")
		var c execute.Config
		load(t, p.environment("execute"), &c)
		if got["schedule"].EntryPoint != schedule.Name || got["execute"].EntryPoint != execute.Name || len(got) != 2 {
			t.Errorf("the entry points are %+v", got)
		}
		if limit := time.Duration(got["execute"].Timeout) * time.Second; limit < c.Shared.Rules.Lease || limit >= c.Shared.Tasks.DispatchDeadline {
			t.Errorf("%s: Cloud Run ends a request after %v, the lease is %v and the dispatch deadline %v", name, limit, c.Shared.Rules.Lease, c.Shared.Tasks.DispatchDeadline)
		}
	}
}

// The queue tries a task for as long as its call may be made.
func TestQueueRetries(t *testing.T) {
	t.Parallel()
	m := readModule(t)
	for name, given := range choices() {
		p := m.plan(t, given)
		var rules struct{ Part followup.Rules }
		load(t, p.environment("execute"), &rules)
		retry := decode[map[string]int](p, "queue_retry")
		seconds := func(attribute string) time.Duration { return time.Duration(retry[attribute]) * time.Second }
		queue := tasks.Queue{
			MaxAttempts: retry["max_attempts"], MaxDoublings: retry["max_doublings"],
			MinBackoff: seconds("min_backoff_seconds"), MaxBackoff: seconds("max_backoff_seconds"),
		}
		attempts := queue.RetryBudget()
		queue.MaxRetryDuration = seconds("max_retry_seconds")
		limit := rules.Part.MaxLateness + rules.Part.LeadTime
		switch budget := queue.RetryBudget(); {
		case queue.MaxAttempts < 1:
			t.Errorf("%s: max_attempts is %d: what it means together with a duration is not written down", name, queue.MaxAttempts)
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
