package integration_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// severities are those of LogEntry (google.logging.type.LogSeverity).
var severities = []string{"DEFAULT", "DEBUG", "INFO", "NOTICE", "WARNING", "ERROR", "CRITICAL", "ALERT", "EMERGENCY"}

// checkLine says what is wrong with a line, as Cloud Logging would read it:
// https://cloud.google.com/logging/docs/structured-logging
func checkLine(line []byte) error {
	var l struct {
		Severity  string
		Time      string
		Message   string
		Event     string
		TenantID  string            `json:"tenant_id"`
		BookingID string            `json:"booking_id"`
		Labels    map[string]string `json:"logging.googleapis.com/labels"`
	}
	wrong := func(format string, args ...any) error {
		return fmt.Errorf("a function printed a line with %s: %s", fmt.Sprintf(format, args...), line)
	}
	if err := json.Unmarshal(line, &l); err != nil {
		return wrong("no JSON object (%v)", err)
	}
	if _, err := time.Parse(time.RFC3339Nano, l.Time); err != nil {
		return wrong("a time that is not RFC 3339")
	}
	switch {
	case !slices.Contains(severities, l.Severity):
		return wrong("an unknown severity")
	case l.Message == "":
		return wrong("no message")
	case !eventName.MatchString(l.Event) || l.Event == "unnamed":
		return wrong("no event name")
	case l.Labels["tenant_id"] != l.TenantID || l.Labels["booking_id"] != l.BookingID:
		return wrong("labels that are not its tenant and booking")
	case l.BookingID != "" && l.TenantID == "":
		return wrong("a booking and no tenant")
	}
	return nil
}

var eventName = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)

func TestTheCheckOfLinesFindsWhatItLooksFor(t *testing.T) {
	t.Parallel()
	const good = `{"severity":"INFO","time":"2026-01-31T09:00:00.5Z","message":"m","event":"an_event","tenant_id":"t","booking_id":"b",` +
		`"logging.googleapis.com/labels":{"tenant_id":"t","booking_id":"b"}}`
	if err := checkLine([]byte(good)); err != nil {
		t.Error(err)
	}
	for what, change := range map[string][2]string{
		"no JSON": {"{", "WARNING: DATA RACE {"}, "severity": {"INFO", "info"}, "time": {"T09", " 09"}, "message": {`"m"`, `""`},
		"no event": {"an_event", "unnamed"}, "labels": {`{"tenant_id":"t",`, "{"}, "label's value": {`"b"}}`, `"c"}}`},
	} {
		if bad := strings.Replace(good, change[0], change[1], 1); checkLine([]byte(bad)) == nil {
			t.Errorf("%s: nothing wrong with %s", what, bad)
		}
	}
}
