package followup

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"pgregory.net/rapid"
)

func TestAKeyNamesTenantBookingAndTime(t *testing.T) {
	t.Parallel()
	const want = "followup:6f9619ff-8b86-4d01-b42d-00cf4fc964ff:c9bf9e57-1685-4c89-bafb-ff5af830be8a:2026-03-10T12:10:00.000Z"
	if got := booked(onTime, fresh()).Key(); got != want {
		t.Errorf("key %q, want %q", got, want)
	}
}

func TestABookingWithoutATimeHasNoKey(t *testing.T) {
	t.Parallel()
	if got := booked(time.Time{}, fresh()).Key(); got != "" {
		t.Errorf("key %q", got)
	}
}

// The expected values are what node 20 prints for new Date(…).toISOString().
func TestAKeysTimeIsPrintedAsJavaScriptPrintsIt(t *testing.T) {
	t.Parallel()
	ist := time.FixedZone("+05:30", 5*3600+1800)
	cest := time.FixedZone("+02:00", 2*3600)
	midAtlantic := time.FixedZone("-02:00", -2*3600)
	for _, c := range []struct {
		name string
		time time.Time
		want string
	}{
		{"the epoch", time.UnixMilli(0), "1970-01-01T00:00:00.000Z"},
		{"a millisecond", time.UnixMilli(1), "1970-01-01T00:00:00.001Z"},
		{"a millisecond before the epoch", time.UnixMilli(-1), "1969-12-31T23:59:59.999Z"},
		{"the end of a year", time.UnixMilli(1767225599999), "2025-12-31T23:59:59.999Z"},
		{"microseconds are cut off", time.Date(2026, 3, 10, 12, 0, 0, 123_999_000, time.UTC), "2026-03-10T12:00:00.123Z"},
		{"microseconds never round up", time.Date(2026, 3, 10, 12, 0, 0, 999_999_000, time.UTC), "2026-03-10T12:00:00.999Z"},
		{"before the epoch too", time.Date(1969, 12, 31, 23, 59, 59, 999_999_000, time.UTC), "1969-12-31T23:59:59.999Z"},
		{"another zone, another year", time.Date(2026, 1, 1, 0, 30, 0, 0, ist), "2025-12-31T19:00:00.000Z"},
		{"daylight saving", time.Date(2026, 3, 29, 3, 15, 0, 0, cest), "2026-03-29T01:15:00.000Z"},
		{"the last four-digit year", time.UnixMilli(253402300799999), "9999-12-31T23:59:59.999Z"},
		{"the first five-digit year", time.UnixMilli(253402300800000), "+010000-01-01T00:00:00.000Z"},
		{"a zone that makes it five digits", time.Date(9999, 12, 31, 23, 30, 0, 0, midAtlantic), "+010000-01-01T01:30:00.000Z"},
		{"year zero", time.UnixMilli(-62167219200000), "0000-01-01T00:00:00.000Z"},
		{"the end of year minus one", time.UnixMilli(-62167219200001), "-000001-12-31T23:59:59.999Z"},
		{"year minus one", time.UnixMilli(-62198755200000), "-000001-01-01T00:00:00.000Z"},
		{"Postgres's first day", time.UnixMilli(-210866803200000), "-004713-11-24T00:00:00.000Z"},
		{"JavaScript's first day", time.UnixMilli(-8640000000000000), "-271821-04-20T00:00:00.000Z"},
		{"JavaScript's last day", time.UnixMilli(8640000000000000), "+275760-09-13T00:00:00.000Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			prefix := "followup:" + tenant.String() + ":" + booking.String() + ":"
			if got := booked(c.time, fresh()).Key(); got != prefix+c.want {
				t.Errorf("key %q, want …%q", got, c.want)
			}
		})
	}
}

func TestAKeyFitsItsColumn(t *testing.T) {
	t.Parallel()
	const column = 255 // idempotency_key varchar(255)
	rapid.Check(t, func(t *rapid.T) {
		// All that Postgres can store: 4713 BC to 294276 AD.
		ms := rapid.Int64Range(-210866803200000, 9224318015999999).Draw(t, "scheduled at")
		if key := booked(time.UnixMilli(ms), fresh()).Key(); len(key) > column {
			t.Fatalf("%d characters: %s", len(key), key)
		}
	})
}

func TestTimesWithOneKeyAreWithinOneMillisecond(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		us := rapid.Int64Range(0, 4102444800_000_000).Draw(t, "microseconds")
		other := us + rapid.Int64Range(-3000, 3000).Draw(t, "moved by")
		same := booked(time.UnixMicro(us), fresh()).Key() == booked(time.UnixMicro(other), fresh()).Key()
		if want := us/1000 == other/1000; other >= 0 && same != want {
			t.Fatalf("%d and %d µs: same key is %v", us, other, same)
		}
	})
}

func TestATaskIDIsTheHashOfTheKeyAndTheRevision(t *testing.T) {
	t.Parallel()
	// FIPS 180-2, appendix B.1: SHA-256("abc").
	const want = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad-r7"
	if got := TaskID("abc", 7); got != want {
		t.Errorf("task id %s, want %s", got, want)
	}
}

// cloudtaskspb, Task.name: "TASK_ID can contain only letters ([A-Za-z]),
// numbers ([0-9]), hyphens (-), or underscores (_). The maximum length is 500
// characters."
func TestATaskIDIsOneThatCloudTasksTakes(t *testing.T) {
	t.Parallel()
	valid := regexp.MustCompile(`^[A-Za-z0-9_-]{1,500}$`)
	rapid.Check(t, func(t *rapid.T) {
		id := TaskID(rapid.String().Draw(t, "key"), rapid.IntMin(0).Draw(t, "revision"))
		if !valid.MatchString(id) {
			t.Fatalf("task id %q", id)
		}
	})
}

func TestEveryRevisionAndEveryTimeHasATaskIDOfItsOwn(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, key := range []string{keyFor(onTime), keyFor(noon), ""} {
		for revision := range 20 {
			seen[TaskID(key, revision)] = true
		}
	}
	if len(seen) != 3*20 {
		t.Errorf("%d ids for 60 tasks", len(seen))
	}
}

func TestAnIDHasOneSpelling(t *testing.T) {
	t.Parallel()
	const canonical = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
	if id, err := ParseID(canonical); err != nil || id != uuid.MustParse(canonical) {
		t.Errorf("%s: %v, %v", canonical, id, err)
	}
	if id, err := ParseID(strings.ToUpper(canonical)); err != nil || id.String() != canonical {
		t.Errorf("in upper case: %v, %v", id, err)
	}
	for name, s := range map[string]string{
		"nothing":              "",
		"braces":               "{" + canonical + "}",
		"braces cut to length": "{" + canonical[:34] + "}",
		"a URN":                "urn:uuid:" + canonical,
		"undashed":             strings.ReplaceAll(canonical, "-", ""),
		"undashed and padded":  strings.ReplaceAll(canonical, "-", "") + "0000",
		"dashes elsewhere":     "6f9619f-f8b86-4d01-b42d-00cf4fc964ff",
		"the nil UUID":         "00000000-0000-0000-0000-000000000000",
		"a leading space":      " " + canonical,
		"a space for a digit":  " " + canonical[1:],
		"a trailing newline":   canonical + "\n",
		"a newline at the end": canonical[:35] + "\n",
		"a NUL":                canonical[:35] + "\x00",
		"a NUL after it":       canonical + "\x00",
		"no hexadecimal":       "6f9619fg-8b86-4d01-b42d-00cf4fc964ff",
		"a wide digit":         canonical[:33] + "４",
		"SQL":                  "' or 1=1 --                         ",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if id, err := ParseID(s); err == nil || id != uuid.Nil {
				t.Errorf("%q was read as %v", s, id)
			}
		})
	}
}

func TestARefSaysWhoseBookingItIs(t *testing.T) {
	t.Parallel()
	got := Ref{TenantID: tenant, BookingID: booking}.String()
	if want := tenant.String() + "/" + booking.String(); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
