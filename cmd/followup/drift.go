package main

import (
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
)

// driftFlags say whose drift is looked for.
type driftFlags struct {
	tenants tenantsFlags
	limit   int
	out     output
}

func newDrift() *cobra.Command {
	var f driftFlags
	cmd := &cobra.Command{
		Use:   "drift --tenant ID | --all",
		Short: "Compare the bookings with the tasks on the queue",
		Long: `Compare the bookings with the tasks on the queue. Nothing is changed.

  missing   a booking counts on a task, and there is none of that name (the
            queue was purged, or its retries are spent). The sweep gives it a new
            one FOLLOWUP_GRACE after the task was due, so the call is late. One
            that is still missing minutes after that does not heal by itself:
            the sweep is not doing its work.
  stale     a task of an older revision than its booking's. It does nothing when
            it fires, and is gone then.
  orphaned  a task whose booking does not wait for it (any more). It does nothing
            when it fires, and is gone then; unless a task that was due long ago
            is still there: then the queue is not sending.
  foreign   a task that is no follow-up call (with --all). It is refused, and
            comes again and again.

What changes while it is looked at is left out. The exit code is 1 if there is
drift that does not heal by itself. --all are the tenants that the sweep looks
at, and those of the tasks.

Tasks are read with their payloads, since only these say whose a task is. That
takes the permissions cloudtasks.tasks.list and cloudtasks.tasks.fullView
(roles/cloudtasks.viewer), which the functions' own accounts do not need.`,
		Example: `  followup drift --all
  followup drift --tenant a11c… --json`,
		Args: cli.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd) },
	}
	f.tenants.flags(cmd)
	cmd.Flags().IntVar(&f.limit, "limit", 50, "list at most this many differences in the table; counts and JSON are complete")
	f.out.flag(cmd)
	return cmd
}

func (f *driftFlags) run(cmd *cobra.Command) error {
	if err := f.tenants.check(); err != nil {
		return err
	}
	env, closeAll, err := open(cmd)
	if err != nil {
		return err
	}
	defer func() { _ = closeAll() }() // it was only read
	tenants, err := f.tenants.list(cmd.Context(), env.DB)
	if err != nil {
		return err
	}
	found, err := compare(cmd.Context(), env, tenants, f.tenants.all)
	if err != nil {
		return err
	}
	if err := f.print(cmd.OutOrStdout(), found); err != nil {
		return err
	}
	if n := found.stuck(); n > 0 {
		return fmt.Errorf("there is drift that does not heal by itself: %d of %s", n, cli.Plural(len(found.Drift), "difference"))
	}
	return nil
}

func (f *driftFlags) print(w io.Writer, found *comparison) error {
	if f.out.json {
		return f.out.print(w, found, nil, nil)
	}
	rows := make([][]string, 0, len(found.Tenants))
	for _, t := range found.Tenants {
		rows = append(rows, []string{t.TenantID.String(), strconv.Itoa(t.Waiting), strconv.Itoa(t.Tasks),
			strconv.Itoa(t.Missing), strconv.Itoa(t.Stale), strconv.Itoa(t.Orphaned)})
	}
	err := cli.Table(w, []string{"TENANT", "BOOKINGS WAITING", "TASKS", "MISSING", "STALE", "ORPHANED"}, rows)
	if err != nil || len(found.Drift) == 0 {
		return err
	}
	rows = rows[:0]
	for _, d := range found.Drift[:min(len(found.Drift), max(f.limit, 0))] {
		heals := d.Heals
		if heals == "" {
			heals = "NO"
		}
		booking, tenant := d.BookingID.String(), d.TenantID.String()
		if d.TenantID == uuid.Nil {
			booking, tenant = "task "+path.Base(d.Task), "-"
		}
		rows = append(rows, []string{d.Kind, tenant, booking, moment(d.DueAt.Time), d.Detail, heals})
	}
	fmt.Fprintln(w)
	err = cli.Table(w, []string{"DRIFT", "TENANT", "BOOKING", "DUE", "WHAT", "HEALS BY ITSELF"}, rows)
	if more := len(found.Drift) - len(rows); more > 0 {
		_, more := fmt.Fprintf(w, "… and %d more\n", more)
		err = errors.Join(err, more)
	}
	return err
}
