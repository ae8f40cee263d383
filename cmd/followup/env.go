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

// open reads the environment and opens database and queue. The caller must call
// close. Changes are logged to standard error in the functions' own form, with
// the operator's name.
func open(cmd *cobra.Command) (e *environment, closeAll func() error, err error) {
	return openLogging(cmd, cmd.ErrOrStderr())
}

// openLogging is open with the log somewhere else.
func openLogging(cmd *cobra.Command, logTo io.Writer) (e *environment, closeAll func() error, err error) {
	var read struct{ Shared config.Shared }
	if err := loadSettings(cmd.Context(), &read); err != nil {
		return nil, nil, err
	}
	read.Shared.Rules.Limit.PerCall, _ = requestsPerCall(cmd.Context())
	shared := read.Shared
	shared.Database = onAnyTimeline(shared.Database)
	parts, err := shared.Open(cmd.Context())
	if err != nil {
		return nil, nil, err
	}
	e = &environment{Shared: read.Shared, Parts: parts, DB: operatordb.DB{DB: parts.DB}}
	e.log = e.logger(logTo).With("operator", operator(cmd.Context()))
	e.reconciler, err = reconcile.New(read.Shared.Rules, parts.DB, parts.Queue, e.log)
	if err != nil {
		return nil, nil, errors.Join(err, parts.Close(cmd.Context()))
	}
	return e, func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(cmd.Context()), 5*time.Second)
		defer cancel()
		return parts.Close(ctx)
	}, nil
}

// openDatabase is open for commands that only read bookings: they need no
// queue, no right to it, and none of its settings. There is no reconciler.
func openDatabase(cmd *cobra.Command) (e *environment, closeAll func() error, err error) {
	var read struct {
		Rules    followup.Rules
		Database tenantdb.Config
		Log      config.Log
	}
	if err := loadSettings(cmd.Context(), &read); err != nil {
		return nil, nil, err
	}
	read.Rules.Limit.PerCall, _ = requestsPerCall(cmd.Context())
	db, err := tenantdb.Open(cmd.Context(), onAnyTimeline(read.Database))
	if err != nil {
		return nil, nil, err
	}
	e = &environment{
		Shared: config.Shared{Rules: read.Rules, Database: read.Database, Log: read.Log},
		DB:     operatordb.DB{DB: db},
	}
	e.log = e.logger(cmd.ErrOrStderr())
	return e, db.Close, nil
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
	log := e.Logger(w)
	if b, ok := w.(*bar); cli.IsTerminal(w) || ok && b.show {
		return slog.New(atLeast{Handler: log.Handler(), level: logging.LevelNotice})
	}
	return log
}

// atLeast drops records below a level.
type atLeast struct {
	slog.Handler
	level slog.Level
}

// Enabled implements slog.Handler.
func (h atLeast) Enabled(ctx context.Context, level slog.Level) bool {
	return level >= h.level && h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h atLeast) WithAttrs(attrs []slog.Attr) slog.Handler {
	return atLeast{Handler: h.Handler.WithAttrs(attrs), level: h.level}
}

// WithGroup implements slog.Handler.
func (h atLeast) WithGroup(name string) slog.Handler {
	return atLeast{Handler: h.Handler.WithGroup(name), level: h.level}
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
