package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/config"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tasks"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/operatordb"
)

func newDoctor() *cobra.Command {
	var timeout time.Duration
	var all bool
	var out output
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check that everything is set up as it must be, and say what to do if not",
		Long: `Check that everything is set up as it must be, and say what to do if not. It works
with the functions' settings and, best, with their login. Nothing is changed,
and nobody is called.

  configuration  the settings can be read and agree with each other
  database       it can be reached and entered, its commits outlive a crash, and it is
                 on the time line that calls may be made on
  migrations     every tenant's schema is migrated; and what LAD's own tables lack
  rights         the login has no right that it does not need
  tenants        the login sees nothing of a tenant that it has not named
  queue          it exists, runs, and agrees with the settings and with the voice
                 service's limit
  endpoint       the execute function, or Cloud Run before it, rejects unauthenticated requests, and
                 a token that nobody has signed
  clocks         this machine, the database and the endpoint agree on the time
  lad            LAD's own trigger, by which another system dials, is gone

With --all, what a person should confirm before going live:

  agents         the agent and the number with which each tenant's calls are made
  times          the next bookings of each source and zone in both readings, as a
                 wall clock and as an instant, and which of them the settings choose

Each check ends after --timeout at the latest, and one that fails does not stop
the others; one that cannot be made at all is skipped. The exit code is 1 if any
check fails. Looking at the queue takes the permission cloudtasks.queues.get
(roles/cloudtasks.viewer).`,
		Example: `  followup doctor
  followup doctor --all`,
		Args: cli.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if timeout <= 0 {
				return cli.Usage("--timeout: a check needs some time, as 15s")
			}
			report := examine(cmd.Context(), timeout, all, time.Now)
			if err := report.print(cmd.OutOrStdout(), out); err != nil {
				return err
			}
			if n := report.count(failed); n > 0 {
				return fmt.Errorf("%s failed", cli.Plural(n, "check"))
			}
			return nil
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 15*time.Second, "how long one check may take, and with --all one tenant")
	cmd.Flags().BoolVar(&all, "all", false, "look at every tenant's agent, number and times as well")
	out.flag(cmd)
	return cmd
}

// checkStatus is how a check ended.
type checkStatus string

const (
	passed  checkStatus = "ok"
	warned  checkStatus = "warn"
	failed  checkStatus = "fail"
	skipped checkStatus = "skip" // it could not be made, because another one failed
)

// finding is the result of a check.
type finding struct {
	Check  string      `json:"check"`
	Status checkStatus `json:"status"`
	Detail string      `json:"detail"`
	Do     string      `json:"do,omitempty"` // what to do about it
}

// findings is the result of all checks, as --json prints it.
type findings struct {
	OK      bool         `json:"ok"`
	Checks  []finding    `json:"checks"`
	Tenants []tenantView `json:"tenants,omitempty"` // with --all
}

func (f *findings) count(s checkStatus) (n int) {
	for _, c := range f.Checks {
		if c.Status == s {
			n++
		}
	}
	return n
}

func passes(detail string, args ...any) finding {
	return finding{Status: passed, Detail: fmt.Sprintf(detail, args...)}
}

func fails(do, detail string, args ...any) finding {
	return finding{Status: failed, Detail: fmt.Sprintf(detail, args...), Do: do}
}

func warns(do, detail string, args ...any) finding {
	return finding{Status: warned, Detail: fmt.Sprintf(detail, args...), Do: do}
}

// broke is a check that an error has ended.
func broke(do string, err error) finding { return fails(do, "%s", oneLine(err)) }

func skips(why string) finding { return finding{Status: skipped, Detail: why} }

// doctor is what the checks work with, and what earlier ones have found out for
// later ones. A part whose settings are wrong is nil.
type doctor struct {
	rules *followup.Rules
	// assumed: what a call costs of the voice service's limit is not set here.
	assumed  bool
	database tenantdb.Config
	db       operatordb.DB
	tasks    *tasks.Config
	queue    *tasks.Client
	oidcMode string
	now      func() time.Time

	schemas  []string // of all tenants; nil until the database was reached
	dbClock  *clockReading
	webClock *clockReading
}

// examine makes all checks. now is this machine's clock.
func examine(ctx context.Context, timeout time.Duration, all bool, now func() time.Time) *findings {
	d := &doctor{now: now}
	report := &findings{}
	add := func(name string, f finding) {
		f.Check = name
		report.Checks = append(report.Checks, f)
	}
	for _, check := range []struct {
		name    string
		schemas bool // it asks about them
		make    func(*doctor, context.Context) finding
	}{
		{"configuration", false, (*doctor).configuration},
		{"database", false, (*doctor).reachDatabase},
		{"migrations", true, (*doctor).migrations},
		{"rights", true, (*doctor).rights},
		{"tenants", true, (*doctor).isolation},
		{"queue", false, (*doctor).checkQueue},
		{"endpoint", false, (*doctor).endpoint},
		{"clocks", false, (*doctor).clocks},
		{"lad", true, (*doctor).ladTrigger},
	} {
		if check.schemas && d.schemas == nil {
			add(check.name, skips(unreachable))
			continue
		}
		bounded, cancel := context.WithTimeout(ctx, timeout)
		f := check.make(d, bounded)
		cancel()
		add(check.name, f)
	}
	if all {
		agents, times, types, tenants := d.askTenants(ctx, timeout)
		add("agents", agents)
		add("times", times)
		add("types", types)
		report.Tenants = tenants
	}
	d.close()
	report.OK = report.count(failed) == 0
	return report
}

// configuration reads the settings as the functions do, and then, part by part,
// what the other checks can work with.
func (d *doctor) configuration(ctx context.Context) finding {
	env := lookuper(ctx)
	var all struct{ Shared config.Shared }
	err := settings.Load(ctx, env, &all)

	var rules struct{ Part followup.Rules }
	if settings.Load(ctx, env, &rules) == nil {
		d.rules = &rules.Part
		n, known := requestsPerCall(ctx)
		d.rules.Limit.PerCall, d.assumed = n, !known
	}
	var database struct{ Part tenantdb.Config }
	var opened error
	if settings.Load(ctx, env, &database) == nil {
		// Background work of the pool outlives the check.
		d.db.DB, opened = tenantdb.Open(context.WithoutCancel(ctx), onAnyTimeline(database.Part))
		err = errors.Join(err, opened)
	}
	d.database = database.Part
	var queue struct{ Part tasks.Config }
	if settings.Load(ctx, env, &queue) == nil {
		d.tasks = &queue.Part
		d.queue, opened = tasks.New(context.WithoutCancel(ctx), queue.Part)
		err = errors.Join(err, opened)
	}
	d.oidcMode, _ = env.Lookup("FOLLOWUP_OIDC_MODE")
	if err != nil {
		return broke("set the variables that are named to what the functions are deployed with", err)
	}
	return passes("all settings can be read and agree with each other")
}

func (d *doctor) close() {
	if d.queue != nil {
		_ = d.queue.Close() // nothing is under way any more
	}
	if d.db.DB != nil {
		_ = d.db.Close() // nor here
	}
}

// oneLine is an error of several lines as one.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

func (f *findings) print(w io.Writer, out output) error {
	if out.json {
		return out.print(w, f, nil, nil)
	}
	for _, c := range f.Checks {
		if _, err := fmt.Fprintf(w, "%-4s  %-13s  %s\n", c.Status, c.Check, cli.Printable(c.Detail)); err != nil {
			return err
		}
		if c.Do != "" && c.Status != passed {
			if _, err := fmt.Fprintf(w, "%21s→ %s\n", "", cli.Printable(c.Do)); err != nil {
				return err
			}
		}
	}
	if len(f.Tenants) > 0 {
		if err := printTenants(w, f.Tenants); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "\n%d ok, %d warn, %d fail, %d skip\n", f.count(passed), f.count(warned), f.count(failed), f.count(skipped))
	return err
}
