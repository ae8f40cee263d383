package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/migrations"
	"lad.internal/followup/pkg/tenantdb"
)

// migrateFlags say where migrations run.
type migrateFlags struct {
	databaseURL string
	schema      string
	all         bool
	yes         bool
	access      migrations.Access
}

func newMigrate() *cobra.Command {
	var f migrateFlags
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Prepare LAD's schemas for follow-up calls, or undo it",
		Long: `Prepare LAD's schemas for follow-up calls, or undo it.

The login must be that of the owner of LAD's tables. It is taken from
--database-url or else from DATABASE_URL. Every statement is safe to run twice,
indexes are built concurrently, and no lock that LAD's traffic would have to
wait for is held or waited for longer than half a second at a time.`,
		Args: cli.Subcommand,
		RunE: cli.ShowHelp,
	}
	flags := cmd.PersistentFlags()
	flags.StringVar(&f.databaseURL, "database-url", "", "the owner's login (default: $DATABASE_URL)")
	flags.StringVar(&f.schema, "schema", "", "the schema to work on")
	flags.BoolVar(&f.all, "all", false, "work on every schema that has a table lead_bookings")
	up := &cobra.Command{Use: "up", Short: "Bring schemas up to date", Args: cli.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return f.connected(cmd, func(ctx context.Context, conn *pgx.Conn, schemas []string) error {
				err := each(cmd, schemas, func(schema string) error {
					return migrations.Up(ctx, conn, schema, migrations.Options{Logger: progressLog(cmd)})
				}, "is up to date")
				return errors.Join(err, f.grant(ctx, cmd, conn))
			})
		}}
	up.Flags().StringArrayVar(&f.access.Logins, "grant-to", nil, "let this `login` work with the schemas (may be repeated)")
	up.Flags().StringVar(&f.access.Registry, "registry", "", "let these logins read the table of tenants, as `schema.table` (TENANT_REGISTRY)")
	down := &cobra.Command{Use: "down", Short: "Take away what up has added, and what was stored in it", Args: cli.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.confirmDown(cmd); err != nil {
				return err
			}
			return f.connected(cmd, func(ctx context.Context, conn *pgx.Conn, schemas []string) error {
				return each(cmd, schemas, func(schema string) error {
					return migrations.Down(ctx, conn, schema, migrations.Options{Logger: progressLog(cmd)})
				}, "is as it was before")
			})
		}}
	down.Flags().BoolVar(&f.yes, "yes", false, "do not ask")
	status := &cobra.Command{Use: "status", Short: "Say how far schemas are", Args: cli.ExactArgs(0), RunE: f.status}
	cmd.AddCommand(up, down, status)
	return cmd
}

// each runs one step on every schema. A schema that fails does not keep the
// others from theirs.
func each(cmd *cobra.Command, schemas []string, step func(schema string) error, done string) error {
	var failed []error
	for _, schema := range schemas {
		started := time.Now()
		if err := step(schema); err != nil {
			failed = append(failed, fmt.Errorf("schema %s: %w", schema, err))
			continue
		}
		fmt.Fprintf(cmd.OutOrStdout(), "%s %s (%v)\n", schema, done, time.Since(started).Round(time.Millisecond))
	}
	return errors.Join(failed...)
}

// grant lets the functions work with what up has made.
func (f *migrateFlags) grant(ctx context.Context, cmd *cobra.Command, conn *pgx.Conn) error {
	if err := migrations.Grant(ctx, conn, f.access); err != nil {
		return err
	}
	for _, login := range f.access.Logins {
		fmt.Fprintf(cmd.OutOrStdout(), "%s may work\n", login)
	}
	return nil
}

func (f *migrateFlags) status(cmd *cobra.Command, _ []string) error {
	return f.connected(cmd, func(ctx context.Context, conn *pgx.Conn, schemas []string) error {
		table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(table, "SCHEMA\tMIGRATION\tSTATE\tMISSING")
		var without []string
		for _, schema := range schemas {
			statuses, err := migrations.Status(ctx, conn, schema)
			if err != nil {
				return fmt.Errorf("schema %s: %w", schema, err)
			}
			optional, err := migrations.Optional(ctx, conn, schema)
			if err != nil {
				return fmt.Errorf("schema %s: %w", schema, err)
			}
			if len(optional) > 0 {
				without = append(without, fmt.Sprintf("%s: LAD does without, which is allowed: %s\n", schema, strings.Join(optional, ", ")))
			}
			for _, s := range statuses {
				missing := strings.Join(s.Missing, ", ")
				if s.State() == "absent" {
					missing = "everything"
				}
				fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", schema, s.Name, s.State(), missing)
			}
		}
		if err := table.Flush(); err != nil {
			return err
		}
		_, err := io.WriteString(cmd.OutOrStdout(), strings.Join(without, ""))
		return err
	})
}

func (f *migrateFlags) connected(cmd *cobra.Command, work func(context.Context, *pgx.Conn, []string) error) error {
	if (f.schema == "") == !f.all {
		return cli.Usage("say which schema: --schema NAME, or --all")
	}
	databaseURL := f.databaseURL
	if databaseURL == "" {
		databaseURL = os.Getenv("DATABASE_URL")
	}
	if databaseURL == "" {
		return cli.Usage("no database: give --database-url, or set DATABASE_URL, to the login of the owner of LAD's tables")
	}
	ctx := cmd.Context()
	conn, err := pgx.Connect(ctx, databaseURL)
	if err != nil {
		return tenantdb.ConnectFailed(err)
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = conn.Close(ctx) // nothing is under way on it
	}()
	schemas := []string{f.schema}
	if f.all {
		if schemas, err = migrations.Schemas(ctx, conn); err != nil {
			return err
		}
		if len(schemas) == 0 {
			return errors.New("no schema of this database has a table lead_bookings")
		}
	}
	return work(ctx, conn, schemas)
}

func (f *migrateFlags) confirmDown(cmd *cobra.Command) error {
	if f.yes {
		return nil
	}
	if !cli.IsTerminal(cmd.InOrStdin()) {
		return cli.Usage("migrate down deletes the state of all follow-ups: say --yes")
	}
	return ask(cmd, "This deletes the state of all follow-ups: which calls were made, and which are planned.")
}

// askYes asks a person, and returns an error unless the answer is yes.
func askYes(in io.Reader, out io.Writer, question string) error {
	fmt.Fprint(out, question)
	answer, err := bufio.NewReader(in).ReadString('\n')
	if err != nil || strings.TrimSpace(answer) != "yes" {
		return errors.New("nothing was changed")
	}
	return nil
}

// progressLog tells a person what migrate waits for.
func progressLog(cmd *cobra.Command) *slog.Logger {
	return slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey || a.Key == slog.LevelKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}
