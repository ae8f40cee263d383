package schedule_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/uuid"

	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// empty is a database without bookings and tenants, which remembers what it was
// asked for, and a queue that must not be asked at all.
type empty struct {
	asked  []followup.Ref
	swept  int
	called string
}

func (e *empty) Booking(_ context.Context, ref followup.Ref) (*followup.Booking, time.Time, error) {
	e.asked = append(e.asked, ref)
	return nil, time.Now(), nil
}

func (e *empty) Tenants(context.Context) ([]uuid.UUID, error) { e.swept++; return nil, nil }

func (e *empty) Update(context.Context, followup.Booking, followup.Task) (bool, error) {
	e.called = "Update"
	return false, nil
}

func (e *empty) Concerned(context.Context, uuid.UUID, followup.Rules) ([]tenantdb.Concern, error) {
	e.called = "Concerned"
	return nil, nil
}

func (e *empty) Candidates(context.Context, uuid.UUID, tenantdb.Concern, followup.Rules, tenantdb.Cursor, int) ([]followup.Ref, tenantdb.Cursor, error) {
	e.called = "Candidates"
	return nil, tenantdb.Cursor{}, nil
}

func (e *empty) CreateScheduledHTTPTask(context.Context, followup.Booking, followup.Task) (string, error) {
	e.called = "CreateScheduledHTTPTask"
	return "", nil
}

func (e *empty) Waits(context.Context, followup.Task) (bool, error) {
	e.called = "Waits"
	return false, nil
}

func (e *empty) Delete(context.Context, string) error { e.called = "Delete"; return nil }

// handled is what became of a request.
type handled struct {
	status int
	answer string
	result string
	ref    followup.Ref
	asked  int // bookings and sweeps
}

// handle serves one request on an empty database.
func handle(t testing.TB, r *http.Request) handled {
	t.Helper()
	e := &empty{}
	h, err := schedule.New(functiontest.Rules(), e, e, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if e.called != "" {
		t.Errorf("%s was called for a booking that is not there", e.called)
	}
	got := handled{status: w.Code, answer: w.Body.String(), asked: len(e.asked) + e.swept}
	if len(e.asked) > 0 {
		got.ref = e.asked[0]
	}
	var answer response
	if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
		t.Errorf("answered %q: %v", got.answer, err)
	}
	got.result = answer.Result
	return got
}

// numbers are long enough for a phone's.
var numbers = regexp.MustCompile(`[0-9]{7,}`)

// check is what holds for every request.
func (h handled) check(t *testing.T, sent ...string) {
	t.Helper()
	if !utf8.ValidString(h.answer) || strings.Contains(h.answer, "%!") {
		t.Errorf("answered %q", h.answer)
	}
	for _, number := range numbers.FindAllString(strings.Join(sent, " "), -1) {
		if strings.Contains(h.answer, number) {
			t.Errorf("the answer quotes %s: %s", number, h.answer)
		}
	}
	switch h.status {
	case 200:
		if known := map[string]int{"handled": 1, "swept": 1, "dropped": 0, "rejected": 0}; h.asked != known[h.result] {
			t.Errorf("answered %s after %d questions", h.answer, h.asked)
		}
	case 400, 405, 413, 415:
		if h.asked != 0 {
			t.Errorf("answered %s after %d questions", h.answer, h.asked)
		}
	default:
		t.Errorf("answered %d %s", h.status, h.answer)
	}
}

const (
	fuzzTenant  = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
	fuzzBooking = "c9bf9e57-1685-4c89-bafb-ff5af830be8a"
	fuzzEvent   = `{"type":"booking.created","tenantId":"` + fuzzTenant + `","bookingId":"` + fuzzBooking + `"}`
)

// FuzzEnvelope: whatever a request says it is, it is an event that is dealt with
// or a request that is refused. Nothing of it is quoted.
func FuzzEnvelope(f *testing.F) {
	data := base64.StdEncoding.EncodeToString([]byte(fuzzEvent))
	push := `{"message":{"data":"` + data + `","messageId":"1","publishTime":"2026-01-31T00:00:00Z"},"subscription":"s"}`
	cloudEvent := `{"specversion":"1.0","id":"e","source":"s","type":"t","datacontenttype":"application/json","data":` + push + `}`
	f.Add("application/json", "", "", push)
	f.Add("application/json", "1.0", "", push)
	f.Add("application/cloudevents+json", "", "", cloudEvent)
	f.Add("application/cloudevents+json", "", "", strings.Replace(cloudEvent, `"data":{`, `"data":{},"data":{`, 1))
	f.Add("application/cloudevents+json", "", "", `{"specversion":"1.0","id":"e","source":"s","type":"t","data_base64":"`+base64.StdEncoding.EncodeToString([]byte(push))+`"}`)
	f.Add("application/cloudevents+json", "", "", `{"specversion":"1.0","id":"e","source":"s","type":"t","time":"0000-00-00","data":`+strings.Repeat("[", 20_000))
	f.Add("application/cloudevents-batch+json", "", "", "["+cloudEvent+"]")
	f.Add("application/json", "0.3", "", push)
	f.Add("application/json", "", "gzip", "\x1f\x8b\x08\x00")
	f.Add("application/json", "", "", `{"message":{"data":[123,125]}}`)
	f.Add("application/json", "", "", `{"MESSAGE":{"data":""},"message":{"DATA":"`+data+`"}}`)
	f.Add("application/json", "", "", `{"message":{"data":"+4915112345678%d"}}`)
	f.Fuzz(func(t *testing.T, contentType, specVersion, encoding, body string) {
		r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
		r.Header = http.Header{"Content-Type": {contentType}}
		if encoding != "" {
			r.Header.Set("Content-Encoding", encoding)
		}
		if specVersion != "" {
			for name, value := range map[string]string{"ce-specversion": specVersion, "ce-id": "e", "ce-source": "s", "ce-type": "t"} {
				r.Header.Set(name, value)
			}
		}
		got := handle(t, r)
		got.check(t, body)
		if got.status == 200 && (encoding != "" || strings.Contains(contentType, "xml")) {
			t.Errorf("%q, %q was taken for an event: %s", contentType, encoding, got.answer)
		}
	})
}

// FuzzInnerEvent: a message means the same in every form in which it may come,
// and names one booking or none.
func FuzzInnerEvent(f *testing.F) {
	for _, seed := range []string{
		fuzzEvent, `{"type":"followup.sweep"}`, strings.Replace(fuzzEvent, "tenantId", "tenant_id", 1), strings.Replace(fuzzEvent, "tenantId", "TENANTID", 1),
		strings.Replace(fuzzEvent, `{`, `{"tenantId":"`+fuzzBooking+`",`, 1), strings.Replace(fuzzEvent, `{`, `{"tenant_id":"`+fuzzBooking+`",`, 1),
		strings.ToUpper(fuzzEvent), strings.Replace(fuzzEvent, fuzzTenant, strings.ToUpper(fuzzTenant), 1), strings.Replace(fuzzEvent, fuzzTenant, "{"+fuzzTenant+"}", 1),
		strings.Replace(fuzzEvent, fuzzTenant, "urn:uuid:"+fuzzTenant, 1), strings.Replace(fuzzEvent, fuzzTenant, strings.ReplaceAll(fuzzTenant, "-", ""), 1),
		`{"type":"booking.created","tenantId":4915112345678,"bookingId":1e400}`, fuzzEvent + fuzzEvent, "\ufeff" + fuzzEvent, fuzzEvent + "\x00", "{\"type\":\"booking.created\xff\"}", "null",
		strings.Repeat("[", 10_001), `{"type":"booking.created\u0000"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var first handled
		for i, form := range forms {
			got := handle(t, form.request("http://schedule.example/", envelope(data, time.Now())))
			got.check(t, string(data))
			if i == 0 {
				first = got
			}
			if got.status != 200 || got.answer != first.answer || got.ref != first.ref {
				t.Errorf("%q means %+v as %s, and %+v as %s", data, first, forms[0], got, form)
			}
		}
		if first.result != "handled" {
			return
		}
		// Read once more, with a map, which knows no case.
		var fields map[string]any
		if err := json.Unmarshal(data, &fields); err != nil || !utf8.Valid(data) {
			t.Fatalf("%q was handled, and is no JSON: %v", data, err)
		}
		for want, names := range map[string][2]string{first.ref.TenantID.String(): {"tenantId", "tenant_id"}, first.ref.BookingID.String(): {"bookingId", "booking_id"}} {
			for _, name := range names {
				if text, _ := fields[name].(string); text != "" && !strings.EqualFold(text, want) {
					t.Errorf("%s was taken for %s of %q", want, name, data)
				}
			}
		}
	})
}
