package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/cli"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/operatordb"
)

const (
	// smokeDue is when the canary is due, from when it is booked: late enough to be
	// seen waiting, and no longer.
	smokeDue = 10 * time.Second
	// smokeLook is how often its row is read.
	smokeLook = 500 * time.Millisecond
	// smokeRead bounds one reading, and the cancelling.
	smokeRead = 15 * time.Second
)

func newSmoke() *cobra.Command {
	var tenant, user, bookingType string
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "smoke",
		Short: "Book a call for the canary tenant, and see that the stub gets it",
		Long: `Book a follow-up for the canary tenant, due in ten seconds, and see that the stub
gets its call: a deployment is tried from end to end, and nobody is rung. No event
is published, so that the next sweep has to find it.

It works with the functions' settings and the login of the owner of LAD's tables
(DATABASE_URL), and refuses a tenant that is not VOICE_AGENT_CANARY_TENANT. That
tenant needs a voice agent in LAD, and a user, to whom LAD assigns leads: it is the
one of some other lead of the tenant, or --user. Each smoke test makes a lead of its
own with a made-up number.

It prints what becomes of the booking, and exits with 0 once it is executed on the
stub. Otherwise it says why, cancels the booking, and exits with 1.`,
		Example:           `  followup smoke --tenant $VOICE_AGENT_CANARY_TENANT`,
		Args:              cli.ExactArgs(0),
		ValidArgsFunction: cobra.NoFileCompletions,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if timeout <= smokeDue {
				return cli.Usage("--timeout: the call is due after %v, and takes its time", smokeDue)
			}
			if err := checkCanary(cmd.Context(), tenant); err != nil {
				return err
			}
			e, closeAll, err := openDatabase(cmd)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, closeAll()) }()
			ctx, cancel := context.WithTimeoutCause(cmd.Context(), timeout, fmt.Errorf("the canary was not called within %v", timeout))
			defer cancel()
			return smoke(ctx, cmd.OutOrStdout(), e, tenant, user, bookingType)
		},
	}
	tenantFlag(cmd, &tenant)
	cmd.Flags().StringVar(&user, "user", "", "the `id` of the tenant's user to whom the lead is assigned (default: another lead's)")
	cmd.Flags().StringVar(&bookingType, "type", "follow_up", "the booking's `type`, one of FOLLOWUP_BOOKING_TYPES")
	cmd.Flags().DurationVar(&timeout, "timeout", 3*time.Minute, "how long the call may take from now")
	return cmd
}

// checkCanary refuses every tenant but the canary: another one's calls ring.
func checkCanary(ctx context.Context, tenant string) error {
	id, err := parseTenant(tenant)
	if err != nil {
		return err
	}
	var read struct{ Canary execute.CanaryConfig }
	if err := loadSettings(ctx, &read); err != nil {
		return err
	}
	if !read.Canary.IsSet() {
		return errors.New("there is no canary: set VOICE_AGENT_CANARY_TENANT and VOICE_AGENT_CANARY_URL to what the function has")
	}
	if canary, err := read.Canary.ID(); err != nil || canary != id {
		return cli.Usage("--tenant is not VOICE_AGENT_CANARY_TENANT: the calls of any other tenant ring somebody")
	}
	return nil
}

func smoke(ctx context.Context, out io.Writer, e *environment, tenant, user, bookingType string) error {
	id, err := parseTenant(tenant)
	if err != nil {
		return err
	}
	assigned, err := parseUser(user)
	if err != nil {
		return err
	}
	if e.Rules.Paused.Covers(id) {
		return errors.New("FOLLOWUP_PAUSED covers the canary: nothing is dialled for it")
	}
	agents, err := e.DB.Agents(ctx, id)
	if err != nil {
		return err
	}
	if choice := e.Rules.Agent(followup.Booking{}, agents); choice.ID == 0 {
		return fmt.Errorf("the canary could not be called: %s: give it an agent in LAD, as any tenant has one", choice.Problem)
	}
	ref, err := e.DB.BookCanary(ctx, id, assigned, bookingType, e.Rules.LeadTime+smokeDue)
	if errors.Is(err, operatordb.ErrNoUser) {
		return fmt.Errorf("%w: give --user the id of a user of this tenant in LAD, or make a lead that is assigned to one", err)
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "booked %s\n", ref.BookingID)
	c := canary{environment: e, ref: ref, out: out}
	failed := c.watch(ctx)
	if failed == nil {
		return nil
	}
	// Interrupted or not, it is explained and must not be called later.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), smokeRead)
	defer cancel()
	return errors.Join(failed, c.explain(ctx), e.DB.CancelCanary(ctx, ref))
}

// parseUser reads --user; "" is none.
func parseUser(s string) (uuid.NullUUID, error) {
	if s == "" {
		return uuid.NullUUID{}, nil
	}
	id, err := followup.ParseID(s)
	if err != nil {
		return uuid.NullUUID{}, cli.Usage("--user: %w", err)
	}
	return uuid.NullUUID{UUID: id, Valid: true}, nil
}

// canary is a booking that is watched.
type canary struct {
	*environment
	ref  followup.Ref
	out  io.Writer
	told string // what was printed last
}

// watch reads the row until it has come to an end, or ctx to its. A reading that
// fails is made again: the database may be restarted under a deployment.
func (c *canary) watch(ctx context.Context) error {
	var unread error
	for {
		ended, err := c.look(ctx)
		if ended {
			return err
		}
		if ctx.Err() == nil {
			unread = err
		}
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), unread)
		case <-time.After(smokeLook):
		}
	}
}

// look reads the row once, and says whether it has come to its end. An error
// without an end is one of reading.
func (c *canary) look(ctx context.Context) (ended bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, smokeRead)
	defer cancel()
	b, now, err := readBooking(ctx, c.environment, c.ref)
	if err != nil {
		return false, err
	}
	c.tell(b, now)
	t := b.Task
	switch {
	case t.Status == followup.Executed && strings.HasPrefix(t.CallID, stubCallPrefix):
		return true, nil
	case t.Status == followup.Executed:
		return true, fmt.Errorf("the canary was called, and not by the stub: its call is %q", t.CallID)
	case t.Status == followup.Cancelled, t.Status == followup.Failed && t.Reason != followup.NotStarted:
		return true, fmt.Errorf("the canary ended as %s", standing(t))
	case t.Status == followup.Pending && c.Rules.Plan(&b, now).Effect != followup.Arm:
		return true, errors.New("the canary would never be called")
	default:
		return false, nil
	}
}

// tell prints where the booking is, if that is news.
func (c *canary) tell(b followup.Booking, now time.Time) {
	t := b.Task
	said := standing(t)
	switch {
	case t.Status == followup.Scheduled:
		said += ", due " + t.DueAt.UTC().Format(time.TimeOnly)
	case t.Status == followup.Executed:
		said += fmt.Sprintf(", call %s, %v after its time", t.CallID, t.ClaimedAt.Sub(due(c.Rules, b)).Round(time.Millisecond))
	case t.LastError != "":
		said += ": " + t.LastError
	}
	if said != c.told {
		c.told = said
		fmt.Fprintf(c.out, "%s  %s\n", now.UTC().Format(time.TimeOnly), cli.Printable(said))
	}
}

// explain prints what explain would say of the booking now.
func (c *canary) explain(ctx context.Context) error {
	b, now, err := readBooking(ctx, c.environment, c.ref)
	if err != nil {
		return err
	}
	facts, err := c.DB.Facts(ctx, b, c.Rules)
	if err != nil {
		return err
	}
	fmt.Fprintln(c.out)
	return foresee(c.environment, b, facts, now).print(c.out)
}
