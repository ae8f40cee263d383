package voiceagent

import (
	"strings"
	"testing"
	"time"
)

func TestOpensAt(t *testing.T) {
	t.Parallel()
	const usual = `{"start":"08:00","end":"22:00","timezone":"Asia/Dubai","allowed_days":["monday","tuesday","wednesday","thursday","friday"]}`
	with := func(old, replacement string) string { return strings.Replace(usual, old, replacement, 1) }
	// 2026-03-06 is a Friday. Dubai is four hours ahead of UTC.
	cases := map[string]struct{ hours, now, want string }{
		"before opening":      {usual, "2026-03-06T03:00:00Z", "2026-03-06T04:00:00Z"},
		"a second before":     {usual, "2026-03-06T03:59:59Z", "2026-03-06T04:00:00Z"},
		"after closing":       {usual, "2026-03-05T18:00:00Z", "2026-03-06T04:00:00Z"},
		"weekend":             {usual, "2026-03-06T18:00:00Z", "2026-03-09T04:00:00Z"},
		"clocks differ":       {usual, "2026-03-06T04:00:01Z", "2026-03-06T04:01:01Z"},
		"open, says itself":   {usual, "2026-03-06T12:00:00Z", "2026-03-06T13:00:00Z"},
		"LAD's zone":          {with("Asia/Dubai", "GST"), "2026-03-06T03:00:00Z", "2026-03-06T04:00:00Z"},
		"hours as numbers":    {with(`"08:00","end":"22:00"`, `8,"end":22`), "2026-03-06T03:00:00Z", "2026-03-06T04:00:00Z"},
		"hours with seconds":  {with("08:00", "8:30:00"), "2026-03-06T03:00:00Z", "2026-03-06T04:30:00Z"},
		"days short":          {with(`["monday","tuesday","wednesday","thursday","friday"]`, `["SUN"]`), "2026-03-06T03:00:00Z", "2026-03-08T04:00:00Z"},
		"days as numbers":     {with(`["monday","tuesday","wednesday","thursday","friday"]`, `[0]`), "2026-03-06T03:00:00Z", "2026-03-08T04:00:00Z"},
		"Sunday as 7":         {with(`["monday","tuesday","wednesday","thursday","friday"]`, `[7,1]`), "2026-03-06T03:00:00Z", "2026-03-08T04:00:00Z"},
		"days as text":        {with(`["monday","tuesday","wednesday","thursday","friday"]`, `"Saturday, Sunday"`), "2026-03-06T03:00:00Z", "2026-03-07T04:00:00Z"},
		"same day next week":  {with(`["monday","tuesday","wednesday","thursday","friday"]`, `["friday"]`), "2026-03-06T19:00:00Z", "2026-03-13T04:00:00Z"},
		"no days":             {with(`,"allowed_days":["monday","tuesday","wednesday","thursday","friday"]`, ``), "2026-03-06T19:00:00Z", "2026-03-07T04:00:00Z"},
		"over midnight":       {with(`"08:00","end":"22:00"`, `"20:00","end":"02:00"`), "2026-03-05T23:00:00Z", "2026-03-06T16:00:00Z"},
		"open over midnight":  {with(`"08:00","end":"22:00"`, `"20:00","end":"02:00"`), "2026-03-05T21:00:00Z", "2026-03-05T22:00:00Z"},
		"all day":             {with(`"08:00","end":"22:00"`, `0,"end":24`), "2026-03-07T12:00:00Z", "2026-03-08T20:00:00Z"},
		"summer time":         {with("Asia/Dubai", "Europe/Berlin"), "2026-03-27T22:00:00Z", "2026-03-30T06:00:00Z"},
		"null":                {`null`, "2026-03-06T03:00:00.5Z", "2026-03-06T04:00:00Z"},
		"text":                {`"8 to 22"`, "2026-03-06T03:10:00Z", "2026-03-06T04:10:00Z"},
		"no zone":             {with("Asia/Dubai", ""), "2026-03-06T03:10:00Z", "2026-03-06T04:10:00Z"},
		"unknown zone":        {with("Asia/Dubai", "Mars/Olympus"), "2026-03-06T03:10:00Z", "2026-03-06T04:10:00Z"},
		"unreadable start":    {with("08:00", "eight"), "2026-03-06T03:10:00Z", "2026-03-06T04:10:00Z"},
		"start out of range":  {with("08:00", "25:00"), "2026-03-06T03:10:00Z", "2026-03-06T04:10:00Z"},
		"unreadable minutes":  {with("08:00", "08:xx"), "2026-03-06T03:10:00Z", "2026-03-06T04:10:00Z"},
		"no end":              {with(`"end":"22:00",`, ``), "2026-03-06T03:10:00Z", "2026-03-06T04:10:00Z"},
		"unreadable day":      {with("monday", "m"), "2026-03-06T03:10:00Z", "2026-03-06T04:10:00Z"},
		"day out of range":    {with(`"monday"`, `8`), "2026-03-06T03:10:00Z", "2026-03-06T04:10:00Z"},
		"days in another way": {with(`["monday","tuesday","wednesday","thursday","friday"]`, `{"mon":true}`), "2026-03-06T03:10:00Z", "2026-03-06T04:10:00Z"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			now, err := time.Parse(time.RFC3339Nano, tc.now)
			if err != nil {
				t.Fatal(err)
			}
			hours := parseAnswer([]byte(`{"business_hours":` + tc.hours + `}`)).hours
			if got := opensAt(hours, now).Format(time.RFC3339); got != tc.want {
				t.Errorf("got %s, want %s", got, tc.want)
			}
		})
	}
}

// FuzzOpensAt: whatever the hours, the next try is later than now and within eight days.
func FuzzOpensAt(f *testing.F) {
	f.Add(`{"start":"08:00","end":"22:00","timezone":"Asia/Dubai","allowed_days":["monday"]}`, int64(1772766000))
	f.Add(`{"start":24,"end":0,"timezone":"GST","allowed_days":"0,7"}`, int64(0))
	f.Add(`{"start":"0:1440","end":-1,"timezone":"Europe/Berlin"}`, int64(1<<33))
	f.Fuzz(func(t *testing.T, hours string, seconds int64) {
		now := time.Unix(seconds%(1<<36), 0)
		wait := opensAt(parseAnswer([]byte(`{"business_hours":`+hours+`}`)).hours, now).Sub(now)
		if wait <= 0 || wait > 8*24*time.Hour+time.Hour {
			t.Errorf("%s: the next try is in %v", hours, wait)
		}
	})
}
