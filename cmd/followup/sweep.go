package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"lad.internal/followup/functions/schedule"
	"lad.internal/followup/internal/cli"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

func newSweep() *cobra.Command {
	var tenant, logFile string
	var out output
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Look now at every booking that the rules might want to change",
		Long: `Look now, once, at every booking that the rules might want to change, and plan it:
what the function does every minute by itself. It is safe at any time, beside the
function's own sweeps too. It goes over all tenants, or the one of --tenant.

It exits with 1 if a tenant or a booking could not be looked at; the log, on
standard error, says why.`,
		Example: `  followup sweep
  followup sweep --tenant $TENANT --json`,
		Args:              cli.ExactArgs(0),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			only := uuid.Nil
			if tenant != "" {
				if only, err = parseTenant(tenant); err != nil {
					return err
				}
			}
			log, closeLog, err := cli.OpenLog(cmd, logFile, false)
			if err != nil {
				return err
			}
			defer closeLog()
			bar := newBar(cmd.ErrOrStderr())
			if logFile == "" {
				log = bar
			}
			e, closeAll, err := openLogging(cmd, log)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, closeAll()) }()
			handler, err := schedule.New(e.Rules, &watchedStore{DB: e.DB.On(e.Database.Timeline), only: only, bar: bar}, e.Queue, e.log)
			if err != nil {
				return err
			}
			swept := handler.Sweep(cmd.Context())
			bar.clear()
			return printSwept(cmd, out, swept)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&tenant, "tenant", "", "sweep this tenant only, by its `id` (default: all)")
	flags.StringVar(&logFile, "log-file", "", "append the log to this `file` (default: standard error)")
	out.flag(cmd)
	return cmd
}

// sweptView is what a sweep has done, for machines.
type sweptView struct {
	Tenants          int                   `json:"tenants"`        // looked at
	TenantsBroken    int                   `json:"tenantsBroken"`  // of these, could not be looked at to the end
	TenantsSkipped   int                   `json:"tenantsSkipped"` // not looked at to the end: the command was interrupted
	BookingsLookedAt int                   `json:"bookingsLookedAt"`
	BookingsFailed   int                   `json:"bookingsFailed"` // could not be planned, or the plan not carried out
	BookingsLocked   int                   `json:"bookingsLocked"` // somebody else held the row: the next sweep sees to it
	Changed          map[followup.Rule]int `json:"changed"`        // bookings, by the rule that said so
}

func printSwept(cmd *cobra.Command, out output, swept schedule.Swept) error {
	view := sweptView{
		Tenants: swept.Tenants, TenantsBroken: swept.Broken, TenantsSkipped: swept.Skipped,
		BookingsLookedAt: swept.Looked, BookingsFailed: swept.Failed, BookingsLocked: swept.Locked, Changed: swept.Changed,
	}
	changed := 0
	var rows [][]string
	for _, rule := range slices.Sorted(maps.Keys(swept.Changed)) {
		changed += swept.Changed[rule]
		rows = append(rows, []string{string(rule), strconv.Itoa(swept.Changed[rule]), rule.Question()})
	}
	w := cmd.OutOrStdout()
	if out.json || len(rows) > 0 {
		if err := out.print(w, view, []string{"RULE", "CHANGED", "QUESTION"}, rows); err != nil {
			return err
		}
	}
	if !out.json {
		fmt.Fprintf(w, "%s of %s looked at, %d changed\n", cli.Plural(swept.Looked, "booking"), cli.Plural(swept.Tenants, "tenant"), changed)
	}
	if swept.Locked > 0 && !out.json {
		fmt.Fprintf(w, "%s left to the next sweep, since somebody else held the row\n", cli.Plural(swept.Locked, "booking"))
	}
	if swept.Skipped > 0 {
		return fmt.Errorf("interrupted: %s not looked at, or not to the end", cli.Plural(swept.Skipped, "tenant"))
	}
	if swept.Broken > 0 || swept.Failed > 0 {
		return fmt.Errorf("%s and %s could not be looked at: the log says why",
			cli.Plural(swept.Broken, "tenant"), cli.Plural(swept.Failed, "booking"))
	}
	return nil
}

// watchedStore is the database as a sweep sees it: of one tenant if only one is
// meant, and with somebody who watches how far the sweep is.
type watchedStore struct {
	*tenantdb.DB
	only uuid.UUID
	bar  *bar
}

// Tenants implements schedule.Store.
func (s *watchedStore) Tenants(ctx context.Context) ([]uuid.UUID, error) {
	if s.only != uuid.Nil {
		s.bar.start(len(tenantdb.Concerns))
		return []uuid.UUID{s.only}, nil
	}
	tenants, err := s.DB.Tenants(ctx)
	s.bar.start(len(tenants) * len(tenantdb.Concerns))
	return tenants, err
}

// Concerned implements schedule.Store. A concern that nobody gives rise to is
// done with it.
func (s *watchedStore) Concerned(ctx context.Context, tenant uuid.UUID, rules followup.Rules) ([]tenantdb.Concern, error) {
	concerns, err := s.DB.Concerned(ctx, tenant, rules)
	for range len(tenantdb.Concerns) - len(concerns) {
		s.bar.step()
	}
	return concerns, err
}

// Candidates implements schedule.Store. A page that is not full is the last one
// of its concern.
func (s *watchedStore) Candidates(ctx context.Context, tenant uuid.UUID, c tenantdb.Concern, rules followup.Rules, after tenantdb.Cursor, limit int) ([]followup.Ref, tenantdb.Cursor, error) {
	refs, end, err := s.DB.Candidates(ctx, tenant, c, rules, after, limit)
	if len(refs) < limit {
		s.bar.step()
	}
	return refs, end, err
}

// Booking implements schedule.Store.
func (s *watchedStore) Booking(ctx context.Context, ref followup.Ref) (*followup.Booking, time.Time, error) {
	s.bar.look()
	return s.DB.Booking(ctx, ref)
}
