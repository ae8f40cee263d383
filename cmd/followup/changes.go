package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lad.internal/followup/internal/logging"
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
	log, closeLog, err := openLog(cmd, c.logFile, false)
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
	if w.willing() > 0 && !c.dryRun {
		if !c.yes {
			if err := c.confirm(cmd, &w); err != nil {
				return err
			}
		}
		w.carryOut(ctx)
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
		err = usageError{errors.New("give ids of bookings or flags that select them, not both")}
	case len(args) == 0 && !c.sel.given():
		err = usageError{errors.New("say which bookings: their ids, or flags that select them, as --reason or --claimed-after")}
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
		return nil, fmt.Errorf("none of the %s that match can be %s as it stands: %w", plural(leftAlone, "booking"), how.done, left)
	case leftAlone > 0:
		fmt.Fprintf(cmd.ErrOrStderr(), "followup: %s more that match cannot be %s as they stand: %v\n", plural(leftAlone, "booking"), how.done, left)
	}
	if more {
		fmt.Fprintf(cmd.ErrOrStderr(), "followup: these are the first %d, and there are more: see --limit\n", c.sel.limit)
	}
	return ids, nil
}

// confirm shows what would be done and asks. Both go to standard error, so that
// standard output holds nothing but the result.
func (c *changer) confirm(cmd *cobra.Command, w *work) error {
	if err := printTable(cmd.ErrOrStderr(), changeHeader, w.rows()); err != nil {
		return err
	}
	if !onTerminal(cmd.InOrStdin()) {
		return usageError{fmt.Errorf("nothing was changed: say --yes to %s %s", w.how.verb, plural(w.willing(), "booking"))}
	}
	return ask(cmd, fmt.Sprintf("%s%s %s?", strings.ToUpper(w.how.verb[:1]), w.how.verb[1:], plural(w.willing(), "booking")))
}

func onTerminal(stream any) bool {
	switch s := stream.(type) {
	case *os.File:
		return term.IsTerminal(int(s.Fd()))
	case *bar:
		return s.show
	default:
		return false
	}
}

// ask returns nil if the answer is yes. It does not wait for one when the
// command is interrupted.
func ask(cmd *cobra.Command, question string) error {
	fmt.Fprintf(cmd.ErrOrStderr(), "%s Type yes to go on: ", question)
	answers := make(chan string, 1)
	go func() {
		answer, err := bufio.NewReader(cmd.InOrStdin()).ReadString('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			answer = ""
		}
		answers <- strings.TrimSpace(answer)
	}()
	select {
	case answer := <-answers:
		if answer == "yes" {
			return nil
		}
	case <-cmd.Context().Done():
	}
	return errors.New("nothing was changed")
}

var changeHeader = []string{"BOOKING", "DUE", "WAS", "NOW", "RESULT", "DETAIL"}

// The results of a change, of one booking.
const (
	resultDone    = "done"
	resultPlanned = "would"   // it was not tried yet
	resultRefused = "refused" // the rules do not allow it
	resultMoved   = "moved"   // somebody was faster; nothing was done
	resultFailed  = "failed"  // nobody knows whether it was done: the row says
)

// work is a change of some bookings.
type work struct {
	*environment
	how   change
	items []item
}

type item struct {
	seen     followup.Booking
	decision followup.Decision
	result   string
	detail   string
	now      *followup.Booking // as it is after the change; nil before it
}

// look reads a booking and decides about it.
func (w *work) look(ctx context.Context, ref followup.Ref) error {
	b, now, err := readBooking(ctx, w.environment, ref)
	if err != nil {
		return err
	}
	it := item{seen: b, result: resultPlanned}
	d, err := w.how.decide(w.Rules, b, now)
	if refused := (*followup.RefusedError)(nil); errors.As(err, &refused) {
		it.result, it.detail = resultRefused, refused.Why
	} else if err != nil {
		return err
	} else {
		it.decision, it.detail = d, w.foretell(b, d, now)
	}
	w.items = append(w.items, it)
	return nil
}

// foretell says what the plan will make of a booking right after the change.
func (w *work) foretell(b followup.Booking, d followup.Decision, now time.Time) string {
	b.Task = d.Next
	if next := w.Rules.Plan(&b, now); next.Effect != followup.None {
		return sentence(next)
	}
	return "it becomes " + standing(d.Next)
}

func (w *work) count(result string) (n int) {
	for _, it := range w.items {
		if it.result == result {
			n++
		}
	}
	return n
}

func (w *work) willing() int { return w.count(resultPlanned) }

func (w *work) carryOut(ctx context.Context) {
	for i := range w.items {
		it := &w.items[i]
		if it.result != resultPlanned {
			continue
		}
		if ctx.Err() != nil {
			it.detail = "interrupted before it was tried"
			continue
		}
		w.apply(ctx, it)
		// What has begun is finished and reported, interrupted or not.
		b, now, err := w.DB.Booking(context.WithoutCancel(ctx), it.seen.Ref)
		if err != nil || b == nil {
			continue
		}
		it.now = b
		if it.result == resultMoved {
			it.detail += ": " + w.Rules.Advice(*b, now)
		}
	}
}

// apply stores the change if the row is as it was seen, and brings row and task
// to what the rules then say.
func (w *work) apply(ctx context.Context, it *item) {
	ref, d := it.seen.Ref, it.decision
	log := w.log.With("tenant_id", ref.TenantID.String(), "booking_id", ref.BookingID.String(), "rule", string(d.Rule))
	stored, err := w.DB.Update(ctx, it.seen, d.Next)
	switch {
	case err != nil:
		it.result, it.detail = resultFailed, err.Error()
		log.ErrorContext(ctx, "an operator's change failed", "event", "operator_failed", "error", err)
		return
	case !stored:
		it.result, it.detail = resultMoved, "it has moved meanwhile, and nothing was done"
		log.InfoContext(ctx, "an operator's change came too late: the row had moved", "event", "operator_too_late")
		return
	}
	it.result, it.detail = resultDone, ""
	log.Log(ctx, logging.LevelNotice, "an operator has changed a booking", "event", w.how.event,
		"from", standing(it.seen.Task), "to", standing(d.Next), "task_revision", d.Next.Revision)
	// A change that is stored is seen through: its row must not wait for the
	// sweep because somebody pressed Ctrl-C.
	ctx = context.WithoutCancel(ctx)
	w.reconciler.Drop(ctx, ref, d)
	if _, err := w.reconciler.Booking(ctx, ref); err != nil {
		it.detail = "not planned yet, the next sweep does it: " + err.Error()
		log.WarnContext(ctx, "a changed booking could not be planned; the next sweep does it", "event", "operator_unplanned", "error", err)
	}
}

// verdict is an error if something that was asked for is not done.
func (w *work) verdict(dryRun bool) error {
	all, done := len(w.items), w.count(resultDone)
	switch {
	case done == all, dryRun && w.willing() == all:
		return nil
	case w.count(resultRefused) == all:
		return fmt.Errorf("none of the %s can be %s as it stands", plural(all, "booking"), w.how.done)
	case dryRun:
		return fmt.Errorf("%d of the %s cannot be %s as they stand", all-w.willing(), plural(all, "booking"), w.how.done)
	default:
		return fmt.Errorf("%d of the %s not %s", all-done, plural(all, "booking"), w.how.done)
	}
}
