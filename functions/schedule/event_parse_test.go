package schedule_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// pushed is a plain push of this body.
func pushed(body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	return r
}

func TestAMessageThatCouldBeReadInTwoWaysIsRejected(t *testing.T) {
	t.Parallel()
	const other = "7f9619ff-8b86-4d01-b42d-00cf4fc964ff"
	with := func(old, replacement string) string { return strings.Replace(fuzzEvent, old, replacement, 1) }
	for name, tc := range map[string]struct{ data, says string }{
		"two tenants":                 {with(`{`, `{"tenantId":"`+other+`",`), "twice"},
		"two tenants, one escaped":    {with(`{`, `{"\u0074enantId":"`+other+`",`), "twice"},
		"one tenant twice":            {with(`{`, `{"tenantId":"`+fuzzTenant+`",`), "twice"},
		"two types":                   {with(`{`, `{"type":"followup.sweep",`), "twice"},
		"two spellings, two tenants":  {with(`{`, `{"tenant_id":"`+other+`",`), "differ"},
		"tenantId in other case":      {with(`tenantId`, `TENANTID`), "tenantId is missing"},
		"a type in other case":        {with(`"type"`, `"Type"`), "type is none of"},
		"a number for an id":          {with(`"`+fuzzBooking+`"`, `7`), "bookingId: cannot be number"},
		"a huge number for an id":     {with(`"`+fuzzBooking+`"`, `4915112345678901234567890e999`), "bookingId: cannot be number"},
		"an object for an id":         {with(`"`+fuzzBooking+`"`, `{"id":1}`), "bookingId: cannot be object"},
		"true for a type":             {with(`"booking.created"`, `true`), "type: cannot be bool"},
		"braces":                      {with(fuzzTenant, "{"+fuzzTenant+"}"), "tenantId"},
		"a URN":                       {with(fuzzTenant, "urn:uuid:"+fuzzTenant), "tenantId"},
		"no dashes":                   {with(fuzzTenant, strings.ReplaceAll(fuzzTenant, "-", "")), "tenantId"},
		"a space":                     {with(fuzzTenant, " "+fuzzTenant), "tenantId"},
		"a NUL in an id":              {with(fuzzTenant, fuzzTenant[:35]+`\u0000`), "tenantId"},
		"bytes of no UTF-8":           {with(fuzzTenant, fuzzTenant[:35]+"\xff"), "UTF-8"},
		"bytes of no UTF-8 elsewhere": {with(`{`, "{\"note\":\"\xff\","), "UTF-8"},
		"a lone surrogate in an id":   {with(fuzzTenant, fuzzTenant[:35]+`\ud800`), "tenantId"},
		"a NUL after it":              {fuzzEvent + "\x00", "syntax error"},
		"a second object":             {fuzzEvent + fuzzEvent, "syntax error"},
		"a comma too many":            {with(`"}`, `",}`), "syntax error"},
		"a byte order mark":           {"\ufeff" + fuzzEvent, "syntax error"},
		"10,000 levels":               {with(`{`, `{"x":`+strings.Repeat("[", 10_000)+strings.Repeat("]", 10_000)+`,`), "syntax error"},
		"10,000 levels, without ends": {strings.Repeat(`{"type":`, 8_000), "syntax error"},
		"gzip within the message":     {"\x1f\x8b\x08\x00", "UTF-8"},
		"text":                        {"hush", "syntax error"},
		"a string":                    {`"hush"`, "want an object, got string"},
		"another type":                {with("booking.created", "booking.hush"), "type is none of"},
		"a type with a NUL":           {with("booking.created", `booking.created\u0000`), "type is none of"},
	} {
		for _, f := range forms {
			got := handle(t, f.request("http://schedule.example/", envelope([]byte(tc.data), time.Now())))
			got.check(t, tc.data)
			if got.result != "rejected" || !strings.Contains(got.answer, tc.says) || strings.Contains(got.answer, "hush") {
				t.Errorf("%s, %s: answered %s, want %q in it", f, name, got.answer, tc.says)
			}
		}
	}
}

func TestAnIDInCapitalsNamesTheSameBooking(t *testing.T) {
	t.Parallel()
	small := handle(t, binary.request("http://schedule.example/", envelope([]byte(fuzzEvent), time.Now())))
	big := handle(t, binary.request("http://schedule.example/", envelope([]byte(strings.Replace(strings.Replace(fuzzEvent,
		fuzzTenant, strings.ToUpper(fuzzTenant), 1), fuzzBooking, strings.ToUpper(fuzzBooking), 1)), time.Now())))
	if small.result != "handled" || big != small || small.ref.TenantID.String() != fuzzTenant || small.ref.BookingID.String() != fuzzBooking {
		t.Errorf("%+v and %+v", small, big)
	}
}

func TestAnEnvelopeThatCouldBeReadInTwoWaysIsNotTaken(t *testing.T) {
	t.Parallel()
	data := base64.StdEncoding.EncodeToString([]byte(fuzzEvent))
	message := `{"data":"` + data + `","messageId":"m-1"}`
	for name, body := range map[string]string{
		"two messages":              `{"message":` + message + `,"message":` + message + `}`,
		"a message in other case":   `{"MESSAGE":` + message + `}`,
		"two data":                  `{"message":{"data":"","data":"` + data + `"}}`,
		"data in other case":        `{"message":{"DATA":"` + data + `"}}`,
		"data as a list of numbers": `{"message":{"data":` + strings.ReplaceAll(fmt.Sprint([]byte(fuzzEvent)), " ", ",") + `}}`,
		"data of the URL alphabet":  `{"message":{"data":"-_-_"}}`,
		"data without padding":      `{"message":{"data":"e30"}}`,
		"a number as message id":    `{"message":{"messageId":7,"data":"` + data + `"}}`,
		"bytes of no UTF-8":         `{"subscription":"` + "\xff" + `","message":` + message + `}`,
		"a message of text":         `{"message":"` + data + `"}`,
		"no message":                `{"message":null}`,
		"10,000 levels":             `{"x":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `,"message":` + message + `}`,
		"1,000,000 levels":          strings.Repeat("[", 1_000_000),
		"a byte order mark":         "\ufeff" + `{"message":` + message + `}`,
		"trailing data":             `{"message":` + message + `}x`,
	} {
		got := handle(t, pushed(body))
		if got.check(t); got.result != "rejected" {
			t.Errorf("%s: answered %s", name, got.answer)
		}
	}
}

func TestACloudEventThatCouldBeReadInTwoWaysIsRefused(t *testing.T) {
	t.Parallel()
	data := `{"message":{"data":"` + base64.StdEncoding.EncodeToString([]byte(fuzzEvent)) + `"}}`
	const head = `{"specversion":"1.0","source":"s","type":"t","id":"e"`
	for name, body := range map[string]string{
		"two data":               head + `,"data":{},"data":` + data + `}`,
		"two ids":                head + `,"id":"f","data":` + data + `}`,
		"bytes of no UTF-8":      head + `,"x":"` + "\xff" + `","data":` + data + `}`,
		"10,000 levels":          head + `,"data":` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`,
		"1,000,000 levels":       head + `,"data":` + strings.Repeat("[", 1_000_000),
		"another version":        strings.Replace(head, "1.0", "2.0", 1) + `,"data":` + data + `}`,
		"a list":                 "[" + head + `,"data":` + data + `}]`,
		"a byte order mark":      "\ufeff" + head + `,"data":` + data + `}`,
		"a number for an id":     strings.Replace(head, `"e"`, `7`, 1) + `,"data":` + data + `}`,
		"an object for a source": strings.Replace(head, `"s"`, `{}`, 1) + `,"data":` + data + `}`,
	} {
		r := pushed(body)
		r.Header.Set("Content-Type", "application/cloudevents+json")
		got := handle(t, r)
		if got.check(t); got.status != 400 || !strings.Contains(got.answer, "invalid_cloudevent") {
			t.Errorf("%s: answered %d %s", name, got.status, got.answer)
		}
	}
}

func TestACompressedBodyIsRefusedInEveryForm(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		r := f.request("http://schedule.example/", envelope([]byte(fuzzEvent), time.Now()))
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := io.Copy(z, r.Body); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		sent := httptest.NewRequest(http.MethodPost, "/", &packed)
		sent.Header = r.Header.Clone()
		sent.Header.Set("Content-Encoding", "gzip")
		if got := handle(t, sent); got.status != 415 || !strings.Contains(got.answer, "without a content encoding") {
			t.Errorf("%s: answered %d %s", f, got.status, got.answer)
		}
	}
}
