// Command devstack runs the whole system on one machine, for those who develop it:
// dev to try things by hand, demo to see that all is well, soak to look for what is
// not. Nothing of it is deployed.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the command with its words and streams; it returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := &cobra.Command{Use: "devstack", Short: "Run the whole system of follow-up calls on this machine"}
	root.AddCommand(newDev(), newDemo(), newSoak())
	return cli.Run(ctx, root, args, in, out, errOut)
}
