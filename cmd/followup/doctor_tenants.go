package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/operatordb"
)

// tenantView is what a person should confirm of a tenant before it goes live.
type tenantView struct {
	TenantID string        `json:"tenantId"`
	Agent    *agentView    `json:"agent"` // of a booking that names none; null with an error
	Times    []readingView `json:"times"`
	// Misspelt are types of bookings to come that are none of FOLLOWUP_BOOKING_TYPES, and
	// all but spelt like one.
	Misspelt []operatordb.Lookalike `json:"misspeltTypes,omitempty"`
	Error    string                 `json:"error,omitempty"`
}

// readingView is how the times of one writer of LAD's are read in one zone.
type readingView struct {
	Source   string     `json:"bookingSource"`
	Zone     string     `json:"timezone"`
	Bookings int        `json:"bookings"`
	Next     []nextView `json:"next"`
	Readable bool       `json:"readable"` // as the settings are
}

// nextView is one of the next bookings, in both readings.
type nextView struct {
	Written string           `json:"written"`     // the clock reading in LAD's column
	Wall    *followup.Moment `json:"wallClock"`   // the call, if that is the zone's wall clock; null if the zone cannot be read
	Stored  followup.Moment  `json:"instant"`     // the call, if that is UTC
	Chosen  string           `json:"chosen"`      // wall, instant or none
	How     string           `json:"explanation"` // of the chosen one
}

// askTenants asks about each tenant within the timeout, and makes three checks of it.
func (d *doctor) askTenants(ctx context.Context, timeout time.Duration) (agents, times, types finding, tenants []tenantView) {
	if d.schemas == nil || d.rules == nil {
		skipped := skips(unreachable + ", or the rules are wrong")
		return skipped, skipped, skipped, nil
	}
	const do = "see what `followup doctor` says of the database and the migrations"
	bounded, cancel := context.WithTimeout(ctx, timeout)
	ids, err := d.db.Tenants(bounded)
	cancel()
	if err != nil {
		skipped := skips("the tenants could not be listed")
		return fails(do, "%s", oneLine(err)), skipped, skipped, nil
	}
	tenants = make([]tenantView, 0, len(ids))
	var broken, agentless, unreadable, misspelt []string
	for _, id := range ids {
		bounded, cancel := context.WithTimeout(ctx, timeout)
		t, err := d.askTenant(bounded, id)
		cancel()
		if err != nil {
			t.Error = oneLine(err)
			broken = append(broken, t.Error)
		} else if t.Agent.ID == nil {
			agentless = append(agentless, t.TenantID)
		}
		for _, r := range t.Times {
			if !r.Readable {
				unreadable = append(unreadable, fmt.Sprintf("%s: %s in %q", t.TenantID, cli.Plural(r.Bookings, "booking"), r.Zone))
			}
		}
		for _, m := range t.Misspelt {
			misspelt = append(misspelt, fmt.Sprintf("%s: %s of type %q", t.TenantID, cli.Plural(m.Count, "booking"), m.Type))
		}
		tenants = append(tenants, t)
	}
	types = passes("no booking to come has a type that is all but a follow-up's")
	agents = passes("%s; their agents and numbers are listed below", cli.Plural(len(ids), "tenant"))
	times = passes("how times are read is listed below, for a person to confirm (FOLLOWUP_TIME_MEANS is %s)", d.database.Times.Means)
	switch {
	case len(broken) > 0:
		agents = fails(do, "%s", strings.Join(broken, ". "))
	case len(agentless) > 0:
		agents = warns("give each an agent in LAD, or set DEFAULT_FOLLOW_UP_AGENT_ID to an agent of no tenant",
			"without a voice agent, so that a call is made only if its booking names one: %s", strings.Join(agentless, ", "))
	}
	if len(unreadable) > 0 {
		times = warns("correct the timezone in LAD, or set FOLLOWUP_DEFAULT_TIMEZONE",
			"timezones that cannot be read, so that these are not called: %s", strings.Join(unreadable, ". "))
	}
	if len(misspelt) > 0 {
		types = warns("correct the type in LAD, or add it to FOLLOWUP_BOOKING_TYPES",
			"types that look like a follow-up's and are none, so that these are not called: %s", strings.Join(misspelt, ". "))
	}
	return agents, times, types, tenants
}

func (d *doctor) askTenant(ctx context.Context, id uuid.UUID) (tenantView, error) {
	t := tenantView{TenantID: id.String(), Times: []readingView{}}
	agents, err := d.db.Agents(ctx, id)
	if err != nil {
		return t, err
	}
	agent := agentOf(d.rules.Agent(followup.Booking{}, agents))
	t.Agent = &agent
	if t.Misspelt, err = d.db.Lookalikes(ctx, id, *d.rules); err != nil {
		return t, err
	}
	readings, err := d.db.Readings(ctx, id, *d.rules)
	if err != nil {
		return t, err
	}
	for _, r := range readings {
		view := readingView{Source: r.Source, Zone: r.Zone, Bookings: r.Count, Readable: true}
		for _, wall := range r.Walls {
			next := nextOf(d.database.Times, followup.When{Wall: wall, Zone: r.Zone, Source: r.Source})
			view.Next, view.Readable = append(view.Next, next), next.Chosen != "none"
		}
		t.Times = append(t.Times, view)
	}
	return t, nil
}

func nextOf(times followup.Times, w followup.When) nextView {
	asWall := followup.Times{DefaultZone: times.DefaultZone}.Instant(w)
	n := nextView{Written: w.Written(), Wall: momentOrNull(asWall.At), Stored: followup.Moment{Time: w.Wall}, Chosen: "wall", How: times.Explain(w)}
	switch chosen := times.Instant(w); {
	case chosen.Unreadable:
		n.Chosen = "none"
	case chosen.Zone == "":
		n.Chosen = "instant"
	}
	return n
}

func printTenants(w io.Writer, tenants []tenantView) error {
	fmt.Fprintln(w, "\nWho calls, if the booking names no agent:")
	var agents, times [][]string
	for _, t := range tenants {
		if t.Agent == nil {
			agents = append(agents, []string{t.TenantID, "?", "-", t.Error})
			continue
		}
		agents = append(agents, append([]string{t.TenantID}, t.Agent.cells()...))
		for _, r := range t.Times {
			for _, n := range r.Next {
				wall := "cannot be read"
				if n.Wall != nil {
					wall = moment(n.Wall.Time)
				}
				times = append(times, []string{t.TenantID, orDash(r.Source), orDash(r.Zone), strconv.Itoa(r.Bookings), n.Written, wall, moment(n.Stored.Time), n.Chosen, n.How})
			}
		}
	}
	if err := cli.Table(w, []string{"TENANT", "AGENT", "CALLS FROM", "WHY"}, agents); err != nil {
		return err
	}
	fmt.Fprintln(w, "\nHow LAD's times are read: the next bookings of each source and zone. Ask LAD which reading is what the lead was promised.")
	return cli.Table(w, []string{"TENANT", "SOURCE", "ZONE", "BOOKINGS", "WRITTEN", "AS WALL CLOCK", "AS INSTANT", "CHOSEN", "WHICH IS"}, times)
}
