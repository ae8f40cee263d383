package examples_test

import (
	"encoding/json"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"lad.internal/followup/examples/internal/exampletest"
	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/functiontest"
)

// eventCase is an entry of docs/schema/event.cases.json.
type eventCase struct {
	Name   string          `json:"name"`
	Event  json.RawMessage `json:"event"`
	Schema bool            `json:"schema"` // whether the schema allows it
	Parser string          `json:"parser"` // what ScheduleFollowUp makes of it
}

func eventCases(t *testing.T) []eventCase {
	t.Helper()
	text, err := os.ReadFile("../docs/schema/event.cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []eventCase
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) == 0 {
		t.Fatal("there are no cases")
	}
	return cases
}

func TestTheFunctionTakesTheEventsOfTheCases(t *testing.T) {
	t.Parallel()
	database, queue, log := functiontest.NewDatabase(t), functiontest.NewTasks(t, "http://127.0.0.1:1/bookings/:id/execute-followup"), &functiontest.Log{}
	h, err := schedule.New(functiontest.Rules(), database.DB, queue.Client, log.Logger())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range eventCases(t) {
		if c.Schema && c.Parser == "rejected" {
			t.Errorf("%s: the schema allows what the function refuses", c.Name)
		}
		push, err := json.Marshal(map[string]any{"message": map[string]any{"data": []byte(c.Event), "messageId": "1"}})
		if err != nil {
			t.Fatal(err)
		}
		request := httptest.NewRequestWithContext(t.Context(), "POST", "/", strings.NewReader(string(push)))
		request.Header.Set("Content-Type", "application/json")
		answer := httptest.NewRecorder()
		h.ServeHTTP(answer, request)
		var got schedule.Result
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || answer.Code != 200 || got.Result != c.Parser {
			t.Errorf("%s: answered %d %s, want %s (%v)", c.Name, answer.Code, answer.Body, c.Parser, err)
		}
	}
}

func TestTheSchemaAllowsTheEventsOfTheCases(t *testing.T) {
	t.Parallel()
	node := exampletest.Need(t, "publish-event")
	cases := eventCases(t)
	events := make([]json.RawMessage, len(cases))
	for i, c := range cases {
		events[i] = c.Event
	}
	input, err := json.Marshal(events)
	if err != nil {
		t.Fatal(err)
	}
	var allowed []bool
	if err := json.Unmarshal([]byte(node.Run(t, string(input), "validate.js", []string{"../docs/schema/event.schema.json"})), &allowed); err != nil {
		t.Fatal(err)
	}
	for i, c := range cases {
		if allowed[i] != c.Schema {
			t.Errorf("%s: the schema says %t, want %t", c.Name, allowed[i], c.Schema)
		}
	}
}

// The examples of the document are cases, so both of the above hold for them.
func TestTheEventsThatTheDocumentShowsAreCases(t *testing.T) {
	t.Parallel()
	shown := 0
	for _, s := range exampletest.Snippets(t, "events.md") {
		if s.Language != "json" || s.Name != "event" && s.Name != "tick" {
			continue
		}
		shown++
		found := false
		for _, c := range eventCases(t) {
			found = found || c.Schema && sameJSON(t, s.Text, string(c.Event))
		}
		if !found {
			t.Errorf("no case holds the event %s", s.Text)
		}
	}
	if shown < 2 {
		t.Errorf("only %d events are shown", shown)
	}
}

func sameJSON(t *testing.T, a, b string) bool {
	t.Helper()
	var texts [2][]byte
	for i, text := range []string{a, b} {
		var value any
		if err := json.Unmarshal([]byte(text), &value); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		texts[i], _ = json.Marshal(value) // what was decoded can be encoded
	}
	return string(texts[0]) == string(texts[1])
}
