package execute_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// untouchable is the database of requests that must not get as far.
type untouchable struct{ t *testing.T }

func (u untouchable) fail(what string) error {
	u.t.Errorf("the database was asked: %s", what)
	return errors.New("untouchable")
}

func (u untouchable) Booking(context.Context, followup.Ref) (*followup.Booking, time.Time, error) {
	return nil, time.Time{}, u.fail("Booking")
}

func (u untouchable) Update(context.Context, followup.Booking, followup.Task) (bool, error) {
	return false, u.fail("Update")
}

func (u untouchable) Admit(context.Context, followup.Ref, followup.Rules, tenantdb.Decide) (tenantdb.Admission, error) {
	return tenantdb.Admission{}, u.fail("Admit")
}

func (u untouchable) Finish(context.Context, followup.Ref, followup.Task, followup.Task) (bool, error) {
	return false, u.fail("Finish")
}

// refusal is a request that is answered without a look at the database.
type refusal struct {
	name   string
	change func(*http.Request)
	status int
	code   string
}

// checkRefusals sends each request and looks at what it must have left alone.
func checkRefusals(t *testing.T, e *endpoint, b followup.Booking, cases []refusal) {
	t.Helper()
	before := e.w.Checksum()
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r := e.request(payload(b, 1))
			tc.change(r)
			got := e.send(r)
			if got.status != tc.status || got.Error.Code != tc.code || got.Error.Message == "" {
				t.Errorf("answered %s, want %d %q with a sentence", got, tc.status, tc.code)
			}
			if e.w.Checksum() != before || e.w.posts(b) != 0 {
				t.Error("a row changed, or the voice agent was asked")
			}
			if tc.status == http.StatusUnauthorized && got.header.Get("WWW-Authenticate") != "Bearer" {
				t.Error("a 401 names no scheme")
			}
			if tc.status == http.StatusMethodNotAllowed && got.header.Get("Allow") != http.MethodPost {
				t.Error("a 405 names no method")
			}
		})
	}
}

func header(name, value string) func(*http.Request) {
	return func(r *http.Request) {
		if value == "" {
			r.Header.Del(name)
			return
		}
		r.Header.Set(name, value)
	}
}

func body(b []byte) func(*http.Request) {
	return func(r *http.Request) { r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(b)), int64(len(b)) }
}

// field sets, or with nil deletes, a field of the payload.
func field(name string, value any) func(*http.Request) {
	return func(r *http.Request) {
		fields := map[string]any{}
		if err := json.NewDecoder(r.Body).Decode(&fields); err != nil {
			panic(err)
		}
		if fields[name] = value; value == nil {
			delete(fields, name)
		}
		text, err := json.Marshal(fields)
		if err != nil {
			panic(err)
		}
		body(text)(r)
	}
}

func TestRequestsThatAreNoTasksAreRefusedBeforeTheDatabaseIsAsked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) { p.Store = untouchable{t} })
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	const bad, id = "invalid_task", "not-a-uuid"
	taskPath := "/bookings/" + b.BookingID.String() + "/execute-followup"
	method := func(m string) func(*http.Request) { return func(r *http.Request) { r.Method = m } }
	path := func(p string) func(*http.Request) { return func(r *http.Request) { r.URL.Path = p } }
	checkRefusals(t, e, b, []refusal{
		{"GET", func(r *http.Request) { r.Method = "GET"; body(nil)(r) }, 405, "method_not_allowed"},
		{"PUT", method("PUT"), 405, "method_not_allowed"},
		{"DELETE", method("DELETE"), 405, "method_not_allowed"},
		{"no content type", header("Content-Type", ""), 415, "unsupported_media_type"},
		{"text", header("Content-Type", "text/plain"), 415, "unsupported_media_type"},
		{"a form", header("Content-Type", "application/x-www-form-urlencoded"), 415, "unsupported_media_type"},
		{"no content type at all", header("Content-Type", ";"), 415, "unsupported_media_type"},
		{"compressed", header("Content-Encoding", "gzip"), 415, "unsupported_media_type"},
		{"oversize, declared", body(bytes.Repeat([]byte(" "), 64<<10+1)), 413, "body_too_large"},
		{"oversize, chunked", func(r *http.Request) {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(strings.Repeat(" ", 64<<10+1))), -1
		}, 413, "body_too_large"},
		{"oversize, of a stranger", func(r *http.Request) {
			r.Header.Del("Authorization")
			body(bytes.Repeat([]byte(" "), 64<<10+1))(r)
		}, 413, "body_too_large"},
		{"no body", body(nil), 400, bad},
		{"malformed", body([]byte(`{"tenantId":`)), 400, bad},
		{"no object", body([]byte(`["tenantId"]`)), 400, bad},
		{"two objects", body([]byte(`{} {}`)), 400, bad},
		{"null", body([]byte(`null`)), 400, bad},
		{"no tenant", field("tenantId", nil), 400, bad},
		{"no booking", field("bookingId", nil), 400, bad},
		{"no key", field("idempotencyKey", nil), 400, bad},
		{"no revision", field("revision", nil), 400, bad},
		{"bad tenant", field("tenantId", id), 400, bad},
		{"bad booking", field("bookingId", id), 400, bad},
		{"bad lead", field("leadId", id), 400, bad},
		{"bad user", field("assignedUserId", id), 400, bad},
		{"a nil tenant", field("tenantId", uuid.Nil.String()), 400, bad},
		{"braced tenant", field("tenantId", "{"+b.TenantID.String()+"}"), 400, bad},
		{"undashed booking", field("bookingId", strings.ReplaceAll(b.BookingID.String(), "-", "")), 400, bad},
		{"a number for an id", field("bookingId", 7), 400, bad},
		{"the key of another booking", field("idempotencyKey", "followup:"+b.TenantID.String()+":"+uuid.NewString()+":2026-01-01T00:00:00.000Z"), 400, bad},
		{"revision 0", field("revision", 0), 400, bad},
		{"a broken revision", field("revision", 1.5), 400, bad},
		{"a version of the future", field("version", 99), 400, bad},
		{"another booking in the path", path("/bookings/" + uuid.NewString() + "/execute-followup"), 400, bad},
		{"another booking, and other words, in the path", path("/bookings/" + uuid.NewString() + "/Execute-followup"), 400, bad},
		{"another booking, and two slashes, in the path", path("/bookings/" + uuid.NewString() + "//execute-followup"), 400, bad},
		{"another booking after this one", path(taskPath + "/bookings/" + uuid.NewString() + "/execute-followup"), 400, bad},
		{"the words in capitals", path("/bookings/" + b.BookingID.String() + "/Execute-followup"), 400, bad},
		{"the id in capitals", path("/bookings/" + strings.ToUpper(b.BookingID.String()) + "/execute-followup"), 400, bad},
		{"two slashes in the path", path("/bookings//" + b.BookingID.String() + "/execute-followup"), 400, bad},
		{"a slash after the path", path(taskPath + "/"), 400, bad},
		{"another word before the id", path("/xbookings/" + b.BookingID.String() + "/execute-followup"), 400, bad},
		{"no booking in the path", path("/api/bookings//execute-followup"), 400, bad},
		{"no path", path("/"), 400, bad},
		{"the endpoint's template in the path", path("/bookings/:id/execute-followup"), 400, bad},
		{"no task name", header("X-CloudTasks-TaskName", ""), 403, "forbidden"},
		{"a task name that is none", header("X-CloudTasks-TaskName", "projects/p/locations/l/queues/q/tasks/t"), 403, "forbidden"},
		{"no queue", header("X-CloudTasks-QueueName", ""), 403, "forbidden"},
		{"another queue", header("X-CloudTasks-QueueName", "another"), 403, "forbidden"},
	})
}

func TestATaskIsTakenBelowAnyPathAndWithFieldsOfTheFuture(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve()
	for name, change := range map[string]func(*http.Request){
		"below another path": func(r *http.Request) { r.URL.Path = "/api/deals-pipeline" + r.URL.Path },
		"with a charset":     header("Content-Type", "application/json; charset=utf-8"),
		"an unknown field":   field("colour", "green"),
		"lower case bearer":  func(r *http.Request) { r.Header.Set("Authorization", "bearer "+w.queue.Token()) },
	} {
		t.Run(name, func(t *testing.T) {
			b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
			r := e.request(payload(b, 1))
			change(r)
			if got := e.send(r); got.Result != "accepted" {
				t.Errorf("answered %s", got)
			}
		})
	}
}

func TestABodyThatEndsEarlyIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) { p.Store = untouchable{t} })
	r := e.request(payload(w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)}), 1))
	r.ContentLength += 10 // more than there is
	conn, err := net.Dial("tcp", strings.TrimPrefix(e.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var begun bytes.Buffer
	if err := r.Write(&begun); err == nil {
		t.Fatal("the whole body was there")
	}
	if _, err := begun.WriteTo(conn); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, 4096)
	n, err := io.ReadFull(conn, answer)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Fatal(err)
	}
	if got := string(answer[:n]); !strings.HasPrefix(got, "HTTP/1.1 400 ") || !strings.Contains(got, `"code":"unreadable_body"`) {
		t.Errorf("answered %s", got)
	}
}

func TestRefusalsQuoteNothingOfTheRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	e := w.serve(func(p *execute.Parts) { p.Store = untouchable{t} })
	b := w.Insert(functiontest.Seed{})
	const marker = "SWORDFISH"
	for _, change := range []func(*http.Request){
		body([]byte(`{"tenantId":` + marker)), field("tenantId", marker), field("revision", marker), field("idempotencyKey", marker),
		header("Authorization", "Bearer "+marker), header("Authorization", marker), header("X-CloudTasks-QueueName", marker),
		header("Content-Type", marker),
	} {
		r := e.request(payload(b, 1))
		change(r)
		if got := e.send(r); got.status < 400 || strings.Contains(got.body, marker) {
			t.Errorf("answered %s", got)
		}
	}
	if strings.Contains(w.log.String(), marker) {
		t.Errorf("the log quotes the request: %s", w.log)
	}
}
