package schedule_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/emulators/postgres/postgrestest"
	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/pkg/followup"
)

func TestMain(m *testing.M) { postgrestest.Main(m) }

// world is a database and a queue, and the function between them.
type world struct {
	*functiontest.Database
	t     *testing.T
	queue *functiontest.Tasks
	log   *functiontest.Log
}

func newWorld(t *testing.T) *world {
	t.Helper()
	return &world{
		Database: functiontest.NewDatabase(t), t: t,
		queue: functiontest.NewTasks(t, "http://127.0.0.1:1/bookings/:id/execute-followup"), log: &functiontest.Log{},
	}
}

// parts are what a handler is made of.
type parts struct {
	rules followup.Rules
	store schedule.Store
	queue reconcile.Queue
}

// serve serves a handler and returns its URL.
func (w *world) serve(change ...func(*parts)) string {
	w.t.Helper()
	p := parts{functiontest.Rules(), w.DB, w.queue.Client}
	for _, c := range change {
		c(&p)
	}
	h, err := schedule.New(p.rules, p.store, p.queue, w.log.Logger())
	if err != nil {
		w.t.Fatal(err)
	}
	server := httptest.NewServer(h)
	w.t.Cleanup(server.Close)
	return server.URL
}

// form is a way in which a Pub/Sub message arrives.
type form string

const (
	binary     form = "CloudEvent, binary"
	structured form = "CloudEvent, structured"
	plain      form = "plain push"
)

var forms = []form{binary, structured, plain}

// envelope is the body that Eventarc and push subscriptions share.
func envelope(data []byte, published time.Time) map[string]any {
	return map[string]any{
		"subscription": "projects/p/subscriptions/s",
		"message": map[string]any{"data": data, "messageId": "m-1", "publishTime": published.UTC().Format(time.RFC3339Nano),
			"attributes": map[string]string{"origin": "lad"}},
	}
}

// request carries that envelope in one of the forms.
func (f form) request(url string, body any) *http.Request {
	attributes := map[string]any{
		"specversion": "1.0", "id": "e-1", "source": "//pubsub.googleapis.com/projects/p/topics/t",
		"type": "google.cloud.pubsub.topic.v1.messagePublished", "time": time.Now().UTC().Format(time.RFC3339),
	}
	if f == structured {
		attributes["datacontenttype"], attributes["data"] = "application/json", body
		body = attributes
	}
	text, err := json.Marshal(body)
	if err != nil {
		panic(err)
	}
	r, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(text))
	if err != nil {
		panic(err)
	}
	r.Header.Set("Content-Type", "application/json")
	switch f {
	case structured:
		r.Header.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
	case binary:
		for name, value := range attributes {
			r.Header.Set("ce-"+name, value.(string))
		}
	}
	return r
}

// response is what a request was answered.
type response struct {
	status int
	body   string
	header http.Header
	Result string `json:"result"`
	Rule   string `json:"rule"`
	Effect string `json:"effect"`
	Detail string `json:"detail"`
	Error  struct {
		Code    string `json:"code"`
		Message string `json:"message"`
	} `json:"error"`
}

func (r response) String() string { return fmt.Sprintf("%d %s", r.status, r.body) }

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 30 * time.Second}

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
	if media := got.Header.Get("Content-Type"); media != "application/json" {
		return answer, fmt.Errorf("the answer is %q, want JSON: %s", media, answer)
	}
	return answer, json.Unmarshal(body, &answer)
}

func (w *world) send(r *http.Request) response {
	w.t.Helper()
	got, err := try(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return got
}

// event sends what LAD publishes about a booking.
func (w *world) event(url string, f form, kind string, ref followup.Ref) response {
	w.t.Helper()
	data := fmt.Sprintf(`{"type":%q,"tenantId":%q,"bookingId":%q}`, kind, ref.TenantID, ref.BookingID)
	return w.send(f.request(url, envelope([]byte(data), time.Now())))
}

// tick sends the sweep's tick and returns the line that the sweep logs.
func (w *world) tick(url string, published time.Time) (response, map[string]any) {
	w.t.Helper()
	before := len(w.log.Events("sweep_done"))
	got := w.send(binary.request(url, envelope([]byte(`{"type":"followup.sweep"}`), published)))
	lines := w.log.Events("sweep_done")[before:]
	if len(lines) > 1 {
		w.t.Fatalf("one tick, %d sweeps", len(lines))
	}
	if len(lines) == 0 {
		return got, nil
	}
	return got, lines[0]
}

var errAway = errors.New("it is away")

// flakyStore fails while it is down.
type flakyStore struct {
	schedule.Store
	readsFail, updatesFail atomic.Bool
}

func (s *flakyStore) Booking(ctx context.Context, ref followup.Ref) (*followup.Booking, time.Time, error) {
	if s.readsFail.Load() {
		return nil, time.Time{}, errAway
	}
	return s.Store.Booking(ctx, ref)
}

func (s *flakyStore) Update(ctx context.Context, seen followup.Booking, next followup.Task) (bool, error) {
	if s.updatesFail.Load() {
		return false, errAway
	}
	return s.Store.Update(ctx, seen, next)
}

func (s *flakyStore) Tenants(ctx context.Context) ([]uuid.UUID, error) {
	if s.readsFail.Load() {
		return nil, errAway
	}
	return s.Store.Tenants(ctx)
}

// flakyQueue fails while it is down.
type flakyQueue struct {
	reconcile.Queue
	down atomic.Bool
}

func (q *flakyQueue) CreateScheduledHTTPTask(ctx context.Context, b followup.Booking, next followup.Task) (string, error) {
	if q.down.Load() {
		return "", errAway
	}
	return q.Queue.CreateScheduledHTTPTask(ctx, b, next)
}
