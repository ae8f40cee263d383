package execute_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/contract"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// world is a database, a queue and a voice agent, that several handlers may
// share.
type world struct {
	*functiontest.Database
	t     *testing.T
	queue *functiontest.Tasks
	agent *functiontest.Agent
	log   *functiontest.Log
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{
		Database: functiontest.NewDatabase(t), t: t,
		queue: functiontest.NewTasks(t, "http://127.0.0.1:1/bookings/:id/execute-followup"),
		agent: functiontest.NewAgent(t, false), log: &functiontest.Log{},
	}
}

// serve serves a handler of the world's parts, changed as the test wants.
func (w *world) serve(change ...func(*execute.Parts)) *endpoint {
	w.t.Helper()
	verifier, err := execute.NewVerifier(context.WithoutCancel(w.t.Context()),
		execute.OIDCConfig{Mode: "verify", Issuer: w.queue.Issuer, CertsURL: w.queue.CertsURL}, functiontest.Audience, functiontest.Account)
	if err != nil {
		w.t.Fatal(err)
	}
	parts := execute.Parts{
		Rules: functiontest.Rules(), Queue: w.queue.Client, Verifier: verifier,
		QueueName: functiontest.Queue, TaskPath: w.queue.Config.TaskPath, Log: w.log.Logger(),
		Agent: functiontest.Client(w.t, w.agent.URL, 5*time.Second), CallTimeout: 5 * time.Second,
	}
	for _, c := range change {
		c(&parts)
	}
	if parts.Store == nil {
		parts.Store = w.Open()
	}
	h, err := execute.New(parts)
	if err != nil {
		w.t.Fatal(err)
	}
	server := httptest.NewServer(h)
	w.t.Cleanup(server.Close)
	return &endpoint{w: w, url: server.URL, parts: parts}
}

// endpoint is a handler that is served.
type endpoint struct {
	w     *world
	url   string
	parts execute.Parts
}

// response is what a request was answered.
type response struct {
	status int
	header http.Header
	body   string
	Result string `json:"result"`
	Error  struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func (r response) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

// payload is the body of the task of this booking and revision.
func payload(b followup.Booking, revision int) tasks.Payload {
	return tasks.NewPayload(b, followup.Task{Key: b.Key(), Revision: revision})
}

// request is what Cloud Tasks sends, for a test to change.
func (e *endpoint) request(p tasks.Payload) *http.Request {
	e.w.t.Helper()
	body, err := json.Marshal(p)
	if err != nil {
		e.w.t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodPost, e.url+"/bookings/"+p.BookingID.String()+"/execute-followup", bytes.NewReader(body))
	if err != nil {
		e.w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+e.w.queue.Token())
	r.Header.Set("X-CloudTasks-QueueName", functiontest.Queue)
	r.Header.Set("X-CloudTasks-TaskName", followup.TaskID(p.IdempotencyKey, p.Revision))
	return r
}

// deliver sends the task of this booking and revision.
func (e *endpoint) deliver(b followup.Booking, revision int) response {
	e.w.t.Helper()
	return e.send(e.request(payload(b, revision)))
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}

func (e *endpoint) send(r *http.Request) response {
	e.w.t.Helper()
	got, err := try(r)
	if err != nil {
		e.w.t.Fatal(err)
	}
	return got
}

// try sends a request, and insists on an answer in JSON. It may be called on
// any goroutine.
func try(r *http.Request) (response, error) {
	got, err := client.Do(r)
	if err != nil {
		return response{}, err
	}
	defer func() { _ = got.Body.Close() }()
	body, err := io.ReadAll(got.Body)
	if err != nil {
		return response{}, err
	}
	answer := response{status: got.StatusCode, header: got.Header, body: string(body)}
	if err := documented(r, answer); err != nil {
		return answer, err
	}
	if media := got.Header.Get("Content-Type"); media != "application/json" {
		return answer, fmt.Errorf("the answer is %q, want JSON: %s", media, answer)
	}
	return answer, json.Unmarshal(body, &answer)
}

// documented holds an exchange against docs/openapi.yaml: each answer, and each
// request that the function has let in.
func documented(r *http.Request, answer response) error {
	document, err := contract.Load()
	if err != nil {
		return err
	}
	e := contract.Exchange{Request: r, Status: answer.status, Header: answer.header, Body: []byte(answer.body)}
	if err := document.CheckAnswer(contract.ExecuteFollowUp, e); err != nil {
		return fmt.Errorf("%w: %s", err, answer)
	}
	if strings.Contains(answer.body, `"error"`) {
		return nil // it was refused
	}
	body, err := r.GetBody()
	if err != nil {
		return err
	}
	if e.RequestBody, err = io.ReadAll(body); err != nil {
		return err
	}
	return document.CheckRequest(contract.ExecuteFollowUp, e)
}

// state is a task's state in words: status/reason, revision and attempts, then
// what else is set.
func state(b followup.Booking) string {
	words := []string{string(b.Task.Status)}
	if b.Task.Reason != "" {
		words[0] += "/" + string(b.Task.Reason)
	}
	words = append(words, fmt.Sprintf("r%d", b.Task.Revision), fmt.Sprintf("a%d", b.Task.Attempts))
	if b.Task.Name != "" {
		words = append(words, "task")
	}
	if !b.Task.ExecutedAt.IsZero() {
		words = append(words, "called")
	}
	switch b.Task.Key {
	case "":
		words = append(words, "unkeyed")
	case b.Key():
	default:
		words = append(words, "other-key")
	}
	return strings.Join(words, " ")
}

// posts is how often the voice agent was asked to call for this booking.
func (w *world) posts(b followup.Booking) int { return w.agent.PostsRead(b.BookingID.String()) }

// calls is how often the lead's phone rang.
func (w *world) calls(b followup.Booking) int { return len(w.agent.Calls(b.BookingID.String())) }
