// Command followup is what people use to look after follow-up calls: dev and
// demo run the whole system on this machine, migrate prepares LAD's schemas.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"lad.internal/followup/internal/version"
)

// Exit codes.
const (
	exitFailed = 1 // what was asked for did not succeed
	exitUsage  = 2 // the call's words are wrong
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the command with its words and streams; it returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := newRoot()
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(errOut, "followup: %v\nTry `followup --help`.\n", err)
		return exitUsage
	default:
		fmt.Fprintf(errOut, "followup: %v\n", err)
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
		Version:       version.Version,
		Args:          subcommand,
		RunE:          showHelp,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newDev(), newDemo(), newSoak(), newMigrate())
	root.AddCommand(newList(), newShow(), newExplain(), newRetry(), newCancel(), newResolve(), newReplayLog(), newSweep())
	root.AddCommand(newTimeline(), newReport(), newDrift(), newDoctor())
	root.AddCommand(newSmoke(), newStub())
	return root
}

// subcommand refuses the words of a command that only has subcommands. With
// cobra's own check a misspelt one would print the help and succeed.
func subcommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usageError{fmt.Errorf("unknown command %q for %q", args[0], cmd.CommandPath())}
	}
	return nil
}

func showHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// exactArgs is cobra's, with an error that counts as wrong usage.
func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// isTerminal reports whether a person sits at the stream.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
