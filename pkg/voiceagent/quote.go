package voiceagent

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"
	"golang.org/x/text/unicode/norm"
)

const (
	// hidden stands in a quotation where something was taken out. It has no letters
	// or digits, so it can itself be nobody's name and nobody's number.
	hidden = "[…]"
	// maxWords is the longest quotation, in characters.
	maxWords = 300
	// minInside is the shortest part of a name, in bytes, that is looked for inside
	// words, too: a shorter one is inside of many.
	minInside = 4
	// tellingDigits are as many of a number's last ones as tell whose it is.
	tellingDigits = 7
)

// private is what one call knows to be private.
type private struct {
	secrets []string // in lower case
	number  string   // its last digits
	names   []string // parts of the name, folded
	note    []string // words of the note, folded
}

func newPrivate(call Call, secrets ...string) private {
	p := private{names: words(call.LeadName), note: words(call.Context)}
	for _, secret := range secrets {
		if secret != "" {
			p.secrets = append(p.secrets, strings.ToLower(secret))
		}
	}
	if digits := digitsOf(string(call.To)); len(digits) >= tellingDigits {
		p.number = digits[len(digits)-tellingDigits:]
	}
	return p
}

// tells says whether an id tells whom the call is for. A UUID tells nothing,
// whatever letters are in it.
func (p private) tells(id string) bool {
	if uuid.Validate(id) == nil {
		return false
	}
	for _, secret := range p.secrets {
		if strings.Contains(strings.ToLower(id), secret) {
			return true
		}
	}
	for _, part := range strings.FieldsFunc(id, func(c rune) bool { return !unicode.IsLetter(c) }) {
		if p.named(fold(part)) {
			return true
		}
	}
	return p.number != "" && strings.Contains(digitsOf(id), p.number)
}

func (p private) named(word string) bool {
	for _, name := range p.names {
		if word == name || len(name) >= minInside && strings.Contains(word, name) {
			return true
		}
	}
	return false
}

var (
	// encoded finds escapes of URLs, JSON and HTML: what is below them is not read.
	encoded = regexp.MustCompile(`%[0-9A-Fa-f]{2}|\\u[0-9A-Fa-f]{4}|&#?[0-9A-Za-z]+;`)
	// unreadable are tokens, keys, URLs and mail addresses.
	unreadable = regexp.MustCompile(`[^\s\p{Z}]{33,}|[^\s\p{Z}]+@[^\s\p{Z}]+|eyJ[^\s\p{Z}]+`)
	// manyDigits is whatever may be a number, in any script and punctuation.
	manyDigits = regexp.MustCompile(`\p{Nd}(?:[^\p{L}\p{Nd}]{0,4}\p{Nd}){6,}`)
	word       = regexp.MustCompile(`[\p{L}\p{M}\p{N}]+`)
)

// quote is text that a person may read (Config.Quote): one line without any word
// of the lead's name and note, without numbers, secrets and tokens. It rather
// hides too much.
func (p private) quote(text string) string {
	text = strings.Join(strings.FieldsFunc(norm.NFKC.String(strings.ToValidUTF8(text, "\uFFFD")), func(c rune) bool {
		return unicode.IsSpace(c) || !unicode.IsPrint(c)
	}), " ")
	if encoded.MatchString(text) {
		return hidden
	}
	for _, secret := range p.secrets {
		if strings.Contains(strings.ToLower(text), secret) {
			return hidden
		}
	}
	text = unreadable.ReplaceAllString(text, hidden)
	text = manyDigits.ReplaceAllString(text, hidden)
	text = word.ReplaceAllStringFunc(text, func(w string) string {
		folded := fold(w)
		if p.named(folded) {
			return hidden
		}
		for _, noted := range p.note {
			if folded == noted {
				return hidden
			}
		}
		return w
	})
	if utf8.RuneCountInString(text) > maxWords {
		text = string([]rune(text)[:maxWords-1]) + "…"
	}
	return text
}

func words(text string) []string {
	found := word.FindAllString(text, -1)
	for i := range found {
		found[i] = fold(found[i])
	}
	return found
}

// special are letters that are no letter and a mark in Unicode, though people
// write them so.
var special = strings.NewReplacer("ß", "ss", "æ", "ae", "œ", "oe", "ø", "o", "ł", "l", "đ", "d", "ð", "d", "þ", "th", "ı", "i")

// fold makes the spellings of a word one: in any case, composed or decomposed,
// with or without marks.
func fold(text string) string {
	return special.Replace(strings.ToLower(strings.Map(func(c rune) rune {
		if unicode.Is(unicode.M, c) {
			return -1
		}
		return c
	}, norm.NFKD.String(strings.ToLower(text)))))
}

func digitsOf(text string) string {
	return strings.Map(func(c rune) rune {
		if c < '0' || c > '9' {
			return -1
		}
		return c
	}, text)
}
