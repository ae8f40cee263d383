// Package mask keeps known secrets, and the values that people put into settings,
// out of texts.
//
// It guesses nothing about a log line: what is private arrives there in types that
// do not print it (settings.Secret, followup.Phone), and no text from outside does
// (package voiceagent, tenantdb's withhold). That the functions' secrets are taken
// out wherever they appear is a second line of defence.
package mask

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Redacted stands where something was taken out.
const Redacted = "[redacted]"

// minSecretLength is the shortest registered secret that is searched for, in
// bytes. A shorter one would hit ordinary words, and every hit would tell a
// reader what it is.
const minSecretLength = 6

// Masker takes out exact values that it was told of. The zero value and nil know
// none. It is safe for concurrent use.
type Masker struct {
	exact *strings.Replacer
}

// NewMasker returns a Masker that removes the given values, as they are and as
// they look in a URL or inside a JSON string. The password of a value that is a
// URL (a DATABASE_URL) is registered with it. Values shorter than six bytes are
// ignored: they cannot be told from ordinary text.
func NewMasker(secrets ...string) *Masker {
	var pairs []string
	for _, secret := range secrets {
		for _, form := range secretForms(secret) {
			pairs = append(pairs, form, Redacted)
		}
	}
	if pairs == nil {
		return &Masker{}
	}
	return &Masker{exact: strings.NewReplacer(pairs...)}
}

func secretForms(secret string) []string {
	values := []string{secret}
	if u, err := url.Parse(secret); err == nil && u.User != nil {
		if password, ok := u.User.Password(); ok {
			values = append(values, password)
		}
	}
	var forms []string
	for _, value := range values {
		if len(value) < minSecretLength {
			continue
		}
		forms = append(forms, value, url.QueryEscape(value), url.PathEscape(value))
		if quoted, err := json.Marshal(value); err == nil {
			forms = append(forms, string(quoted[1:len(quoted)-1]))
		}
	}
	return forms
}

// Text returns s without the registered values, as valid UTF-8 (invalid bytes
// become U+FFFD).
func (m *Masker) Text(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if m != nil && m.exact != nil {
		s = m.exact.Replace(s)
	}
	return s
}

// Error is the error's Text on one line, of at most limit characters.
func (m *Masker) Error(err error, limit int) string {
	s := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, m.Text(err.Error()))
	if runes := []rune(s); len(runes) > limit {
		s = string(runes[:limit-1]) + "…"
	}
	return s
}

// userinfo is what stands before the host of a URL, and numbers are seven digits
// and more: people paste the wrong thing.
var (
	userinfo = regexp.MustCompile(`://[^\s"']*@`)
	numbers  = regexp.MustCompile(`\+?[0-9](?:[ ()./-]{0,3}[0-9]){6,}`)
)

// Setting is the value of a setting as a sentence about it may quote it.
func Setting(value string) string {
	return numbers.ReplaceAllString(userinfo.ReplaceAllString((*Masker)(nil).Text(value), "://"+Redacted+"@"), Redacted)
}

var separators = strings.NewReplacer("_", "", "-", "", ".", "", " ", "")

// IsSecretName tells whether a setting of this name holds a secret: VOICE_AGENT_API_KEY.
func IsSecretName(name string) bool {
	name = separators.Replace(strings.ToLower(name))
	for _, part := range []string{
		"password", "passwd", "secret", "token", "apikey", "privatekey", "authorization", "credential", "cookie", "databaseurl", "dsn",
	} {
		if strings.Contains(name, part) {
			return true
		}
	}
	return false
}
