package main

import (
	"github.com/spf13/cobra"

	"lad.internal/followup/pkg/followup"
)

var retryable = []followup.Reason{
	followup.Rejected, followup.NotStarted, followup.Misconfigured, followup.ByOperator,
	followup.LeadDeleted, followup.LeadArchived, followup.DoNotCall, followup.Duplicate, followup.CallLimit,
}

func newRetry() *cobra.Command {
	var c changer
	cmd := &cobra.Command{
		Use:   "retry [BOOKING...]",
		Short: "Make calls after all that were refused, did not start, or were cancelled",
		Long: `Make calls after all that have failed as rejected, misconfigured or not_started,
that an operator has cancelled, or that were cancelled for their lead: deleted,
archived, not to be called, called for the same minute, or called often enough. They
are planned at once: what is due is called within seconds, the rest at its time. What
is asked before a call is asked again: a lead that is still deleted is not called.

A call that is too late (FOLLOWUP_MAX_LATENESS) is not retried: move its booking to
a new time instead. A call whose outcome is unknown is resolved, not retried.

` + helpOnChanges,
		Example: `  followup retry --tenant $TENANT $BOOKING
  followup retry --tenant $TENANT --reason rejected --claimed-after -2h
  followup retry --tenant $TENANT --reason not_started --yes --json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.run(cmd, args, change{verb: "retry", done: "retried", event: "operator_retried",
				reasons: retryable, decide: followup.Rules.Retry})
		},
	}
	c.flags(cmd, nil, retryable)
	return cmd
}
