package integration_test

import (
	"encoding/base64"
	"fmt"
	"html"
	"net/url"
	"strings"
	"testing"
)

// Made up, as of a world.
const (
	appLogin   = "postgres://followup_app:canary-app-password@127.0.0.1:5432/lad"
	ownerLogin = "postgres://lad_owner:canary-owner-password@127.0.0.1:5432/lad"
)

func TestACanaryIsFoundInEveryWriting(t *testing.T) {
	t.Parallel()
	private := canaries(appLogin, ownerLogin)
	for _, text := range []string{
		secretCanary, apiKeyCanary, jwtCanary, "Bearer " + tokenCanary, firstName, lastName, mailCanary, noteCanary, appLogin, ownerLogin,
		"canary-app-password", "canary-owner-password",
		numberCanary, "+49 151 234 567 89", "0049 (151) 2345-6789", "0151/23456789", "+49.151.23.45.67.89", "151 2345 6789",
		"+49\u00a0151\u00a023456789", "+٤٩١٥١٢٣٤٥٦٧٨٩", "+49１５１２３４５６７８９", `["+49 151", "234", "56789"]`,
	} {
		for writing, written := range map[string]string{
			"as it is":               text,
			"in capitals":            strings.ToUpper(text),
			"in a URL":               url.QueryEscape(text),
			"in a URL in a URL":      url.QueryEscape(url.QueryEscape(text)),
			"in every byte of a URL": each(text, "%%%02x"),
			"in HTML":                html.EscapeString(text),
			"in entities":            eachRune(text, "&#x%x;"),
			"in JSON":                eachRune(text, `\u%04x`),
			"in JSON in JSON":        eachRune(text, `\\u%04x`),
			"in base64":              base64.StdEncoding.EncodeToString([]byte("x: " + text)),
			"in base64 for URLs":     base64.RawURLEncoding.EncodeToString([]byte("x: " + text)),
		} {
			if writing == "in capitals" && strings.Contains(text, "eyJ") {
				continue // another token
			}
			if search("before "+written+" after", private) == nil {
				t.Errorf("%s %s is not found in %q", text, writing, written)
			}
		}
	}
	for _, innocent := range []string{
		"", "+49*******89", "[redacted]", "a11ce000-0000-4000-8000-000000000001", "2026-01-31T09:00:00.123456789Z", "100%", `\u12`, "50%zz",
	} {
		if err := search(innocent, private); err != nil {
			t.Errorf("%q: %v", innocent, err)
		}
	}
}

func TestACanaryIsFoundOnEveryWayOut(t *testing.T) {
	t.Parallel()
	private := canaries(appLogin, ownerLogin)
	ways := []string{wayLog, wayTraces, wayAnswers, wayTasks, wayColumns}
	for _, way := range ways {
		l := &leaving{planted: true}
		for _, other := range ways {
			l.keep(other, "nothing private")
		}
		if err := l.check(private); err != nil {
			t.Errorf("without a canary: %v", err)
		}
		l.keep(way, "ring "+lastName)
		if err := l.check(private); err == nil || !strings.Contains(err.Error(), way) {
			t.Errorf("in the %s nothing is found: %v", way, err)
		}
		empty := &leaving{planted: true}
		for _, other := range ways {
			if other != way {
				empty.keep(other, "nothing private")
			}
		}
		if err := empty.check(private); err == nil || !strings.Contains(err.Error(), way) {
			t.Errorf("that nothing left by the %s is not noticed: %v", way, err)
		}
	}
}

// each writes every byte in the given form.
func each(text, form string) string {
	var b strings.Builder
	for _, c := range []byte(text) {
		fmt.Fprintf(&b, form, c)
	}
	return b.String()
}

// eachRune writes every character in the given form.
func eachRune(text, form string) string {
	var b strings.Builder
	for _, r := range text {
		fmt.Fprintf(&b, form, r)
	}
	return b.String()
}
