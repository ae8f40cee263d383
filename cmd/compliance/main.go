// Command compliance checks LAD's rules on the repository in the working directory,
// and runs the tests that prove its handlers idempotent. It prints LAD's report, and
// exits with 1 if the repository is not ready, with 2 if it could not be judged. It
// has no options: there is nothing to leave out.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"lad.internal/followup/internal/compliance"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	report, err := compliance.Check(ctx, ".", compliance.LAD())
	if stop(); err == nil {
		_, err = report.WriteTo(os.Stdout)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "compliance: %v\n", err)
		os.Exit(2)
	}
	if !report.Ready() {
		os.Exit(1)
	}
}
