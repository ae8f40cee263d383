package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/operatordb"
)

// The vocabularies, as people type them.
var (
	allStatuses = []followup.TaskStatus{
		followup.Pending, followup.Scheduled, followup.InProgress, followup.Executed, followup.Cancelled, followup.Failed}
	allReasons = []followup.Reason{
		followup.NotStarted, followup.Rejected, followup.OutcomeUnknown, followup.Expired, followup.Backdated, followup.UnknownTimezone, followup.Misconfigured,
		followup.BookingCancelled, followup.ByOperator, followup.LeadDeleted, followup.LeadArchived, followup.DoNotCall, followup.Duplicate, followup.CallLimit,
		followup.Paced, followup.RateLimited, followup.OutsideHours}
)

const (
	defaultLimit = 100
	listPage     = 500
)

// selection is what flags say about which of a tenant's follow-ups are meant.
type selection struct {
	filter operatordb.Filter
	limit  int
}

// flags defines the flags. A vocabulary that is nil gets none.
func (s *selection) flags(cmd *cobra.Command, statuses []followup.TaskStatus, reasons []followup.Reason) {
	flags := cmd.Flags()
	if statuses != nil {
		wordsFlag(cmd, &s.filter.Statuses, "status", statuses)
	}
	if reasons != nil {
		wordsFlag(cmd, &s.filter.Reasons, "reason", reasons)
	}
	flags.Var((*momentFlag)(&s.filter.DueFrom), "due-after", "only calls that are due then or later")
	flags.Var((*momentFlag)(&s.filter.DueBefore), "due-before", "only calls that are due before then")
	flags.Var((*momentFlag)(&s.filter.ClaimedFrom), "claimed-after", "only calls that were last claimed then or later")
	flags.Var((*momentFlag)(&s.filter.ClaimedBefore), "claimed-before", "only calls that were last claimed before then")
	flags.IntVar(&s.limit, "limit", defaultLimit, "at most this many; 0 is all of them")
}

// helpOnTimes is for the long help of commands that take times.
const helpOnTimes = `A time is written as 2026-01-31T09:00:00Z or 2026-01-31 (midnight UTC), or as a
duration from now: -2h is two hours ago, 30m in half an hour. A call is due at the
booking's time less FOLLOWUP_LEAD_TIME.`

func (s *selection) check() error {
	f := s.filter
	empty := func(from, before time.Time) bool {
		return !from.IsZero() && !before.IsZero() && !from.Before(before)
	}
	switch {
	case s.limit < 0:
		return cli.Usage("--limit: want 0 or more")
	case empty(f.DueFrom, f.DueBefore):
		return cli.Usage("--due-after is not before --due-before: nothing can match")
	case empty(f.ClaimedFrom, f.ClaimedBefore):
		return cli.Usage("--claimed-after is not before --claimed-before: nothing can match")
	default:
		return nil
	}
}

// given reports whether the flags select anything at all.
func (s *selection) given() bool {
	f := s.filter
	return len(f.Statuses) > 0 || len(f.Reasons) > 0 || f.Overdue ||
		!f.DueFrom.IsZero() || !f.DueBefore.IsZero() || !f.ClaimedFrom.IsZero() || !f.ClaimedBefore.IsZero()
}

// read reads what is selected, and whether there is more than the limit.
func (s *selection) read(ctx context.Context, e *environment, tenant uuid.UUID) (found []followup.Booking, more bool, err error) {
	err = s.each(ctx, e, tenant, func(b followup.Booking) bool {
		if more = s.full(len(found)); !more {
			found = append(found, b)
		}
		return !more
	})
	return found, more, err
}

func (s *selection) full(n int) bool { return s.limit > 0 && n >= s.limit }

// each hands over what is selected, whatever the limit, until yield says false.
func (s *selection) each(ctx context.Context, e *environment, tenant uuid.UUID, yield func(followup.Booking) bool) error {
	var after operatordb.Cursor
	for {
		page, end, err := e.DB.List(ctx, tenant, s.filter, e.Rules, after, listPage)
		if err != nil {
			return err
		}
		for _, b := range page {
			if !yield(b) {
				return nil
			}
		}
		if len(page) < listPage {
			return nil
		}
		after = end
	}
}

// momentFlag is a time on the command line.
type momentFlag time.Time

// String implements pflag.Value.
func (m *momentFlag) String() string {
	if time.Time(*m).IsZero() {
		return ""
	}
	return moment(time.Time(*m))
}

// Type implements pflag.Value.
func (m *momentFlag) Type() string { return "time" }

// Set implements pflag.Value. Durations count from this machine's clock.
func (m *momentFlag) Set(s string) error {
	for _, layout := range []string{time.RFC3339Nano, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			*m = momentFlag(t.UTC())
			return nil
		}
	}
	if d, err := time.ParseDuration(s); err == nil {
		*m = momentFlag(time.Now().Add(d).UTC())
		return nil
	}
	return errors.New("want a time, as 2026-01-31T09:00:00Z or 2026-01-31, or a duration from now, as -2h")
}

// words are one or more words of a vocabulary on the command line.
type words[W ~string] struct {
	into    *[]W
	allowed []W
	kind    string
}

func wordsFlag[W ~string](cmd *cobra.Command, into *[]W, name string, allowed []W) {
	w := words[W]{into: into, allowed: allowed, kind: name}
	usage := "only calls of this " + name + ": " + w.list()
	if len(allowed) > 1 {
		usage = "only calls of this " + name + ", or of these, with commas: " + w.list()
	}
	cmd.Flags().Var(&w, name, usage)
	choices := make([]cobra.Completion, len(allowed))
	for i, a := range allowed {
		choices[i] = string(a)
	}
	if err := cmd.RegisterFlagCompletionFunc(name, cobra.FixedCompletions(choices, cobra.ShellCompDirectiveNoFileComp)); err != nil {
		panic(err) // the flag was defined above, and once
	}
}

func (w *words[W]) list() string {
	all := make([]string, len(w.allowed))
	for i, a := range w.allowed {
		all[i] = string(a)
	}
	return strings.Join(all, ", ")
}

// String implements pflag.Value.
func (w *words[W]) String() string { return "" }

// Type implements pflag.Value.
func (w *words[W]) Type() string { return w.kind }

// Set implements pflag.Value.
func (w *words[W]) Set(s string) error {
	for word := range strings.SplitSeq(s, ",") {
		word := W(strings.TrimSpace(word))
		if !slices.Contains(w.allowed, word) {
			return fmt.Errorf("want one of %s", w.list())
		}
		*w.into = append(*w.into, word)
	}
	return nil
}
