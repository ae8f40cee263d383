package followup

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
)

// FuzzParseID: an id is read from its canonical form, in either case, and from
// no other; two spellings of one id are one id.
func FuzzParseID(f *testing.F) {
	const id = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
	for _, seed := range []string{
		id, strings.ToUpper(id), "{" + id + "}", "urn:uuid:" + id, strings.ReplaceAll(id, "-", ""), " " + id[1:], id[:35] + "\x00", id[:35] + "\xff", id[:35] + "ſ",
		uuid.Nil.String(), "", "6f9619ff8b86-4d01-b42d-00cf4fc964ff0-", "+4915112345678%d%s", strings.Repeat("0", 36), strings.Repeat("-", 36), "６f9619ff-8b86-4d01-b42d-00cf4fc9",
	} {
		f.Add(seed)
	}
	canonical := regexp.MustCompile(`^[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{12}$`)
	f.Fuzz(func(t *testing.T, s string) {
		id, err := ParseID(s)
		if want := canonical.MatchString(s) && strings.Trim(s, "0-") != ""; (err == nil) != want {
			t.Fatalf("%q: %v, want it accepted: %t", s, err, want)
		}
		if err != nil {
			if text := err.Error(); id != uuid.Nil || len(s) > 6 && strings.Contains(text, s) || strings.Contains(text, "%!") {
				t.Errorf("%q: %s, %s", s, id, text)
			}
			return
		}
		if id.String() != strings.ToLower(s) {
			t.Errorf("%q is %s", s, id)
		}
		for _, spelling := range []string{id.String(), strings.ToUpper(s)} {
			if again, err := ParseID(spelling); err != nil || again != id {
				t.Errorf("%q is %s, and %q is %s, %v", s, id, spelling, again, err)
			}
		}
	})
}

// FuzzPause: the setting is everybody, nobody or a list of tenants, and a list
// that cannot be read is never nobody.
func FuzzPause(f *testing.F) {
	const id = "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"
	for _, seed := range []string{"true", "FALSE", "", " ", id, id + ", " + strings.ToUpper(id), id + ",", ",", "{" + id + "}", "yes", "1", "true,false", "%s", "\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p := Pause{All: true}
		err := p.UnmarshalText([]byte(s))
		switch word := strings.ToLower(strings.TrimSpace(s)); {
		case err != nil:
			if word == "true" || word == "false" || strings.Contains(err.Error(), "%!") {
				t.Errorf("%q: %v", s, err)
			}
		case p.All:
			if word != "true" || len(p.Tenants) != 0 {
				t.Errorf("%q is %+v", s, p)
			}
		case len(p.Tenants) == 0:
			if word != "" && word != "false" {
				t.Errorf("%q pauses nobody", s)
			}
		default:
			if len(p.Tenants) != strings.Count(s, ",")+1 {
				t.Errorf("%q is %+v", s, p)
			}
			for _, tenant := range p.Tenants {
				if !strings.Contains(strings.ToLower(s), tenant.String()) || !p.Covers(tenant) {
					t.Errorf("%q is %+v", s, p)
				}
			}
		}
	})
}

// FuzzKind: the spellings of a type are one type, however it is written down.
func FuzzKind(f *testing.F) {
	for _, seed := range []string{"follow_up", "Follow-Up", "FOLLOW UP", "İ", "ſ", "K", "\xff_", "-_ "} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		kind := Kind(s)
		if strings.ContainsAny(kind, "-_ ") || Kind(kind) != kind || Kind("-"+s+"_ ") != kind {
			t.Errorf("%q is %q, which is %q", s, kind, Kind(kind))
		}
	})
}

// FuzzKey: two times, to the millisecond, have two keys, and one has one.
func FuzzKey(f *testing.F) {
	f.Add(int64(0), int64(1))
	f.Add(int64(1_700_000_000_000), int64(-62_135_596_800_001))
	f.Add(int64(253_402_300_799_999), int64(253_402_300_800_000)) // the last of year 9999, and the first of 10000
	ref := Ref{TenantID: uuid.MustParse("6f9619ff-8b86-4d01-b42d-00cf4fc964ff"), BookingID: uuid.MustParse("c9bf9e57-1685-4c89-bafb-ff5af830be8a")}
	f.Fuzz(func(t *testing.T, a, b int64) {
		const limit = 8_640_000_000_000_000 // ECMA-262: the last time that JavaScript has
		a, b = a%limit, b%limit
		key := func(ms int64, zone *time.Location) string {
			return Booking{Ref: ref, ScheduledAt: time.UnixMilli(ms).In(zone)}.Key()
		}
		if (key(a, time.UTC) == key(b, time.UTC)) != (a == b) && key(a, time.UTC) != "" && key(b, time.UTC) != "" {
			t.Errorf("%d and %d have the keys %q and %q", a, b, key(a, time.UTC), key(b, time.UTC))
		}
		if key(a, time.UTC) != key(a, time.FixedZone("", 5*3600+1800)) {
			t.Errorf("%d has two keys", a)
		}
	})
}
