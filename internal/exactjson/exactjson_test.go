package exactjson_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"go.uber.org/goleak"

	"lad.internal/followup/internal/exactjson"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// document has a field of each kind that is read with this package.
type document struct {
	Tenant  string          `json:"tenantId"`
	Number  int             `json:"revision"`
	Version *int            `json:"version,omitempty"`
	At      time.Time       `json:"at"`
	Inner   json.RawMessage `json:"message"`
	Ours    string
}

func TestAFieldTakesTheValueOfExactlyItsName(t *testing.T) {
	t.Parallel()
	one := 1
	for body, want := range map[string]document{
		`{}`: {},
		`{"tenantId":"a","revision":2,"version":1}`:        {Tenant: "a", Number: 2, Version: &one},
		` {"TENANTID":"b","tenantId":"a","tenantid":"c"} `: {Tenant: "a"},
		`{"TENANTID":"b"}`:                                                {},
		`{"":"b","Ours":"b","ours":"b"}`:                                  {},
		`{"tenantId":null,"version":null}`:                                {},
		`{"\u0074enantId":"a"}`:                                           {Tenant: "a"},
		`{"message":{"x":1,"x":2}}`:                                       {Inner: json.RawMessage(`{"x":1,"x":2}`)},
		`{"other":1e999,"tenantId":"a"}`:                                  {Tenant: "a"},
		`{"at":"2026-01-31T00:00:00Z"}`:                                   {At: time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)},
		`{"x":` + strings.Repeat("[", 99) + strings.Repeat("]", 99) + `}`: {},
	} {
		var got document
		if err := exactjson.Unmarshal([]byte(body), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v; want %+v", body, got, err, want)
		}
	}
}

func TestWhatCanBeReadInTwoWaysIsRefused(t *testing.T) {
	t.Parallel()
	for body, says := range map[string]string{
		``:                                     "syntax error at byte 0",
		`{`:                                    "syntax error at byte 1",
		`{}{}`:                                 "syntax error at byte 3",
		"{}\x00":                               "syntax error at byte 3",
		"\ufeff{}":                             "syntax error at byte 1",
		`{"tenantId":"hush"`:                   "syntax error at byte 18",
		`{"tenantId":"hush",}`:                 "syntax error at byte 20",
		`null`:                                 "want an object, got null",
		` []`:                                  "want an object, got array",
		`"hush"`:                               "want an object, got string",
		`true`:                                 "want an object, got bool",
		`12345678`:                             "want an object, got number",
		"{\"hush\":\"\xff\"}":                  "it is not UTF-8",
		"{\"hu\xc3\":1}":                       "it is not UTF-8",
		`{"tenantId":"a","tenantId":"b"}`:      "a name appears twice before byte 26",
		`{"tenantId":"a","\u0074enantId":"b"}`: "a name appears twice before byte 31",
		`{"hush":1,"hush":1}`:                  "a name appears twice before byte 16",
		`{"tenantId":7}`:                       "tenantId: cannot be number",
		`{"tenantId":{"hush":1}}`:              "tenantId: cannot be object",
		`{"revision":"hush"}`:                  "revision: cannot be string",
		`{"revision":1.5}`:                     "revision: cannot be number",
		`{"revision":1e99}`:                    "revision: cannot be number",
		`{"revision":12345678901234567890}`:    "revision: cannot be number",
		`{"at":"hush"}`:                        "at: unreadable",
		`{"x":` + strings.Repeat("[", 10_001):  "syntax error at byte 10005",
		strings.Repeat(`{"tenantId":`, 1_000_000): "syntax error at byte 120001",
	} {
		var got document
		err := exactjson.Unmarshal([]byte(body), &got)
		if err == nil || err.Error() != says {
			t.Errorf("%.40s: %v, want %s", body, err, says)
		}
	}
}

// FuzzUnmarshal: what is accepted is one JSON object that encoding/json and its
// map, which knows no case, read the same way.
func FuzzUnmarshal(f *testing.F) {
	for _, seed := range []string{`{"tenantId":"a","TENANTID":"b","revision":1}`, `{"a":1,"a":2}`, "\ufeff{}", "{\"\xff\":1}", `{"revision":1e2,"at":"2026-01-31T00:00:00Z"}`, `[{}]`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var got document
		err := exactjson.Unmarshal(body, &got)
		var other map[string]json.RawMessage
		plain := json.Unmarshal(body, &other)
		if err != nil {
			if text := err.Error(); len(text) > 100 || !utf8.ValidString(text) || strings.Contains(text, "%!") {
				t.Errorf("the error is %q", text)
			}
			return
		}
		if plain != nil || other == nil || !utf8.Valid(body) {
			t.Fatalf("accepted %q, of which encoding/json says %v", body, plain)
		}
		var tenant string
		if raw, ok := other["tenantId"]; ok && json.Unmarshal(raw, &tenant) != nil || tenant != got.Tenant {
			t.Errorf("tenantId is %q to us and %s to others", got.Tenant, raw)
		}
		if got.Ours != "" {
			t.Errorf("a field without a name was set to %q", got.Ours)
		}
		if rest, err := json.Marshal(other); err != nil || exactjson.Unmarshal(rest, &document{}) != nil {
			t.Errorf("%q is refused when it is written again as %q: %v", body, rest, err)
		}
	})
}
