package main

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/localstack/soak"
)

func newSoak() *cobra.Command {
	var o soak.Options
	var logFile string
	cmd := &cobra.Command{
		Use:   "soak",
		Short: "Run many bookings through the local stack while everything fails, and account for each",
		Long: `Run many bookings through the local stack while everything around it fails, and
account for each of them. While the bookings come due,

  - the functions' processes are killed (SIGKILL), every few seconds one of them;
  - the voice agent misbehaves towards a share of the leads: it hangs up, hangs,
    answers 429, 500 or 503, breaks off its answer, answers with nonsense;
  - events and Cloud Tasks are lost and doubled, and some bookings have no event;
  - LAD cancels and moves bookings around the time of their call.

Then the faults stop, every booking is given the time to come to its end, and each
row is compared with what LAD did to it and with the voice agent's book: at most
one call per key, none after a cancel that had committed or for a time that no
longer holds, none for another tenant; every booking with an end; executed only
what was called; an unknown outcome only where the voice agent left it open or a
process was killed during the call.

Bookings, misbehaviours, changes and kills come from the seed, which is printed:
--seed plays the same ones again, with the same --bookings, --tenants,
--kill-every and --misbehave. How they interleave is up to the machine.

It exits with 1 if anything was violated.`,
		Example: `  devstack soak --bookings 2000
  devstack soak --bookings 2000 --seed 42 --kill-every 2s`,
		Args: cli.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			functionLog, closeLog, err := cli.OpenLog(cmd, logFile, logFile == "")
			if err != nil {
				return err
			}
			defer closeLog()
			if !cmd.Flags().Changed("seed") {
				o.Seed = rand.Uint64()
			}
			o.Stack.FunctionLog = functionLog
			o.Stack.Progress = progress(cmd)
			o.Stack.Log = slog.New(slog.DiscardHandler) // what fails is meant to
			return runSoak(cmd, o)
		},
	}
	flags := cmd.Flags()
	flags.IntVar(&o.Bookings, "bookings", 100_000, "how many bookings there are")
	flags.IntVar(&o.Tenants, "tenants", 50, "whose they are: two with a schema each, the others in a shared one")
	flags.Uint64Var(&o.Seed, "seed", 0, "play the bookings and faults of this seed (default: a new one)")
	flags.DurationVar(&o.KillEvery, "kill-every", 5*time.Second, "the mean pause between two kills")
	flags.Float64Var(&o.Misbehave, "misbehave", 0.05, "the share of bookings towards whose leads the voice agent misbehaves")
	flags.Float64Var(&o.Rate, "rate", 200, "how many bookings a second are made at most; fewer if the machine cannot follow")
	flags.DurationVar(&o.SweepEvery, "sweep-every", sweepEvery, "how often the sweep runs; in the cloud it is every minute")
	flags.StringVar(&o.Stack.Function, "function", "", "the program that serves the functions (default: `function` beside this one)")
	flags.StringVar(&logFile, "log-file", "", "write what the functions log, errors alone, to this file")
	return cmd
}

func runSoak(cmd *cobra.Command, o soak.Options) error {
	again := fmt.Sprintf("devstack soak --bookings %d --tenants %d --kill-every %v --misbehave %v --seed %d",
		o.Bookings, o.Tenants, o.KillEvery, o.Misbehave, o.Seed)
	fmt.Fprintf(cmd.OutOrStdout(), "seed %d; the same again: %s\n", o.Seed, again)
	m := &soakMeter{w: cmd.ErrOrStderr(), show: cli.IsTerminal(cmd.ErrOrStderr()), began: time.Now()}
	o.Progress = m.draw
	report, err := soak.Run(cmd.Context(), o)
	m.clear()
	if err != nil {
		return err
	}
	return printSoak(cmd.OutOrStdout(), report)
}

// soakMeter shows how far a soak is: on a terminal a bar, elsewhere a line now
// and then.
type soakMeter struct {
	w    io.Writer
	show bool

	mu    sync.Mutex
	began time.Time // zero until the first line
	said  time.Time
}

// sayEvery is the pause between two lines where no bar can be drawn.
const sayEvery = 30 * time.Second

func (m *soakMeter) draw(p soak.Progress) {
	m.mu.Lock()
	defer m.mu.Unlock()
	what := "soaking"
	if p.Settling {
		what = "settling"
	}
	line := fmt.Sprintf("%s %s, %d of %s ended, %s, %s", what, cli.Meter(p.Ended, p.Planned),
		p.Ended, cli.Plural(p.Planned, "booking"), cli.Plural(p.Kills, "kill"), time.Since(m.began).Round(time.Second))
	switch {
	case m.show:
		fmt.Fprint(m.w, cli.EraseLine+line)
	case time.Since(m.said) >= sayEvery:
		m.said = time.Now()
		fmt.Fprintln(m.w, "devstack: "+line)
	}
}

func (m *soakMeter) clear() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.show {
		fmt.Fprint(m.w, cli.EraseLine)
	}
}

// printSoak prints the summary, and every violation under it. Violations are an
// error.
func printSoak(w io.Writer, r *soak.Report) error {
	rows := [][]string{
		{"bookings", fmt.Sprintf("%d of %s", r.Bookings, cli.Plural(r.Tenants, "tenant"))},
		{"came due in", fmt.Sprintf("%v, %.0f a second", r.Booking.Round(time.Second), float64(r.Bookings)/r.Booking.Seconds())},
		{"settled in", fmt.Sprintf("%v after the last fault; lease, grace and two sweeps are %v", r.Settling.Round(100*time.Millisecond), r.Promised)},
		{"SIGKILLs", fmt.Sprintf("%d of ExecuteFollowUp, %d of ScheduleFollowUp", r.Kills.Execute, r.Kills.Schedule)},
		{"tasks", fmt.Sprintf("%d lost, %d delivered twice at once", r.Deliveries.LostTasks, r.Deliveries.DoubledTasks)},
		{"events", fmt.Sprintf("%d lost, %d delivered twice at once", r.Deliveries.LostEvents, r.Deliveries.DoubledEvents)},
		{"LAD", fmt.Sprintf("cancelled %d, moved %d; wrote %d rows back as it had read them, locked %d", r.Cancelled, r.Moved, r.Deliveries.WrittenBack, r.Deliveries.Locked)},
		{"calls", fmt.Sprint(r.Calls)},
	}
	for _, end := range slices.Sorted(maps.Keys(r.Ends)) {
		rows = append(rows, []string{"ended " + end, fmt.Sprint(r.Ends[end])})
	}
	rows = append(rows,
		[]string{"unknown outcomes", fmt.Sprintf("%.2f %%: %d left open by the voice agent, %d by a kill", 100*r.Unknown(), r.UnknownByAgent, r.UnknownByKill)},
		[]string{"called after", strings.Join([]string{
			"p50 " + lag(r.Lag.P50), "p95 " + lag(r.Lag.P95), "p99 " + lag(r.Lag.P99), "max " + lag(r.Lag.Max)}, ", ")},
		[]string{"violations", fmt.Sprint(r.Violated)},
	)
	if err := cli.Table(w, nil, rows); err != nil {
		return err
	}
	for _, v := range r.Violations {
		fmt.Fprintf(w, "VIOLATION %s: tenant %s, booking %s: %s\n", v.Kind, v.Booking.TenantID, v.Booking.BookingID, cli.Printable(v.Detail))
	}
	if more := r.Violated - len(r.Violations); more > 0 {
		fmt.Fprintf(w, "and %s more\n", cli.Plural(more, "violation"))
	}
	if r.Violated > 0 {
		return fmt.Errorf("%s with seed %d", cli.Plural(r.Violated, "violation"), r.Seed)
	}
	fmt.Fprintln(w, "nothing was called twice, nothing was lost")
	return nil
}

func lag(d time.Duration) string { return d.Round(time.Millisecond).String() }
