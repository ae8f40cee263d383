package tasks

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sethvargo/go-envconfig"

	"lad.internal/followup/internal/settings"
)

func TestConfigValidate(t *testing.T) {
	t.Parallel()
	endpoint := func(url string) func(*Config) { return func(c *Config) { c.Endpoint = url } }
	for _, c := range []struct {
		name   string
		change func(*Config)
		wrong  []string // the variables, one sentence each
	}{
		{"as it should be", func(*Config) {}, nil},
		{"a project of a domain", func(c *Config) { c.ProjectID = "example.com:lad-prod" }, nil},
		{"the shortest deadline", func(c *Config) { c.DispatchDeadline = 15 * time.Second }, nil},
		{"the longest deadline", func(c *Config) { c.DispatchDeadline = 30 * time.Minute }, nil},
		{"http for an emulator", func(c *Config) {
			c.Endpoint, c.EmulatorHost = "http://localhost:8080/bookings/:id/execute-followup", "localhost:9090"
		}, nil},
		{"no project", func(c *Config) { c.ProjectID = "" }, []string{"GCP_PROJECT_ID"}},
		{"a project's path", func(c *Config) { c.ProjectID = "projects/lad" }, []string{"GCP_PROJECT_ID"}},
		{"no location", func(c *Config) { c.Location = "" }, []string{"GCP_LOCATION"}},
		{"a location's name", func(c *Config) { c.Location = "Frankfurt" }, []string{"GCP_LOCATION"}},
		{"no queue", func(c *Config) { c.Queue = "" }, []string{"FOLLOWUP_QUEUE_NAME"}},
		{"a queue with an underscore", func(c *Config) { c.Queue = "follow_up" }, []string{"FOLLOWUP_QUEUE_NAME"}},
		{"a queue's path", func(c *Config) { c.Queue = valid().QueuePath() }, []string{"FOLLOWUP_QUEUE_NAME"}},
		{"a queue too long", func(c *Config) { c.Queue = strings.Repeat("q", 101) }, []string{"FOLLOWUP_QUEUE_NAME"}},
		{"no account", func(c *Config) { c.ServiceAccount = "" }, []string{"GCP_CLOUD_TASKS_SERVICE_ACCOUNT"}},
		{"an account's short name", func(c *Config) { c.ServiceAccount = "invoker" }, []string{"GCP_CLOUD_TASKS_SERVICE_ACCOUNT"}},
		{"a deadline too short", func(c *Config) { c.DispatchDeadline = 15*time.Second - 1 }, []string{"FOLLOWUP_DISPATCH_DEADLINE"}},
		{"a deadline too long", func(c *Config) { c.DispatchDeadline = 30*time.Minute + 1 }, []string{"FOLLOWUP_DISPATCH_DEADLINE"}},
		{"no endpoint", endpoint(""), []string{"FOLLOWUP_EXECUTION_ENDPOINT"}},
		{"an endpoint without scheme", endpoint("execute.example.com/x"), []string{"FOLLOWUP_EXECUTION_ENDPOINT"}},
		{"an endpoint without host", endpoint("https:///x"), []string{"FOLLOWUP_EXECUTION_ENDPOINT"}},
		{"an endpoint of another scheme", endpoint("ftp://execute.example.com"), []string{"FOLLOWUP_EXECUTION_ENDPOINT"}},
		{"an endpoint in clear", endpoint("http://execute.example.com"), []string{"FOLLOWUP_EXECUTION_ENDPOINT"}},
		{"an endpoint with a user", endpoint("https://u:p@execute.example.com"), []string{"FOLLOWUP_EXECUTION_ENDPOINT"}},
		{"an endpoint with a query", endpoint("https://execute.example.com/?a=b"), []string{"FOLLOWUP_EXECUTION_ENDPOINT"}},
		{"an endpoint with a fragment", endpoint("https://execute.example.com/#a"), []string{"FOLLOWUP_EXECUTION_ENDPOINT"}},
		{"an endpoint that is no URL", endpoint("https://execute.example.com:port/"), []string{"FOLLOWUP_EXECUTION_ENDPOINT"}},
		{"an endpoint without the booking", endpoint("https://execute.example.com/execute-followup"), []string{"FOLLOWUP_EXECUTION_ENDPOINT"}},
		{"an endpoint that goes on", endpoint("https://execute.example.com/bookings/:id/execute-followup/"), []string{"FOLLOWUP_EXECUTION_ENDPOINT"}},
		{"the id as the port", endpoint("https://execute.example.com:id/"), []string{"FOLLOWUP_EXECUTION_ENDPOINT"}},
		{"nothing at all", func(c *Config) { *c = Config{} }, []string{"GCP_PROJECT_ID", "GCP_LOCATION", "FOLLOWUP_QUEUE_NAME",
			"GCP_CLOUD_TASKS_SERVICE_ACCOUNT", "FOLLOWUP_DISPATCH_DEADLINE", "FOLLOWUP_EXECUTION_ENDPOINT"}},
	} {
		config := valid()
		c.change(&config)
		var wrong []string
		if err := config.Validate(); err != nil {
			for line := range strings.SplitSeq(err.Error(), "\n") {
				name, _, _ := strings.Cut(line, " ")
				wrong = append(wrong, name)
			}
		}
		if diff := cmp.Diff(c.wrong, wrong); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestTheEnvironmentFillsTheConfig(t *testing.T) {
	t.Parallel()
	var got Config
	err := settings.Load(t.Context(), envconfig.MapLookuper(map[string]string{
		"GCP_PROJECT_ID": "lad-prod", "GCP_LOCATION": "europe-west3", "GCP_CLOUD_TASKS_SERVICE_ACCOUNT": "invoker@lad-prod.iam.gserviceaccount.com",
		"FOLLOWUP_EXECUTION_ENDPOINT": "https://execute.example.com/bookings/:id/execute-followup",
	}), &got)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(valid(), got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestResourceNames(t *testing.T) {
	t.Parallel()
	const queue = "projects/lad-prod/locations/europe-west3/queues/follow-up-calls"
	if got := valid().QueuePath(); got != queue {
		t.Errorf("queue %s", got)
	}
	if got := valid().TaskPath("abc-r1"); got != queue+"/tasks/abc-r1" {
		t.Errorf("task %s", got)
	}
}

func TestTheAudienceIsTheEndpointsOriginUnlessItIsSet(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ endpoint, audience, want string }{
		{"https://execute.example.com/bookings/:id/execute-followup", "", "https://execute.example.com"},
		{"https://execute.example.com", "", "https://execute.example.com"},
		{"https://execute.example.com:8443/x", "", "https://execute.example.com:8443"},
		{"http://127.0.0.1:8080/x", "", "http://127.0.0.1:8080"},
		{"https://execute.example.com/x", "https://other.example.com/y", "https://other.example.com/y"},
	} {
		if got := (Config{Endpoint: c.endpoint, Audience: c.audience}).TokenAudience(); got != c.want {
			t.Errorf("%s, %q: %s", c.endpoint, c.audience, got)
		}
	}
}
