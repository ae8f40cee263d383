package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/pkg/followup"
)

// decider says what becomes of a booking that a person changes. Its error is a
// *followup.RefusedError.
type decider func(followup.Rules, followup.Booking, time.Time) (followup.Decision, error)

// change is one way in which people change bookings.
type change struct {
	verb, done string            // retry, retried
	event      string            // of the log; stable
	reasons    []followup.Reason // all that a selection may be about; nil is any
	decide     decider
}

// changer are the flags that all changes share, and how they are carried out.
type changer struct {
	tenant  string
	sel     selection
	yes     bool
	dryRun  bool
	logFile string
	out     output
}

const helpOnChanges = `Give the ids of bookings, or flags that select them; every flag narrows the
selection. What would be done is shown first, and done after a yes: typed on a
terminal, --yes elsewhere. A booking that has moved since it was looked at is left
alone and reported. Every change is logged, with the name in FOLLOWUP_OPERATOR or
of the login.

It exits with 0 if everything was done, with 1 if something was not, and with 2 if
the words of the command are wrong or --yes is missing.

` + helpOnTimes

func (c *changer) flags(cmd *cobra.Command, statuses []followup.TaskStatus, reasons []followup.Reason) {
	tenantFlag(cmd, &c.tenant)
	c.sel.flags(cmd, statuses, reasons)
	c.commonFlags(cmd)
}

func (c *changer) commonFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.BoolVar(&c.yes, "yes", false, "do not ask")
	flags.BoolVar(&c.dryRun, "dry-run", false, "show what would be done, and do nothing")
	flags.StringVar(&c.logFile, "log-file", "", "append the log to this `file` (default: standard error)")
	c.out.flag(cmd)
}

// run selects, decides, asks, and carries out.
func (c *changer) run(cmd *cobra.Command, args []string, how change) (err error) {
	tenant, ids, err := c.parse(args)
	if err != nil {
		return err
	}
	log, closeLog, err := cli.OpenLog(cmd, c.logFile, false)
	if err != nil {
		return err
	}
	defer closeLog()
	e, closeAll, err := openLogging(cmd, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, closeAll()) }()
	ctx := cmd.Context()
	if len(ids) == 0 {
		if ids, err = c.selectIDs(cmd, e, tenant, how); err != nil {
			return err
		}
	}
	w := work{environment: e, how: how}
	for _, id := range ids {
		if err := w.look(ctx, followup.Ref{TenantID: tenant, BookingID: id}); err != nil {
			return err
		}
	}
	if w.willing() == 0 && len(w.items) == 1 {
		return fmt.Errorf("booking %s cannot be %s as it stands: %s", ids[0], how.done, w.items[0].detail)
	}
	return c.carryOut(cmd, &w)
}

// carryOut asks, does what was decided, and prints what came of it.
func (c *changer) carryOut(cmd *cobra.Command, w *work) error {
	if w.willing() > 0 && !c.dryRun {
		if !c.yes {
			if err := c.confirm(cmd, w); err != nil {
				return err
			}
		}
		w.carryOut(cmd.Context())
	}
	return errors.Join(c.out.print(cmd.OutOrStdout(), w.views(), changeHeader, w.rows()), w.verdict(c.dryRun))
}

// parse reads the words of the command. No ids mean a selection.
func (c *changer) parse(args []string) (tenant uuid.UUID, ids []uuid.UUID, err error) {
	if tenant, err = parseTenant(c.tenant); err != nil {
		return tenant, nil, err
	}
	switch {
	case len(args) > 0 && c.sel.given():
		err = cli.Usage("give ids of bookings or flags that select them, not both")
	case len(args) == 0 && !c.sel.given():
		err = cli.Usage("say which bookings: their ids, or flags that select them, as --reason or --claimed-after")
	default:
		err = c.sel.check()
	}
	seen := map[uuid.UUID]bool{}
	for _, arg := range args {
		ref, refErr := parseRef(c.tenant, arg)
		if err == nil {
			err = refErr
		}
		if !seen[ref.BookingID] {
			seen[ref.BookingID] = true
			ids = append(ids, ref.BookingID)
		}
	}
	return tenant, ids, err
}

// selectIDs lists what the flags select and the change can do something about.
// That is asked by this machine's clock, to fill the limit with what matters:
// each booking is read and decided about again.
func (c *changer) selectIDs(cmd *cobra.Command, e *environment, tenant uuid.UUID, how change) (ids []uuid.UUID, err error) {
	if len(c.sel.filter.Reasons) == 0 {
		c.sel.filter.Reasons = how.reasons
	}
	var left error
	more, leftAlone := false, 0
	err = c.sel.each(cmd.Context(), e, tenant, func(b followup.Booking) bool {
		if _, refused := how.decide(e.Rules, b, time.Now()); refused != nil {
			leftAlone++
			left = fmt.Errorf("of %s, for one, %w", b.BookingID, refused)
			return true
		}
		if more = c.sel.full(len(ids)); !more {
			ids = append(ids, b.BookingID)
		}
		return !more
	})
	switch {
	case err != nil:
		return nil, err
	case len(ids) == 0 && leftAlone == 0:
		return nil, errors.New("no follow-up call of this tenant matches; `followup list` takes the same flags")
	case len(ids) == 0:
		return nil, fmt.Errorf("none of the %s that match can be %s as it stands: %w", cli.Plural(leftAlone, "booking"), how.done, left)
	case leftAlone > 0:
		fmt.Fprintf(cmd.ErrOrStderr(), "followup: %s more that match cannot be %s as they stand: %v\n", cli.Plural(leftAlone, "booking"), how.done, left)
	}
	if more {
		fmt.Fprintf(cmd.ErrOrStderr(), "followup: these are the first %d, and there are more: see --limit\n", c.sel.limit)
	}
	return ids, nil
}

// confirm shows what would be done and asks. Both go to standard error, so that
// standard output holds nothing but the result.
func (c *changer) confirm(cmd *cobra.Command, w *work) error {
	if err := cli.Table(cmd.ErrOrStderr(), changeHeader, w.rows()); err != nil {
		return err
	}
	if !cli.IsTerminal(cmd.InOrStdin()) {
		return cli.Usage("nothing was changed: say --yes to %s %s", w.how.verb, cli.Plural(w.willing(), "booking"))
	}
	return ask(cmd, fmt.Sprintf("%s%s %s?", strings.ToUpper(w.how.verb[:1]), w.how.verb[1:], cli.Plural(w.willing(), "booking")))
}

// ask asks a person, and returns an error unless the answer is yes. It does not
// wait for one when the command is interrupted.
func ask(cmd *cobra.Command, question string) error {
	if !cli.IsTerminal(cmd.ErrOrStderr()) {
		defer fmt.Fprintln(cmd.ErrOrStderr()) // no answer is echoed there, and a log begins with a line of its own
	}
	answer := make(chan error, 1)
	go func() { answer <- askYes(cmd.InOrStdin(), cmd.ErrOrStderr(), question+" Type yes to go on: ") }()
	select {
	case err := <-answer:
		return err
	case <-cmd.Context().Done():
		return errors.New("interrupted; nothing was changed")
	}
}
