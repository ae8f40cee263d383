package main

import (
	"context"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/api/option"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/timeline"
)

// cloudSince is how long Cloud Logging keeps entries unless told otherwise
// (https://cloud.google.com/logging/quotas, "Logs retention periods").
const cloudSince = 30 * 24 * time.Hour

// timelineFlags say where the log is.
type timelineFlags struct {
	tenant  string
	logFile string
	project string
	since   time.Duration
	out     output
}

func newTimeline() *cobra.Command {
	var f timelineFlags
	cmd := &cobra.Command{
		Use:   "timeline BOOKING",
		Short: "Show what happened to a booking, from the functions' log",
		Long: `Show what happened to a booking, from the functions' log: one line for each
thing that was decided or done, oldest first.

The log is read from --log-file, a file of the lines that the functions print
("-" is standard input), or else from Cloud Logging, which takes the permission
logging.logEntries.list (roles/logging.viewer) and Google's application default
credentials. Neither database nor queue is asked.

FUNCTION is who wrote the line: the Cloud Run service, where the log says it.
It is "-" in a file whose lines do not tell the functions apart.`,
		Example: `  followup timeline 5f0c… --tenant a11c…
  followup timeline 5f0c… --tenant a11c… --since 48h --json
  followup timeline 5f0c… --tenant a11c… --log-file functions.log`,
		Args: cli.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return f.run(cmd, args[0]) },
	}
	tenantFlag(cmd, &f.tenant)
	flags := cmd.Flags()
	flags.StringVar(&f.logFile, "log-file", "", "read the log from this `file`, or from standard input (-)")
	flags.StringVar(&f.project, "project", "", "read Cloud Logging of this `project` (default: $GCP_PROJECT_ID)")
	flags.DurationVar(&f.since, "since", cloudSince, "how far to look back; a file is read whole unless this is given")
	f.out.flag(cmd)
	return cmd
}

func (f *timelineFlags) run(cmd *cobra.Command, booking string) error {
	ref, err := parseRef(f.tenant, booking)
	if err != nil {
		return err
	}
	if f.since <= 0 {
		return cli.Usage("--since: look back by more than nothing, as 48h")
	}
	var since time.Time
	if f.logFile == "" || cmd.Flags().Changed("since") {
		since = time.Now().Add(-f.since)
	}
	entries := []timeline.Entry{} // prints as [] and not as null
	collect := func(all iter.Seq2[timeline.Entry, error]) error {
		for e, err := range all {
			if err != nil {
				return err
			}
			if e.Ref == ref && !e.Time.Before(since) {
				entries = append(entries, e)
			}
		}
		return nil
	}
	if f.logFile != "" {
		err = withLogFile(cmd, f.logFile, collect)
	} else {
		err = withCloudLog(cmd, f.project, timeline.Filter(ref, since), collect)
	}
	if err != nil {
		return err
	}
	timeline.Sort(entries)
	if err := f.print(cmd.OutOrStdout(), entries); err != nil {
		return err
	}
	if len(entries) == 0 {
		return fmt.Errorf("the log has no line about booking %s; if it should have, look further back with --since", ref)
	}
	return nil
}

func (f *timelineFlags) print(w io.Writer, entries []timeline.Entry) error {
	if len(entries) == 0 && !f.out.json {
		return nil
	}
	rows := make([][]string, 0, len(entries))
	for _, e := range entries {
		sentence := e.Message
		switch e.Severity {
		case "", "DEFAULT", "DEBUG", "INFO", "NOTICE":
		default:
			sentence = e.Severity + ": " + sentence
		}
		// Milliseconds: a booking's whole life may be a matter of some.
		rows = append(rows, []string{e.Time.UTC().Format("2006-01-02T15:04:05.000Z"), orDash(e.Function), e.Event, sentence, e.Describe()})
	}
	return f.out.print(w, entries, []string{"TIME", "FUNCTION", "EVENT", "WHAT", "DETAILS"}, rows)
}

// withLogFile hands the entries of a log file to read.
func withLogFile(cmd *cobra.Command, name string, read func(iter.Seq2[timeline.Entry, error]) error) error {
	if name == "-" {
		return read(timeline.Read(cmd.InOrStdin()))
	}
	file, err := os.Open(name)
	if err != nil {
		return fmt.Errorf("open the log: %w", err)
	}
	defer func() { _ = file.Close() }() // it was only read
	return read(timeline.Read(file))
}

// cloudTimeout bounds the reading of Cloud Logging.
const cloudTimeout = 2 * time.Minute

// withCloudLog hands the entries that a filter selects in Cloud Logging to read.
func withCloudLog(cmd *cobra.Command, project, filter string, read func(iter.Seq2[timeline.Entry, error]) error) error {
	if project == "" {
		project, _ = lookuper(cmd.Context()).Lookup("GCP_PROJECT_ID")
	}
	if project == "" {
		return cli.Usage("say where the log is: a FILE, or --project PROJECT or $GCP_PROJECT_ID for Cloud Logging")
	}
	ctx, cancel := context.WithTimeout(cmd.Context(), cloudTimeout)
	defer cancel()
	client, err := timeline.NewClient(ctx, project, loggingOptions(ctx)...)
	if err != nil {
		return fmt.Errorf("%w (a log that was kept in a file can be read from there)", err)
	}
	defer func() { _ = client.Close() }() // nothing was written
	return read(timeline.Query(ctx, client, filter))
}

type loggingKey struct{}

// withLogging makes commands that run under the context reach Cloud Logging by
// these options instead of Google's address and the user's credentials.
func withLogging(ctx context.Context, opts ...option.ClientOption) context.Context {
	return context.WithValue(ctx, loggingKey{}, opts)
}

func loggingOptions(ctx context.Context) []option.ClientOption {
	opts, _ := ctx.Value(loggingKey{}).([]option.ClientOption)
	return opts
}
