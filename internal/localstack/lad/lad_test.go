package lad_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"lad.internal/followup/internal/localstack/lad"
)

func TestABookingIsStoredInItsTenantsSchemaAndThenPublished(t *testing.T) {
	t.Parallel()
	for tenant, schema := range map[string]string{tenantA: shared, tenantC: own} {
		t.Run(schema, func(t *testing.T) {
			t.Parallel()
			b := setup(t, nil)
			id := b.create(t, tenant)
			row := value[string](t, b, schema, `
				SELECT concat_ws(' ', tenant_id, lead_id, assigned_user_id, booking_type, status, task_status, is_deleted,
					scheduled_at::timestamp, timezone, booking_source)
				FROM lead_bookings WHERE id = $1`, id)
			if want := strings.Join([]string{tenant, leadID, userID, "auto_followup scheduled pending f 2030-01-31 13:30:00.123 GST voice_agent"}, " "); row != want {
				t.Errorf("the row is\n%s, want\n%s", row, want)
			}
			want := []string{fmt.Sprintf(`{"type":"booking.created","tenantId":%q,"bookingId":%q}`, tenant, id)}
			if diff := cmp.Diff(want, b.published()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnEventIsPublishedAfterCommitWhetherTheCallerWaitsOrNot(t *testing.T) {
	t.Parallel()
	ctx, hangUp := context.WithCancel(t.Context())
	var b *bundle
	published := false
	b = setup(t, func(o *lad.Options) {
		o.Publish = func(ctx context.Context, data []byte) error {
			hangUp()
			var event lad.Event
			if err := json.Unmarshal(data, &event); err != nil {
				return err
			}
			published = ctx.Err() == nil && value[int](t, b, shared, "SELECT count(*) FROM lead_bookings WHERE id = $1", event.BookingID) == 1
			return nil
		}
	})
	request := httptest.NewRequestWithContext(ctx, http.MethodPost, lad.BookingsPath, strings.NewReader(body()))
	request.Header = as(tenantA)
	b.Config.Handler.ServeHTTP(httptest.NewRecorder(), request)
	if !published {
		t.Error("the event was not published, or its row was not there yet, or its context ended with the request's")
	}
}

func TestARequestSucceedsWithoutItsEvent(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		options func(*lad.Options)
		more    []string
	}{
		"the publisher fails":  {options: func(o *lad.Options) { o.Publish = func(context.Context, []byte) error { return errors.New("down") } }},
		"the event is dropped": {options: func(o *lad.Options) { o.DropEvent = func(e lad.Event) bool { return e.TenantID == tenantA } }},
		"publish is false":     {more: []string{`"publish":false`}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, tt.options)
			id := b.create(t, tenantA, tt.more...)
			change := "{" + strings.Join(append(tt.more, `"status":"cancelled"`), ",") + "}"
			if a := b.do(t, http.MethodPatch, lad.BookingsPath+"/"+id, change, as(tenantA)); a.status != http.StatusOK {
				t.Errorf("PATCH answered %d %s", a.status, a.text)
			}
			if len(b.published()) != 0 {
				t.Errorf("published %v", b.published())
			}
		})
	}
}

func TestThePhoneOfALead(t *testing.T) {
	t.Parallel()
	fictional := regexp.MustCompile(`^\+120255501\d\d$`)
	tests := map[string]struct {
		bookings []string // the phone field of each, one after the other
		want     func(*string) bool
	}{
		"absent: a made-up one":               {[]string{""}, func(p *string) bool { return p != nil && fictional.MatchString(*p) }},
		"null: none":                          {[]string{`"phone":null`}, func(p *string) bool { return p == nil }},
		"given":                               {[]string{`"phone":"+12025550123"`}, func(p *string) bool { return p != nil && *p == "+12025550123" }},
		"given, even if it is no number":      {[]string{`"phone":"ask Joe"`}, func(p *string) bool { return p != nil && *p == "ask Joe" }},
		"kept when the next does not name it": {[]string{`"phone":null`, ""}, func(p *string) bool { return p == nil }},
		"changed when the next names another": {[]string{"", `"phone":"+12025550123"`}, func(p *string) bool { return p != nil && *p == "+12025550123" }},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, nil)
			for day, phone := range tt.bookings {
				if phone == "" {
					phone = `"x":0`
				}
				b.create(t, tenantA, phone, fmt.Sprintf(`"scheduledAt":"2030-01-0%dT00:00:00Z"`, day+1))
			}
			got := value[*string](t, b, shared, "SELECT phone FROM leads WHERE tenant_id = $1 AND id = $2", tenantA, leadID)
			if !tt.want(got) {
				t.Errorf("the phone is %v", got)
			}
		})
	}
}

func TestAHistoricBookingKeepsWhatTheRequestSays(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	id := b.create(t, tenantA, `"createdAt":"2020-02-29T23:00:00+01:00"`, `"status":"completed"`, `"note":"likes tea"`, `"metadata":{"agent_id":7}`)
	row := value[string](t, b, shared, `
		SELECT concat_ws(' ', to_char(b.created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI'), b.status, metadata ->> 'agent_id', n.content)
		FROM lead_bookings b JOIN lead_notes n USING (tenant_id, lead_id) WHERE b.id = $1`, id)
	if row != "2020-02-29 22:00 completed 7 likes tea" {
		t.Errorf("the row is %q", row)
	}
}

func TestAChangeIsStoredAnsweredAndPublished(t *testing.T) {
	t.Parallel()
	tests := []struct{ body, status, scheduledAt, event string }{
		{`{"scheduledAt":"2031-05-01T12:00:00+02:00"}`, "scheduled", "2031-05-01T10:00:00Z", lad.BookingUpdated},
		{`{"status":"confirmed"}`, "confirmed", "2030-01-31T09:30:00.123Z", lad.BookingUpdated},
		{`{"status":"cancelled"}`, "cancelled", "2030-01-31T09:30:00.123Z", lad.BookingCancelled},
		{`{"status":"pending","scheduledAt":"2031-05-01T12:00:00Z"}`, "pending", "2031-05-01T12:00:00Z", lad.BookingUpdated},
		{`{"timezone":"UTC"}`, "scheduled", "2030-01-31T13:30:00.123Z", lad.BookingUpdated},
		{`{"timezone":"Asia/Kolkata","scheduledAt":"2031-05-01T12:00:00Z"}`, "scheduled", "2031-05-01T12:00:00Z", lad.BookingUpdated},
		{`{"wall":"2031-05-01T12:00:00"}`, "scheduled", "2031-05-01T08:00:00Z", lad.BookingUpdated},
	}
	for _, tt := range tests {
		t.Run(tt.body, func(t *testing.T) {
			t.Parallel()
			b := setup(t, nil)
			id := b.create(t, tenantC, `"publish":false`)
			path := lad.BookingsPath + "/" + id
			changed := b.do(t, http.MethodPatch, path, tt.body, as(tenantC))
			if changed.status != http.StatusOK || changed.json["status"] != tt.status || changed.json["scheduledAt"] != tt.scheduledAt {
				t.Errorf("PATCH answered %d %s", changed.status, changed.text)
			}
			if shown := b.do(t, http.MethodGet, path, "", as(tenantC)); shown.text != changed.text {
				t.Errorf("GET then answered %s, want %s", shown.text, changed.text)
			}
			want := []string{fmt.Sprintf(`{"type":%q,"tenantId":%q,"bookingId":%q}`, tt.event, tenantC, id)}
			if diff := cmp.Diff(want, b.published()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestABookingIsShownAsItIs holds the fixed form of the answer, byte by byte.
func TestABookingIsShownAsItIs(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	id := b.create(t, tenantA)
	path := lad.BookingsPath + "/" + id
	fresh := fmt.Sprintf(`{"id":%q,"tenantId":%q,"status":"scheduled","scheduledAt":"2030-01-31T09:30:00.123Z","wall":"2030-01-31T13:30:00.123","timezone":"GST","taskStatus":"pending",`+
		`"taskReason":null,"taskRevision":0,"executionAttempts":0,"claimedAt":null,"executedAt":null,"callId":null,"lastExecutionError":null}`+"\n", id, tenantA)
	if got := b.do(t, http.MethodGet, path, "", as(strings.ToUpper(tenantA))); got.status != http.StatusOK || got.text != fresh {
		t.Errorf("GET answered %d %s, want %s", got.status, got.text, fresh)
	}
	value[int](t, b, shared, `
		WITH called AS (UPDATE lead_bookings SET is_deleted = true, task_status = 'failed', task_reason = 'rejected', task_revision = 3,
			execution_attempts = 2, claimed_at = '2030-01-31 09:30:01Z', executed_at = '2030-01-31 09:30:02Z', call_id = 'c-1',
			last_execution_error = 'busy' WHERE id = $1 RETURNING 1)
		SELECT count(*) FROM called`, id)
	called := fresh[:strings.Index(fresh, `"taskStatus"`)] + `"taskStatus":"failed","taskReason":"rejected","taskRevision":3,` +
		`"executionAttempts":2,"claimedAt":"2030-01-31T09:30:01Z","executedAt":"2030-01-31T09:30:02Z","callId":"c-1","lastExecutionError":"busy"}` + "\n"
	if got := b.do(t, http.MethodGet, path, "", as(tenantA)); got.text != called {
		t.Errorf("GET answered %s, want %s", got.text, called)
	}
	if got := b.do(t, http.MethodPatch, path, `{"status":"confirmed"}`, as(tenantA)); got.status != http.StatusNotFound {
		t.Errorf("PATCH of a deleted booking answered %d %s", got.status, got.text)
	}
}

func TestTheTenantsAreListed(t *testing.T) {
	t.Parallel()
	b := setup(t, nil)
	got := b.do(t, http.MethodGet, lad.TenantsPath, "", nil)
	var tenants []map[string]string
	if err := json.Unmarshal([]byte(got.text), &tenants); err != nil || got.status != http.StatusOK {
		t.Fatalf("GET answered %d %s", got.status, got.text)
	}
	want := []map[string]string{
		{"id": tenantA, "schema": shared, "databaseUrl": b.url},
		{"id": tenantB, "schema": shared, "databaseUrl": b.url},
		{"id": tenantC, "schema": own, "databaseUrl": b.url},
	}
	if diff := cmp.Diff(want, tenants); diff != "" {
		t.Errorf("tenants (-want +got):\n%s", diff)
	}
}

func TestNewRefusesWhatIsMissing(t *testing.T) {
	t.Parallel()
	const url = "postgres://nobody@127.0.0.1:1/none"
	tests := map[string]func(*lad.Options){
		"no logger":         func(o *lad.Options) { o.Logger = nil },
		"no publisher":      func(o *lad.Options) { o.Publish = nil },
		"no tenants":        func(o *lad.Options) { o.Tenants = nil },
		"no schema":         func(o *lad.Options) { o.Tenants[0].Schema = "" },
		"no UUID":           func(o *lad.Options) { o.Tenants[0].ID = "acme" },
		"no database URL":   func(o *lad.Options) { o.Tenants[0].DatabaseURL = "postgres://[" },
		"one tenant, twice": func(o *lad.Options) { o.Tenants = append(o.Tenants, o.Tenants[0]) },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := lad.Options{
				Logger:  slog.New(slog.DiscardHandler),
				Publish: func(context.Context, []byte) error { return nil },
				Tenants: []lad.Tenant{{ID: tenantA, Schema: shared, DatabaseURL: url}},
			}
			spoil(&options)
			if backend, err := lad.New(options); err == nil {
				backend.Close()
				t.Error("it was made")
			}
		})
	}
}
