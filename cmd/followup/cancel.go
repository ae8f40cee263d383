package main

import (
	"github.com/spf13/cobra"

	"lad.internal/followup/pkg/followup"
)

func newCancel() *cobra.Command {
	var c changer
	cmd := &cobra.Command{
		Use:   "cancel [BOOKING...]",
		Short: "Stop calls that are still to be made",
		Long: `Stop calls that are still to be made. That holds until the booking is moved to
another time, or until its call is retried; LAD's booking itself stays as it is.

It is safe against the call: if it is claimed first, it is made, and the command
says so.

` + helpOnChanges,
		Example: `  followup cancel --tenant $TENANT $BOOKING
  followup cancel --tenant $TENANT --status pending,scheduled --due-before 2h
  followup cancel --tenant $TENANT --reason not_started --claimed-after -1h --yes`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c.sel.filter.Open = true
			return c.run(cmd, args, change{verb: "cancel", done: "cancelled", event: "operator_cancelled", decide: followup.Rules.Cancel})
		},
	}
	c.flags(cmd, []followup.TaskStatus{followup.Pending, followup.Scheduled},
		[]followup.Reason{followup.NotStarted, followup.Paced, followup.RateLimited, followup.OutsideHours})
	return cmd
}
