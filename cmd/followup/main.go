// Command followup is what people use to look after follow-up calls: dev and
// demo run the whole system on this machine, migrate prepares LAD's schemas.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

// Exit codes.
const (
	exitFailed = 1 // what was asked for did not succeed
	exitUsage  = 2 // the call's words are wrong
)

func main() {
	os.Exit(realMain())
}

func realMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := newRoot().ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(os.Stderr, "followup: %v\nTry `followup --help`.\n", err)
		return exitUsage
	default:
		fmt.Fprintf(os.Stderr, "followup: %v\n", err)
		return exitFailed
	}
}

// usageError is a call whose words are wrong.
type usageError struct{ error }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:           "followup",
		Short:         "Automatic follow-up calls: run them here, and look after them where they run",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newDev(), newDemo(), newMigrate())
	return root
}

// exactArgs is cobra's, with an error that counts as wrong usage.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}
