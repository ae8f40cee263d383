package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/localstack/stack"
)

const sweepEvery = 5 * time.Second

func newDev() *cobra.Command {
	var o stack.Options
	var logFile, traceFile, envFile string
	var quiet, example bool
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run the whole system on this machine",
		Long: `Run the whole system on this machine: a throw-away PostgreSQL with two tenants,
Pub/Sub with an Eventarc stand-in, a Cloud Tasks server, the voice agent and LAD's
booking endpoint, and the two functions as processes of their own, as deployed.

When everything answers, it prints one line, "ready: http://…", on standard
output. What it does meanwhile, and what the functions log, goes to standard
error. It ends, and leaves nothing behind, on Ctrl-C.

The settings of the functions (FOLLOWUP_…, VOICE_AGENT_…; see docs/configuration.md) are
taken from the environment where they are set there.`,
		Example: `  devstack dev
  curl -s localhost:8080/api/tenants
  curl -s localhost:8080/api/deals-pipeline/bookings -H "X-Tenant-Id: $TENANT" -H "Content-Type: application/json" \
    -d '{"leadId":"'$(uuidgen)'","assignedUserId":"'$(uuidgen)'","bookingType":"follow_up","scheduledAt":"2026-01-31T09:00:00Z"}'
  curl -s "localhost:8080/api/voice-agent/calls?bookingId=$BOOKING"`,
		Args: cli.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			functionLog, closeLog, err := cli.OpenLog(cmd, logFile, quiet)
			if err != nil {
				return err
			}
			defer closeLog()
			o.FunctionLog = functionLog
			if traceFile != "" {
				if traceFile, err = filepath.Abs(traceFile); err != nil {
					return fmt.Errorf("find the trace file: %w", err)
				}
				o.Env = map[string]string{"FOLLOWUP_TRACES": "file:" + traceFile}
			}
			o.Progress = progress(cmd)
			o.Log = slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			return runDev(cmd, o, example, envFile)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&o.Listen, "listen", "127.0.0.1:8080", "where LAD's stand-in and the voice agent listen")
	flags.StringVar(&o.DatabaseURL, "database-url", "", "use this database, with its owner's login, instead of a throw-away one")
	flags.StringVar(&o.CloudTasks, "cloud-tasks", "", "use the Cloud Tasks server at HOST:PORT (FOLLOWUP_OIDC_ISSUER and FOLLOWUP_OIDC_CERTS_URL say whose tokens it sends)")
	flags.StringVar(&o.VoiceAgent, "voice-agent", "", "use the voice agent at this URL")
	flags.StringVar(&o.Function, "function", "", "the program that serves the functions (default: `function` beside this one)")
	flags.DurationVar(&o.SweepEvery, "sweep-every", sweepEvery, "how often the sweep runs; in the cloud it is every minute")
	flags.BoolVar(&example, "example", false, "book one follow-up per tenant, and tell what becomes of each")
	flags.StringVar(&envFile, "env-file", "", "write the functions' settings to this file, for the other commands: set -a; . FILE")
	flags.StringVar(&logFile, "log-file", "", "write what the functions log to this file")
	flags.StringVar(&traceFile, "trace-file", "", "write the functions' traces to this file, a line of JSON per span")
	flags.BoolVar(&quiet, "quiet", false, "do not show what the functions log")
	return cmd
}

func runDev(cmd *cobra.Command, o stack.Options, example bool, envFile string) (err error) {
	ctx := cmd.Context()
	s, err := stack.Start(ctx, o)
	if err != nil {
		if ctx.Err() != nil {
			return nil // stopped by hand while starting
		}
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if envFile != "" {
		if err := writeEnv(envFile, s.Env()); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.Remove(envFile)) }()
	}
	fmt.Fprintf(cmd.OutOrStdout(), "ready: %s\n", s.URL)
	if cli.IsTerminal(cmd.ErrOrStderr()) {
		printHints(cmd.ErrOrStderr(), s.URL, s.Tenants[0].ID, time.Now())
	}
	if example {
		if err := playExample(ctx, cmd.ErrOrStderr(), s); err != nil && ctx.Err() == nil {
			progress(cmd)("the example did not come to its end: " + err.Error())
		}
	}
	<-ctx.Done()
	progress(cmd)("stopping")
	return nil
}

// writeEnv writes settings so that a shell can read them. They hold passwords.
func writeEnv(file string, env []string) error {
	var text strings.Builder
	for _, setting := range env {
		name, value, _ := strings.Cut(setting, "=")
		fmt.Fprintf(&text, "%s='%s'\n", name, strings.ReplaceAll(value, "'", `'\''`))
	}
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		return fmt.Errorf("write the settings: %w", err)
	}
	return nil
}

// progress tells a person what takes its time.
func progress(cmd *cobra.Command) func(string) {
	return func(what string) { fmt.Fprintf(cmd.ErrOrStderr(), "devstack: %s\n", what) }
}
