package main

import (
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/timeline"
	"lad.internal/followup/pkg/followup"
)

// replayer are the flags of replay-log.
type replayer struct {
	changer
	tenants tenantsFlags
	log     string
	project string
	since   time.Time
}

func newReplayLog() *cobra.Command {
	var r replayer
	cmd := &cobra.Command{
		Use:   "replay-log --since TIME --tenant ID | --all",
		Short: "Settle the calls that a restored database has forgotten, from the functions' log",
		Long: `Settle the calls that a database has forgotten which was restored to an earlier
moment, or replaced by a replica that lagged: their rows wait for calls that were
made. Run it while nothing is dialled (docs/playbooks/database-restored.md).

--since is the moment to which the database was restored, or any before it. Every
call that the log tells of since then, and its row does not, is written into the
row as the log says: executed at the moment of its claim, or refused. A call of
which the log does not know the end becomes failed/outcome_unknown, for resolve. A
call that did not start is left to be made. To run it again changes nothing.

The log is read from --log, a file of the lines that the functions print ("-" is
standard input), or else from Cloud Logging, which takes the permission
logging.logEntries.list (roles/logging.viewer). --all are all tenants of which the
log tells.

What would be done is shown first, and done after a yes: typed on a terminal,
--yes elsewhere. Every change is logged, with the name in FOLLOWUP_OPERATOR or of
the login. It exits with 1 if a call is left that a person has to look for.

` + helpOnTimes,
		Example: `  followup replay-log --all --since 2026-01-31T09:00:00Z
  followup replay-log --tenant a11c… --since -2h --log functions.log --yes`,
		Args: cli.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return r.run(cmd) },
	}
	r.tenants.flags(cmd)
	r.commonFlags(cmd)
	flags := cmd.Flags()
	flags.Var((*momentFlag)(&r.since), "since", "the moment to which the database was restored (required)")
	flags.StringVar(&r.log, "log", "", "read the functions' log from this `file`, or from standard input (-)")
	flags.StringVar(&r.project, "project", "", "read Cloud Logging of this `project` (default: $GCP_PROJECT_ID)")
	return cmd
}

func (r *replayer) run(cmd *cobra.Command) (err error) {
	if err := r.tenants.check(); err != nil {
		return err
	}
	if r.since.IsZero() {
		return cli.Usage("say to which moment the database was restored: --since TIME")
	}
	log, closeLog, err := cli.OpenLog(cmd, r.logFile, false)
	if err != nil {
		return err
	}
	defer closeLog()
	e, closeAll, err := openLogging(cmd, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	entries, err := r.read(cmd, e.Rules)
	if err != nil {
		return err
	}
	calls, incomplete := timeline.Calls(entries)
	w := work{environment: e, how: change{verb: "replay", done: "replayed", event: "operator_replayed",
		decide: func(rules followup.Rules, b followup.Booking, _ time.Time) (followup.Decision, error) {
			return rules.Replay(b, calls[b.Ref])
		}}}
	missing, err := r.look(cmd, &w, calls)
	if err != nil {
		return err
	}
	for _, ref := range missing {
		fmt.Fprintf(cmd.ErrOrStderr(), "followup: booking %s was called and is not in the database: should LAD bring it back, run this again first\n", ref)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "followup: the log tells of calls for %s; of %d the rows do not\n", cli.Plural(len(calls), "booking"), w.willing())
	if w.willing() > 0 || r.out.json {
		err = r.carryOut(cmd, &w)
	}
	if len(incomplete) > 0 {
		err = errors.Join(err, fmt.Errorf("%s about a call without claimed_at, planned_for or task_revision, of booking %s for one: look for what came of it by hand",
			cli.Plural(len(incomplete), "line"), incomplete[0].Ref))
	}
	return err
}

// read reads what the log says about calls. A call that was under way at the
// moment began within a lease before it.
func (r *replayer) read(cmd *cobra.Command, rules followup.Rules) (entries []timeline.Entry, err error) {
	since := r.since.Add(-rules.Lease)
	collect := func(all iter.Seq2[timeline.Entry, error]) error {
		for e, err := range all {
			if err != nil {
				return err
			}
			if !e.Time.Before(since) && (r.tenants.all || e.Ref.TenantID == r.tenants.id) {
				entries = append(entries, e)
			}
		}
		return nil
	}
	if r.log != "" {
		err = withLogFile(cmd, r.log, collect)
	} else {
		err = withCloudLog(cmd, r.project, timeline.CallsFilter(since), collect)
	}
	return entries, err
}

// look reads the bookings and decides about them. Those that need nothing are
// left out. missing are bookings that the database has forgotten altogether.
func (r *replayer) look(cmd *cobra.Command, w *work, calls map[followup.Ref][]followup.LoggedCall) (missing []followup.Ref, err error) {
	refs := slices.SortedFunc(maps.Keys(calls), func(a, b followup.Ref) int { return strings.Compare(a.String(), b.String()) })
	for _, ref := range refs {
		b, now, err := w.DB.Booking(cmd.Context(), ref)
		switch {
		case err != nil:
			return nil, err
		case b == nil:
			missing = append(missing, ref)
			continue
		}
		if err := w.consider(*b, now); err != nil {
			return nil, err
		}
		if last := len(w.items) - 1; w.items[last].result == resultRefused {
			w.items = w.items[:last]
		}
	}
	return missing, nil
}
