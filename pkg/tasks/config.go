package tasks

import (
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/settings"
)

// Config says where tasks are created and whom they call. The environment of
// both functions carries it.
type Config struct {
	ProjectID string `env:"GCP_PROJECT_ID, required" help:"the id of the Google Cloud project that holds the queue"`
	Location  string `env:"GCP_LOCATION, required" help:"the region of the queue, as europe-west3"`
	Queue     string `env:"FOLLOWUP_QUEUE_NAME, default=follow-up-calls"`
	// ServiceAccount is the e-mail address in whose name Cloud Tasks signs the
	// token that a task carries.
	ServiceAccount string `env:"GCP_CLOUD_TASKS_SERVICE_ACCOUNT, required" help:"the e-mail address of the task invoker's service account"`
	// Endpoint is the URL of the execute function, and ends in bookingPath.
	Endpoint string `env:"FOLLOWUP_EXECUTION_ENDPOINT, required" help:"the https URL of the execute function"`
	// Audience is the aud of that token; by default the scheme and host of
	// Endpoint. See [Config.TokenAudience].
	Audience string `env:"FOLLOWUP_OIDC_AUDIENCE"`
	// DispatchDeadline is how long Cloud Tasks waits for an answer before it
	// counts the attempt as failed: 15 s to 30 min (cloudtaskspb,
	// Task.dispatch_deadline).
	DispatchDeadline time.Duration `env:"FOLLOWUP_DISPATCH_DEADLINE, default=3m"`
	// EmulatorHost is host:port of a Cloud Tasks server that wants neither TLS
	// nor credentials; "" is Google's own.
	EmulatorHost string `env:"CLOUD_TASKS_EMULATOR_HOST"`
}

// bookingPath is how the endpoint's path ends. ":id" in it stands for the
// booking's id.
const bookingPath = "/bookings/:id/execute-followup"

// BookingPath is how the path of a task of this booking ends.
func BookingPath(booking uuid.UUID) string {
	return strings.ReplaceAll(bookingPath, ":id", booking.String())
}

const (
	minDispatchDeadline = 15 * time.Second
	maxDispatchDeadline = 30 * time.Minute
)

// Formats from the comments of cloudtaskspb.Queue.name.
var (
	projectFormat  = regexp.MustCompile(`^[A-Za-z0-9:.-]{1,100}$`)
	locationFormat = regexp.MustCompile(`^[a-z0-9-]{1,63}$`)
	queueFormat    = regexp.MustCompile(`^[A-Za-z0-9-]{1,100}$`)
	emailFormat    = regexp.MustCompile(`^[^@\s]+@[^@\s]+$`)
)

// Validate reports every setting that cannot work, one sentence each.
func (c Config) Validate() error {
	var problems settings.Problems
	problems.Unless(projectFormat.MatchString(c.ProjectID),
		"GCP_PROJECT_ID", "is not valid: set it to the id of the Google Cloud project that holds the queue")
	problems.Unless(locationFormat.MatchString(c.Location),
		"GCP_LOCATION", "is not valid: set it to the queue's region, as europe-west3")
	problems.Unless(queueFormat.MatchString(c.Queue),
		"FOLLOWUP_QUEUE_NAME", "is not valid: set it to the queue's short name (letters, digits and hyphens)")
	problems.Unless(emailFormat.MatchString(c.ServiceAccount),
		"GCP_CLOUD_TASKS_SERVICE_ACCOUNT", "is not valid: set it to the e-mail address of the task invoker's service account")
	problems.Unless(c.DispatchDeadline >= minDispatchDeadline && c.DispatchDeadline <= maxDispatchDeadline,
		"FOLLOWUP_DISPATCH_DEADLINE", "is %v: set it between %v and %v, which is what Cloud Tasks allows", c.DispatchDeadline, minDispatchDeadline, maxDispatchDeadline)

	endpoint, err := url.Parse(c.Endpoint)
	switch {
	case err != nil || endpoint.Host == "" || (endpoint.Scheme != "https" && endpoint.Scheme != "http"):
		problems.Add("FOLLOWUP_EXECUTION_ENDPOINT", "is not valid: set it to the https URL of the execute function")
	case endpoint.User != nil || endpoint.RawQuery != "" || endpoint.Fragment != "":
		problems.Add("FOLLOWUP_EXECUTION_ENDPOINT", "has a user, query or fragment: give the plain URL of the execute function")
	case endpoint.Scheme == "http" && c.EmulatorHost == "":
		problems.Add("FOLLOWUP_EXECUTION_ENDPOINT", "is not valid: use https, or the task's token travels in clear (http goes with CLOUD_TASKS_EMULATOR_HOST only)")
	case !strings.HasSuffix(endpoint.Path, bookingPath):
		problems.Add("FOLLOWUP_EXECUTION_ENDPOINT", "is not valid: let its path end in %s, as the execute function expects", bookingPath)
	}
	return problems.Err()
}

// QueuePath is the queue's resource name.
func (c Config) QueuePath() string {
	return "projects/" + c.ProjectID + "/locations/" + c.Location + "/queues/" + c.Queue
}

// TaskPath is the resource name of the task with this id.
func (c Config) TaskPath(id string) string { return c.QueuePath() + "/tasks/" + id }

// TokenAudience is what the token of a task names as its audience, and what
// the execute function insists on.
func (c Config) TokenAudience() string {
	if c.Audience != "" {
		return c.Audience
	}
	u, err := url.Parse(c.Endpoint)
	if err != nil {
		return ""
	}
	return u.Scheme + "://" + u.Host
}
