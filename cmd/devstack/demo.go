package main

import (
	"errors"
	"fmt"
	"log/slog"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/localstack/demo"
	"lad.internal/followup/internal/localstack/stack"
)

func newDemo() *cobra.Command {
	var o stack.Options
	var logFile string
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Play a script of bookings on the local stack and check how each ends",
		Long: `Play a script of bookings on the local stack: calls that work, and everything
that goes wrong in practice. It prints what was expected of each booking and what
happened, and exits with 0 only if all of it agrees.`,
		Args: cli.ExactArgs(0),
		RunE: func(cmd *cobra.Command, _ []string) error {
			functionLog, closeLog, err := cli.OpenLog(cmd, logFile, logFile == "")
			if err != nil {
				return err
			}
			defer closeLog()
			o.FunctionLog = functionLog
			o.Progress = progress(cmd)
			o.Log = slog.New(slog.DiscardHandler) // what fails in a scene is meant to
			results, err := demo.Play(cmd.Context(), o)
			if err != nil {
				return err
			}
			return printDemo(cmd, results)
		},
	}
	cmd.Flags().StringVar(&o.Function, "function", "", "the program that serves the functions (default: `function` beside this one)")
	cmd.Flags().StringVar(&logFile, "log-file", "", "write what the functions log to this file")
	return cmd
}

func printDemo(cmd *cobra.Command, results []demo.Result) error {
	table := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "\tBOOKING\tTENANT\tEXPECTED\tHAPPENED\tDUE (UTC)\tCLAIMED AFTER")
	wrong := 0
	for _, r := range results {
		mark := "ok"
		if !r.OK {
			mark, wrong = "WRONG", wrong+1
		}
		lag := "-"
		if !r.Called.IsZero() {
			lag = r.Called.Sub(r.Due).Round(time.Millisecond).String()
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n",
			mark, r.Name, r.Tenant, r.Expected, r.Happened, r.Due.UTC().Format("15:04:05.000"), lag)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if wrong > 0 {
		return errors.New(cli.Plural(wrong, "booking") + " did not end as it should")
	}
	fmt.Fprintf(cmd.OutOrStdout(), "all %s ended as they should\n", cli.Plural(len(results), "booking"))
	return nil
}
