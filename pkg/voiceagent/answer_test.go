package voiceagent

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"lad.internal/followup/pkg/followup"
)

const (
	idA = "0b9cf1f2-6d3c-4a63-8a9e-1d9c8e1c2f10"
	idB = "01234567-6d3c-4a63-8a9e-1d9c8e1c2f10"
)

func TestCallID(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]id{
		`{"callId":"A"}`:                                                 idA,
		`{"call_id":"A"}`:                                                idA,
		`{"data":{"call_id":"A"}}`:                                       idA,
		`{"data":{"callId":"A"}}`:                                        idA,
		`{"result":{"call_id":"A"}}`:                                     idA,
		`{"result":{"callId":" A "}}`:                                    idA,
		`{"call_id":"B","callId":"A"}`:                                   idA,
		`{"data":{"call_id":"B"},"call_id":"A"}`:                         idA,
		`{"call_id":"","data":{"call_id":"A"}}`:                          idA,
		`{"call_id":null,"data":null,"result":{"call_id":"A"}}`:          idA,
		`{"results":[{"call_log_id":"A"}]}`:                              idA,
		`{"data":{"results":[{"call_log_id":"A"},{"call_log_id":"B"}]}}`: idA,
		`{"results":[{"call_log_id":"B"}],"data":{"call_id":"A"}}`:       idA,
		`{"results":[{"call_log_id":null}],"data":{"results":[]}}`:       "",
		`{"results":[7]}`:                                                "",
		`{"results":{}}`:                                                 "",
		`{"call_id":42}`:                                                 "42",
		`{"call_id":true}`:                                               "",
		`{"call_id":["A"]}`:                                              "",
		`{"CALL_ID":"A"}`:                                                "",
		`{"data":[{"call_id":"A"}]}`:                                     "",
		`{"call_id":"A"} and more`:                                       idA,
		`{"call_id":"A"`:                                                 "",
		`"call_id"`:                                                      "",
		``:                                                               "",
	} {
		body := strings.NewReplacer(`"A"`, `"`+idA+`"`, `" A "`, `" `+idA+` "`, `"B"`, `"`+idB+`"`).Replace(body)
		if got := parseAnswer([]byte(body)).callID; got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

// Nothing but an id passes for one: it would reach the log and the row.
func TestParseID(t *testing.T) {
	t.Parallel()
	for text, kept := range map[string]bool{
		idA: true, idB: true, strings.ToUpper(idA): true, "4711": true, "123456": true, "1234567": false, "971501234567": false,
		"urn:uuid:" + idA: false, "{" + idA + "}": false, strings.ReplaceAll(idA, "-", ""): false, idA + "x": false,
		"call-17": false, "zoe-1": false, "+49 30": false, "../secret": false, "": false, "-1": false,
	} {
		got := read(t, 200, `{"call_id":"`+text+`","job_id":"`+text+`"}`)
		if want := map[bool]string{true: text}[kept]; got.CallID != want || got.JobID != want {
			t.Errorf("of %q is kept %q and %q", text, got.CallID, got.JobID)
		}
	}
	for _, number := range []string{"1e400", "-4", "4.5", "9007199254740993"} {
		if got := read(t, 200, `{"call_id":`+number+`}`); got.CallID != "" {
			t.Errorf("of %s is kept %q", number, got.CallID)
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
		if got := read(t, 402, body); got.Detail != want {
			t.Errorf("%.50s: got %q, want %q", body, got.Detail, want)
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

// read is a Result of the answer.
func read(t testing.TB, status int, body string) Result {
	t.Helper()
	return readResult(response(status, body), time.Now())
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
			if id != "" && string(parseID(id)) != id {
				t.Errorf("the id %q", id)
			}
		}
		if !details.MatchString(got.Detail) {
			t.Errorf("detail %q", got.Detail)
		}
	})
}

// details are all that can be said of an answer.
var details = regexp.MustCompile(`^the voice agent answered -?[0-9]+[A-Za-z' -]*` +
	`(: (outside business hours until [0-9: Z-]+|the credentials were refused|the tenant does not have the voice agent's feature|"success" is false))?` +
	` \(([a-z_]{1,40}, )?(no body|[0-9]+ bytes( or more)? of no type)\)$`)
