package functiontest

import (
	"context"
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"

	"lad.internal/followup/emulators/cloudtasks"
	agentserver "lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/voiceagent"
)

// What the functions are configured with.
const (
	Account  = "task-invoker@p.iam.gserviceaccount.com"
	Queue    = "follow-up-calls"
	Audience = "https://execute.example"
	Secret   = "swordfish-of-the-agent"
)

// Rules are the defaults of the design, with everything since an hour ago ours
// to call.
func Rules() followup.Rules {
	return followup.Rules{
		ActiveSince:  time.Now().Add(-48 * time.Hour),
		BookingTypes: []string{"follow_up", "scheduled_call"},
		Horizon:      168 * time.Hour, MaxLateness: 24 * time.Hour,
		Lease: 2 * time.Minute, Grace: 5 * time.Minute,
	}
}

// Facts are those of a lead with a number, of a tenant with an agent.
func Facts() followup.Facts {
	return followup.Facts{
		Lead:   followup.Lead{FirstName: "Ada", LastName: "Lovelace", Number: "+4915112345678"},
		Agents: followup.Agents{Known: true, List: []followup.Agent{{ID: 7}}},
	}
}

// Tasks is a Cloud Tasks server with the functions' queue, and their client.
type Tasks struct {
	*cloudtasks.Running
	Config tasks.Config
	Client *tasks.Client

	t testing.TB
}

// NewTasks starts a server. Its queue is paused, so that tasks can be looked at:
// Resume sends them to endpoint.
func NewTasks(t testing.TB, endpoint string) *Tasks {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	server, config := StartQueue(t, QueueOptions{Endpoint: endpoint})
	q := &Tasks{Running: server, t: t, Config: config}
	if _, err := server.PauseQueue(ctx, &cloudtaskspb.PauseQueueRequest{Name: q.Config.QueuePath()}); err != nil {
		t.Fatal(err)
	}
	var err error
	if q.Client, err = tasks.New(ctx, q.Config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = q.Client.Close() })
	return q
}

// Resume starts the queue.
func (q *Tasks) Resume() {
	q.t.Helper()
	if _, err := q.ResumeQueue(q.t.Context(), &cloudtaskspb.ResumeQueueRequest{Name: q.Config.QueuePath()}); err != nil {
		q.t.Fatal(err)
	}
}

// List is every task on the queue, bodies included.
func (q *Tasks) List() []*cloudtaskspb.Task {
	q.t.Helper()
	page, err := q.ListTasks(q.t.Context(), &cloudtaskspb.ListTasksRequest{
		Parent: q.Config.QueuePath(), ResponseView: cloudtaskspb.Task_FULL, PageSize: 1000})
	if err != nil {
		q.t.Fatal(err)
	}
	return page.GetTasks()
}

// Named is the task of that name, nil if there is none.
func (q *Tasks) Named(name string) *cloudtaskspb.Task {
	for _, task := range q.List() {
		if task.GetName() == name {
			return task
		}
	}
	return nil
}

// Token is a token as tasks carry it.
func (q *Tasks) Token() string {
	q.t.Helper()
	token, err := q.IDToken(Account, Audience)
	if err != nil {
		q.t.Fatal(err)
	}
	return token
}

// Agent is the voice agent's stand-in, and the configuration of its client.
type Agent struct {
	*agentserver.Server
	URL string

	t testing.TB
}

// NewAgent starts a stand-in that behaves.
func NewAgent(t testing.TB, deduplicate bool, change ...func(*agentserver.Options)) *Agent {
	t.Helper()
	options := agentserver.Options{Logger: slog.New(slog.DiscardHandler), Secret: Secret, Deduplicate: deduplicate}
	for _, c := range change {
		c(&options)
	}
	server, err := agentserver.New(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	listening := httptest.NewServer(documented(t, server))
	t.Cleanup(listening.Close)
	return &Agent{Server: server, URL: listening.URL, t: t}
}

// Client is the product's client of the agent at url.
func Client(t testing.TB, url string, timeout time.Duration) *voiceagent.Client {
	t.Helper()
	client, err := voiceagent.New(t.Context(), voiceagent.Config{
		BaseURL: url, StartCallPath: agentserver.StartCallPath,
		InternalServiceSecret: settings.NewSecret(Secret), Timeout: timeout,
	})
	if err != nil {
		t.Fatal(err)
	}
	return client
}

// Must asks the agent to behave so.
func (a *Agent) Must(b agentserver.Behaviour) {
	a.t.Helper()
	if err := a.Behave(b); err != nil {
		a.t.Fatal(err)
	}
}
