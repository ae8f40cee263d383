package deploycheck_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
)

// brokenTenant has a schema that was never migrated.
var brokenTenant = uuid.MustParse("cccccccc-0000-4000-8000-000000000003")

// entry is a line of a log: the function that has written it, and the fields of its
// parts, as Cloud Logging has them.
type entry struct {
	service string
	parts   map[string]map[string]any
}

// stored are the lines of a function's log, those of level debug left out.
// https://cloud.google.com/logging/docs/structured-logging#structured_logging_special_fields
func stored(t *testing.T, service string, log *functiontest.Log) (entries []entry) {
	t.Helper()
	for text := range strings.Lines(log.String()) {
		payload := map[string]any{}
		if err := json.Unmarshal([]byte(text), &payload); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		if payload["severity"] != "DEBUG" {
			maps.DeleteFunc(payload, func(name string, _ any) bool {
				return slices.Contains([]string{"severity", "time", "httpRequest"}, name) || strings.HasPrefix(name, "logging.googleapis.com/")
			})
			entries = append(entries, entry{service, map[string]map[string]any{"jsonPayload": payload}})
		}
	}
	return entries
}

// requestLog is what Cloud Run itself logs of requests.
// https://cloud.google.com/logging/docs/reference/v2/rest/v2/LogEntry#HttpRequest
func requestLog(service string, statuses ...float64) (entries []entry) {
	for _, status := range statuses {
		entries = append(entries, entry{service, map[string]map[string]any{"httpRequest": {"requestMethod": "POST", "status": status}}})
	}
	return entries
}

// executing is what ExecuteFollowUp logs while tasks and strangers come.
func executing(t *testing.T) *functiontest.Log {
	t.Helper()
	db, log := functiontest.NewDatabase(t), &functiontest.Log{}
	queue := functiontest.NewTasks(t, "http://127.0.0.1:1/bookings/:id/execute-followup")
	agent := functiontest.NewAgent(t, false)
	serve := func(certs string, store execute.Store) http.Handler {
		verifier, err := execute.NewVerifier(context.WithoutCancel(t.Context()),
			execute.OIDCConfig{Mode: "verify", Issuer: queue.Issuer, CertsURL: certs}, functiontest.Audience, functiontest.Account)
		if err != nil {
			t.Fatal(err)
		}
		h, err := execute.New(execute.Parts{
			Rules: functiontest.Rules(), Store: store, Queue: queue.Client, Verifier: verifier, QueueName: functiontest.Queue,
			TaskPath: queue.Config.TaskPath, Agent: functiontest.Client(t, agent.URL, 5*time.Second), CallTimeout: 5 * time.Second, Log: log.Logger(),
		})
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	works := serve(queue.CertsURL, db.DB)
	deliver := func(h http.Handler, b followup.Booking, header ...string) int {
		body, err := json.Marshal(tasks.NewPayload(b, followup.Task{Key: b.Key(), Revision: 1}))
		if err != nil {
			t.Fatal(err)
		}
		header = append([]string{"Authorization", "Bearer " + queue.Token(), "X-CloudTasks-QueueName", functiontest.Queue,
			"X-CloudTasks-TaskName", followup.TaskID(b.Key(), 1)}, header...)
		return post(t, h, tasks.BookingPath(b.BookingID), body, header...)
	}
	insert := func(s functiontest.Seed) followup.Booking {
		s.Task = followup.Task{Status: followup.Scheduled, Revision: 1, Key: functiontest.CurrentKey}
		return db.Insert(s)
	}

	deliver(works, insert(functiontest.Seed{Tenant: functiontest.TenantB}))
	deliver(works, insert(functiontest.Seed{}))
	again := insert(functiontest.Seed{})
	for _, b := range []voiceagent.Behaviour{
		{Kind: voiceagent.Status, Status: http.StatusServiceUnavailable, RetryAfter: new(1), Match: voiceagent.Match{BookingID: again.BookingID.String()}, Times: 1},
		{Kind: voiceagent.Status, Status: http.StatusPaymentRequired},
		{Kind: voiceagent.HangUp},
	} {
		booking := again
		if b.BookingID == "" {
			booking = insert(functiontest.Seed{})
			b.BookingID = booking.BookingID.String()
		}
		agent.Must(b)
		deliver(works, booking)
	}
	deliver(works, again) // this time it is accepted
	deliver(works, insert(functiontest.Seed{NoPhone: true}))
	deliver(works, insert(functiontest.Seed{At: time.Now().Add(-30 * time.Hour)}))
	deliver(works, insert(functiontest.Seed{Status: "cancelled"}))

	held := insert(functiontest.Seed{})
	deliver(works, held, "Authorization", "Bearer of.no.token")
	deliver(works, held, "X-CloudTasks-QueueName", "another")
	deliver(serve("http://127.0.0.1:1/certs", db.DB), held)
	nowhere := db.Open(functiontest.At("postgres://followup_app:x@127.0.0.1:1/lad"))
	for status, store := range map[int]execute.Store{http.StatusInternalServerError: nowhere, http.StatusServiceUnavailable: busyStore{db.DB}} {
		if got := deliver(serve(queue.CertsURL, store), held); got != status {
			t.Errorf("%T is answered with %d, want %d", store, got, status)
		}
	}
	refused := insert(functiontest.Seed{})
	agent.Must(voiceagent.Behaviour{Kind: voiceagent.Status, Status: http.StatusUnauthorized, Match: voiceagent.Match{BookingID: refused.BookingID.String()}})
	deliver(works, refused)
	deliver(serve(queue.CertsURL, db.DB.On(2)), held)
	return log
}

type busyStore struct{ execute.Store }

func (busyStore) Admit(context.Context, followup.Ref, followup.Rules, tenantdb.Decide) (tenantdb.Admission, error) {
	return tenantdb.Admission{}, tenantdb.ErrBusy
}

func post(t *testing.T, h http.Handler, path string, body []byte, header ...string) int {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Code
}

var errAway = errors.New("it is away")

// faultyStore and faultyQueue are the real ones, but for what a test replaces.
type faultyStore struct {
	schedule.Store
	tenants func() error
	booking error
}

func (s faultyStore) Tenants(ctx context.Context) ([]uuid.UUID, error) {
	if s.tenants != nil {
		if err := s.tenants(); err != nil {
			return nil, err
		}
	}
	return s.Store.Tenants(context.WithoutCancel(ctx))
}

func (s faultyStore) Booking(ctx context.Context, ref followup.Ref) (*followup.Booking, time.Time, error) {
	if s.booking != nil {
		return nil, time.Time{}, s.booking
	}
	return s.Store.Booking(ctx, ref)
}

type faultyQueue struct{ reconcile.Queue }

func (faultyQueue) CreateScheduledHTTPTask(context.Context, followup.Booking, followup.Task) (string, error) {
	return "", errAway
}

// scheduling is what ScheduleFollowUp logs while events and ticks come.
func scheduling(t *testing.T) *functiontest.Log {
	t.Helper()
	db, log := functiontest.NewDatabase(t), &functiontest.Log{}
	queue := functiontest.NewTasks(t, "http://127.0.0.1:1/bookings/:id/execute-followup")
	handler := func(store schedule.Store, queue reconcile.Queue) *schedule.Handler {
		h, err := schedule.New(functiontest.Rules(), store, queue, log.Logger())
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	publish := func(h http.Handler, data string) {
		body, err := json.Marshal(map[string]any{"subscription": "projects/p/subscriptions/s",
			"message": map[string]any{"data": []byte(data), "messageId": "m-1", "publishTime": time.Now().UTC().Format(time.RFC3339)}})
		if err != nil {
			t.Fatal(err)
		}
		post(t, h, "/", body)
	}
	working := handler(db.DB, queue.Client)

	ref := db.Insert(functiontest.Seed{At: time.Now().Add(time.Hour)}).Ref
	created := fmt.Sprintf(`{"type":"booking.created","tenantId":%q,"bookingId":%q}`, ref.TenantID, ref.BookingID)
	publish(working, created)
	publish(working, `{"type":"booking.created"}`)
	publish(handler(faultyStore{Store: db.DB, booking: errAway}, queue.Client), created)

	hourAgo := time.Now().Add(-time.Hour)
	late := db.Insert(functiontest.Seed{At: hourAgo}).Ref
	publish(working, fmt.Sprintf(`{"type":"booking.created","tenantId":%q,"bookingId":%q}`, late.TenantID, late.BookingID))
	db.Change(late, "task_scheduled_at = now() - interval '1 hour'") // and its task still waits
	overdue := followup.Task{Status: followup.Scheduled, Revision: 1, Key: functiontest.CurrentKey, DueAt: hourAgo}
	db.Insert(functiontest.Seed{At: hourAgo, Task: overdue})
	db.Insert(functiontest.Seed{At: hourAgo, Task: overdue, Tenant: functiontest.TenantB})
	handler(db.DB, faultyQueue{queue.Client}).Sweep(t.Context()) // finds both, and can mend neither
	handler(faultyStore{Store: db.DB, tenants: func() error { return errAway }}, queue.Client).Sweep(t.Context())
	hurried, cancel := context.WithCancel(t.Context())
	defer cancel()
	handler(faultyStore{Store: db.DB, tenants: func() error { cancel(); return nil }}, queue.Client).Sweep(hurried) // has no time

	handler(db.DB.On(2), queue.Client).Sweep(t.Context())

	claimed := followup.Task{Status: followup.InProgress, Revision: 1, Attempts: 1, Key: functiontest.CurrentKey, DueAt: hourAgo, ClaimedAt: hourAgo}
	db.Insert(functiontest.Seed{At: hourAgo, Task: claimed})
	db.Insert(functiontest.Seed{At: time.Now().Add(-30 * time.Hour)})
	db.Register(t, brokenTenant, "not_migrated")
	working.Sweep(t.Context())
	return log
}
