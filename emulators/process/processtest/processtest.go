// Package processtest writes the programs that tests run.
package processtest

import (
	"os"
	"syscall"
	"testing"
)

// WriteProgram writes a program that can be run at once. Whatever is forked while a
// file is open for writing has it open as well until it executes, and a file that
// somebody may write cannot be run: "text file busy" (go.dev/issue/22315).
func WriteProgram(t testing.TB, path string, content []byte) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
}
