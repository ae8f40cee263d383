package schedule_test

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

func TestAnEventOfEachTypeAndFormArmsItsBooking(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve()
	for _, f := range forms {
		for _, kind := range []string{"booking.created", "booking.updated", "booking.cancelled"} {
			t.Run(string(f)+", "+kind, func(t *testing.T) {
				b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour)})
				got := w.event(url, f, kind, b.Ref)
				if got.status != 200 || got.Result != "handled" || got.Rule != "arm" || got.Effect != "arm" {
					t.Errorf("answered %s", got)
				}
				after := w.Row(b.Ref)
				if after.Task.Status != followup.Scheduled || after.Task.Revision != 1 || after.Task.Key != b.Key() || w.queue.Named(after.Task.Name) == nil {
					t.Errorf("the row is %+v", after.Task)
				}
			})
		}
	}
}

func TestTheTaskIsDueAtTheBookingsTimeOrAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const lead = 10 * time.Minute
	url := w.serve(func(p *parts) { p.rules.LeadTime = lead })
	inAnHour := time.Now().Add(time.Hour).Truncate(time.Millisecond)
	for name, tc := range map[string]struct {
		at   time.Time
		want time.Time // zero: at once
	}{
		"in an hour":                 {inAnHour, inAnHour.Add(-lead)},
		"within the lead time":       {time.Now().Add(lead / 2), time.Time{}},
		"in the past":                {time.Now().Add(-time.Hour), time.Time{}},
		"beyond the past's lateness": {time.Now().Add(-23 * time.Hour), time.Time{}},
	} {
		t.Run(name, func(t *testing.T) {
			b := w.Insert(functiontest.Seed{At: tc.at})
			before := time.Now()
			w.event(url, binary, "booking.created", b.Ref)
			after := w.Row(b.Ref)
			armed := w.queue.Named(after.Task.Name)
			if armed == nil {
				t.Fatalf("no task; the row is %+v", after.Task)
			}
			// A time in the past the queue replaces by its own (Task.schedule_time).
			// Database, queue and this process share a machine, and so a clock.
			for who, due := range map[string]time.Time{"the task": armed.GetScheduleTime().AsTime(), "the row": after.Task.DueAt} {
				if tc.want.IsZero() && (due.Before(before.Add(-time.Second)) || due.After(time.Now().Add(time.Second))) || !tc.want.IsZero() && !due.Equal(tc.want) {
					t.Errorf("%s is due at %s, want %s", who, due, tc.want)
				}
			}
			var body struct {
				TenantID, BookingID, LeadID, AssignedUserID, IdempotencyKey string
				Revision                                                    int
			}
			request := armed.GetHttpRequest()
			if err := json.Unmarshal(request.GetBody(), &body); err != nil {
				t.Fatal(err)
			}
			if body.BookingID != b.BookingID.String() || body.TenantID != b.TenantID.String() || body.IdempotencyKey != b.Key() ||
				body.Revision != 1 || body.LeadID != b.LeadID.UUID.String() || body.AssignedUserID != b.AssignedUserID.UUID.String() && b.AssignedUserID.Valid {
				t.Errorf("the payload is %s", request.GetBody())
			}
			if !strings.HasSuffix(request.GetUrl(), "/bookings/"+b.BookingID.String()+"/execute-followup") ||
				request.GetOidcToken().GetServiceAccountEmail() != functiontest.Account || request.GetOidcToken().GetAudience() != functiontest.Audience {
				t.Errorf("the request is %s as %s", request.GetUrl(), request.GetOidcToken())
			}
			if strings.Contains(string(request.GetBody()), "4915112345678") {
				t.Error("the payload holds the lead's number")
			}
		})
	}
}

func TestWhatAnEventCannotArmIsLeftAloneOrSettled(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve()
	timed := followup.Task{Status: followup.Pending, Key: functiontest.CurrentKey} // as the first event has left it
	for _, tc := range []struct {
		name   string
		seed   functiontest.Seed
		effect string
		rule   string
		status followup.TaskStatus
	}{
		{"no follow-up", functiontest.Seed{Type: "meeting"}, "none", "no_follow_up", "pending"},
		{"historic", functiontest.Seed{At: time.Now().Add(-72 * time.Hour)}, "update", "historic", "pending"}, // its time is written once
		{"historic, its time known", functiontest.Seed{At: time.Now().Add(-72 * time.Hour), Task: timed}, "none", "historic", "pending"},
		{"cancelled before it had a task", functiontest.Seed{Status: "cancelled"}, "update", "not_live", "cancelled"},
		{"too late", functiontest.Seed{At: time.Now().Add(-30 * time.Hour)}, "update", "expired", "failed"},
		{"beyond the horizon", functiontest.Seed{At: time.Now().Add(30 * 24 * time.Hour)}, "update", "beyond_horizon", "pending"},
		{"beyond the horizon, its time known", functiontest.Seed{At: time.Now().Add(30 * 24 * time.Hour), Task: timed}, "none", "beyond_horizon", "pending"},
		{"in a zone that cannot be read", functiontest.Seed{Timezone: "Mars"}, "update", "no_zone", "failed"},
		{"called", functiontest.Seed{Task: followup.Task{Status: "executed", ExecutedAt: time.Now(), Key: functiontest.CurrentKey}}, "none", "called", "executed"},
		{"another spelling of the type", functiontest.Seed{Type: "Follow-Up"}, "arm", "arm", "scheduled"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := w.Insert(tc.seed)
			got := w.event(url, plain, "booking.updated", b.Ref)
			if got.status != 200 || got.Effect != tc.effect || got.Rule != tc.rule {
				t.Errorf("answered %s, want %s by %s", got, tc.effect, tc.rule)
			}
			if after := w.Row(b.Ref); after.Task.Status != tc.status {
				t.Errorf("the row is %+v, want %s", after.Task, tc.status)
			}
		})
	}
}

func TestAMovedBookingGetsANewTaskAndLosesTheOldOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve()
	b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour)})
	w.event(url, binary, "booking.created", b.Ref)
	first := w.Row(b.Ref)
	seen := map[string]bool{first.Task.Name: true}
	for i, shift := range []string{"+ interval '1 hour'", "- interval '1 hour'"} { // to B, and back to A
		w.Change(b.Ref, "scheduled_at = scheduled_at "+shift)
		old := w.Row(b.Ref).Task.Name
		w.event(url, binary, "booking.updated", b.Ref)
		after := w.Row(b.Ref)
		if after.Task.Revision != i+2 || after.Task.Key != after.Key() || seen[after.Task.Name] {
			t.Errorf("the row is %+v", after.Task)
		}
		if w.queue.Named(after.Task.Name) == nil || w.queue.Named(old) != nil {
			t.Error("the tasks were not exchanged")
		}
		seen[after.Task.Name] = true
	}
	w.Change(b.Ref, "status = 'cancelled'")
	w.event(url, binary, "booking.cancelled", b.Ref)
	if after := w.Row(b.Ref); after.Task.Status != followup.Cancelled || len(w.queue.List()) != 0 {
		t.Errorf("cancelled, the row is %+v with %d tasks", after.Task, len(w.queue.List()))
	}
}

func TestAMessageInEitherSpellingOfItsIDsIsRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve()
	for name, message := range map[string]string{
		"camelCase":           `{"type":"booking.created","tenantId":"%[1]s","bookingId":"%[2]s"}`,
		"snake_case":          `{"type":"booking.created","tenant_id":"%[1]s","booking_id":"%[2]s"}`,
		"both, in agreement":  `{"type":"booking.created","tenantId":"%[1]s","tenant_id":"%[1]s","booking_id":"%[2]s"}`,
		"with other fields":   `{"type":"booking.created","tenantId":"%[1]s","bookingId":"%[2]s","lead":{"phone":7},"v":2}`,
		"with a byte of rest": ` {"type":"booking.created","tenantId":"%[1]s","bookingId":"%[2]s"}` + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			b := w.Insert(functiontest.Seed{})
			got := w.send(binary.request(url, envelope(fmt.Appendf(nil, message, b.TenantID, b.BookingID), time.Now())))
			if got.Effect != "arm" {
				t.Errorf("answered %s", got)
			}
		})
	}
}

func TestAnUnknownTenantAndAForeignBookingAreAcknowledgedAlike(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve()
	foreign := w.Insert(functiontest.Seed{Tenant: functiontest.TenantB})
	before := w.Checksum()
	var first string
	for _, ref := range []followup.Ref{
		{TenantID: functiontest.TenantA, BookingID: foreign.BookingID},
		{TenantID: uuid.New(), BookingID: foreign.BookingID},
		{TenantID: functiontest.TenantA, BookingID: uuid.New()},
	} {
		got := w.event(url, structured, "booking.created", ref)
		if first == "" {
			first = got.body
		}
		if got.status != 200 || got.Rule != "absent" || got.body != first {
			t.Errorf("answered %s", got)
		}
	}
	if w.Checksum() != before || len(w.queue.List()) != 0 {
		t.Error("a booking of another tenant was touched")
	}
}

func TestAMessageThatCannotBeReadIsLoggedByItsIDAndAcknowledged(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve()
	b := w.Insert(functiontest.Seed{})
	before := w.Checksum()
	const marker = "SWORDFISH"
	message := func(text string) map[string]any { return envelope([]byte(text), time.Now()) }
	ids := func(tenant, booking string) map[string]any {
		return message(fmt.Sprintf(`{"type":"booking.created","tenantId":%s,"bookingId":%s}`, tenant, booking))
	}
	tenant, booking := `"`+b.TenantID.String()+`"`, `"`+b.BookingID.String()+`"`
	raw := func(data any) map[string]any {
		return map[string]any{"message": map[string]any{"data": data, "messageId": "m-1"}}
	}
	for name, body := range map[string]any{
		"an unknown type":      message(`{"type":"booking.` + marker + `","tenantId":` + tenant + `,"bookingId":` + booking + `}`),
		"no type":              message(`{"tenantId":` + tenant + `,"bookingId":` + booking + `}`),
		"no tenant":            message(`{"type":"booking.created","bookingId":` + booking + `}`),
		"no booking":           message(`{"type":"booking.created","tenantId":` + tenant + `}`),
		"a bad tenant":         ids(`"`+marker+`"`, booking),
		"a bad booking":        ids(tenant, `"`+marker+`"`),
		"the nil booking":      ids(tenant, `"`+uuid.Nil.String()+`"`),
		"numbers for ids":      ids(`7`, `8`),
		"objects for ids":      ids(`{"id":`+tenant+`}`, booking),
		"ids in conflict":      message(`{"type":"booking.created","tenantId":` + tenant + `,"tenant_id":"` + uuid.NewString() + `","bookingId":` + booking + `}`),
		"half an object":       message(`{"type":"booking.created",` + marker),
		"a list":               message(`["booking.created"]`),
		"null":                 message(`null`),
		"no data":              raw(nil),
		"data that is no text": raw(7),
		"bad base64":           raw("!!" + marker),
		"base64 of the URL alphabet, where it differs": raw("-_-_"),
		"huge data":               message(`{"type":"booking.created","tenantId":` + tenant + `,"bookingId":` + booking + `,"pad":"` + strings.Repeat("x", 64<<10) + `"}`),
		"no message":              map[string]any{"subscription": marker},
		"a message that is text":  map[string]any{"message": marker},
		"a bad time":              map[string]any{"message": map[string]any{"data": base64.StdEncoding.EncodeToString([]byte(`{"type":"followup.sweep"}`)), "publishTime": marker}},
		"an envelope that is not": []string{marker},
	} {
		for _, f := range forms {
			t.Run(string(f)+", "+name, func(t *testing.T) {
				lines := len(w.log.Events("event_rejected"))
				got := w.send(f.request(url, body))
				if got.status != 200 || got.Result != "rejected" || got.Detail == "" {
					t.Errorf("answered %s", got)
				}
				logged := w.log.Events("event_rejected")
				if len(logged) != lines+1 || logged[lines]["severity"] != "ERROR" {
					t.Errorf("logged %v", logged[lines:])
				}
				if strings.Contains(got.body, marker) {
					t.Errorf("the answer quotes the message: %s", got)
				}
			})
		}
	}
	if w.Checksum() != before || len(w.queue.List()) != 0 {
		t.Error("a row changed")
	}
	if strings.Contains(w.log.String(), marker) {
		t.Error("the log quotes a message")
	}
	for _, line := range w.log.Events("event_rejected") {
		if id := line["message_id"]; id != "m-1" && id != "e-1" && id != "" {
			t.Errorf("a line names the message %v", id)
		}
	}
}

func TestRequestsThatAreNoEventsAreRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve()
	b := w.Insert(functiontest.Seed{})
	good := func(f form) *http.Request {
		return f.request(url, envelope(fmt.Appendf(nil, `{"type":"booking.created","tenantId":%q,"bookingId":%q}`, b.TenantID, b.BookingID), time.Now()))
	}
	header := func(f form, name, value string) *http.Request {
		r := good(f)
		if r.Header.Set(name, value); value == "" {
			r.Header.Del(name)
		}
		return r
	}
	get := good(binary)
	get.Method, get.Body, get.ContentLength = http.MethodGet, nil, 0
	put := good(plain)
	put.Method = http.MethodPut
	before := w.Checksum()
	for name, tc := range map[string]struct {
		request *http.Request
		status  int
		code    string
	}{
		"GET":                         {get, 405, "method_not_allowed"},
		"PUT":                         {put, 405, "method_not_allowed"},
		"no content type":             {header(binary, "Content-Type", ""), 415, "unsupported_media_type"},
		"text":                        {header(binary, "Content-Type", "text/plain"), 415, "unsupported_media_type"},
		"a batch":                     {header(structured, "Content-Type", "application/cloudevents-batch+json"), 415, "unsupported_media_type"},
		"another format":              {header(structured, "Content-Type", "application/cloudevents+xml"), 415, "unsupported_media_type"},
		"oversize":                    {plain.request(url, map[string]string{"pad": strings.Repeat("x", 1<<20)}), 413, "body_too_large"},
		"a CloudEvent without id":     {header(binary, "ce-id", ""), 400, "invalid_cloudevent"},
		"a CloudEvent without type":   {header(binary, "ce-type", ""), 400, "invalid_cloudevent"},
		"a CloudEvent without source": {header(binary, "ce-source", ""), 400, "invalid_cloudevent"},
		"a bad time":                  {header(binary, "ce-time", "yesterday"), 400, "invalid_cloudevent"},
		"structured without an id":    {header(plain, "Content-Type", "application/cloudevents+json"), 400, "invalid_cloudevent"},
	} {
		t.Run(name, func(t *testing.T) {
			got := w.send(tc.request)
			if got.status != tc.status || got.Error.Code != tc.code || got.Error.Message == "" {
				t.Errorf("answered %s, want %d %q with a sentence", got, tc.status, tc.code)
			}
		})
	}
	if w.Checksum() != before || len(w.queue.List()) != 0 {
		t.Error("a row changed")
	}
}

func TestAHandlerWithoutAllItsPartsIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	log := w.log.Logger()
	_, err1 := schedule.New(functiontest.Rules(), nil, w.queue.Client, log)
	_, err2 := schedule.New(functiontest.Rules(), w.DB, nil, log)
	_, err3 := schedule.New(functiontest.Rules(), w.DB, w.queue.Client, nil)
	if err1 == nil || err2 == nil || err3 == nil {
		t.Errorf("a handler was made: %v, %v, %v", err1, err2, err3)
	}
}
