package mask

import (
	"regexp"
	"strings"
	"testing"
)

// FuzzPhone: a number that is known to be one shows four of its digits at most,
// and a mask stays as it is.
func FuzzPhone(f *testing.F) {
	for _, seed := range []string{"+4915112345678", "4915112345678", "123", "", "no number", "+49*******67", "+1*2", "+٤٩١٥١١٢٣٤٥٦٧٨", "%2B4915112345678", `\u002b4915112345678`, "\xff+49151123456", "+" + strings.Repeat("1", 40), "+49 (0) 151/123-456"} {
		f.Add(seed)
	}
	digits := regexp.MustCompile(`[0-9]`)
	f.Fuzz(func(t *testing.T, s string) {
		masked := Phone(s)
		if (masked == "") != (s == "") {
			t.Errorf("%q is masked as %q", s, masked)
		}
		if n := len(digits.FindAllString(masked, -1)); n > 4 {
			t.Errorf("%q is masked as %q, which shows %d digits", s, masked, n)
		}
		if s != "" && !maskedPhone.MatchString(masked) {
			t.Errorf("%q is masked as %q", s, masked)
		}
		if again := Phone(masked); again != masked {
			t.Errorf("%q is masked as %q, and that as %q", s, masked, again)
		}
	})
}
