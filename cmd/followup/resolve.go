package main

import (
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/pkg/followup"
)

// maxCallID is the longest call id that is taken, in bytes; LAD's are UUIDs.
const maxCallID = 200

var resolvable = []followup.Reason{followup.OutcomeUnknown}

func newResolve() *cobra.Command {
	var c changer
	var called, notCalled bool
	var callID string
	cmd := &cobra.Command{
		Use:   "resolve [BOOKING...] --called | --not-called",
		Short: "Settle calls of which nobody knows whether they were made",
		Long: `Settle calls whose outcome is unknown (failed, reason outcome_unknown), once a
person has found out, from the voice agent's own records, whether the lead was
rung.

With --called the call counts as made, at the moment of its claim. With
--not-called it is planned again at once, and called within seconds if it is due;
if it is too late by now (FOLLOWUP_MAX_LATENESS) it expires.

` + helpOnChanges,
		Example: `  followup resolve --tenant $TENANT $BOOKING --called --call-id 7d9f…
  followup resolve --tenant $TENANT $BOOKING --not-called
  followup resolve --tenant $TENANT --reason outcome_unknown --claimed-after 2026-01-31T09:00:00Z --claimed-before 2026-01-31T09:20:00Z --not-called`,
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, args []string) error {
			how := change{verb: "resolve", done: "resolved", event: "operator_resolved",
				reasons: resolvable, decide: followup.Rules.ResolveNotCalled}
			switch {
			case called == notCalled:
				return cli.Usage("say what has happened: --called or --not-called")
			case callID != "" && (!called || len(args) != 1):
				return cli.Usage("--call-id is the name of one call that was made: it goes with --called and one booking")
			case len(callID) > maxCallID || strings.ContainsFunc(callID, unicode.IsControl):
				return cli.Usage("--call-id: want at most 200 characters, none of them a control character")
			case called:
				how.decide = calledAs(callID)
			}
			return c.run(cmd, args, how)
		},
	}
	c.flags(cmd, nil, resolvable)
	flags := cmd.Flags()
	flags.BoolVar(&called, "called", false, "the calls were made")
	flags.BoolVar(&notCalled, "not-called", false, "the calls were not made")
	flags.StringVar(&callID, "call-id", "", "the voice agent's `id` of the call")
	return cmd
}

// calledAs settles a call as made, under the voice agent's name for it.
func calledAs(callID string) decider {
	return func(r followup.Rules, b followup.Booking, now time.Time) (followup.Decision, error) {
		return r.ResolveCalled(b, callID, now)
	}
}
