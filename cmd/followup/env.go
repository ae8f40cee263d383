package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/user"
	"time"

	"github.com/google/uuid"
	"github.com/sethvargo/go-envconfig"
	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/config"
	"lad.internal/followup/internal/logging"
	"lad.internal/followup/internal/reconcile"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/operatordb"
	"lad.internal/followup/pkg/voiceagent"
)

// environment is what a command works with: the functions' own settings, from
// the same variables, and the same adapters with the same rights.
type environment struct {
	config.Shared
	config.Parts
	DB         operatordb.DB
	reconciler *reconcile.Reconciler
	log        *slog.Logger
}

// changing runs work with database and queue. Changes are logged in the functions'
// own form, with the operator's name, to the file or else to the writer.
func changing(cmd *cobra.Command, logFile string, otherwise io.Writer, work func(context.Context, *environment) error) (err error) {
	log, closeLog, err := cli.OpenLog(cmd, logFile, false)
	if err != nil {
		return err
	}
	defer closeLog()
	if logFile == "" {
		log = otherwise
	}
	var read struct{ Shared config.Shared }
	if err := loadSettings(cmd.Context(), &read); err != nil {
		return err
	}
	read.Shared.Rules.Limit.PerCall, _ = requestsPerCall(cmd.Context())
	shared := read.Shared
	shared.Database = onAnyTimeline(shared.Database)
	parts, err := shared.Open(cmd.Context())
	if err != nil {
		return err
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), 5*time.Second)
		defer cancel()
		err = errors.Join(err, parts.Close(ctx))
	}()
	e := &environment{Shared: read.Shared, Parts: parts, DB: operatordb.DB{DB: parts.DB}}
	e.log = e.logger(log).With("operator", operator(cmd.Context()))
	if e.reconciler, err = reconcile.New(read.Shared.Rules, parts.DB, parts.Queue, e.log); err != nil {
		return err
	}
	return work(cmd.Context(), e)
}

// reading runs work with the database alone: it needs no queue, no right to it, and
// none of its settings. There is no reconciler.
func reading(cmd *cobra.Command, work func(context.Context, *environment) error) (err error) {
	var read struct {
		Rules    followup.Rules
		Database tenantdb.Config
		Log      config.Log
	}
	if err := loadSettings(cmd.Context(), &read); err != nil {
		return err
	}
	read.Rules.Limit.PerCall, _ = requestsPerCall(cmd.Context())
	db, err := tenantdb.Open(cmd.Context(), onAnyTimeline(read.Database))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	e := &environment{Shared: config.Shared{Rules: read.Rules, Database: read.Database, Log: read.Log}, DB: operatordb.DB{DB: db}}
	e.log = e.logger(cmd.ErrOrStderr())
	return work(cmd.Context(), e)
}

// withBooking is a command about one booking, which it reads.
func withBooking(tenant *string, work func(cmd *cobra.Command, e *environment, b followup.Booking, now time.Time) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		ref, err := parseRef(*tenant, args[0])
		if err != nil {
			return err
		}
		return reading(cmd, func(ctx context.Context, e *environment) error {
			b, now, err := readBooking(ctx, e, ref)
			if err != nil {
				return err
			}
			return work(cmd, e, b, now)
		})
	}
}

// readBooking reads a booking that must be there, and the database's clock.
func readBooking(ctx context.Context, e *environment, ref followup.Ref) (followup.Booking, time.Time, error) {
	b, now, err := e.DB.Booking(ctx, ref)
	if err == nil && b == nil {
		err = fmt.Errorf("no such booking for this tenant: %s", ref.BookingID)
	}
	if err != nil {
		return followup.Booking{}, time.Time{}, err
	}
	return *b, now, nil
}

// onAnyTimeline lets people look at a database that was restored, and settle what
// it has forgotten. Only a sweep arms calls in their place: see newSweep.
func onAnyTimeline(c tenantdb.Config) tenantdb.Config {
	c.Timeline = 0
	return c
}

// requestsPerCall is how many requests of the voice service a call costs, as the
// execute function reckons: the question about the call's job is one as well. Where
// the voice service's settings are not set, it is not known, and two by default.
func requestsPerCall(ctx context.Context) (n int, known bool) {
	var read struct{ Agent voiceagent.Config }
	err := settings.Load(ctx, lookuper(ctx), &read)
	if err == nil && read.Agent.JobAfter == 0 {
		return 1, true
	}
	return 2, err == nil
}

// logger writes to w. Somebody at a terminal reads what a person should know,
// and not each step.
func (e *environment) logger(w io.Writer) *slog.Logger {
	shared := e.Shared
	level, err := logging.ParseLevel(shared.Log.Level)
	if b, ok := w.(*bar); err == nil && level < logging.LevelNotice && (cli.IsTerminal(w) || ok && b.show) {
		shared.Log.Level = "notice"
	}
	return shared.Logger(w)
}

func loadSettings(ctx context.Context, target any) error {
	if err := settings.Load(ctx, lookuper(ctx), target); err != nil {
		return fmt.Errorf("the command works with the functions' settings, and something is wrong with them:\n%w", err)
	}
	return nil
}

type environmentKey struct{}

// withEnvironment makes commands that run under the context read their settings
// from env instead of the process's environment.
func withEnvironment(ctx context.Context, env envconfig.Lookuper) context.Context {
	return context.WithValue(ctx, environmentKey{}, env)
}

func lookuper(ctx context.Context) envconfig.Lookuper {
	if env, ok := ctx.Value(environmentKey{}).(envconfig.Lookuper); ok {
		return env
	}
	return envconfig.OsLookuper()
}

// operator is who works here, for the log: FOLLOWUP_OPERATOR or the login name.
func operator(ctx context.Context) string {
	if name, ok := lookuper(ctx).Lookup("FOLLOWUP_OPERATOR"); ok && name != "" {
		return name
	}
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return "unknown"
}

// tenantFlag is required wherever a tenant's data is read or changed: see
// parseTenant.
func tenantFlag(cmd *cobra.Command, into *string) {
	cmd.Flags().StringVar(into, "tenant", "", "the tenant's `id` (required)")
}

func parseTenant(s string) (uuid.UUID, error) {
	if s == "" {
		return uuid.Nil, cli.Usage("say whose bookings: --tenant ID")
	}
	id, err := followup.ParseID(s)
	if err != nil {
		return uuid.Nil, cli.Usage("--tenant: %w", err)
	}
	return id, nil
}

func parseRef(tenant, booking string) (followup.Ref, error) {
	t, err := parseTenant(tenant)
	if err != nil {
		return followup.Ref{}, err
	}
	b, err := followup.ParseID(booking)
	if err != nil {
		return followup.Ref{}, cli.Usage("booking: %w", err)
	}
	return followup.Ref{TenantID: t, BookingID: b}, nil
}
