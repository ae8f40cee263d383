package tasks

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/uuid"
)

// canonicalKey is written apart from the code that is tested.
var canonicalKey = regexp.MustCompile(`^followup:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}:` +
	`([+-]\d\d)?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

// FuzzParsePayload: a body is one call and no other, however it is spelled, and
// an error tells nothing of what was in it.
func FuzzParsePayload(f *testing.F) {
	f.Add([]byte(`{"version":1,` + required + `}`))
	f.Add([]byte(`{` + required + `,"leadId":"` + leadID.String() + `"}`))
	f.Add([]byte(`{` + required + `,"TENANTID":"` + leadID.String() + `"}`))
	f.Add([]byte(`{"phone":"+4915112345678%d%s",` + required + `,"revision":4}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		p, err := ParsePayload(body)
		if err != nil {
			checkRefusal(t, p, err, body)
			return
		}
		if p.TenantID == uuid.Nil || p.BookingID == uuid.Nil || p.Revision < 1 || p.Revision > 1<<31-1 {
			t.Errorf("accepted %+v", p)
		}
		if !canonicalKey.MatchString(p.IdempotencyKey) || !strings.HasPrefix(p.IdempotencyKey, "followup:"+p.TenantID.String()+":"+p.BookingID.String()+":") {
			t.Errorf("accepted the key %q of %s", p.IdempotencyKey, p.Ref)
		}
		again, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if q, err := ParsePayload(again); err != nil || q != p {
			t.Errorf("%+v is written as %q and read as %+v, error %v", p, again, q, err)
		}
		// Whoever reads the same body with a map, which knows no case, reads the same.
		var other map[string]any
		if err := json.Unmarshal(body, &other); err != nil {
			t.Fatalf("accepted %q, which is no object: %v", body, err)
		}
		for name, want := range map[string]string{"tenantId": p.TenantID.String(), "bookingId": p.BookingID.String(), "idempotencyKey": p.IdempotencyKey} {
			if text, _ := other[name].(string); !strings.EqualFold(text, want) {
				t.Errorf("%s is %q to us and %v to others", name, want, other[name])
			}
		}
	})
}

func checkRefusal(t *testing.T, p Payload, err error, body []byte) {
	t.Helper()
	if p != (Payload{}) {
		t.Errorf("an error, and %+v", p)
	}
	text := err.Error()
	if text == "" || len(text) > 300 || !utf8.ValidString(text) || strings.Contains(text, "%!") {
		t.Errorf("the error is %q", text)
	}
	for _, digits := range regexp.MustCompile(`\d{7,}`).FindAllString(string(body), -1) {
		if digits != "2147483647" && strings.Contains(text, digits) { // but for our own limit
			t.Errorf("the error quotes %s: %s", digits, text)
		}
	}
}
