// Package phone turns the number that LAD has stored for a lead into the one that
// is dialled: a valid number in E.164 form, or none and the reason why.
//
// Which numbers exist, and how each country writes them, is libphonenumber's
// knowledge (github.com/nyaruka/phonenumbers). The package adds checks of the
// input alone: libphonenumber is made to find a number in almost any text, and
// reads "1234567/68" as one number.
//
// It does not know whether a number is connected, what a call to it costs, or
// whether the lead wants one. It does not mend a number: a digit that LAD has
// lost stays lost.
//
// The library loads its metadata when the program starts and offers no later
// moment: 5 to 7 ms and 2.5 MB of memory (GODEBUG=inittrace=1, Go 1.26,
// Xeon at 2.3 GHz), so import the package only where numbers are read.
package phone

import (
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/nyaruka/phonenumbers"
)

// Raw is what LAD's row of a lead says.
type Raw struct {
	Phone       string // as somebody has typed it
	CountryCode string // a calling code such as +971 or 971, or an ISO code such as AE
	BaseNumber  string // the digits after the calling code
}

// Problem says what is wrong with a number, as a sentence for people. It never
// quotes the number.
type Problem string

// Error implements error.
func (p Problem) Error() string { return string(p) }

// All problems.
const (
	None      Problem = "the lead has no phone number"
	TooLong   Problem = "the phone number is too long to be one"
	Hidden    Problem = "the phone number has hidden characters in it (zero-width, text direction or control characters): type it anew"
	Extension Problem = "the phone number has an extension, which cannot be dialled"
	Two       Problem = "these are two phone numbers: keep one"
	Signs     Problem = "the phone number has letters, or signs that no phone number has"
	NoCountry Problem = "the phone number has no country: write it with + and the country's code, or set the lead's country_code or FOLLOWUP_DEFAULT_REGION"
	Ambiguous Problem = "the phone number is valid with and without its country's code in front: write it with +"
	Invalid   Problem = "the phone number is not a valid one of its country"
)

const (
	maxInput  = 64 // characters
	maxDigits = 15 // of E.164; libphonenumber knows numbers of 17
)

// Parse gives the number to dial, such as +971500000103. Its error is a Problem.
//
// Phone counts if it is not blank, otherwise the calling code with BaseNumber. A
// number without + is read in the country of CountryCode, or if that is blank in
// region, the tenant's own ("" if it has none). A calling code that countries
// share stands for the largest: the others would complete a local number with
// the area code of whichever island it fits.
func Parse(raw Raw, region string) (e164 string, err error) {
	calling, own := country(raw.CountryCode)
	if strings.TrimSpace(raw.CountryCode) != "" {
		region = own
	}
	text := strings.TrimSpace(raw.Phone)
	if text == "" {
		text = strings.TrimSpace(raw.BaseNumber)
		if text != "" && calling != "" {
			text = "+" + calling + text
		}
	}
	if problem := check(text); problem != "" {
		return "", problem
	}
	if strings.ContainsAny(text, plusses) {
		region = ""
	} else if region == "" {
		return "", NoCountry
	}
	return parse(text, region)
}

// country reads country_code: a calling code gives both, an ISO code the region
// alone, and anything else nothing.
func country(code string) (calling, region string) {
	code = strings.ToUpper(strings.TrimSpace(code))
	if phonenumbers.GetSupportedRegions()[code] {
		return "", code
	}
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimPrefix(code, "+"), "00"), 10, 16)
	if err != nil || !phonenumbers.GetSupportedCallingCodes()[int(n)] {
		return "", ""
	}
	return strconv.FormatUint(n, 10), phonenumbers.GetRegionCodeForCountryCode(int(n))
}

// parse reads a checked number in a region, or an international one.
func parse(text, region string) (string, error) {
	text = strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Zs, r) {
			return ' ' // libphonenumber knows few of them
		}
		return r
	}, text)
	found := valid(text, region)
	if region != "" {
		// 971500000104 is +971500000104; but some countries have numbers that begin
		// with their own calling code.
		digits := phonenumbers.NormalizeDigitsOnly(text)
		whole := ""
		if strings.HasPrefix(digits, strconv.Itoa(phonenumbers.GetCountryCodeForRegion(region))) {
			whole = valid("+"+digits, "")
		}
		switch {
		case found == "":
			found = whole
		case whole != "" && whole != found:
			return "", Ambiguous
		}
	}
	if found == "" {
		return "", Invalid
	}
	return found, nil
}

// valid is the number in E.164 form, or "" if it is not a valid one.
func valid(text, region string) string {
	number, err := phonenumbers.Parse(text, region)
	if err != nil || !phonenumbers.IsValidNumber(number) {
		return ""
	}
	e164 := phonenumbers.Format(number, phonenumbers.E164)
	if len(e164) > len("+")+maxDigits {
		return ""
	}
	return e164
}

// plusses are the signs in front of a calling code: ASCII's and the full-width
// one.
const plusses = "+\uff0b"

// check refuses text that libphonenumber would make something of.
func check(text string) Problem {
	switch digits := strings.IndexFunc(text, unicode.IsDigit); {
	case text == "":
		return None
	case utf8.RuneCountInString(text) > maxInput:
		return TooLong
	case strings.ContainsFunc(text, hidden):
		return Hidden
	case two(text):
		return Two
	case hasExtension(text):
		return Extension
	case strings.ContainsFunc(text, strange):
		return Signs
	case digits < 0:
		return None
	}
	return ""
}

// hidden reports characters that nobody sees: controls, formats (Cf: zero-width,
// text direction, soft hyphen), variation selectors and blank letters.
func hidden(r rune) bool {
	return unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp, unicode.Variation_Selector, unicode.Other_Default_Ignorable_Code_Point)
}

// strange reports what no phone number is written with. libphonenumber drops *
// and turns letters into digits.
func strange(r rune) bool {
	return !unicode.In(r, unicode.Nd, unicode.Zs, unicode.Pd) && !strings.ContainsRune(plusses+"()[]./~−（）［］．／～", r)
}

// hasExtension reports digits to be dialled after the call is answered.
func hasExtension(text string) bool {
	_, extension := phonenumbers.MaybeSeparateExtensionFromPhone(text)
	return extension != ""
}

// two reports two numbers, or a second way to end one ("1234567/68"). A slash may
// also follow an area code: that is short, and what follows is not shorter and
// does not begin with 0.
func two(text string) bool {
	if plus := strings.LastIndexAny(text, plusses); plus >= 0 && count(text[:plus]) > 0 {
		return true
	}
	const longestAreaCode = 6 // with the calling code
	at := strings.IndexAny(text, `/／\,;|&`)
	if at < 0 {
		return false
	}
	separator, width := utf8.DecodeRuneInString(text[at:])
	before, after := count(text[:at]), count(text[at+width:])
	if before == 0 || after == 0 {
		return false
	}
	if separator != '/' && separator != '／' {
		// 050 123 4567,,12 has an extension.
		return after > longestAreaCode || !hasExtension(text)
	}
	rest := phonenumbers.NormalizeDigitsOnly(text[at+width:])
	return before > longestAreaCode || before > after || rest[0] == '0' || strings.ContainsAny(text[at+width:], `/／`)
}

// count counts digits.
func count(text string) int { return len(phonenumbers.NormalizeDigitsOnly(text)) }
