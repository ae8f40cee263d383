package phone_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"lad.internal/followup/pkg/phone"
)

// row is a number with what is expected of it: want if it starts with +.
type row struct {
	name, region string
	raw          phone.Raw
	want         string
}

func typed(number, code string) phone.Raw { return phone.Raw{Phone: number, CountryCode: code} }

func TestParse(t *testing.T) {
	t.Parallel()
	tests := map[string][]row{
		"international": {
			{"plain", "", typed("+971500000103", ""), "+971500000103"},
			{"spaced", "", typed(" +971 50 000-0103 ", ""), "+971500000103"},
			{"in parentheses", "", typed("(+971) 50 000 0103", ""), "+971500000103"},
			{"another country than the lead's", "SA", typed("+4915112345678", "+971"), "+4915112345678"},
			{"the trunk zero is dropped", "", typed("+44 (0)20 7946 0018", ""), "+442079460018"},
			{"Italy keeps its zero", "", typed("+39 (0)6 1234567", ""), "+39061234567"},
			{"set aside for fiction", "", typed("+1 202 555 0100", ""), "+12025550100"},
			{"a full-width plus", "", typed("＋971500000103", ""), "+971500000103"},
			{"Arabic-Indic digits", "", typed("+٩٧١٥٠٠٠٠٠١٠٣", ""), "+971500000103"},
			{"unusual spaces", "", typed("+33\u202f6\u202f12\u00a034\u200956\u202f78", ""), "+33612345678"},
			{"no such calling code", "", typed("+999 123456789", ""), string(phone.Invalid)},
			{"a plus before a national form", "AE", typed("+0500000103", ""), string(phone.Invalid)},
			{"too short", "", typed("+97150", ""), string(phone.Invalid)},
			{"too long for E.164", "", typed("+49 301234567890123", ""), string(phone.Invalid)},
		},
		"national_form": {
			{"calling code with plus", "", typed("0500000103", "+971"), "+971500000103"},
			{"calling code", "", typed("0500000103", "971"), "+971500000103"},
			{"calling code with zeros", "", typed("0500000103", "00971"), "+971500000103"},
			{"ISO code", "", typed("0500000103", "AE"), "+971500000103"},
			{"ISO code in lower case", "", typed("0500000103", " ae "), "+971500000103"},
			{"the tenant's region", "AE", typed("0500000103", ""), "+971500000103"},
			{"the lead's country before the tenant's", "SA", typed("0500000103", "+971"), "+971500000103"},
			{"without its zero", "", typed("500000103", "+971"), "+971500000103"},
			{"Arabic-Indic digits", "AE", typed("٠٥٠٠٠٠٠١٠٣", ""), "+971500000103"},
			{"an area code and a slash", "DE", typed("030/12345678", ""), "+493012345678"},
			{"a shared code", "", typed("(202) 555-0123", "+1"), "+12025550123"},
			{"a shared code, another country's number", "", typed("242 322 1234", "+1"), "+12423221234"},
			{"a shared code, of the Isle of Man", "", typed("01624 756789", "+44"), "+441624756789"},
			{"a local number of a shared code", "", typed("322 1234", "+1"), string(phone.Invalid)},
			{"a local number of one country", "", typed("322 1234", "BS"), "+12423221234"},
			{"no country", "", typed("0500000103", ""), string(phone.NoCountry)},
			{"a country code that cannot be read", "AE", typed("0500000103", "Emirates"), string(phone.NoCountry)},
			{"a calling code of no country", "AE", typed("0500000103", "+999"), string(phone.NoCountry)},
			{"of another country", "US", typed("0500000103", ""), string(phone.Invalid)},
		},
		"without_plus": {
			{"calling code in front", "", typed("971500000104", "+971"), "+971500000104"},
			{"two zeros in front", "", typed("00971500000105", "+971"), "+971500000105"},
			{"of the tenant's region", "AE", typed("971500000104", ""), "+971500000104"},
			{"a number that begins like its calling code", "", typed("9198765432", "+91"), "+919198765432"},
			{"both readings are valid", "", typed("4915123456789", "+49"), string(phone.Ambiguous)},
			{"no country", "", typed("971500000104", ""), string(phone.NoCountry)},
		},
		"base_number": {
			{"calling code", "", phone.Raw{CountryCode: "+971", BaseNumber: "500000103"}, "+971500000103"},
			{"ISO code", "", phone.Raw{CountryCode: "AE", BaseNumber: "500000103"}, "+971500000103"},
			{"the tenant's region", "AE", phone.Raw{BaseNumber: "500000103"}, "+971500000103"},
			{"after a blank phone", "", phone.Raw{Phone: " \t", CountryCode: "971", BaseNumber: "500000103"}, "+971500000103"},
			{"the phone counts first", "", phone.Raw{Phone: "+12025550100", CountryCode: "971", BaseNumber: "500000103"}, "+12025550100"},
			{"a wrong phone is not replaced", "", phone.Raw{Phone: "call Joe", CountryCode: "971", BaseNumber: "500000103"}, string(phone.Signs)},
			{"Italy's zero is lost in a number column", "", phone.Raw{CountryCode: "+39", BaseNumber: "61234567"}, string(phone.Invalid)},
		},
		"none": {
			{"nothing", "AE", phone.Raw{}, string(phone.None)},
			{"a country alone", "AE", phone.Raw{CountryCode: "+971"}, string(phone.None)},
			{"a dash", "AE", typed("-", ""), string(phone.None)},
		},
		"hidden_characters": {
			{"zero-width space", "AE", typed("050\u200b0000103", ""), string(phone.Hidden)},
			{"direction marks around it", "", typed("\u202a+971500000103\u202c", ""), string(phone.Hidden)},
			{"soft hyphen", "AE", typed("050\u00ad0000103", ""), string(phone.Hidden)},
			{"byte order mark", "", typed("\ufeff+971500000103", ""), string(phone.Hidden)},
			{"line break", "AE", typed("0500000103\n0500000104", ""), string(phone.Hidden)},
			{"variation selector", "AE", typed("0500000103\ufe0f", ""), string(phone.Hidden)},
			{"blank letter", "AE", typed("050\u31640000103", ""), string(phone.Hidden)},
		},
		"two_numbers": {
			{"a second end", "AE", typed("1234567/68", ""), string(phone.Two)},
			{"a second end, valid as one number", "AE", typed("0500001/03", ""), string(phone.Two)},
			{"two with a slash", "AE", typed("050 123 4567 / 055 111 2222", ""), string(phone.Two)},
			{"two local ones", "DE", typed("654321/0304321", ""), string(phone.Two)},
			{"two with a comma", "AE", typed("050 123 4567, 055 111 2222", ""), string(phone.Two)},
			{"two with a semicolon", "AE", typed("050 123 4567;0551112222", ""), string(phone.Two)},
			{"two international ones", "", typed("+971501234567 +971551112222", ""), string(phone.Two)},
			{"three", "DE", typed("030/123456/654321", ""), string(phone.Two)},
		},
		"extension": {
			{"ext.", "", typed("+1 202 555 0100 ext. 12", ""), string(phone.Extension)},
			{"x", "", typed("+1 202 555 0100x12", ""), string(phone.Extension)},
			{"commas", "", typed("+12025550100,,12", ""), string(phone.Extension)},
			{"hash", "AE", typed("050 123 4567 #12", ""), string(phone.Extension)},
		},
		"signs": {
			{"words", "AE", typed("ask Joe", ""), string(phone.Signs)},
			{"a vanity number", "", typed("1-800-FLOWERS", "US"), string(phone.Signs)},
			{"tel:", "", typed("tel:+971500000103", ""), string(phone.Signs)},
			{"a service code", "AE", typed("*31*0500000103", ""), string(phone.Signs)},
			{"no UTF-8", "AE", typed("0500000103\xff", ""), string(phone.Signs)},
		},
		"too_long": {
			{"65 digits", "AE", typed(strings.Repeat("5", 65), ""), string(phone.TooLong)},
			{"64 digits", "AE", typed(strings.Repeat("5", 64), ""), string(phone.Invalid)},
		},
	}
	for subject, rows := range tests {
		t.Run(subject, func(t *testing.T) {
			t.Parallel()
			for _, tt := range rows {
				got, err := phone.Parse(tt.raw, tt.region)
				if err != nil {
					got = err.Error()
				}
				if got != tt.want {
					t.Errorf("%s: %+q is %q, want %q", tt.name, tt.raw, got, tt.want)
				}
			}
		})
	}
}

var dialable = regexp.MustCompile(`^\+[1-9][0-9]{6,14}$`)

func FuzzParse(f *testing.F) {
	for _, s := range []string{"0500000103", "+39 (0)6 1234567", "1234567/68", "050 123 4567 / 055 111 2222", "+12025550100 ext. 12", "٠٥٠", "\u202a+", "/0", "0/", ";"} {
		f.Add(s, "+971", s, "AE")
		f.Add(s, "", "", "")
	}
	f.Fuzz(func(t *testing.T, number, code, base, region string) {
		got, err := phone.Parse(phone.Raw{Phone: number, CountryCode: code, BaseNumber: base}, region)
		var problem phone.Problem
		if err == nil && !dialable.MatchString(got) || err != nil && (got != "" || !errors.As(err, &problem)) {
			t.Errorf("Parse = %q, %v", got, err)
		}
	})
}
