package followup

import (
	"regexp"
	"testing"

	"pgregory.net/rapid"
)

func TestANumberIsUsableOnlyInE164(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, phone, want string }{
		{"E.164", "+4915112345678", "+4915112345678"},
		{"spaces around it", " +4915112345678\n", "+4915112345678"},
		{"spaces and dashes", "+1 415-555-2671", "+14155552671"},
		{"parentheses", "+1 (415) 555-2671", "+14155552671"},
		{"dots", "+33.1.23.45.67.89", "+33123456789"},
		{"slashes", "+43/1/234567", "+431234567"},
		{"no-break spaces", "+49\u00a0151\u00a012345678", "+4915112345678"},
		{"fifteen digits", "+123456789012345", "+123456789012345"},
		{"seven digits", "+2901234", "+2901234"},

		{"nothing", "", ""},
		{"only a plus", "+", ""},
		{"only separators", " ()-./ ", ""},
		{"no country code", "015112345678", ""},
		{"no plus", "4915112345678", ""},
		{"00 for plus", "004915112345678", ""},
		{"a country code that starts with 0", "+0915112345678", ""},
		{"sixteen digits", "+1234567890123456", ""},
		{"six digits", "+290123", ""},
		{"letters", "+1800FLOWERS", ""},
		{"an extension", "+14155552671x12", ""},
		{"two pluses", "++14155552671", ""},
		{"a plus in the middle", "1+4155552671", ""},
		{"two numbers", "+14155552671, +14155552672", ""},
		{"two lines", "+14155552671\n+14155552672", ""},
		{"a NUL", "+14155552671\x00", ""},
		{"Arabic digits", "+٤٩١٥١١٢٣٤٥٦٧٨", ""},
		{"wide digits", "+４９１５１１２３４５６７８", ""},
		{"a wide plus", "＋4915112345678", ""},
		{"a URI", "tel:+14155552671", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := (Lead{Phone: c.phone}).Number(); got != c.want {
				t.Errorf("%q is %q, want %q", c.phone, got, c.want)
			}
		})
	}
}

// LAD's voice agent answers 400 to a number that is not E.164.
func TestANumberIsE164OrNothing(t *testing.T) {
	t.Parallel()
	e164 := regexp.MustCompile(`^\+[1-9][0-9]{1,14}$`)
	rapid.Check(t, func(t *rapid.T) {
		phone := rapid.OneOf(rapid.StringMatching(`\+?[0-9 ()./-]{0,20}`), rapid.String()).Draw(t, "phone")
		number := Lead{Phone: phone}.Number()
		if number != "" && !e164.MatchString(number) {
			t.Fatalf("%q is %q", phone, number)
		}
		if again := (Lead{Phone: number}).Number(); again != number {
			t.Fatalf("%q is %q, which is %q", phone, number, again)
		}
	})
}

func TestANameIsWhatThereIsOfIt(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		lead Lead
		want string
	}{
		{Lead{FirstName: "Ada", LastName: "Lovelace"}, "Ada Lovelace"},
		{Lead{FirstName: " Ada ", LastName: "\tLovelace\n"}, "Ada Lovelace"},
		{Lead{FirstName: "Ada"}, "Ada"},
		{Lead{LastName: "Lovelace"}, "Lovelace"},
		{Lead{FirstName: " ", LastName: " "}, ""},
		{Lead{}, ""},
	} {
		if got := c.lead.Name(); got != c.want {
			t.Errorf("%q %q is %q, want %q", c.lead.FirstName, c.lead.LastName, got, c.want)
		}
	}
}
