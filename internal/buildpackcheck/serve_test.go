package buildpackcheck_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"lad.internal/followup/emulators/postgres/postgrestest"
	localprocess "lad.internal/followup/emulators/process"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// generatedMain does what the main does that the buildpack writes for a root
// package that imports the framework's functions: it links the package, whose
// init registers, and serves.
const generatedMain = `package main

import (
	"os"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"

	_ %q
)

func main() {
	port := "8080"
	if given := os.Getenv("PORT"); given != "" {
		port = given
	}
	if err := funcframework.Start(port); err != nil {
		os.Stderr.WriteString("serve: " + err.Error() + "\n")
		os.Exit(1)
	}
}
`

// build builds the generated main and cmd/function from a copy of the source.
func build(t *testing.T) (generated, command string) {
	t.Helper()
	dir, bin := t.TempDir(), t.TempDir()
	copySource(t, moduleRoot(t), dir)
	module := strings.TrimSpace(run(t, dir, "go", "list", "-m"))
	const app = "functions.local/app"
	if err := os.MkdirAll(filepath.Join(dir, app), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, app, "main.go"), fmt.Appendf(nil, generatedMain, module), 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, "go", "build", "-mod=readonly", "-trimpath", "-buildvcs=false", "-o", bin+"/", "./"+app, "./cmd/function")
	return filepath.Join(bin, "app"), filepath.Join(bin, "function")
}

// process is a function's process.
type process struct {
	cmd    *exec.Cmd
	output *functiontest.Log
	ended  chan struct{}
}

func start(t *testing.T, program string, env ...string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(program), output: &functiontest.Log{}, ended: make(chan struct{})}
	p.cmd.Env = env
	p.cmd.Stdout, p.cmd.Stderr = p.output, p.output
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = p.cmd.Wait() // read from ProcessState
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // it may have ended
		<-p.ended
	})
	return p
}

func (p *process) exitCode(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(20 * time.Second):
		t.Fatalf("the process did not end:\n%s", p.output)
		return 0
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return port
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 20 * time.Second}

func post(t *testing.T, url string, header map[string]string, body any) (int, string) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	for name, value := range header {
		r.Header.Set(name, value)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(answer)
}

// deployment is both functions, served from one program.
type deployment struct {
	database          *functiontest.Database
	queue             *functiontest.Tasks
	agent             *functiontest.Agent
	schedule, execute *process
	scheduleURL       string
	executeURL        string
}

func deploy(t *testing.T, program string) *deployment {
	t.Helper()
	schedulePort, executePort := freePort(t), freePort(t)
	d := &deployment{
		database: functiontest.NewDatabase(t), agent: functiontest.NewAgent(t, false),
		scheduleURL: "http://127.0.0.1:" + schedulePort, executeURL: "http://127.0.0.1:" + executePort,
	}
	endpoint := d.executeURL + "/api/deals-pipeline/bookings/:id/execute-followup"
	d.queue = functiontest.NewTasks(t, endpoint)
	env := []string{
		"DATABASE_URL=" + d.database.DatabaseURL(), "TENANT_REGISTRY=" + d.database.Config.Registry,
		"GCP_PROJECT_ID=p", "GCP_LOCATION=l", "CLOUD_TASKS_EMULATOR_HOST=" + d.queue.Addr,
		"GCP_CLOUD_TASKS_SERVICE_ACCOUNT=" + functiontest.Account, "FOLLOWUP_EXECUTION_ENDPOINT=" + endpoint,
		"FOLLOWUP_OIDC_AUDIENCE=" + functiontest.Audience, "FOLLOWUP_OIDC_ISSUER=" + d.queue.Issuer, "FOLLOWUP_OIDC_CERTS_URL=" + d.queue.CertsURL,
		"VOICE_AGENT_BASE_URL=" + d.agent.URL, "INTERNAL_SERVICE_SECRET=" + functiontest.Secret, "VOICE_AGENT_JOB_AFTER=1s",
		"FOLLOWUP_ACTIVE_SINCE=" + time.Now().Add(-time.Hour).UTC().Format(time.RFC3339), "LOCAL_ONLY=true",
	}
	d.schedule = start(t, program, append([]string{"FUNCTION_TARGET=ScheduleFollowUp", "PORT=" + schedulePort}, env...)...)
	d.execute = start(t, program, append([]string{"FUNCTION_TARGET=ExecuteFollowUp", "PORT=" + executePort}, env...)...)
	for url, p := range map[string]*process{d.scheduleURL: d.schedule, d.executeURL: d.execute} {
		functiontest.Eventually(t, "a function listens: "+p.output.String(), func() bool {
			return localprocess.Listens(t.Context(), strings.TrimPrefix(url, "http://"))
		})
	}
	return d
}

// forms are the ways in which one message arrives.
func forms(data string) map[string]struct {
	header map[string]string
	body   any
} {
	push := map[string]any{"subscription": "projects/p/subscriptions/s", "message": map[string]any{"data": []byte(data), "messageId": "1"}}
	const kind, source = "google.cloud.pubsub.topic.v1.messagePublished", "//pubsub.googleapis.com/projects/p/topics/t"
	return map[string]struct {
		header map[string]string
		body   any
	}{
		"plain push": {nil, push},
		"binary":     {map[string]string{"ce-specversion": "1.0", "ce-id": "1", "ce-type": kind, "ce-source": source}, push},
		"structured": {map[string]string{"Content-Type": "application/cloudevents+json"},
			map[string]any{"specversion": "1.0", "id": "1", "type": kind, "source": source, "data": push}},
	}
}

// check is a booking's whole way: event, task, endpoint, voice agent.
func (d *deployment) check(t *testing.T) {
	t.Helper()
	var bookings []followup.Booking
	for form := range forms("") {
		b := d.database.Insert(functiontest.Seed{})
		message := forms(fmt.Sprintf(`{"type":"booking.created","tenantId":%q,"bookingId":%q}`, b.TenantID, b.BookingID))[form]
		if status, answer := post(t, d.scheduleURL, message.header, message.body); status != 200 || !strings.Contains(answer, `"effect":"arm"`) {
			t.Errorf("%s: the event got %d %s\n%s", form, status, answer, d.schedule.output)
		}
		bookings = append(bookings, b)
	}
	stranger := map[string]string{"X-CloudTasks-TaskName": "t", "X-CloudTasks-QueueName": functiontest.Queue}
	if status, answer := post(t, d.executeURL, stranger, map[string]string{}); status != 401 || !strings.Contains(answer, `"code":"unauthenticated"`) {
		t.Errorf("a stranger got %d %s", status, answer)
	}
	if n := d.agent.PostsRead(""); n != 0 {
		t.Errorf("the voice agent was asked %d times before any task fired", n)
	}
	d.queue.Resume()
	for _, b := range bookings {
		functiontest.Eventually(t, "the call is recorded", func() bool { return d.database.Row(b.Ref).Task.Status == followup.Executed })
	}
	functiontest.Eventually(t, "the tasks are done", func() bool { return len(d.queue.List()) == 0 })
	for _, b := range bookings {
		// The row has learnt from the job how LAD's call log names the call.
		if calls := d.agent.Calls(b.BookingID.String()); len(calls) != 1 || calls[0].CallID == "" || calls[0].CallID != d.database.Row(b.Ref).Task.CallID ||
			d.agent.JobsAsked(b.BookingID.String()) > 1 {
			t.Errorf("the voice agent saw %+v, the row is %+v", calls, d.database.Row(b.Ref).Task)
		}
	}
	for _, p := range []*process{d.schedule, d.execute} {
		if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
		if code := p.exitCode(t); code != 0 {
			t.Errorf("told to stop, it exits with %d:\n%s", code, p.output)
		}
		if strings.Contains(p.output.String(), functiontest.Secret) || strings.Contains(p.output.String(), "15112345678") {
			t.Errorf("the log holds a secret or a number:\n%s", p.output)
		}
	}
}

func TestEachEntryPointIsServedByTheProgramsThatAreDeployed(t *testing.T) {
	t.Parallel()
	generated, command := build(t)
	for name, program := range map[string]string{"the buildpack's main": generated, "cmd/function": command} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			deploy(t, program).check(t)
		})
		t.Run(name+", misconfigured", func(t *testing.T) {
			t.Parallel()
			p := start(t, program, "FUNCTION_TARGET=ExecuteFollowUp", "PORT="+freePort(t))
			if code := p.exitCode(t); code != 1 {
				t.Errorf("it exits with %d", code)
			}
			lines := p.output.Events("start_failed")
			if len(lines) != 1 || lines[0]["severity"] != "CRITICAL" || !strings.Contains(p.output.String(), "GCP_PROJECT_ID is missing: set it to") {
				t.Errorf("it says\n%s", p.output)
			}
		})
	}
	for name, env := range map[string][]string{"an unknown target": {"FUNCTION_TARGET=Unknown"}, "no target": nil} {
		t.Run("cmd/function, "+name, func(t *testing.T) {
			t.Parallel()
			p := start(t, command, append(env, "PORT="+freePort(t))...)
			if code := p.exitCode(t); code != 1 {
				t.Errorf("it exits with %d", code)
			}
			if said := strings.TrimSpace(p.output.String()); strings.Contains(said, "\n") ||
				!strings.HasPrefix(said, "FUNCTION_TARGET is") || !strings.Contains(said, "set it to ScheduleFollowUp or ExecuteFollowUp") {
				t.Errorf("it says %q", said)
			}
		})
	}
}
