// Package cli is what the commands share: how they are run, what their exit codes
// mean, and how they print for people.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"
)

// Exit codes.
const (
	ExitFailed = 1 // what was asked for did not succeed
	ExitUsage  = 2 // the call's words are wrong
)

// UsageError is a call whose words are wrong.
type UsageError struct{ error }

// Usage makes an error of wrong words.
func Usage(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// Run runs a command with its words and streams, and returns the exit code.
func Run(ctx context.Context, root *cobra.Command, args []string, in io.Reader, out, errOut io.Writer) int {
	root.SilenceUsage, root.SilenceErrors = true, true
	root.Args, root.RunE = Subcommand, ShowHelp
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return UsageError{err} })
	root.SetArgs(args)
	root.SetIn(in)
	root.SetOut(out)
	root.SetErr(errOut)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(errOut, "%s: %v\n", root.Name(), err)
	if usage := (UsageError{}); errors.As(err, &usage) {
		fmt.Fprintf(errOut, "Try `%s --help`.\n", root.Name())
		return ExitUsage
	}
	return ExitFailed
}

// Subcommand refuses the words of a command that only has subcommands. With
// cobra's own check a misspelt one would print the help and succeed.
func Subcommand(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usage("unknown command %q for %q", args[0], cmd.CommandPath())
	}
	return nil
}

// ShowHelp is what such a command does without words.
func ShowHelp(cmd *cobra.Command, _ []string) error { return cmd.Help() }

// ExactArgs is cobra's, with an error that counts as wrong usage.
func ExactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return UsageError{err}
		}
		return nil
	}
}

// OpenLog is where the functions' log goes: a file, nowhere, or standard error.
func OpenLog(cmd *cobra.Command, file string, quiet bool) (w io.Writer, closeLog func(), err error) {
	switch {
	case file != "":
		f, err := os.OpenFile(file, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return nil, nil, fmt.Errorf("open the log file: %w", err)
		}
		return f, func() { _ = f.Close() }, nil // every line has been written by now
	case quiet:
		return io.Discard, func() {}, nil
	default:
		return cmd.ErrOrStderr(), func() {}, nil
	}
}

// IsTerminal reports whether a person sits at the stream.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
