package process_test

import (
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"

	"lad.internal/followup/emulators/process"
)

// victimEnv makes this test binary play the program that a test kills.
const victimEnv = "PROCESS_TEST_VICTIM"

func TestMain(m *testing.M) {
	if os.Getenv(victimEnv) != "" {
		playVictim()
		return
	}
	goleak.VerifyTestMain(m)
}

// family is a shell that ignores the polite signals and has a child that ignores
// them as well: only a kill of the whole group ends both. It prints their numbers.
const family = `trap '' TERM INT HUP; sh -c 'trap "" TERM INT HUP; while :; do sleep 0.2; done' & echo $$ $!; wait`

// playVictim starts a family, prints the numbers and the folder, and waits for
// its end.
func playVictim() {
	// A shell has what it starts in the background ignore SIGINT, and nohup SIGHUP,
	// and this program inherits that; they are to end it all the same.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		<-interrupted
		os.Exit(1)
	}()
	group, err := process.NewGroup()
	if err != nil {
		fail(err)
	}
	folder, err := group.Folder("process-test ")
	if err != nil {
		fail(err)
	}
	if err := os.WriteFile(folder+"/file", nil, 0o600); err != nil {
		fail(err)
	}
	fmt.Println(folder)
	command := exec.Command("/bin/sh", "-c", family)
	command.Stdout = os.Stdout
	if _, err := group.Start(command); err != nil {
		fail(err)
	}
	select {}
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
