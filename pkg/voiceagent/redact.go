package voiceagent

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"lad.internal/followup/internal/mask"
)

// maxDetail is the longest Detail, in characters: the bound of last_execution_error.
const maxDetail = 500

// hidden replaces what is private. It has no letters or digits, so it can itself be
// nobody's name and nobody's number.
const hidden = "[…]"

// minEcho is the shortest note that is looked for in foreign text, in bytes: hiding
// a shorter one would shred the message and protect nothing.
const minEcho = 8

// word is a run of letters and digits, combining marks included.
var word = regexp.MustCompile(`[\p{L}\p{M}\p{N}]+`)

// redactor removes from foreign text what this one call knows to be private, in
// addition to what mask.Text recognises by its shape.
type redactor struct {
	exact []string            // secrets and the note
	name  *regexp.Regexp      // the lead's whole name, case-insensitive
	names map[string]struct{} // its parts, lower case
	phone *regexp.Regexp      // the number, however it is punctuated
}

func newRedactor(call Call, secrets ...string) redactor {
	r := redactor{exact: secrets, names: map[string]struct{}{}}
	if len(call.Context) >= minEcho {
		r.exact = append(r.exact, call.Context)
	}
	if name := strings.TrimSpace(call.LeadName); utf8.RuneCountInString(name) > 1 {
		r.name = regexp.MustCompile("(?i)" + regexp.QuoteMeta(strings.ToValidUTF8(name, "")))
	}
	for _, part := range word.FindAllString(call.LeadName, -1) {
		r.names[strings.ToLower(part)] = struct{}{}
	}
	r.phone = phonePattern(call.To)
	return r
}

// phonePattern matches the last seven digits of a number with any punctuation, and
// whatever digits stand before them: "+971501234567", "050 123-4567".
func phonePattern(number string) *regexp.Regexp {
	var digits []string
	for _, c := range number {
		if c >= '0' && c <= '9' {
			digits = append(digits, string(c))
		}
	}
	if len(digits) < 7 {
		return nil
	}
	const between = `[\s().\-/]*`
	return regexp.MustCompile(`[+\d][+\d\s().\-/]*?` + strings.Join(digits[len(digits)-7:], between) +
		`|` + strings.Join(digits[len(digits)-7:], between))
}

// detail joins our own words with foreign ones (an error, the voice agent's
// message), which alone are redacted, and cuts the whole to maxDetail.
func (r redactor) detail(own, foreign string) string {
	text := own
	if foreign = clean(r.redact(clean(foreign))); foreign != "" {
		text += ": " + foreign
	}
	if runes := []rune(text); len(runes) > maxDetail {
		text = string(runes[:maxDetail-1]) + "…"
	}
	return text
}

func (r redactor) redact(text string) string {
	for _, private := range r.exact {
		if private = clean(private); private != "" {
			text = strings.ReplaceAll(text, private, hidden)
		}
	}
	if r.name != nil {
		text = r.name.ReplaceAllString(text, hidden)
	}
	text = word.ReplaceAllStringFunc(text, func(w string) string {
		if _, ok := r.names[strings.ToLower(w)]; ok {
			return hidden
		}
		return w
	})
	if r.phone != nil {
		text = r.phone.ReplaceAllString(text, hidden)
	}
	return mask.Text(text)
}

// clean makes text valid UTF-8 of one line: runs of spaces and control characters
// become one space.
func clean(text string) string {
	fields := strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(c rune) bool {
		return unicode.IsSpace(c) || unicode.IsControl(c)
	})
	return strings.Join(fields, " ")
}
