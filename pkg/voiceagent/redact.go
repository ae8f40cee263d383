package voiceagent

import (
	"html"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

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

// minPart is the shortest part of a name that is looked for inside words, too, in
// characters: a shorter one is inside of many.
const minPart = 4

// redactor removes from foreign text what this one call knows to be private, in
// addition to what mask.Text recognises by its shape.
type redactor struct {
	texts []private           // secrets and the note
	whole *regexp.Regexp      // the lead's name, with whatever is between its parts, and its longer parts
	names map[string]struct{} // all parts, lower case
	phone *regexp.Regexp      // the number, however it is punctuated
}

func newRedactor(call Call, secrets ...string) redactor {
	r := redactor{names: map[string]struct{}{}, phone: phonePattern(call.To)}
	for _, secret := range secrets {
		r.hide(secret)
	}
	if len(call.Context) >= minEcho {
		r.hide(call.Context)
	}
	var parts, long []string
	for _, part := range word.FindAllString(call.LeadName, -1) {
		r.names[strings.ToLower(part)] = struct{}{}
		parts = append(parts, regexp.QuoteMeta(part))
		if utf8.RuneCountInString(part) >= minPart {
			long = append(long, regexp.QuoteMeta(part))
		}
	}
	if name := strings.Join(parts, `[^\pL\pN]{0,3}`); utf8.RuneCountInString(call.LeadName) > 1 && name != "" {
		r.whole = regexp.MustCompile("(?i)" + strings.Join(append([]string{name}, long...), "|"))
	}
	return r
}

// private is a text that is looked for in any case and with any white space, of
// which a '+' is one in URLs. Its first words find it; as many of the others go
// with them as are there, since an echo may be cut short.
type private struct {
	first *regexp.Regexp
	rest  []string
}

const firstWords = 4

func (r *redactor) hide(text string) {
	words := strings.Fields(clean(text))
	if len(words) == 0 {
		return
	}
	n := min(firstWords, len(words))
	first := make([]string, n)
	for i := range first {
		first[i] = regexp.QuoteMeta(words[i])
	}
	r.texts = append(r.texts, private{regexp.MustCompile("(?i)" + strings.Join(first, space)), words[n:]})
}

const space = `[\s\p{Z}+]+`

var leadingSpace = regexp.MustCompile(`^` + space)

func (p private) hideIn(text string) string {
	var b strings.Builder
	for {
		at := p.first.FindStringIndex(text)
		if at == nil {
			b.WriteString(text)
			return b.String()
		}
		b.WriteString(text[:at[0]] + hidden)
		text = text[at[1]:]
		for _, w := range p.rest {
			after, ok := cutPrefixFold(text[len(leadingSpace.FindString(text)):], w)
			if !ok {
				break
			}
			text = after
		}
	}
}

// cutPrefixFold cuts a prefix off in any case: its length in bytes may differ then.
func cutPrefixFold(text, prefix string) (after string, ok bool) {
	for _, want := range prefix {
		got, size := utf8.DecodeRuneInString(text)
		if got != want && !strings.EqualFold(string(got), string(want)) {
			return "", false
		}
		text = text[size:]
	}
	return text, true
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
	last := strings.Join(digits[len(digits)-7:], `[^\pL\pN]{0,6}`)
	return regexp.MustCompile(`[+\d][+\d\s\p{Z}\p{Pd}\p{Cf}().\-/]*?` + last + `|` + last)
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

func (r redactor) redact(text string) string { return mask.Text(r.own(plain(text))) }

// knows says whether a call's id tells whom the call is for. A UUID tells nothing,
// whatever letters are in it.
func (r redactor) knows(id string) bool {
	return uuid.Validate(id) != nil && r.own(plain(id)) != plain(id)
}

// own hides what this call alone knows to be private.
func (r redactor) own(text string) string {
	for _, p := range r.texts {
		text = p.hideIn(text)
	}
	text = mailbox.ReplaceAllStringFunc(text, func(address string) string {
		if strings.HasSuffix(address, ".gserviceaccount.com") {
			return address // ours, and what there is to know about a refused token
		}
		return hidden
	})
	if r.whole != nil {
		text = r.whole.ReplaceAllString(text, hidden)
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
	return text
}

// mailbox is an address as people write it; RFC 5322 allows more.
var mailbox = regexp.MustCompile(`[\pL\pN._%+'-]+@[\pL\pN-]+(?:\.[\pL\pN-]+)+`)

// maxLayers is how many layers of escapes are taken off: a page that quotes a URL
// that quotes a URL has three.
const maxLayers = 4

// plain takes the escapes of HTML, URLs and JSON off foreign text: whoever reads
// it would, and what is private is not to be found below them.
func plain(text string) string {
	for range maxLayers {
		next := escape.ReplaceAllStringFunc(entity.ReplaceAllStringFunc(text, html.UnescapeString), unescape)
		if next == text {
			break
		}
		text = next
	}
	return strings.ToValidUTF8(text, "\uFFFD")
}

// entity is a character reference of HTML, which a query's "&note=" is not.
var entity = regexp.MustCompile(`&#[xX]?[0-9A-Fa-f]+;?|&[A-Za-z][A-Za-z0-9]*;`)

// escape is a run of percent-encoded bytes, or one of JSON's.
var escape = regexp.MustCompile(`(?:%[0-9A-Fa-f]{2})+|\\+u[0-9A-Fa-f]{4}`)

func unescape(escaped string) string {
	if escaped[0] == '%' {
		text, err := url.PathUnescape(escaped)
		if err != nil {
			return escaped
		}
		return text
	}
	code, err := strconv.ParseUint(strings.TrimLeft(escaped, `\u`), 16, 16)
	if err != nil {
		return escaped
	}
	return string(rune(code))
}

// clean makes text valid UTF-8 of one line: runs of spaces and control characters
// become one space.
func clean(text string) string {
	fields := strings.FieldsFunc(strings.ToValidUTF8(text, "\uFFFD"), func(c rune) bool {
		return unicode.IsSpace(c) || unicode.IsControl(c)
	})
	return strings.Join(fields, " ")
}
