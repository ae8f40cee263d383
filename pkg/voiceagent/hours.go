package voiceagent

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"lad.internal/followup/pkg/followup"
)

const (
	// closedFor is when a call is tried again if business hours cannot be read, or if
	// they say that the voice agent is open.
	closedFor = time.Hour
	// justOpened is how soon after their beginning "closed" is taken for clocks that
	// differ, and settling how long to wait then.
	justOpened = 5 * time.Minute
	settling   = time.Minute
)

// opensAt is when business hours {start, end, timezone, allowed_days} next begin.
func opensAt(v any, now time.Time) time.Time {
	now = now.UTC()
	unclear := now.Add(closedFor).Truncate(time.Second)
	hours, _ := v.(map[string]any)
	zone, _ := hours["timezone"].(string)
	wall := followup.Times{}.Wall(now, zone)
	start, startOK := minuteOfDay(hours["start"])
	end, endOK := minuteOfDay(hours["end"])
	days, daysOK := weekdays(hours["allowed_days"])
	if wall.IsZero() || !startOK || !endOK || !daysOK {
		return unclear
	}
	open := time.Duration((end-start+24*60-1)%(24*60)+1) * time.Minute // the same minute: all day
	for day := -1; day <= 7; day++ {
		local := time.Date(wall.Year(), wall.Month(), wall.Day()+day, 0, start, 0, 0, time.UTC)
		begins := followup.Times{}.Instant(followup.When{Wall: local, Zone: zone}).At
		switch {
		case !slices.Contains(days, local.Weekday()):
		case begins.After(now):
			return begins
		case now.Before(begins.Add(justOpened)):
			return now.Add(settling).Truncate(time.Second)
		case now.Before(begins.Add(open)):
			return unclear
		}
	}
	return unclear
}

// minuteOfDay reads "08:00", "8:00:00", "8" or 8.
func minuteOfDay(v any) (minute int, ok bool) {
	var text string
	switch v := v.(type) {
	case string:
		text = strings.TrimSpace(v)
	case json.Number:
		text = v.String()
	}
	parts := strings.Split(text, ":")
	hour, err := strconv.Atoi(parts[0])
	if err == nil && len(parts) > 1 {
		minute, err = strconv.Atoi(parts[1])
	}
	minute += hour * 60
	return minute, err == nil && len(parts) <= 3 && hour >= 0 && minute >= 0 && minute <= 24*60
}

// weekdays reads a list, or a text with commas, of names in any case ("mon",
// "Monday") and of numbers of which 0 and 7 are Sunday, as JavaScript and ISO 8601
// count. Without one, or with an empty one, every day counts.
func weekdays(v any) (days []time.Weekday, ok bool) {
	var list []any
	switch v := v.(type) {
	case nil:
	case []any:
		list = v
	case string:
		for part := range strings.SplitSeq(v, ",") {
			list = append(list, part)
		}
	default:
		return nil, false
	}
	for _, item := range list {
		day, ok := weekday(item)
		if !ok {
			return nil, false
		}
		days = append(days, day)
	}
	if len(days) == 0 {
		for day := time.Sunday; day <= time.Saturday; day++ {
			days = append(days, day)
		}
	}
	return days, true
}

func weekday(v any) (time.Weekday, bool) {
	text := strings.TrimSpace(fmt.Sprint(v))
	if number, err := strconv.Atoi(text); err == nil {
		return time.Weekday(number % 7), number >= 0 && number <= 7
	}
	for day := time.Sunday; day <= time.Saturday; day++ {
		if name := strings.ToLower(day.String()); len(text) >= 3 && strings.HasPrefix(name, strings.ToLower(text)) {
			return day, true
		}
	}
	return 0, false
}
