// Package mask takes phone numbers and secrets out of free text: log lines,
// error texts, the booking's last_execution_error column.
//
// It looks at the text alone, so it does not matter how a number or a token got
// there: an error of a library, a URL, a JSON body quoted inside another JSON
// body. Where it cannot be sure, it masks: a lost row count is a nuisance, a
// leaked phone number is an incident. What this system needs to find its way
// (UUIDs, RFC 3339 times, hashes, task ids, durations, IP addresses, Pub/Sub
// message ids) is recognised and kept.
//
// It refuses to be the only line of defence: values that are known to be secret
// belong in a type that does not print them. It does not know names, addresses
// or other personal data.
package mask

import (
	"encoding/json"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Redacted stands where a secret was.
const Redacted = "[redacted]"

// minSecretLength is the shortest registered secret that is searched for, in
// bytes. A shorter one would hit ordinary words, and every hit would tell a
// reader what it is.
const minSecretLength = 6

// Masker masks text and, beyond the patterns every text is searched for, exact
// values it was told of. The zero value and nil know no exact values. It is safe
// for concurrent use.
type Masker struct {
	exact *strings.Replacer
}

// NewMasker returns a Masker that also removes the given values, as they are and
// as they look in a URL or inside a JSON string. The password of a value that is
// a URL (a DATABASE_URL) is registered with it. Values shorter than six bytes are
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

// Text returns s without phone numbers, secrets and registered values, as valid
// UTF-8 (invalid bytes become U+FFFD). It is idempotent and linear in len(s).
func (m *Masker) Text(s string) string {
	if !utf8.ValidString(s) {
		s = strings.ToValidUTF8(s, "\uFFFD")
	}
	if m != nil && m.exact != nil {
		s = m.exact.Replace(s)
	}
	digits, marked := survey(s)
	if marked {
		s = maskSecrets(s)
	}
	if digits >= minPhoneDigits {
		s = maskPhones(s)
	}
	return s
}

// Truncate returns Text(s) on one line (control characters, which Postgres's text
// type partly refuses, become spaces) and cut to at most limit characters, the
// last of which is "…" if anything was cut. Masking comes first, so the cut never
// makes half a secret unrecognisable.
func (m *Masker) Truncate(s string, limit int) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, m.Text(s))
	if utf8.RuneCountInString(s) <= limit {
		return s
	}
	if limit <= 0 {
		return ""
	}
	return string([]rune(s)[:limit-1]) + "…"
}

// Error is Truncate of the error's text; "" for nil.
func (m *Masker) Error(err error, limit int) string {
	if err == nil {
		return ""
	}
	return m.Truncate(err.Error(), limit)
}

// Text is Masker.Text without registered values.
func Text(s string) string { return (*Masker)(nil).Text(s) }

// Truncate is Masker.Truncate without registered values.
func Truncate(s string, limit int) string { return (*Masker)(nil).Truncate(s, limit) }

// Error is Masker.Error without registered values.
func Error(err error, limit int) string { return (*Masker)(nil).Error(err, limit) }

// survey is the fast path: one look at s that tells whether the slow ones can
// find anything. digits counts the decimal digits, marked tells whether a word
// or mark is there that every pattern for secrets needs.
func survey(s string) (digits int, marked bool) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case '0' <= c && c <= '9':
			digits++
		case c >= utf8.RuneSelf:
			// Other scripts have digits too; count them without decoding each rune.
			digits += minPhoneDigits
		case marked:
		default:
			marked = hasMark(s[i:], c|0x20)
		}
	}
	return digits, marked
}

func hasMark(s string, lower byte) bool {
	switch lower {
	case ':' | 0x20:
		return hasPrefixFold(s, "://")
	case '-' | 0x20:
		return hasPrefixFold(s, "-----begin")
	case 'a':
		return hasPrefixFold(s, "api") || hasPrefixFold(s, "authorization") || hasPrefixFold(s, "aiza")
	case 'b':
		return hasPrefixFold(s, "bearer") || hasPrefixFold(s, "basic")
	case 'c':
		return hasPrefixFold(s, "credential")
	case 'e':
		return strings.HasPrefix(s, "eyJ")
	case 'i':
		return hasPrefixFold(s, "invalid port")
	case 'p':
		return hasPrefixFold(s, "passw") || hasPrefixFold(s, "pwd") || hasPrefixFold(s, "private")
	case 's':
		return hasPrefixFold(s, "secret")
	case 't':
		return hasPrefixFold(s, "token")
	case 'y':
		return hasPrefixFold(s, "ya29.")
	}
	return false
}

func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
