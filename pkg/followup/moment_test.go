package followup

import (
	"encoding/json"
	"testing"
	"time"
)

func TestMomentOfAnyYear(t *testing.T) {
	t.Parallel()
	for want, at := range map[string]time.Time{
		"2026-01-31T09:00:00Z":            time.Date(2026, 1, 31, 13, 0, 0, 0, time.FixedZone("", 4*3600)),
		"2026-01-31T09:00:00.5Z":          time.Date(2026, 1, 31, 9, 0, 0, 5e8, time.UTC),
		"2026-01-31T09:00:00.000001Z":     time.Date(2026, 1, 31, 9, 0, 0, 1e3, time.UTC),
		"0001-01-01T00:00:00Z":            {},
		"0000-12-31T23:00:00Z":            time.Date(1, 1, 1, 0, 0, 0, 0, time.FixedZone("", 3600)),
		"-000001-12-31T23:59:59.9Z":       time.Date(-1, 12, 31, 23, 59, 59, 9e8, time.UTC),
		"-004712-03-15T12:00:00Z":         time.Date(-4712, 3, 15, 12, 0, 0, 0, time.UTC),
		"9999-12-31T23:59:59Z":            time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
		"+010000-01-01T03:59:59Z":         time.Date(9999, 12, 31, 23, 59, 59, 0, time.FixedZone("", -4*3600)),
		"+294276-12-31T23:59:59.999999Z":  time.Date(294276, 12, 31, 23, 59, 59, 999999000, time.UTC),
		"+1000000-01-01T00:00:00Z":        time.Date(1000000, 1, 1, 0, 0, 0, 0, time.UTC),
		"-004712-03-15T12:00:00.0000001Z": time.Date(-4712, 3, 15, 12, 0, 0, 100, time.UTC),
	} {
		if got, err := json.Marshal(Moment{at}); err != nil || string(got) != `"`+want+`"` {
			t.Errorf("%v is %s (%v), want %s", at, got, err, want)
		}
		want := Moment{at.Truncate(time.Second)}.String()
		if got := FormatTime(at); got != want || len(got) > len("+1000000-01-01T00:00:00Z") {
			t.Errorf("to the second %v is %s, want %s", at, got, want)
		}
	}
}
