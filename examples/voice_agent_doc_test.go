package examples_test

import (
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"lad.internal/followup/internal/functiontest"
)

var (
	outcomeLine = regexp.MustCompile(`(?m)^\| ([0-9][^|]*) \| (accepted|misconfigured|rate_limited|not_started|rejected|unknown) \|`)
	statusWord  = regexp.MustCompile(`\b([0-9]{3})\b( with Retry-After)?`)
)

func TestTheTableOfOutcomesIsTheClients(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../docs/voice-agent.md")
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, line := range outcomeLine.FindAllStringSubmatch(string(text), -1) {
		for _, word := range statusWord.FindAllStringSubmatch(line[1], -1) {
			checked++
			status, _ := strconv.Atoi(word[1]) // three digits
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				if word[2] != "" {
					w.Header().Set("Retry-After", "1")
				}
				w.WriteHeader(status)
			}))
			client := functiontest.Client(t, server.URL, 5*time.Second)
			creds, err := client.Authorize(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := client.StartCall(t.Context(), creds, newCall()); string(got.Outcome) != line[2] {
				t.Errorf("%s is %s, and the table says %s", strings.TrimSpace(word[0]), got.Outcome, line[2])
			}
			server.Close()
		}
	}
	if checked < 25 {
		t.Errorf("the table has only %d statuses", checked)
	}
}
