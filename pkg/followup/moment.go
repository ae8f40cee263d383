package followup

import (
	"fmt"
	"time"
)

// Moment is a time as all output has it: UTC, RFC 3339, with ISO 8601's sign and
// six digits for a year that has not four. LAD's columns hold such years, and
// time.Time's own JSON fails on them.
type Moment struct{ time.Time }

// String implements fmt.Stringer.
func (m Moment) String() string {
	t := m.UTC()
	return year(t) + t.Format("-01-02T15:04:05.999999999Z")
}

// MarshalJSON implements json.Marshaler. It never fails.
func (m Moment) MarshalJSON() ([]byte, error) { return []byte(`"` + m.String() + `"`), nil }

// FormatTime is a Moment to the second.
func FormatTime(t time.Time) string { return Moment{t.Truncate(time.Second)}.String() }

// year is as ISO 8601 and ECMA-262 have it: four digits, or a sign and six.
func year(t time.Time) string {
	if y := t.Year(); y < 0 || y > 9999 {
		return fmt.Sprintf("%+07d", y)
	}
	return t.Format("2006")
}
