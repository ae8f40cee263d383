package mask

import (
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	// E.164 allows at most 15 digits. The shortest subscriber numbers that are
	// dialled on their own have seven.
	minPhoneDigits = 7
	maxPhoneDigits = 15
)

// Phone masks a value that is known to be a phone number: a leading + with two
// digits and the last two digits stay ("+49*******67"), at most, and fewer of a
// short number. Text without any digit becomes "***". It is idempotent.
func Phone(s string) string {
	if s == "" || maskedPhone.MatchString(s) {
		return s
	}
	var digits []byte
	plus := false
	for i := 0; i < len(s); {
		r, size := decode(s, i)
		if d := digit(r); d >= 0 {
			digits = append(digits, byte('0'+d))
		} else if r == '+' && len(digits) == 0 {
			plus = true
		}
		i += size
	}
	return maskDigits(digits, plus)
}

var maskedPhone = regexp.MustCompile(`^\+?[0-9]{0,2}\*{3,}[0-9]{0,2}$`)

func maskDigits(digits []byte, plus bool) string {
	n := len(digits)
	if n < minPhoneDigits {
		return "***"
	}
	head, tail := "", string(digits[n-2:])
	if plus {
		head = "+"
		if n > 8 && n <= maxPhoneDigits {
			head += string(digits[:2])
		}
	}
	kept := len(strings.TrimPrefix(head, "+")) + len(tail)
	return head + strings.Repeat("*", n-kept) + tail
}

// maskPhones replaces every run of digit groups that can be a phone number.
//
// A '+' in front makes any run of seven digits one. Without it, tokens that are
// something else (keep) are skipped first.
func maskPhones(s string) string {
	var b strings.Builder
	copied := 0
	afterAlnum, afterDigit := false, false
	before := ' '
	for i := 0; i < len(s); {
		r, size := decode(s, i)
		isDigit := digit(r) >= 0
		switch {
		case r == '*':
			n, tail := stars(s[i:])
			i, afterAlnum, afterDigit, before = i+n, tail, tail, '*'
			continue
		case r == '+':
			if end, digits := plusRun(s, i+size); len(digits) >= minPhoneDigits {
				b.WriteString(s[copied:i])
				b.WriteString(maskDigits(digits, true))
				i, copied, afterAlnum, afterDigit, before = end, end, true, true, '*'
				continue
			}
		case !afterAlnum && isAlnum(r):
			if n := keep(s[i:], before); n > 0 {
				i, afterAlnum, afterDigit, before = i+n, true, true, '*'
				continue
			}
		}
		if isDigit && !afterDigit {
			if end, digits := run(s, i, false); len(digits) >= minPhoneDigits {
				b.WriteString(s[copied:i])
				b.WriteString(maskDigits(digits, false))
				i, copied, afterAlnum, afterDigit, before = end, end, true, true, '*'
				continue
			}
		}
		afterAlnum, afterDigit, before = isAlnum(r), isDigit, r
		i += size
	}
	if copied == 0 {
		return s
	}
	b.WriteString(s[copied:])
	return b.String()
}

// stars returns the length of the stars at the start of s, and with them the two
// digits that maskDigits left at the end of a number: when masked text is masked
// again, they must not become the start of another token.
func stars(s string) (n int, tail bool) {
	n = len(s) - len(strings.TrimLeft(s, "*"))
	rest := s[n:]
	isDigit := func(i int) bool { return i < len(rest) && '0' <= rest[i] && rest[i] <= '9' }
	if n >= 3 && isDigit(0) && isDigit(1) && !isDigit(2) {
		return n + 2, true
	}
	return n, false
}

// plusRun reads the run after a '+'. A UUID or a timestamp after it shows that
// the '+' is a space in a URL's query.
func plusRun(s string, i int) (end int, digits []byte) {
	for n := 0; n < 2 && i < len(s); n++ { // "+(49) 170 …", "+ 49 170 …"
		r, size := decode(s, i)
		if !isSeparator(r) {
			break
		}
		i += size
	}
	if keep(s[i:], '+') > 0 {
		return i, nil
	}
	return run(s, i, true)
}

// run reads groups of digits with separators between them, beginning at i. It
// ends in front of a group that is a token of another kind. Without a '+', groups
// of one digit count only at the start ("1-800-…") and as "(0)": otherwise every
// list of small numbers would be a phone number.
func run(s string, i int, plus bool) (end int, digits []byte) {
	end = i
	separator := ' '
	for first := true; ; first = false {
		if !first && keep(s[i:], separator) > 0 {
			return end, digits
		}
		group := 0
		for i < len(s) {
			r, size := decode(s, i)
			d := digit(r)
			if d < 0 {
				break
			}
			digits = append(digits, byte('0'+d))
			group++
			i += size
		}
		if group == 0 {
			return end, digits
		}
		if group == 1 && !first && !plus && separator != '(' {
			return end, digits[:len(digits)-1]
		}
		end = i
		i, separator = gap(s, i)
		if i == end {
			return end, digits
		}
		plus = plus || separator == '+'
	}
}

// gap skips the separators at s[i], a few at most, and returns the last one, or
// '+' if there is one among them: it may be a space in a URL's query, or the
// beginning of the next number.
func gap(s string, i int) (end int, separator rune) {
	left := 4
	for ; left > 0 && i < len(s); left-- {
		r, size := decode(s, i)
		switch {
		case r == '+' && separator != '+':
			left, separator = 3, '+'
		case !isSeparator(r):
			return i, separator
		case separator != '+':
			separator = r
		}
		i += size
	}
	return i, separator
}

// decode returns the character at s[i] and its length in s. An escape is one
// character: %2B and %252B of URLs, \u002b and \n of JSON and of %q. Those whose
// meaning cannot matter here are left as they are.
func decode(s string, i int) (rune, int) {
	switch c := s[i]; {
	case c == '%':
		return decodePercent(s, i)
	case c == '\\':
		return decodeBackslash(s, i)
	case c < utf8.RuneSelf:
		return rune(c), 1
	}
	return utf8.DecodeRuneInString(s[i:])
}

func decodePercent(s string, i int) (rune, int) {
	j := i + 1
	for strings.HasPrefix(s[j:], "25") {
		j += 2
	}
	for ; j > i; j -= 2 { // "%2528…" is "(", but "%2549…" is "%" and a number
		if len(s) < j+2 {
			continue
		}
		code, err := strconv.ParseUint(s[j:j+2], 16, 8)
		if err == nil && (strings.ContainsRune("+()-./ \t\r\n\"'=:,;&?", rune(code)) || '0' <= code && code <= '9') {
			return rune(code), j + 2 - i
		}
	}
	return '%', 1
}

func decodeBackslash(s string, i int) (rune, int) {
	j := i
	for j < len(s) && s[j] == '\\' {
		j++
	}
	if j == len(s) {
		return '\\', j - i
	}
	if s[j] == 'u' && len(s) >= j+5 {
		if code, err := strconv.ParseUint(s[j+1:j+5], 16, 16); err == nil {
			return rune(code), j + 5 - i
		}
	}
	if strings.IndexByte(`nrtbf"'/`, s[j]) >= 0 {
		return '\n', j + 1 - i
	}
	return '\\', j - i
}

// digit returns the value of a decimal digit of any script, or -1. Unicode keeps
// the ten digits of a script together, in order.
func digit(r rune) int {
	if '0' <= r && r <= '9' {
		return int(r - '0')
	}
	if r < utf8.RuneSelf || !unicode.IsDigit(r) {
		return -1
	}
	d := 0
	for d < 9 && unicode.IsDigit(r-rune(d)-1) {
		d++
	}
	return d
}

func isAlnum(r rune) bool {
	return '0' <= r && r <= '9' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' ||
		r >= utf8.RuneSelf && (unicode.IsLetter(r) || unicode.IsDigit(r))
}

// isSeparator knows what people and address books put between digits: spaces of
// every width, dashes, dots, slashes, parentheses and invisible marks, but no line
// break.
func isSeparator(r rune) bool {
	switch r {
	case ' ', '-', '.', '/', '(', ')', utf8.RuneError:
		return true
	}
	return r >= utf8.RuneSelf && unicode.In(r, unicode.Zs, unicode.Pd, unicode.Cf)
}
