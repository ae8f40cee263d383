package followup

import (
	"strings"
	"testing"
	"time"
)

func clock(s string) time.Time {
	t, err := time.Parse("2006-01-02 15:04", s)
	if err != nil {
		panic(err)
	}
	return t
}

func TestTimes_Instant(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, wall, zone, want string }{
		{"Dubai as LAD spells it", "2026-12-01 18:00", "GST", "2026-12-01 14:00"},
		{"lower case", "2026-12-01 18:00", "gst", "2026-12-01 14:00"},
		{"UAE", "2026-12-01 18:00", "UAE", "2026-12-01 14:00"},
		{"UTC", "2026-12-01 18:00", "UTC", "2026-12-01 18:00"},
		{"spaces around it", "2026-12-01 18:00", " GMT ", "2026-12-01 18:00"},
		// PostgreSQL reads AST as −4 and IST as +2.
		{"AST is Arabia", "2026-12-01 18:00", "AST", "2026-12-01 14:00"},
		{"IST is India", "2026-12-01 18:00", "IST", "2026-12-01 12:30"},
		{"JST", "2026-12-01 18:00", "JST", "2026-12-01 09:00"},
		{"CET has no summer time", "2026-07-01 18:00", "CET", "2026-07-01 17:00"},
		{"BST", "2026-07-01 18:00", "BST", "2026-07-01 17:00"},
		{"EST has no summer time", "2026-07-01 18:00", "EST", "2026-07-01 23:00"},
		{"CST", "2026-07-01 18:00", "CST", "2026-07-02 00:00"},
		{"MST", "2026-07-01 18:00", "MST", "2026-07-02 01:00"},
		{"PST", "2026-07-01 18:00", "PST", "2026-07-02 02:00"},
		{"IANA", "2026-07-01 18:00", "America/New_York", "2026-07-01 22:00"},
		{"IANA in lower case", "2026-07-01 18:00", "america/new_york", "2026-07-01 22:00"},
		{"IANA in capitals", "2026-07-01 18:00", "AMERICA/PORT_OF_SPAIN", "2026-07-01 22:00"},
		{"an offset", "2026-07-01 18:00", "+05:45", "2026-07-01 12:15"},
		{"a skipped hour", "2026-03-29 02:30", "Europe/Berlin", "2026-03-29 01:30"},
		{"the last minute before it", "2026-03-29 01:59", "Europe/Berlin", "2026-03-29 00:59"},
		{"the first minute after it", "2026-03-29 03:00", "Europe/Berlin", "2026-03-29 01:00"},
		{"a repeated hour is its first", "2026-10-25 02:30", "Europe/Berlin", "2026-10-25 00:30"},
		{"after the repeated hour", "2026-10-25 03:00", "Europe/Berlin", "2026-10-25 02:00"},
		{"a skipped day", "2011-12-30 12:00", "Pacific/Apia", "2011-12-30 22:00"},
		{"half an hour of summer time", "2026-04-05 01:45", "Australia/Lord_Howe", "2026-04-04 14:45"},

		{"no zone", "2026-12-01 18:00", "", ""},
		{"an unknown abbreviation", "2026-12-01 18:00", "XYZ", ""},
		{"an offset of two meanings", "2026-12-01 18:00", "GST+4", ""},
		{"this machine's zone", "2026-12-01 18:00", "Local", ""},
		{"a file", "2026-12-01 18:00", "../../etc/passwd", ""},
		{"not ASCII", "2026-12-01 18:00", "Ásia/Dubaİ", ""},
		{"too long", "2026-12-01 18:00", strings.Repeat("A/", 500), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got := Times{}.Instant(When{Wall: clock(c.wall), Zone: c.zone})
			if c.want == "" {
				if !got.At.IsZero() || !got.Unreadable {
					t.Errorf("%q is read as %+v", c.zone, got)
				}
				return
			}
			if want := clock(c.want); !got.At.Equal(want) || got.Unreadable {
				t.Errorf("%s %s is %s, want %s", c.wall, c.zone, got.At, want)
			}
		})
	}
}

func TestTimes_settings(t *testing.T) {
	t.Parallel()
	means := func(s string) (m TimeMeans) {
		if err := m.UnmarshalText([]byte(s)); err != nil {
			t.Fatal(err)
		}
		return m
	}
	at := When{Wall: clock("2026-12-01 18:00"), Zone: "GST", Source: "Web"}
	for name, c := range map[string]struct {
		times Times
		when  When
		want  string
	}{
		"wall":                  {Times{Means: means("wall")}, at, "2026-12-01 14:00"},
		"instant":               {Times{Means: means("instant")}, at, "2026-12-01 18:00"},
		"a source by exception": {Times{Means: means("wall, web=instant")}, at, "2026-12-01 18:00"},
		"another source":        {Times{Means: means("instant,web=wall")}, at, "2026-12-01 14:00"},
		"an instant needs no zone": {Times{Means: means("instant")}, When{Wall: at.Wall, Zone: "?"},
			"2026-12-01 18:00"},
		"a default zone": {Times{DefaultZone: "Asia/Kolkata"}, When{Wall: at.Wall, Zone: "?"}, "2026-12-01 12:30"},
	} {
		if got := c.times.Instant(c.when).At; !got.Equal(clock(c.want)) {
			t.Errorf("%s: %s", name, got)
		}
	}
	if got := (Times{}).Instant(When{Zone: "GST"}); got != (Instant{}) {
		t.Errorf("no time is %+v", got)
	}
	for _, wrong := range []string{"", "walls", "web=instant", "wall,instant", "wall,=instant", "wall,web=instant,WEB=wall"} {
		if err := new(TimeMeans).UnmarshalText([]byte(wrong)); err == nil {
			t.Errorf("%q was accepted", wrong)
		}
	}
	if err := (Times{DefaultZone: "Mars/Base"}).Validate(); err == nil || !strings.Contains(err.Error(), "FOLLOWUP_DEFAULT_TIMEZONE") {
		t.Errorf("error %v", err)
	}
	rules := map[int32]Times{}
	for _, times := range []Times{{}, {DefaultZone: "Asia/Dubai"}, {Means: means("instant")}, {Means: means("wall,web=instant")}} {
		if twin, twice := rules[times.Rule()]; twice {
			t.Errorf("%+v and %+v have one rule", times, twin)
		}
		rules[times.Rule()] = times
	}
}

func TestTimes_Explain(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		times Times
		when  When
		want  string
	}{
		{Times{}, When{Wall: clock("2026-12-01 18:00"), Zone: "GST"}, "18:00 GST (Asia/Dubai) = 14:00Z"},
		{Times{}, When{Wall: clock("2026-12-01 02:00"), Zone: "Asia/Dubai"}, "02:00 Asia/Dubai = 2026-11-30 22:00Z"},
		{Times{DefaultZone: "Asia/Dubai"}, When{Wall: clock("2026-12-01 18:00"), Zone: "?"},
			`18:00 Asia/Dubai (FOLLOWUP_DEFAULT_TIMEZONE, since "?" cannot be read) = 14:00Z`},
		{Times{Means: TimeMeans{all: true}}, When{Wall: clock("2026-12-01 18:00"), Zone: "GST", Source: "web"},
			`18:00Z, the stored instant (FOLLOWUP_TIME_MEANS, source "web")`},
		{Times{}, When{Wall: clock("2026-12-01 18:00"), Zone: "\x1b[2J"},
			`18:00 in a zone that cannot be read ("?[2J"): set FOLLOWUP_DEFAULT_TIMEZONE, or correct the booking`},
		{Times{}, When{}, "no time"},
	} {
		if got := c.times.Explain(c.when); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}

// A wall clock that LAD would write for an instant is read back as that instant,
// in every zone and at every time of the year.
func FuzzTimes(f *testing.F) {
	f.Add(int64(1_774_746_000), "Europe/Berlin")
	f.Add(int64(1_792_890_000), "Europe/Berlin")
	f.Add(int64(0), "GST")
	f.Fuzz(func(t *testing.T, unix int64, name string) {
		at := time.Unix(unix%100_000_000_000, 0).UTC()
		wall := Times{}.Wall(at, name)
		got := Times{}.Instant(When{Wall: wall, Zone: name})
		if wall.IsZero() {
			return
		}
		again := Times{}.Wall(got.At, name)
		if !again.Equal(wall) || got.At.After(at) {
			t.Errorf("%s in %s is %s, which is read as %s", at, name, wall, got.At)
		}
	})
}

func zoneCases() []planCase {
	lost := func(b *Booking) {
		b.When, b.ScheduledAt = When{Wall: onTime, Zone: "?"}, time.Time{}
	}
	unknown := func(b Booking) Decision {
		d := becomes(RuleNoZone, Failed, UnknownTimezone)(b)
		d.Next.LastError = "the booking's timezone cannot be read, so nobody knows when to call"
		return d
	}
	since := standard()
	since.ActiveSince = onTime.Add(time.Hour)
	return []planCase{
		{"a zone that cannot be read ends a new booking", standard(), booked(onTime, fresh(), lost), unknown},
		{"a zone that cannot be read ends a scheduled one", standard(), booked(onTime, scheduled(onTime), lost), unknown},
		{"that end stays", standard(), booked(onTime, at(state(onTime, Failed, UnknownTimezone), withoutKey), lost), nothing(RuleNoZone)},
		{"a zone that cannot be read ends a revived one", standard(), booked(onTime, state(onTime, Cancelled, BookingCancelled), lost), unknown},
		{"a call that was made stays made", standard(), booked(onTime, state(onTime, Executed, ""), lost), nothing(RuleNoZone)},
		{"a zone that cannot be read is none of a historic booking's business", since, booked(onTime, fresh(), lost), nothing(RuleHistoric)},
		{"a zone that can be read again is armed", standard(),
			booked(onTime, at(state(onTime, Failed, UnknownTimezone), withoutKey)), armsAnew(RuleArm, noon)},
		{"what the sweep finds a kept row by is brought up to date", standard(),
			booked(onTime, state(onTime, Executed, ""), func(b *Booking) { b.Stale = true }),
			func(b Booking) Decision { return Decision{Effect: Update, Rule: RuleCalled, Next: b.Task} }},
		{"what LAD no longer means keeps its old time, by which it is found once it is revived", standard(),
			booked(onTime, state(onTime, Failed, Rejected), deleted, func(b *Booking) { b.Stale = true }), nothing(RuleNotLive)},
		{"a claim is left alone", standard(), booked(onTime, claimed(onTime, noon), func(b *Booking) { b.Stale = true }), nothing(RuleClaimed)},
		{"what is no follow-up is left alone", standard(),
			booked(onTime, fresh(), ofType("meeting"), func(b *Booking) { b.Stale = true }), nothing(RuleNoFollowUp)},
		{"LAD's call under the key of an unshifted time counts", standard(),
			booked(onTime, Task{Status: Executed, Key: keyFor(onTime.Add(4 * time.Hour))},
				func(b *Booking) { b.When = When{Wall: onTime.Add(4 * time.Hour), Zone: "GST"} }), nothing(RuleSettled)},
		{"LAD's plan under such a key is armed anew", standard(),
			booked(onTime, Task{Status: Scheduled, Key: keyFor(onTime.Add(4 * time.Hour))},
				func(b *Booking) { b.When = When{Wall: onTime.Add(4 * time.Hour), Zone: "GST"} }), armsAnew(RuleArm, noon)},
	}
}
