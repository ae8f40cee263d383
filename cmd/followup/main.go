// Command followup is what people use to look after follow-up calls where they are
// made. It links nothing that plays LAD or Google Cloud: that is cmd/devstack.
package main

import (
	"context"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"lad.internal/followup/internal/cli"
	"lad.internal/followup/internal/version"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run is the command with its words and streams; it returns the exit code.
func run(ctx context.Context, args []string, in io.Reader, out, errOut io.Writer) int {
	root := &cobra.Command{Use: "followup", Short: "Look after automatic follow-up calls where they are made", Version: version.Version}
	root.AddCommand(newMigrate())
	root.AddCommand(newList(), newShow(), newExplain(), newRetry(), newCancel(), newResolve(), newReplayLog(), newSweep())
	root.AddCommand(newTimeline(), newReport(), newDrift(), newDoctor())
	root.AddCommand(newSmoke(), newStub())
	return cli.Run(ctx, root, args, in, out, errOut)
}
