package lad

import (
	"errors"
	"strings"
	"time"
	_ "time/tzdata" // a machine need not have zones of its own
)

// defaultZone is LAD's default for the column timezone.
const defaultZone = "GST"

// writer is one of the two programs of LAD's that insert bookings.
type writer struct {
	source string // its booking_source
	layout string // of scheduled_at
}

var (
	python = writer{"voice_agent", "2006-01-02 15:04:05.999999"}
	node   = writer{"user_ui", "2006-01-02T15:04:05.999999Z"} // the Z is text: it is no UTC
)

func parseWriter(s string) (writer, error) {
	switch s {
	case "python":
		return python, nil
	case "node":
		return node, nil
	}
	return writer{}, errors.New("this is neither python nor node")
}

// location reads a zone.
func location(zone string) (*time.Location, bool) {
	switch strings.ToUpper(zone) {
	case "GST":
		zone = "Asia/Dubai"
	case "UTC":
		return time.UTC, true
	}
	if !strings.Contains(zone, "/") {
		return nil, false
	}
	l, err := time.LoadLocation(zone)
	return l, err == nil
}

// wallClock is how w writes an instant in a zone.
func (w writer) wallClock(at time.Time, zone *string) (string, error) {
	if zone != nil {
		if l, ok := location(*zone); ok {
			return at.In(l).Format(w.layout), nil
		}
	}
	return "", invalid("timezone", errors.New("the stand-in reads GST, UTC and IANA names: for another one, give wall instead of scheduledAt"))
}

// readBack gives a booking its ScheduledAt, if there is one, and its Wall the form of a request.
func (b *Booking) readBack() {
	wall, err := time.Parse("2006-01-02 15:04:05.999999", b.Wall)
	if err != nil {
		return // infinity, or a year that LAD cannot mean
	}
	b.Wall = strings.Replace(b.Wall, " ", "T", 1)
	if b.Timezone == nil {
		return
	}
	if l, ok := location(*b.Timezone); ok {
		at := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), wall.Nanosecond(), l).UTC()
		b.ScheduledAt = &at
	}
}
