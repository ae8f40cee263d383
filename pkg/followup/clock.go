package followup

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	_ "time/tzdata" // the functions' image need not have zones of its own
)

// When is the time of a booking as LAD has written it.
type When struct {
	// Wall is the clock reading of scheduled_at, as if it were UTC; zero: none,
	// or an infinite one. In a column with time zone it is the UTC reading.
	Wall time.Time
	// Zone is the row's timezone, such as GST or Asia/Dubai.
	Zone string
	// Source is the row's booking_source: who wrote it.
	Source string
}

// Times says how a When is read. Its zero value reads every time as the wall
// clock of the row's timezone, which is what both of LAD's writers mean.
type Times struct {
	Means TimeMeans `env:"FOLLOWUP_TIME_MEANS"`
	// DefaultZone is for rows whose timezone cannot be read; "" leaves them to a
	// person.
	DefaultZone string `env:"FOLLOWUP_DEFAULT_TIMEZONE"`
}

// Instant is the moment that a When means.
type Instant struct {
	At time.Time // UTC; zero if the row has no time, or a zone that cannot be read
	// Zone is what the wall clock was read in: an IANA name, an offset such as
	// UTC-05:00, or "" if the stored moment itself counts.
	Zone string
	// Unreadable: the row has a time and no zone to read it in.
	Unreadable bool
	// Defaulted: Zone is DefaultZone, for want of a readable one.
	Defaulted bool
}

// Validate refuses a default zone that cannot be read itself.
func (t Times) Validate() error {
	if t.DefaultZone == "" {
		return nil
	}
	if _, ok := zone(t.DefaultZone); !ok {
		return errors.New("FOLLOWUP_DEFAULT_TIMEZONE is no zone: set it to an IANA name, such as Asia/Dubai, or leave it unset")
	}
	return nil
}

// Instant reads w. A wall clock that a change to summer time skips counts from
// the offset before the change (02:30 is rung at what the clock then calls
// 03:30); one that a change back repeats is the first of the two.
func (t Times) Instant(w When) Instant {
	if w.Wall.IsZero() {
		return Instant{}
	}
	if t.Means.instant(w.Source) {
		return Instant{At: w.Wall.UTC()}
	}
	z, ok := zone(w.Zone)
	defaulted := false
	if !ok {
		if z, ok = zone(t.DefaultZone); !ok {
			return Instant{Unreadable: true}
		}
		defaulted = true
	}
	return Instant{At: inZone(w.Wall, z), Zone: z.String(), Defaulted: defaulted}
}

// Wall is the clock reading by which LAD would write an instant in a zone: what
// Instant reads back. It is zero if the zone cannot be read.
func (t Times) Wall(at time.Time, zoneName string) time.Time {
	z, ok := zone(zoneName)
	if !ok {
		return time.Time{}
	}
	y, m, d := at.In(z).Date()
	local := at.In(z)
	return time.Date(y, m, d, local.Hour(), local.Minute(), local.Second(), local.Nanosecond(), time.UTC)
}

// Explain says how a time came about: "18:00 GST (Asia/Dubai) = 14:00Z".
func (t Times) Explain(w When) string {
	i := t.Instant(w)
	wall := w.Wall.Format(clockForm(w.Wall))
	switch {
	case w.Wall.IsZero():
		return "no time"
	case i.Unreadable:
		return fmt.Sprintf("%s in a zone that cannot be read (%q): set FOLLOWUP_DEFAULT_TIMEZONE, or correct the booking", wall, printable(w.Zone))
	case i.Zone == "":
		return fmt.Sprintf("%sZ, the stored instant (FOLLOWUP_TIME_MEANS, source %q)", wall, printable(w.Source))
	}
	name := printable(w.Zone)
	if i.Defaulted {
		name = fmt.Sprintf("%s (FOLLOWUP_DEFAULT_TIMEZONE, since %q cannot be read)", i.Zone, name)
	} else if name != i.Zone {
		name += " (" + i.Zone + ")"
	}
	at := i.At.Format(clockForm(i.At))
	if i.At.YearDay() != w.Wall.YearDay() || i.At.Year() != w.Wall.Year() {
		at = year(i.At) + i.At.Format("-01-02 "+clockForm(i.At))
	}
	return fmt.Sprintf("%s %s = %sZ", wall, name, at)
}

// Written is the clock reading with its date, to the minute.
func (w When) Written() string { return year(w.Wall) + w.Wall.Format("-01-02 15:04") }

func clockForm(t time.Time) string {
	if t.Second() != 0 || t.Nanosecond() != 0 {
		return "15:04:05"
	}
	return "15:04"
}

// printable keeps what LAD's column may hold out of a terminal's way.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, s[:min(len(s), 64)])
}

// zoneTable is the version of ladZones: rows are read again after a change.
const zoneTable = 1

// Rule identifies how times are read. The database keeps it with each instant
// that was computed, so that a sweep finds what another setting has read.
func (t Times) Rule() int32 {
	h := fnv.New32a()
	_, _ = fmt.Fprintf(h, "%d %v %s", zoneTable, t.Means, t.DefaultZone) // a hash never fails to write
	return int32(h.Sum32())                                              //nolint:gosec // every bit pattern will do
}

// ladZones are LAD's own spellings, in lower case. PostgreSQL reads AST as −4,
// IST as +2 and GST not at all, so it is never asked.
var ladZones = sync.OnceValue(func() map[string]*time.Location {
	fixed := func(name string, hours int) *time.Location { return time.FixedZone(name, hours*3600) }
	return map[string]*time.Location{
		"utc": time.UTC, "gmt": time.UTC, "z": time.UTC,
		"gst": named("Asia/Dubai"), "uae": named("Asia/Dubai"), "ast": fixed("UTC+04:00", 4),
		"ist": named("Asia/Kolkata"), "jst": named("Asia/Tokyo"),
		"cet": fixed("UTC+01:00", 1), "bst": fixed("UTC+01:00", 1),
		"est": fixed("UTC-05:00", -5), "cst": fixed("UTC-06:00", -6), "mst": fixed("UTC-07:00", -7), "pst": fixed("UTC-08:00", -8),
	}
})

func named(name string) *time.Location {
	z, err := time.LoadLocation(name)
	if err != nil {
		panic("time/tzdata has no " + name) // it is linked in
	}
	return z
}

// zones caches IANA names: there are some 600, and no other is kept.
var zones sync.Map

// zone reads a timezone as LAD's rows have it: one of LAD's spellings, an IANA
// name with a region (Asia/Dubai), in any case, or an ISO 8601 offset (+04:00).
// UTC+4 and its like are not read: POSIX means the opposite by them.
func zone(name string) (*time.Location, bool) {
	name = strings.TrimSpace(name)
	if z, ok := ladZones()[strings.ToLower(name)]; ok {
		return z, true
	}
	if z, ok := zones.Load(name); ok {
		return z.(*time.Location), true
	}
	if t, err := time.Parse("-07:00", name); err == nil {
		_, offset := t.Zone()
		return time.FixedZone("UTC"+name, offset), true
	}
	if !strings.Contains(name, "/") || len(name) > 64 {
		return nil, false
	}
	for _, spelling := range []string{name, canonicalCase(name)} {
		if z, err := time.LoadLocation(spelling); err == nil {
			zones.Store(name, z)
			return z, true
		}
	}
	return nil, false
}

// canonicalCase writes asia/dubai as Asia/Dubai, and AMERICA/PORT_OF_SPAIN as
// America/Port_of_Spain.
func canonicalCase(name string) string {
	b := []byte(strings.ToLower(name))
	for i := range b {
		if (i == 0 || strings.IndexByte("/_-", b[i-1]) >= 0) && b[i] >= 'a' && b[i] <= 'z' {
			b[i] -= 'a' - 'A'
		}
	}
	return strings.NewReplacer("_Of_", "_of_", "_Es_", "_es_", "-Au-", "-au-").Replace(string(b))
}

// inZone is the instant of a wall clock. time.Date leaves open which of two
// offsets it takes around a change, so both are tried.
func inZone(wall time.Time, z *time.Location) time.Time {
	wall = wall.UTC()
	offset := func(at time.Time) time.Duration {
		_, seconds := at.In(z).Zone()
		return time.Duration(seconds) * time.Second
	}
	guess := wall.Add(-offset(wall))
	before, after := offset(guess.Add(-24*time.Hour)), offset(guess.Add(24*time.Hour))
	if at := wall.Add(-before); offset(at) == before {
		return at
	}
	if at := wall.Add(-after); offset(at) == after {
		return at
	}
	return wall.Add(-before) // skipped
}

// TimeMeans says for which booking sources the stored moment itself counts
// instead of the wall clock. Its zero value: for none.
type TimeMeans struct {
	all     bool            // instant, where a source is not named
	sources map[string]bool // in lower case; true: instant
}

// UnmarshalText reads "wall", "instant", or either with exceptions by source, as
// "wall,web=instant".
func (m *TimeMeans) UnmarshalText(text []byte) error {
	*m = TimeMeans{sources: map[string]bool{}}
	for i, part := range strings.Split(string(text), ",") {
		source, meaning, exception := strings.Cut(strings.TrimSpace(part), "=")
		if !exception {
			source, meaning = "", source
		}
		source, meaning = strings.ToLower(strings.TrimSpace(source)), strings.ToLower(strings.TrimSpace(meaning))
		_, twice := m.sources[source]
		if meaning != "wall" && meaning != "instant" || exception != (i > 0) || exception && (source == "" || twice) {
			return fmt.Errorf("want wall or instant, then exceptions by booking_source, as wall,web=instant")
		}
		if !exception {
			m.all = meaning == "instant"
			continue
		}
		m.sources[source] = meaning == "instant"
	}
	return nil
}

// String is the form that UnmarshalText reads, sources in order.
func (m TimeMeans) String() string {
	meaning := map[bool]string{false: "wall", true: "instant"}
	s := meaning[m.all]
	for _, source := range slices.Sorted(maps.Keys(m.sources)) {
		s += "," + source + "=" + meaning[m.sources[source]]
	}
	return s
}

func (m TimeMeans) instant(source string) bool {
	if instant, ok := m.sources[strings.ToLower(strings.TrimSpace(source))]; ok {
		return instant
	}
	return m.all
}
