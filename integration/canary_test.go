package integration_test

import (
	"encoding/base64"
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
)

// What must never leave the functions. Every lead of every test is this one, and
// every booking's notes name them (canary_plant_test.go).
const (
	secretCanary = "canary-internal-service-secret"
	apiKeyCanary = "canary-voice-agent-api-key"
	jwtCanary    = "canary-voice-agent-jwt-secret"
	tokenCanary  = "eyJhbGciOiJSUzI1NiJ9.canary-of-a-token.c2lnbmF0dXJl"
	numberCanary = "+4915123456789"
	nationalPart = "15123456789"
	firstName    = "Zebulon"
	lastName     = "Quackenbush"
	mailCanary   = "z.q@canary-of-a-mailbox.example"
	noteCanary   = "wants to hear of the canary-in-a-note again"
)

// canary is something private.
type canary struct {
	what string
	in   func(text string) bool
}

// canaries are those of a world.
func canaries(appURL, ownerURL string) []canary {
	exact := func(private string) func(string) bool {
		private = strings.ToLower(private)
		return func(text string) bool { return strings.Contains(strings.ToLower(text), private) }
	}
	all := []canary{
		{"the internal secret", exact(secretCanary)},
		{"the voice agent's API key", exact(apiKeyCanary)},
		{"the secret of LAD's backend", exact(jwtCanary)},
		{"a lead's first name", exact(firstName)},
		{"a lead's last name", exact(lastName)},
		{"a lead's mail address", exact("canary-of-a-mailbox")},
		{"a lead's note", exact("canary-in-a-note")},
		{"a lead's phone number", func(text string) bool { return strings.Contains(digits(text), nationalPart) }},
		{"a token", tokenStart.MatchString},
	}
	for whose, login := range map[string]string{"functions'": appURL, "owner's": ownerURL} {
		all = append(all, canary{"the " + whose + " connection string", exact(login)})
		if u, err := url.Parse(login); err == nil {
			if password, ok := u.User.Password(); ok {
				all = append(all, canary{"the " + whose + " password", exact(password)})
			}
		}
	}
	return all
}

// tokenStart is the first part of any JSON Web Token: base64url of `{"…`.
var tokenStart = regexp.MustCompile(`eyJ[A-Za-z0-9_-]{8,}`)

// digits are those of a text, of any script and with whatever is between them.
func digits(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case '0' <= r && r <= '9':
			return r
		case r < 0x80 || !unicode.IsDigit(r):
			return -1
		}
		d := '0' // Unicode keeps the ten digits of a script together, in order
		for unicode.IsDigit(r - 1 - (d - '0')) {
			d++
		}
		return d
	}, text)
}

// search says which canaries are in a text, in whatever writing.
func search(text string, private []canary) error {
	for _, form := range writings(text) {
		for _, c := range private {
			if c.in(form) {
				return fmt.Errorf("%s is in it", c.what)
			}
		}
	}
	return nil
}

// writings are a text as it is, and as it reads when the escapes of URLs, HTML
// and JSON (each up to twice), and base64, are taken off.
func writings(text string) []string {
	all := []string{text}
	for range 2 {
		next := jsonEscape.ReplaceAllStringFunc(percentEscape.ReplaceAllStringFunc(html.UnescapeString(text), fromHex), fromHex)
		if next == text {
			break
		}
		text = next
		all = append(all, text)
	}
	for _, word := range base64Word.FindAllString(text, -1) {
		if decoded, err := base64.RawStdEncoding.DecodeString(urlAlphabet.Replace(word)); err == nil {
			all = append(all, string(decoded))
		}
	}
	return all
}

var (
	percentEscape = regexp.MustCompile(`%[0-9A-Fa-f]{2}`)
	jsonEscape    = regexp.MustCompile(`\\+u[0-9A-Fa-f]{4}`)
	base64Word    = regexp.MustCompile(`[A-Za-z0-9+/_-]{12,}`)
	urlAlphabet   = strings.NewReplacer("-", "+", "_", "/")
)

func fromHex(escape string) string {
	code, err := strconv.ParseUint(strings.TrimLeft(escape, `%\u`), 16, 16)
	if err != nil {
		return escape
	}
	if escape[0] == '%' {
		return string([]byte{byte(code)})
	}
	return string(rune(code))
}
