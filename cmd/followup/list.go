package main

import (
	"fmt"
	"strconv"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/pkg/followup"
)

func newList() *cobra.Command {
	var tenant string
	var s selection
	var out output
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List a tenant's follow-up calls",
		Long: `List a tenant's follow-up calls in the order in which they are due: all of them,
or those that fit every flag given.

Bookings that are no follow-ups, or that were made and due before
FOLLOWUP_ACTIVE_SINCE, are not listed.

` + helpOnTimes,
		Example: `  followup list --tenant $TENANT --overdue
  followup list --tenant $TENANT --reason outcome_unknown --claimed-after -24h
  followup list --tenant $TENANT --status pending,scheduled --due-before 1h
  followup list --tenant $TENANT --status failed --limit 0 --json | jq -r '.[].id'`,
		Args:              cli.ExactArgs(0),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			id, err := parseTenant(tenant)
			if err != nil {
				return err
			}
			if err := s.check(); err != nil {
				return err
			}
			e, closeAll, err := openDatabase(cmd)
			if err != nil {
				return err
			}
			defer func() { _ = closeAll() }() // it was only read
			found, more, err := s.read(cmd.Context(), e, id)
			if err != nil {
				return err
			}
			if more {
				fmt.Fprintf(cmd.ErrOrStderr(), "followup: these are the first %d, and there are more: see --limit\n", s.limit)
			}
			return printList(cmd, out, e.Rules, found)
		},
	}
	tenantFlag(cmd, &tenant)
	s.flags(cmd, allStatuses, allReasons)
	cmd.Flags().BoolVar(&s.filter.Overdue, "overdue", false, "only calls that should have been made by now, and were not")
	out.flag(cmd)
	return cmd
}

func printList(cmd *cobra.Command, out output, r followup.Rules, found []followup.Booking) error {
	views := make([]bookingView, len(found))
	rows := make([][]string, len(found))
	for i, b := range found {
		views[i] = viewOf(r, b)
		rows[i] = []string{
			b.BookingID.String(), moment(due(r, b)), string(b.Task.Status), orDash(string(b.Task.Reason)),
			strconv.Itoa(b.Task.Attempts), moment(b.Task.ClaimedAt), moment(b.Task.ExecutedAt), orDash(shortened(b.Task.LastError)),
		}
	}
	if len(found) == 0 && !out.json {
		fmt.Fprintln(cmd.ErrOrStderr(), "followup: no follow-up call of this tenant matches")
		return nil
	}
	return out.print(cmd.OutOrStdout(), views,
		[]string{"BOOKING", "DUE", "STATUS", "REASON", "ATTEMPTS", "CLAIMED", "EXECUTED", "ERROR"}, rows)
}

// maxShortened keeps a table's line readable; show has the whole text.
const maxShortened = 60

func shortened(s string) string {
	if utf8.RuneCountInString(s) <= maxShortened {
		return s
	}
	return string([]rune(s)[:maxShortened-1]) + "…"
}
