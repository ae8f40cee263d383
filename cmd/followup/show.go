package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/pkg/followup"
)

func newShow() *cobra.Command {
	var tenant string
	var out output
	cmd := &cobra.Command{
		Use:   "show BOOKING",
		Short: "Show everything about a booking's follow-up call, and what can be done about it",
		Long: `Show everything that is stored about a booking's follow-up call, how it stands,
and with which commands it can be changed. The lead's name and number are not
shown.`,
		Example:           `  followup show --tenant $TENANT $BOOKING`,
		Args:              cli.ExactArgs(1),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			ref, err := parseRef(tenant, args[0])
			if err != nil {
				return err
			}
			e, closeAll, err := openDatabase(cmd)
			if err != nil {
				return err
			}
			defer func() { _ = closeAll() }() // it was only read
			b, now, err := readBooking(cmd.Context(), e, ref)
			if err != nil {
				return err
			}
			return printBooking(cmd, out, e, b, now)
		},
	}
	tenantFlag(cmd, &tenant)
	out.flag(cmd)
	return cmd
}

// readBooking reads a booking that must be there, and the database's clock.
func readBooking(ctx context.Context, e *environment, ref followup.Ref) (followup.Booking, time.Time, error) {
	b, now, err := e.DB.Booking(ctx, ref)
	if err != nil {
		return followup.Booking{}, time.Time{}, err
	}
	if b == nil {
		return followup.Booking{}, time.Time{}, fmt.Errorf("no such booking for this tenant: %s", ref.BookingID)
	}
	return *b, now, nil
}

// shown is what show prints for machines.
type shown struct {
	bookingView
	Time    string   `json:"time"` // how scheduledAt came about
	Advice  string   `json:"advice"`
	Accepts []string `json:"accepts"` // commands that would be accepted now
}

func printBooking(cmd *cobra.Command, out output, e *environment, b followup.Booking, now time.Time) error {
	r := e.Rules
	view := shown{bookingView: viewOf(r, b), Time: e.Database.Times.Explain(b.When), Advice: r.Advice(b, now), Accepts: accepted(r, b, now)}
	w := cmd.OutOrStdout()
	if err := out.print(w, view, nil, describeBooking(r, b, view.Time)); err != nil || out.json {
		return err
	}
	fmt.Fprintf(w, "\nIt stands so: %s.\n", view.Advice)
	for _, verb := range view.Accepts {
		fmt.Fprintf(w, "  followup %s --tenant %s %s\n", verb, b.TenantID, b.BookingID)
	}
	_, err := fmt.Fprintf(w, "  followup explain --tenant %s %s\n", b.TenantID, b.BookingID)
	return err
}

// accepted lists the changes that a person may make now, with the flags that
// they need.
func accepted(r followup.Rules, b followup.Booking, now time.Time) []string {
	verbs := []string{}
	for _, c := range []struct {
		verb   string
		decide decider
	}{
		{"retry", followup.Rules.Retry},
		{"cancel", followup.Rules.Cancel},
		{"resolve --called", calledAs("")},
		{"resolve --not-called", followup.Rules.ResolveNotCalled},
	} {
		_, err := c.decide(r, b, now)
		if refused := (*followup.RefusedError)(nil); !errors.As(err, &refused) {
			verbs = append(verbs, c.verb)
		}
	}
	return verbs
}

func describeBooking(r followup.Rules, b followup.Booking, when string) [][]string {
	t := b.Task
	deleted := "no"
	if b.Deleted {
		deleted = "yes"
	}
	key := "-"
	if t.Key != "" {
		key = t.Key
		if t.Key != b.Key() {
			key += " (of another time)"
		}
	}
	return [][]string{
		{"booking", b.BookingID.String()},
		{"tenant", b.TenantID.String()},
		{"lead", idOrDash(b.LeadID)},
		{"assigned user", idOrDash(b.AssignedUserID)},
		{"type", orDash(b.Type)},
		{"status in LAD", orDash(string(b.Status))},
		{"deleted", deleted},
		{"created", moment(b.CreatedAt)},
		{"scheduled for", moment(b.ScheduledAt)},
		{"time", when},
		{"source", orDash(b.When.Source)},
		{"call due", moment(due(r, b))},
		{"call", standing(t)},
		{"planned for", moment(t.PlannedFor)},
		{"task due", moment(t.DueAt)},
		{"task", orDash(t.Name[strings.LastIndex(t.Name, "/")+1:])},
		{"revision", strconv.Itoa(t.Revision)},
		{"attempts", strconv.Itoa(t.Attempts)},
		{"claimed", moment(t.ClaimedAt)},
		{"executed", moment(t.ExecutedAt)},
		{"call id", orDash(t.CallID)},
		{"last error", orDash(t.LastError)},
		{"key", key},
	}
}

func idOrDash(id uuid.NullUUID) string {
	if !id.Valid {
		return "-"
	}
	return id.UUID.String()
}
