// Command compliance checks LAD's rules on this repository, in the working
// directory, and runs the tests that prove its handlers idempotent. It prints
// LAD's report to stdout, what breaks the house's own rules to stderr, and exits
// with 1 if the repository is not ready, with 2 if it could not be judged. It has
// no options: there is nothing to leave out.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"lad.internal/followup/internal/compliance"
)

func main() { os.Exit(realMain()) }

func realMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	report, err := compliance.Check(ctx, ".", compliance.LAD())
	if err == nil {
		err = report.WriteHouseRules(os.Stderr)
	}
	if err == nil {
		_, err = report.WriteTo(os.Stdout)
	}
	switch {
	case err != nil:
		fmt.Fprintf(os.Stderr, "compliance: %v\n", err)
		return 2
	case !report.Ready():
		return 1
	}
	return 0
}
