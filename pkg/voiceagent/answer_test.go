package voiceagent

import (
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
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
		`{"call_id":"` + strings.Repeat("x", 100) + `"}`:                 strings.Repeat("x", 100),
		`{"call_id":"` + strings.Repeat("x", 101) + `"}`:                 "",
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
		if got := read(t, 202, body).JobID; got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

// What the voice agent says, in whatever form, leaves the package in none.
func TestDetail(t *testing.T) {
	t.Parallel()
	const own = "the voice agent answered 402 Payment Required ("
	for body, want := range map[string]string{
		``:                                        own + "no body)",
		`{"message":"no credits for Zoë"}`:        own + "33 bytes of no type)",
		`{"error":"insufficient_credits"}`:        own + "insufficient_credits, 32 bytes of no type)",
		`{"error":{"code":"no_carrier"}}`:         own + "no_carrier, 31 bytes of no type)",
		`{"error_code":"no_agent"}`:               own + "no_agent, 25 bytes of no type)",
		`{"code":"quist"}`:                        own + "16 bytes of no type)",
		`{"code":"no_carrier_quist"}`:             own + "27 bytes of no type)",
		`{"code":"INSUFFICIENT_CREDITS"}`:         own + "31 bytes of no type)",
		`{"detail":[{"msg":"wants parking"}]}`:    own + "36 bytes of no type)",
		`<html>Zoë Quist`:                         own + "16 bytes of no type)",
		strings.Repeat("+971501234567", 1<<14):    own + "65536 bytes or more of no type)",
		`{"upgrade_required":true,"message":"x"}`: own + "39 bytes of no type)",
	} {
		if got := read(t, 402, body); got.Detail != want || got.Words != "" {
			t.Errorf("%.50s: got %q and %q, want %q", body, got.Detail, got.Words, want)
		}
	}
	for header, want := range map[string]string{
		"application/json; charset=utf-8": "application/json", "text/html": "text/html", "TEXT/PLAIN": "text/plain",
		"application/problem+json": "application/problem+json",
		"text/quist":               "another type", "text/html; name=\"Zoë": "text/html", "Zoë Quist": "no type", "": "no type",
	} {
		resp := response(500, "x")
		resp.Header.Set("Content-Type", header)
		if got := describe(resp, answer{length: 1}, ""); !strings.HasSuffix(got, "(1 bytes of "+want+")") {
			t.Errorf("%s: got %q, want %q", header, got, want)
		}
	}
}

func TestCodesAreDocumented(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/voice-agent.md")
	if err != nil {
		t.Fatal(err)
	}
	for code := range codes {
		if !strings.Contains(string(page), "`"+string(code)+"`") {
			t.Errorf("docs/voice-agent.md does not name the code %s", code)
		}
	}
}

// All that a voice agent may say of a call, in the spellings that a mask which
// knows the call's own was passed by.
var tellings = []string{
	"to_number +971501234567 is busy", "971501234567", "00971 50 123 4567", "050-123-4567", "(050) 123.4567", "x1234567y",
	"971501234567ms", "971,501,234,567", "9 7 1 5 0 1 2 3 4 5 6 7", "+٩٧١٥٠١٢٣٤٥٦٧", "9️7️1️5️0️1️2️3️4️5️6️7️", "ref 971501234567ab",
	"forwarded to +49 30 90182005", "at 1234567", "2026-01-31T09:00:00Z",
	"Zoë Quist is away", "ZOË  QUIST", "dear zoë,", "Quist, Zoë", "name=Zoë Quist;", "Zoe\u0308 Quist", "zoe", "ZOE QUIST", "leadZOËQUIST, lead_Quist",
	"WEISS", "Weiß", "weiss", "Meyer-Weiss",
	"bad secret " + testSecret, "BAD " + strings.ToUpper(testSecret), "context: " + testCall().Context, "of two seats", "she wants PARKING", "Párking",
	"to=%2B971%2050%20123%204567&name=Zo%C3%AB%20Quist", "name=zo%25C3%25AB+quist", "+971&nbsp;50&#32;123&thinsp;4567 Zo&euml;&#32;Quist",
	"&amp;#81;&amp;#117;&amp;#105;&amp;#115;&amp;#116;", `\u005ao\u00eb \\u0051uist`, "secret%3A" + url.PathEscape(testSecret), "%71%75%69%73%74@example.com",
	"quist@example.com", "Bearer eyJhbGciOiJSUzI1NiJ9.eyJh", strings.Repeat("A", 40), "Zoë\u200bQuist", "Q\x00uist", "Ⓠuist", "９７１５０１２３４５６７",
}

// leaks are what must be in none of these, as it is read without marks.
var leaks = []string{"1234567", "123 4567", "123-4567", "501,234", "567", "90182005", "zoe", "quist", "weiss", testSecret, "parking", "seats", "example.com", "eyj", "aaaa"}

func tellingCall() Call {
	call := testCall()
	call.LeadName += " Weiß"
	return call
}

func TestQuote(t *testing.T) {
	t.Parallel()
	known := newPrivate(tellingCall(), testSecret, "")
	for _, text := range tellings {
		got := fold(known.quote(text))
		for _, leak := range leaks {
			if strings.Contains(got, leak) {
				t.Errorf("%q became %q, which shows %q", text, got, leak)
			}
		}
	}
	for text, want := range map[string]string{
		"agent 7 is not enabled, code 1234": "agent 7 is not enabled, code 1234",
		"not enough\n\tcredits\x1b[2J":      "not enough credits [2J",
		"100 percent of R&D is closed":      "100 percent […] R&D is closed", // "of" is in the note
		"a bro\xffken text":                 "a bro\uFFFDken text",
		"call to 王伟 failed":                 "call to 王伟 failed",
		strings.Repeat("ü ", 400):           strings.Repeat("ü ", 149) + "ü…",
		"":                                  "",
	} {
		if got := known.quote(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	call := testCall()
	call.LeadName = "王伟"
	if got := newPrivate(call).quote("用户王伟不存在"); got != hidden {
		t.Errorf("a name inside a word: %q", got)
	}
}

// The words are shown where they are asked for, and only there.
func TestQuoteIsAskedFor(t *testing.T) {
	t.Parallel()
	for _, quote := range []bool{false, true} {
		c := newTestClient(t, "http://127.0.0.1:1", 0)
		c.config.Quote = quote
		want := map[bool]string{true: "no line free […] […]"}[quote]
		known := c.private(testCall(), "")
		if got := c.readResult(response(500, `{"message":"no line free for Quist"}`), known, time.Now()); got.Words != want || strings.Contains(got.Detail, "line") {
			t.Errorf("quote %v: %+v", quote, got)
		}
		if got := c.readJob(response(200, `{"status":"failed","error":"no line free for Quist"}`), known); got.Words != want || got.Error != "" {
			t.Errorf("quote %v: %+v", quote, got)
		}
		got := start(t, t.Context(), c, testCall())
		if (got.Words != "") != quote || !strings.Contains(got.Detail, "connection refused") {
			t.Errorf("quote %v, not connected: %+v", quote, got)
		}
	}
}

func TestIDs(t *testing.T) {
	t.Parallel()
	known := newPrivate(testCall(), testSecret)
	c := newTestClient(t, "http://127.0.0.1:1", 0)
	for id, kept := range map[string]bool{
		"0b9cf1f2-6d3c-4a63-8a9e-1d9c8e1c2f10": true, "call-17": true, "4711": true, "CAd41d8cd98f00b204e9800998ecf8427e": true,
		"01234567-6d3c-4a63-8a9e-1d9c8e1c2f10": true, strings.Repeat("x", 100): true,
		"MX-2026/01": false, "call-to-+971501234567": false, "0501234567": false, "050-123-4567": false, "zo%C3%AB-1": false, "zoe-1": false,
		"quist_17": false, "forQuist": false, "ZOE1": false, testSecret: false, "no line": false, strings.Repeat("x", 101): false,
	} {
		got := c.readResult(response(200, `{"call_id":"`+id+`","job_id":"`+id+`"}`), known, time.Now())
		if (got.CallID == id) != kept || (got.JobID == id) != kept || !kept && got.CallID+got.JobID != "" {
			t.Errorf("of %q is kept %q and %q", id, got.CallID, got.JobID)
		}
	}
}

// read is a Result of the answer, without quotations.
func read(t testing.TB, status int, body string) Result {
	t.Helper()
	return (&Client{}).readResult(response(status, body), newPrivate(testCall(), testSecret), time.Now())
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
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		got := read(t, status, string(body))
		bodyDecides := status >= 200 && status <= 299 || status == 403
		if got.Outcome != classify(status, false, answer{}) && !bodyDecides {
			t.Errorf("the body changed the outcome of %d to %v", status, got.Outcome)
		}
		if got.CallID+got.JobID != "" && got.Outcome != followup.CallAccepted {
			t.Errorf("call id %q of a call that was not accepted", got.CallID)
		}
		for _, id := range []string{got.CallID, got.JobID} {
			if id != "" && !ids.MatchString(id) {
				t.Errorf("the id %q", id)
			}
		}
		if !details.MatchString(got.Detail) || got.Words != "" {
			t.Errorf("detail %q, words %q", got.Detail, got.Words)
		}
	})
}

// details are all that can be said of an answer.
var details = regexp.MustCompile(`^the voice agent answered -?[0-9]+[A-Za-z' -]*` +
	`(: (outside business hours until [0-9: Z-]+|the credentials were refused|the tenant does not have the voice agent's feature|"success" is false))?` +
	` \(([a-z_]{1,40}, )?(no body|[0-9]+ bytes( or more)? of no type)\)$`)

// FuzzQuote: a quotation can be stored, and shows neither number nor name.
func FuzzQuote(f *testing.F) {
	for _, text := range tellings {
		f.Add(text)
	}
	known := newPrivate(tellingCall(), testSecret)
	f.Fuzz(func(t *testing.T, text string) {
		got := known.quote(text)
		if !utf8.ValidString(got) || strings.ContainsFunc(got, unicode.IsControl) || utf8.RuneCountInString(got) > maxWords {
			t.Errorf("%q cannot be stored", got)
		}
		for _, leak := range []string{"1234567", "quist", "parking", testSecret} {
			if strings.Contains(fold(got), leak) {
				t.Errorf("%q became %q, which shows %q", text, got, leak)
			}
		}
	})
}
