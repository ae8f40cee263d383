package mask

import (
	"regexp"
	"strings"
)

// The tokens with many digits that are no phone numbers. Each pattern's first
// group is the token; what follows makes sure that it ends there.
const tokenEnd = `)(?:[^0-9A-Za-z]|$)`

const (
	clock = `(?:[01][0-9]|2[0-4])(?::|%3[Aa])[0-5][0-9](?:(?::|%3[Aa])[0-6][0-9](?:[.,][0-9]{1,9})?)?`
	month = `(?:0[1-9]|1[0-2])`
	day   = `(?:0[1-9]|[12][0-9]|3[01])`
	octet = `(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])`
)

// maxTokenLength bounds what a pattern looks at, so that the whole stays linear
// in the length of the text.
const maxTokenLength = 128

var (
	// RFC 3339 and what Postgres, Go's log package and time.Time.String make of it.
	timestamp = regexp.MustCompile(`^([0-9]{4}[-/]` + month + `[-/]` + day + `(?:[Tt ]|%20|\+)` + clock +
		`(?:[Zz]|(?: ?[+-]|%2[Bb])[0-9]{2}(?:(?::|%3[Aa])?[0-9]{2})?)?(?: [A-Z]{3,4}(?: m=[+-][0-9]+\.[0-9]+)?)?` + tokenEnd)

	calendarDate = regexp.MustCompile(`^((?:(?:19|20)[0-9]{2}|0001)[-/]` + month + `[-/]` + day +
		`|` + day + `[./]` + month + `[./](?:19|20)[0-9]{2}` + tokenEnd)

	otherTokens = []*regexp.Regexp{
		regexp.MustCompile(`^((?:[01]?[0-9]|2[0-4]):[0-5][0-9]:[0-6][0-9](?:[.,][0-9]{1,9})?` + tokenEnd),
		// 20260102T030405Z, and the 14 digits of migrations and Go pseudo-versions.
		regexp.MustCompile(`^((?:19|20)[0-9]{2}` + month + day + `T?(?:[01][0-9]|2[0-3])[0-5][0-9][0-5][0-9](?:\.[0-9]+)?Z?` + tokenEnd),
		regexp.MustCompile(`^((?:[0-9]+(?:\.[0-9]+)?(?:ns|us|µs|μs|ms|s|m|h))+` + tokenEnd),
		regexp.MustCompile(`^(0[xX][0-9a-fA-F]+` + tokenEnd),
	}

	address = regexp.MustCompile(`^((?:` + octet + `\.){3}` + octet + `(?::[0-9]{1,5})?` + tokenEnd)
	decimal = regexp.MustCompile(`^((?:0|[1-9][0-9]?)\.[0-9]+` + tokenEnd)
)

// keep returns the length of the token at the start of s if it has to survive, or
// zero. s begins where a token can begin; before is the character in front of it.
func keep(s string, before rune) int {
	if uuidPrefix(s) {
		return uuidLength
	}
	if before == '+' { // the sign of a phone number, or a space in a URL's query
		return tokenLength(timestamp, s)
	}
	if n := hexToken(s); n > 0 {
		return n
	}
	if s == "" || s[0] < '0' || s[0] > '9' {
		return 0
	}
	if plainNumber(s) {
		return 0
	}
	if n := tokenLength(timestamp, s); n > 0 {
		return n
	}
	for _, re := range otherTokens {
		if n := tokenLength(re, s); n > 0 {
			return n
		}
	}
	// These three have the shape of phone numbers written with dots and dashes, so
	// they must not go on, nor be the rest of one.
	if before == '.' {
		return 0
	}
	for _, re := range []*regexp.Regexp{calendarDate, address, decimal} {
		n := tokenLength(re, s)
		if n > 0 && !goesOn(s[n:], re == decimal) {
			return n
		}
	}
	return 0
}

// plainNumber spares the patterns a group of digits that ends with a space or
// with the text: the only pattern without a mark inside has 14 digits.
func plainNumber(s string) bool {
	n := 0
	for n < len(s) && '0' <= s[n] && s[n] <= '9' {
		n++
	}
	return n != 14 && (n == len(s) || s[n] == ' ')
}

func tokenLength(re *regexp.Regexp, s string) int {
	m := re.FindStringSubmatchIndex(s[:min(len(s), maxTokenLength)])
	if m == nil {
		return 0
	}
	return m[3]
}

// goesOn tells whether another group of digits follows.
func goesOn(rest string, afterSpace bool) bool {
	if len(rest) < 2 || rest[1] < '0' || rest[1] > '9' {
		return false
	}
	return strings.IndexByte("-./", rest[0]) >= 0 || afterSpace && rest[0] == ' '
}

const uuidLength = 36

// uuidPrefix tells whether s begins with a UUID in its usual form (RFC 9562).
func uuidPrefix(s string) bool {
	if len(s) < uuidLength || len(s) > uuidLength && isAlnum(rune(s[uuidLength])) {
		return false
	}
	for i := range uuidLength {
		switch i {
		case 8, 13, 18, 23:
			if s[i] != '-' {
				return false
			}
		default:
			if !isHex(s[i]) {
				return false
			}
		}
	}
	return true
}

// hexToken returns the length of the hash, trace id or message id that s begins
// with, or zero. Digits alone must be 16 or more, as Pub/Sub's message ids are,
// and no number with the international prefix 00 in front.
func hexToken(s string) int {
	n, letters := 0, 0
	for n < len(s) && isHex(s[n]) {
		if s[n] > '9' {
			letters++
		}
		n++
	}
	if n < len(s) && isAlnum(rune(s[n])) {
		return 0
	}
	switch {
	case letters == 0:
		international := n <= maxPhoneDigits+2 && strings.HasPrefix(s, "00") && n > 2 && s[2] != '0'
		if n <= maxPhoneDigits || international {
			return 0
		}
	case n < 8 || letters < 2 && n < 16:
		return 0
	}
	return n
}

func isHex(c byte) bool {
	return '0' <= c && c <= '9' || 'a' <= c && c <= 'f' || 'A' <= c && c <= 'F'
}
