package integration_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/internal/localstack/voiceagent"
)

// What must never be printed. The number and the name are a lead's.
const (
	secretCanary = "canary-internal-service-secret"
	tokenCanary  = "eyJhbGciOiJSUzI1NiJ9.canary-of-a-token.c2lnbmF0dXJl"
	nationalPart = "15123456789"
	firstName    = "Zebulon"
	lastName     = "Quackenbush"
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

var (
	eventName = regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	notDigits = regexp.MustCompile(`[^0-9]+`)
	jwtPart   = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}`)
)

// checkLeaks says what the line gives away.
func checkLeaks(line []byte, w *world) error {
	database, err := url.Parse(w.AppURL)
	if err != nil {
		return err
	}
	password, _ := database.User.Password()
	for what, canary := range map[string]string{
		"the internal secret": secretCanary, "the database's password": password,
		"a lead's first name": firstName, "a lead's last name": lastName,
	} {
		if strings.Contains(string(line), canary) {
			return fmt.Errorf("a function printed %s: %s", what, line)
		}
	}
	if strings.Contains(string(notDigits.ReplaceAll(line, nil)), nationalPart) {
		return fmt.Errorf("a function printed a lead's phone number: %s", line)
	}
	if jwtPart.Match(line) {
		return fmt.Errorf("a function printed a token: %s", line)
	}
	return nil
}

func TestTheFunctionsPrintWhatCloudLoggingReadsAndNoSecretOrLead(t *testing.T) {
	t.Parallel()
	w := calm(t)
	user := w.user(0)

	// A voice agent that repeats all it was told, in every spelling.
	echo := `{"success":false,"message":"cannot ring +4915123456789, +49 151 234 567 89, 0049 (151) 2345-6789, 0151/23456789 for ` +
		firstName + ` ` + lastName + ` with ` + secretCanary + `","to_number":"+4915123456789","Authorization":"Bearer ` + tokenCanary + `"}`
	var ended []string
	for _, b := range []voiceagent.Behaviour{
		{Kind: voiceagent.Body, Status: http.StatusBadRequest, Body: echo},
		{Kind: voiceagent.Body, Status: http.StatusInternalServerError, Body: echo},
		{Kind: voiceagent.Body, Status: http.StatusOK, Body: echo},
		{Kind: voiceagent.Body, Status: http.StatusOK, Body: `{"callId":"+49 151 23456789"}`},
		{Kind: voiceagent.HangUp},
		{Kind: voiceagent.Status, Status: http.StatusServiceUnavailable, Times: 1},
	} {
		b.LeadID = uuid.NewString()
		if err := w.Agent.Behave(b); err != nil {
			t.Fatal(err)
		}
		id := user.Book(t, in(time.Hour), map[string]any{"leadId": b.LeadID, "phone": "+49 (0)151 2345-6789", "note": "call +49 151 23456789"})
		nameLead(t, w, b.LeadID)
		user.Move(t, id, in(0))
		ended = append(ended, id)
	}
	// A number that cannot be rung.
	ended = append(ended, user.Book(t, in(0), map[string]any{"phone": "0151 / 234 567 89"}))
	// Callers who are not Cloud Tasks, and messages that are not LAD's.
	for _, token := range []string{tokenCanary, secretCanary} {
		if status, answer := w.postAs(t, token, []byte(`{"phone":"+4915123456789"}`)); status != http.StatusUnauthorized {
			t.Errorf("a forged token got %d: %s", status, answer)
		}
	}
	valid, err := w.Tasks.IDToken(w.Invoker(), w.ExecuteURL())
	if err != nil {
		t.Fatal(err)
	}
	if status, answer := w.postAs(t, valid, []byte(`{"tenantId":"+4915123456789"}`)); status != http.StatusBadRequest {
		t.Errorf("a malformed task got %d: %s", status, answer)
	}
	for _, data := range []string{
		`{"type":"booking.created","tenantId":"+4915123456789","bookingId":"` + firstName + `"}`,
		`+49 151 23456789`, `{"type":"0151/23456789"}`, ``,
	} {
		w.publish(t, []byte(data))
	}
	await(t, "refused events", func() bool { return w.log.count("event_rejected", "") >= 4 })

	for _, id := range ended {
		await(t, "the end of booking "+id, func() bool {
			b := user.Show(t, id)
			return *b.TaskStatus == "executed" || *b.TaskStatus == "failed" && *b.TaskReason != "not_started"
		})
		b := user.Show(t, id)
		b.CallID = nil // the voice agent's own, whatever it looks like
		row, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		if err := checkLeaks(row, w); err != nil {
			t.Errorf("in the row of a booking: %v", err)
		}
	}
	lines := 0
	for line := range bytes.Lines(w.log.bytes()) {
		lines++
		if err := checkLine(line); err != nil {
			t.Error(err)
		}
		if err := checkLeaks(line, w); err != nil {
			t.Error(err)
		}
	}
	if lines < 20 {
		t.Errorf("the functions printed %d lines: where is the log?", lines)
	}
}

// nameLead gives a lead a name to be watched for.
func nameLead(t *testing.T, w *world, lead string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), w.Tenants[0].DatabaseURL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	table := pgx.Identifier{w.Tenants[0].Schema, "leads"}.Sanitize()
	if _, err := conn.Exec(t.Context(), "UPDATE "+table+" SET first_name = $2, last_name = $3 WHERE id = $1", lead, firstName, lastName); err != nil {
		t.Fatal(err)
	}
}

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
	w := calm(t)
	password := regexp.MustCompile(`:([^:@]+)@`).FindStringSubmatch(w.AppURL)[1]
	for _, leak := range []string{"x +49 (151) 234 567-89 x", secretCanary, tokenCanary, password, firstName, lastName} {
		if checkLeaks([]byte(leak), w) == nil {
			t.Errorf("%q is not found", leak)
		}
	}
}
