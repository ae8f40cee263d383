package voiceagent

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"lad.internal/followup/pkg/followup"
)

func TestCallID(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"callId":"a"}`:                                                 "a",
		`{"call_id":"a"}`:                                                "a",
		`{"data":{"call_id":"a"}}`:                                       "a",
		`{"data":{"callId":"a"}}`:                                        "a",
		`{"result":{"call_id":"a"}}`:                                     "a",
		`{"result":{"callId":" a "}}`:                                    "a",
		`{"call_id":"inner","callId":"outer"}`:                           "outer",
		`{"data":{"call_id":"inner"},"call_id":"outer"}`:                 "outer",
		`{"call_id":"","data":{"call_id":"a"}}`:                          "a",
		`{"call_id":null,"data":null,"result":{"call_id":"a"}}`:          "a",
		`{"results":[{"call_log_id":"a"}]}`:                              "a",
		`{"data":{"results":[{"call_log_id":"a"},{"call_log_id":"b"}]}}`: "a",
		`{"results":[{"call_log_id":"log"}],"data":{"call_id":"own"}}`:   "own",
		`{"results":[{"call_log_id":null}],"data":{"results":[]}}`:       "",
		`{"results":[7]}`:                                                "",
		`{"results":{}}`:                                                 "",
		`{"call_id":42}`:                                                 "42",
		`{"call_id":9007199254740993}`:                                   "9007199254740993",
		`{"call_id":true}`:                                               "",
		`{"call_id":["a"]}`:                                              "",
		`{"CALL_ID":"a"}`:                                                "",
		`{"data":[{"call_id":"a"}]}`:                                     "",
		`{"call_id":"a\u0000b"}`:                                         "",
		`{"call_id":"` + strings.Repeat("x", 200) + `"}`:                 strings.Repeat("x", 200),
		`{"call_id":"` + strings.Repeat("x", 201) + `"}`:                 "",
		`{"call_id":"a"} and more`:                                       "a",
		`{"call_id":"a"`:                                                 "",
		`"call_id"`:                                                      "",
		``:                                                               "",
	} {
		if got := parseAnswer([]byte(body)).callID; got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

func TestJobID(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"job_id":"j-1"}`:                              "j-1",
		`{"success":true,"data":{"job_id":"j_1"}}`:      "j_1",
		`{"result":{"job_id":" j "}}`:                   "j",
		`{"job_id":7}`:                                  "7",
		`{"job_id":null}`:                               "",
		`{"job_id":"../secret"}`:                        "",
		`{"job_id":"` + strings.Repeat("x", 101) + `"}`: "",
		`{"job_id":"971501234567"}`:                     "", // the lead's number
		`{"jobId":"j"}`:                                 "",
	} {
		if got := readResult(response(202, body), newRedactor(testCall()), time.Now()).JobID; got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

func TestDetailMessage(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"success":false,"message":"not enough credits"}`:                    "the voice agent answered 402 Payment Required: not enough credits",
		`{"error":"not enough\n\tcredits"}`:                                   "the voice agent answered 402 Payment Required: not enough credits",
		`{"error":{"code":7,"message":"no"}}`:                                 "the voice agent answered 402 Payment Required: no",
		`{"detail":[{"loc":["body"],"msg":"field required"},{"msg":"more"}]}`: "the voice agent answered 402 Payment Required: field required",
		`<html>secret page</html>`:                                            "the voice agent answered 402 Payment Required",
	} {
		if got := readResult(response(402, body), redactor{}, time.Now()).Detail; got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

func TestDetailRedaction(t *testing.T) {
	t.Parallel()
	private := newRedactor(testCall(), testSecret)
	for _, message := range []string{
		"to_number +971501234567 is busy", "971501234567", "00971 50 123 4567", "050-123-4567", "(050) 123.4567", "x1234567y",
		"ref 971501234567ab",           // reads like a hash, which mask.Text keeps
		"forwarded to +49 30 90182005", // another's, which only mask.Text knows
		"Zoë Quist is away", "ZOË  QUIST", "dear zoë,", "Quist, Zoë", "name=Zoë Quist;",
		"bad secret " + testSecret, "context: " + testCall().Context,
		// Below the escapes of URLs, HTML and JSON, and of one in the other.
		"to=%2B971%2050%20123%204567&name=Zo%C3%AB%20Quist", "name=zo%25C3%25AB+quist", "+971&nbsp;50&#32;123&thinsp;4567 Zo&euml;&#32;Quist",
		"&amp;#81;&amp;#117;&amp;#105;&amp;#115;&amp;#116;", `\u005ao\u00eb \\u0051uist`, "context:+" + url.QueryEscape(testCall().Context),
		"leadZOËQUIST, lead_Quist", "secret%3A" + url.PathEscape(testSecret), "%71%75%69%73%74@example.com",
		"context, cut short: " + testCall().Context[:len(testCall().Context)-5] + "…",
	} {
		got := private.detail("own", message)
		for _, leak := range []string{"1234567", "123 4567", "123-4567", "123.4567", "90182005", "zoë", "quist", testSecret, "parking", "example.com"} {
			if strings.Contains(strings.ToLower(got), leak) {
				t.Errorf("%q became %q, which shows %q", message, got, leak)
			}
		}
	}
	for _, message := range []string{
		"agent 7 is not enabled, code 1234", "100% of 5%", "no token for caller@project.iam.gserviceaccount.com", "R&D is closed",
	} {
		if got := private.detail("own", message); got != "own: "+message {
			t.Errorf("what is not private was changed: %q", got)
		}
	}
}

func TestCallIDRedaction(t *testing.T) {
	t.Parallel()
	private := newRedactor(testCall(), testSecret)
	for id, kept := range map[string]bool{
		"0b9cf1f2-6d3c-4a63-8a9e-1d9c8e1c2f10": true, "call-17": true, "4711": true, "MX-2026/01": true,
		"call-to-+971501234567": false, "0501234567": false, "zo%C3%AB-1": false, "quist_17": false, testSecret: false,
	} {
		if got := readResult(response(200, `{"call_id":"`+id+`"}`), private, time.Now()).CallID; got != id && got != "" || (got == id) != kept {
			t.Errorf("of %q is kept %q", id, got)
		}
	}
}

func TestDetailRedactionWithoutSpaces(t *testing.T) {
	t.Parallel()
	call := testCall()
	call.LeadName = "王伟"
	if got := newRedactor(call).detail("own", "用户王伟不存在"); got != "own: 用户[…]不存在" {
		t.Errorf("got %q", got)
	}
}

func TestDetailLength(t *testing.T) {
	t.Parallel()
	got := readResult(response(500, `{"error":"`+strings.Repeat("ü ", 5000)+`"}`), redactor{}, time.Now()).Detail
	if n := utf8.RuneCountInString(got); n != 500 || !strings.HasSuffix(got, "…") {
		t.Errorf("got %d characters, ending in %q", n, got[len(got)-10:])
	}
}

func response(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body))}
}

// FuzzStartCallAnswer: no answer decides an outcome by its body, breaks the row it
// is written to, or shows whom the call was for.
func FuzzStartCallAnswer(f *testing.F) {
	f.Add(200, []byte(`{"success":true,"message":"Call started","data":{"call_id":"0b9cf1f2-6d3c-4a63-8a9e-1d9c8e1c2f10"}}`))
	f.Add(402, []byte(`{"success":false,"message":"no credits to call Zoë Quist at +971501234567"}`))
	f.Add(201, []byte(`{"result":{"callId":1e400}}`))
	private := newRedactor(testCall(), testSecret)
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		got := readResult(response(status, string(body)), private, time.Now())
		bodyDecides := status >= 200 && status <= 299 || status == 403
		if got.Outcome != classify(status, false, answer{}) && !bodyDecides {
			t.Errorf("the body changed the outcome of %d to %v", status, got.Outcome)
		}
		if got.CallID+got.JobID != "" && got.Outcome != followup.CallAccepted {
			t.Errorf("call id %q of a call that was not accepted", got.CallID)
		}
		if len(got.CallID) > maxCallID || got.JobID != "" && !jobIDs.MatchString(got.JobID) || utf8.RuneCountInString(got.Detail) > maxDetail {
			t.Errorf("too long: %+v", got)
		}
		for _, s := range []string{got.CallID, got.Detail} {
			if !utf8.ValidString(s) || strings.ContainsFunc(s, unicode.IsControl) {
				t.Errorf("%q cannot be stored", s)
			}
		}
		lower := strings.ToLower(got.Detail)
		for _, leak := range []string{"1234567", "zoë quist", testSecret} {
			if strings.Contains(lower, leak) {
				t.Errorf("detail %q shows %q", got.Detail, leak)
			}
		}
	})
}
