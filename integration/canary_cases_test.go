package integration_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/localstack/stack/stacktest"
	"lad.internal/followup/internal/localstack/voiceagent"
)

// These tests plant; what has left the functions is searched when all tests have
// ended (TestMain), for theirs and for everybody's canaries.

// confession is all that a voice agent knows of a call.
const confession = "cannot ring " + numberCanary + ", +49 151 234 567 89, 0049 (151) 2345-6789, 0151/23456789, 151.23.45.67.89 for " +
	firstName + " " + lastName + " (" + mailCanary + "), who " + noteCanary + "; X-Internal-Service-Secret: " + secretCanary +
	", X-API-Key: " + apiKeyCanary + ", Authorization: Bearer " + tokenCanary

func TestAVoiceAgentThatTellsAllItKnowsIsNotQuoted(t *testing.T) {
	t.Parallel()
	inJSON := func(message any) string {
		text, err := json.Marshal(map[string]any{"success": false, "message": message})
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	bodies := map[string]string{
		"as JSON":                inJSON(confession),
		"as JSON in JSON":        inJSON(inJSON(inJSON(confession))),
		"in capitals":            inJSON(strings.ToUpper(confession)),
		"as text":                confession,
		"as HTML":                "<html><title>502</title><p>" + confession + "</p></html>",
		"as HTML in JSON":        inJSON("<p>+49&nbsp;151&#32;234&nbsp;56&thinsp;789 " + firstName + "&nbsp;" + lastName + "</p>"),
		"in entities":            inJSON(eachRune(confession, "&#%d;")),
		"percent-encoded":        inJSON("GET /?" + strings.ReplaceAll(eachRune(confession, "%%%02X"), "%20", "+")),
		"as a query":             inJSON("to=%2B49%20151%2023456789&name=" + firstName + "%20" + lastName + "&note=wants%20to%20hear%20of%20the%20canary-in-a-note%20again"),
		"in escapes":             `{"error":"` + eachRune(confession, `\u%04x`) + `"}`,
		"in escaped escapes":     `{"error":"` + eachRune(confession, `\\u%04x`) + `"}`,
		"split over a list":      inJSON([]string{"+49 151", "234", "56789", firstName, lastName, secretCanary}),
		"split over lines":       inJSON("+49\n151\n234\n56\n789\n" + firstName + "\n" + lastName),
		"as FastAPI's":           `{"detail":[{"loc":["body","to_number"],"msg":"` + confession + `","input":"` + numberCanary + `"}]}`,
		"joined":                 inJSON("lead=" + firstName + lastName + ";lead_" + firstName + "_" + lastName + ";" + lastName + "s number"),
		"with a broken encoding": "{\"message\":\"\xff\xfe" + confession + "\"}",
		"cut short":              inJSON(confession)[:400],
		"of half a megabyte":     inJSON(strings.Repeat("x", 480) + numberCanary + strings.Repeat(" "+confession, 1000)),
		"as the call's id":       `{"callId":"` + numberCanary + " " + firstName + `"}`,
		"in other spellings":     inJSON("Zébulon QUACKENBUSH, Quacke\u0301nbush, 15123456789ms, 4,915,123,456,789, hear of the canary-in-a-note"),
		"as a key":               `{"` + confession + `":1,"message":{"` + firstName + `":"` + numberCanary + `"}}`,
	}
	w := calm(t)
	w.left.mustHoldMuch()
	user := w.user(0)
	for form, body := range bodies {
		for _, status := range []int{http.StatusOK, http.StatusBadRequest, http.StatusInternalServerError} {
			t.Run(form+", with "+http.StatusText(status), func(t *testing.T) {
				t.Parallel()
				agent := voiceagent.Behaviour{Kind: voiceagent.Body, Status: status, Body: body}
				agent.LeadID = uuid.NewString()
				if err := w.Agent.Behave(agent); err != nil {
					t.Fatal(err)
				}
				id := user.Book(t, in(0), map[string]any{"leadId": agent.LeadID, "note": noteCanary})
				want := map[int]string{200: "executed", 400: "failed/rejected", 500: "failed/outcome_unknown"}[status]
				if status == http.StatusOK && saysFailed(body) {
					want = "failed/outcome_unknown"
				}
				b := user.Await(t, id, want)
				if posts := w.Agent.PostsRead(id); posts != 1 {
					t.Errorf("the voice agent read %d POSTs", posts)
				}
				if b.LastExecutionError != nil {
					t.Logf("what is kept: %s", *b.LastExecutionError)
				}
			})
		}
	}
}

// saysFailed: a voice agent's answer holds "success": false. What it does not read
// to the end says nothing.
func saysFailed(body string) bool {
	var a struct{ Success *bool }
	return len(body) <= 64<<10 && json.Unmarshal([]byte(body), &a) == nil && a.Success != nil && !*a.Success
}

// The code of a job that failed is kept as it is, and so must be none of these.
func TestAJobThatTellsWhomItWasForIsNotQuoted(t *testing.T) {
	t.Parallel()
	w := calm(t)
	w.left.mustHoldMuch()
	user := w.user(1)
	for _, code := range []string{
		confession, firstName, strings.ToLower(lastName), "no_route_" + lastName, nationalPart, "dial-0151-234-56789", "151.23.45.67.89",
		secretCanary, apiKeyCanary, jwtCanary, tokenCanary + strings.Repeat("A", 43), strings.TrimPrefix(numberCanary, "+") + "_busy",
	} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			agent := voiceagent.Behaviour{Kind: voiceagent.DispatchFail, Error: code}
			agent.LeadID = uuid.NewString()
			if err := w.Agent.Behave(agent); err != nil {
				t.Fatal(err)
			}
			id := user.Book(t, in(0), map[string]any{"leadId": agent.LeadID, "note": noteCanary})
			b := user.Await(t, id, "failed/outcome_unknown")
			if b.LastExecutionError == nil || !strings.Contains(*b.LastExecutionError, "dispatch") {
				t.Errorf("the row's last error is %v, want one that tells of the dispatch", b.LastExecutionError)
			}
		})
	}
}

func TestALeadsNumberThatCannotBeRungIsNotQuoted(t *testing.T) {
	t.Parallel()
	w := calm(t)
	user := w.user(1)
	for _, number := range []string{"0151 / 234 567 89", "0049 (0)151 2345-6789", "tel:" + numberCanary, firstName + " " + numberCanary} {
		user.Await(t, user.Book(t, in(0), map[string]any{"phone": number}), "failed/rejected")
	}
}

func TestRequestsThatAreNoneOfOursAreNotQuoted(t *testing.T) {
	t.Parallel()
	w := calm(t)
	w.left.mustHoldMuch()
	for _, token := range []string{tokenCanary, secretCanary, numberCanary} {
		if status, answer := w.postAs(t, token, w.ExecuteURL(), []byte(confession)); status != http.StatusUnauthorized {
			t.Errorf("a forged token got %d: %s", status, answer)
		}
	}
	valid, err := w.Tasks.IDToken(w.Invoker(), w.ExecuteURL())
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{
		`{"tenantId":"` + numberCanary + `"}`, confession, `{"` + confession + `":1}`, `{"tenantId":{"x":"` + firstName + `"}}`,
		`{"tenantId":"` + w.Tenants[0].ID + `","bookingId":"` + w.Tenants[0].ID + `","idempotencyKey":"` + numberCanary + `","revision":"` + lastName + `"}`,
	} {
		if status, answer := w.postAs(t, valid, w.ExecuteURL(), []byte(body)); status != http.StatusBadRequest {
			t.Errorf("a malformed task got %d: %s", status, answer)
		}
	}
	before := w.log.count("request_refused", "")
	// Both functions, asked by somebody who puts canaries everywhere.
	for _, url := range []string{w.ExecuteURL(), w.ScheduleURL()} {
		for _, contentType := range []string{"application/json; charset=" + secretCanary, "text/" + firstName, "application/cloudevents+json", ""} {
			w.ask(t, url+"/bookings/"+numberCanary+"/execute-followup?token="+tokenCanary+"&name="+lastName, contentType, confession)
		}
	}
	await(t, "refusals", func() bool { return w.log.count("request_refused", "") > before })
}

// ask sends a request with canaries in every header that a function may look at.
func (w *world) ask(t testing.TB, url, contentType, body string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{
		"X-CloudTasks-TaskName", "X-CloudTasks-QueueName", "X-Cloud-Trace-Context", "Traceparent", "User-Agent", "X-Forwarded-For",
		"Ce-Source", "Ce-Subject", "Ce-Type", "Ce-Time", "Ce-Specversion",
	} {
		r.Header.Set(name, numberCanary+" "+firstName+" Bearer "+tokenCanary)
	}
	r.Header.Set("Ce-Id", numberCanary+" Bearer "+tokenCanary)
	r.Header.Set("Authorization", "Bearer "+tokenCanary)
	r.Header.Set("Content-Type", contentType)
	response, err := stacktest.Client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	w.left.keepAnswer(response.StatusCode, response.Header, answer)
}

func TestEventsThatAreMalformedAreNotQuoted(t *testing.T) {
	t.Parallel()
	for form, world := range map[string]func(testing.TB) *world{"binary": calm, "structured": impatient, "push": unreliable} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			w := world(t)
			before := w.log.count("event_rejected", "")
			events := []string{
				`{"type":"booking.created","tenantId":"` + numberCanary + `","bookingId":"` + firstName + `"}`,
				`{"type":"booking.created","tenantId":"` + w.Tenants[0].ID + `","tenant_id":"` + lastName + `","bookingId":"x"}`,
				`{"type":{"x":"` + lastName + `"}}`, `{"type":"0151/23456789"}`, `{"` + firstName + `":`, confession, "", "\xff" + confession,
				strings.Repeat(confession, 200),
			}
			for _, data := range events {
				w.publish(t, []byte(data))
			}
			await(t, "refused events", func() bool { return w.log.count("event_rejected", "") >= before+len(events) })
		})
	}
}

func TestADatabaseThatQuotesItsRowsIsNotQuoted(t *testing.T) {
	t.Parallel()
	w := calm(t)
	w.left.mustHoldMuch()
	user := w.user(0)
	for _, fault := range []string{"raised", "cast", "checked"} {
		for at, event := range map[string]string{"scheduled": "event_failed", "in_progress": "admission_failed", "executed": "finish_retry"} {
			t.Run(fault+" when it becomes "+at, func(t *testing.T) {
				t.Parallel()
				due := in(0)
				if at == "scheduled" {
					due = in(time.Hour)
				}
				id := user.Book(t, due, map[string]any{"metadata": map[string]string{"fault": fault, "at": at}})
				await(t, event+" of booking "+id, func() bool { return w.log.count(event, id) > 0 })
				// The words are withheld, and not what went wrong.
				state := map[string]string{"raised": "P0001", "cast": "22P02", "checked": "23514"}[fault]
				if line := w.log.last(event, id); !bytes.Contains(line, []byte(state)) {
					t.Errorf("the log does not tell the SQLSTATE %s: %s", state, line)
				}
				w.repair(t, 0, id)
				if at == "scheduled" {
					user.Await(t, id, at)
					return
				}
				user.Await(t, id, "executed")
				w.expectCalls(t, id, 1, 1)
			})
		}
	}
}
