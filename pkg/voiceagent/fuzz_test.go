package voiceagent

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"lad.internal/followup/pkg/followup"
)

// FuzzRequest: what goes to the voice agent is a number in E.164 and a request
// of LAD's form, whatever the row holds; or nothing goes.
func FuzzRequest(f *testing.F) {
	f.Add("+971501234567", "Zoë Quist", "wants parking", "followup:t:b:2026-03-10T12:00:00.000Z", "00-0123456789abcdef0123456789abcdef-0123456789abcdef-01")
	f.Add("+971501234567\n", "\x00\xff", strings.Repeat("ü", 10_000), "k", "")
	f.Add("+0971501234567", "\r\nX-Evil: 1", "", "k\r\nX-Evil: 1", "x\r\nX-Evil: 1")
	f.Add("971501234567", "", "", "", "00")
	f.Add("+٩٧١٥٠١٢٣٤٥٦٧", "", "", "k\x00", "")
	c, err := New(f.Context(), testConfig("http://127.0.0.1:1"))
	if err != nil {
		f.Fatal(err)
	}
	e164 := regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)
	f.Fuzz(func(t *testing.T, to, name, note, key, trace string) {
		call := testCall()
		call.To, call.LeadName, call.Context, call.IdempotencyKey, call.Traceparent = followup.Phone(to), cut(name, maxName), cut(note, maxContext), key, trace
		r, err := c.newRequest(t.Context(), "", call)
		if err != nil {
			if text := err.Error(); len(to) > 4 && strings.Contains(text, to) || strings.Contains(text, "%!") {
				t.Errorf("%q is refused with %q", to, text)
			}
			return
		}
		if !e164.MatchString(to) || key == "" {
			t.Fatalf("a call to %q with the key %q was made", to, key)
		}
		var sent map[string]any
		if err := json.NewDecoder(r.Body).Decode(&sent); err != nil {
			t.Fatal(err)
		}
		if sent["to_number"] != to || r.Method != http.MethodPost || r.GetBody != nil {
			t.Errorf("%s %v, can be sent again: %t", r.Method, sent, r.GetBody != nil)
		}
		if text, _ := sent["added_context"].(string); utf8.RuneCountInString(text) > maxContext || r.ContentLength > maxRequest {
			t.Errorf("the note has %d bytes, the request %d", len(text), r.ContentLength)
		}
		if err := r.Header.Write(discard{t}); err != nil {
			t.Error(err)
		}
		if got := r.Header.Get("Idempotency-Key"); got != key || r.Header.Get("Traceparent") != "" && r.Header.Get("Traceparent") != trace {
			t.Errorf("the key %q is sent as %q", key, got)
		}
	})
}

// discard is where a header is written to. It has no line that was not set.
type discard struct{ t *testing.T }

func (d discard) Write(p []byte) (int, error) {
	if strings.Contains(string(p), "X-Evil: ") && strings.HasPrefix(string(p), "X-Evil") {
		d.t.Errorf("a header was smuggled in: %q", p)
	}
	return len(p), nil
}

// FuzzRetryAfter: a wait is never negative and never above the bound, and what
// is no wait is none.
func FuzzRetryAfter(f *testing.F) {
	for _, seed := range []string{"", "0", "120", "-1", "1.5", "99999999999999999999", "Wed, 21 Oct 2015 07:28:00 GMT", "Wed, 21 Oct 2999 07:28:00 GMT", " 5", "5 ", "٥", "1e3", "\x00"} {
		f.Add(seed)
	}
	now := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, value string) {
		wait, given := retryAfter(value, now)
		if wait < 0 || wait > MaxRetryAfter || !given && wait != 0 {
			t.Errorf("%q is %v, given: %t", value, wait, given)
		}
		if _, err := http.ParseTime(value); given != (isDigits(value) || err == nil) {
			t.Errorf("%q counts as given: %t", value, given)
		}
	})
}
