package deploycheck_test

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/sethvargo/go-envconfig"
	"github.com/zclconf/go-cty/cty"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/config"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/phone"
	"lad.internal/followup/pkg/tasks"
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
			"voice_agent_frontend_id": cty.StringVal("followup"), "voice_agent_audience": cty.StringVal("https://voice.example.com"),
			"default_agent_id": cty.NumberIntVal(7), "booking_types": cty.TupleVal([]cty.Value{cty.StringVal("follow_up")}),
			"paused":        cty.StringVal("aaaaaaaa-0000-4000-8000-000000000001,bbbbbbbb-0000-4000-8000-000000000002"),
			"horizon_hours": cty.NumberIntVal(696), "lead_time_seconds": cty.NumberIntVal(90), "max_lateness_minutes": cty.NumberIntVal(10),
			"voice_agent_idempotent": cty.True, "traces_ratio": cty.NumberFloatVal(0.25), "log_level": cty.StringVal("debug"),
			"canary":                      cty.StringVal("cccccccc-0000-4000-8000-000000000003"),
			"voice_agent_start_call_path": cty.StringVal("/calls/start-call"),
			"settings": cty.MapVal(map[string]cty.Value{
				"FOLLOWUP_TIMELINE": cty.StringVal("2"), "FOLLOWUP_MAX_BACKDATE": cty.StringVal("2h"),
				"FOLLOWUP_TIME_MEANS": cty.StringVal("wall,web=instant"), "FOLLOWUP_DEFAULT_TIMEZONE": cty.StringVal("Asia/Dubai"),
				"FOLLOWUP_DEFAULT_REGION": cty.StringVal("AE"), "FOLLOWUP_MAX_CALLS_PER_LEAD": cty.StringVal("off"),
				"VOICE_AGENT_LIMIT": cty.StringVal("120/1m,30/5s"), "VOICE_AGENT_CONTRACT": cty.StringVal("service"),
				"VOICE_AGENT_JOB_PATH": cty.StringVal("/calls/job/{job_id}"), "VOICE_AGENT_JOB_AFTER": cty.StringVal("3s"),
				"VOICE_AGENT_JWT_TTL": cty.StringVal("2m"), "VOICE_AGENT_DISPATCH_FAILED": cty.StringVal("not_started"),
			}),
		}),
	}
}

// environment is what a function or job finds, its secrets included, and what
// Cloud Run adds.
func (p *plan) environment(target string) map[string]string {
	p.t.Helper()
	env := text(p.t, p.local("environment").GetAttr(target))
	if secrets := p.local("secret_environment"); secrets.Type().HasAttribute(target) {
		for _, name := range list(secrets.GetAttr(target)) {
			env[name] = "a-secret"
		}
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

func TestTheDefaultsAreTheFunctionsOwn(t *testing.T) {
	t.Parallel()
	p := readModule(t).plan(t, choices()["only what is necessary"])
	var terraform, own execute.Config
	env := p.environment("execute")
	if err := settings.Load(t.Context(), envconfig.MapLookuper(env), &terraform); err != nil {
		t.Fatal(err)
	}
	tuned := []string{
		"FOLLOWUP_HORIZON", "FOLLOWUP_LEAD_TIME", "FOLLOWUP_MAX_LATENESS", "FOLLOWUP_LEASE", "FOLLOWUP_GRACE", "FOLLOWUP_PAUSED", "FOLLOWUP_DISPATCH_DEADLINE",
		"FOLLOWUP_QUEUE_NAME", "VOICE_AGENT_IDEMPOTENT", "VOICE_AGENT_TIMEOUT", "DB_PRIVATE_IP", "DB_MAX_CONNS", "LOG_LEVEL",
	}
	for _, name := range tuned {
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

func TestEachFunctionIsGivenItsOwnEnvironment(t *testing.T) {
	t.Parallel()
	m := readModule(t)
	for name, entryPoint := range map[string]string{"schedule": schedule.Name, "execute": execute.Name} {
		body := m.resource(t, "google_cloudfunctions2_function", name)
		for _, block := range body.Blocks {
			switch block.Type {
			case "build_config":
				value, _ := block.Body.Attributes["entry_point"].Expr.Value(nil)
				if value.AsString() != entryPoint {
					t.Errorf("%s: its entry point is %s, want %s", name, value.AsString(), entryPoint)
				}
			case "service_config":
				if got := source(block.Body.Attributes["environment_variables"].Expr); got != "local.environment."+name {
					t.Errorf("%s: its environment is %s", name, got)
				}
			}
		}
	}
}

// source is a reference as it is written.
func source(expression hclsyntax.Expression) string {
	traversal, problems := hcl.AbsTraversalForExpr(expression)
	if problems.HasErrors() {
		return problems.Error()
	}
	parts := []string{traversal.RootName()}
	for _, step := range traversal[1:] {
		if attribute, ok := step.(hcl.TraverseAttr); ok {
			parts = append(parts, attribute.Name)
		}
	}
	return strings.Join(parts, ".")
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
		retry := p.local("queue_retry")
		number := func(attribute string) int {
			n, _ := retry.GetAttr(attribute).AsBigFloat().Int64()
			return int(n)
		}
		seconds := func(attribute string) time.Duration { return time.Duration(number(attribute)) * time.Second }
		queue := tasks.Queue{
			MaxAttempts: number("max_attempts"), MaxDoublings: number("max_doublings"),
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
