// Package stacktest is what tests need around a local stack: the functions'
// program without building one, LAD's endpoint spoken to in one line, and a look
// at what is left on the machine.
//
// It is for tests only, and refuses to start stacks: the tests do that.
package stacktest

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"go.uber.org/goleak"

	_ "lad.internal/followup" // the functions
)

// ServeFunction serves one of the functions, and does not return, in a process
// that a stack has started for that: the test binary itself, where Function is
// the stack's option of that name. TestMain calls it first.
//
// The program differs from cmd/function in what else is linked, and is built
// already, with the race detector if the tests are.
func ServeFunction() {
	if os.Getenv("FUNCTION_TARGET") == "" {
		return
	}
	err := funcframework.StartHostPort("127.0.0.1", os.Getenv("PORT"))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Main is TestMain for packages that start stacks: ServeFunction, the tests, and
// a look at what goroutines are left.
func Main(m *testing.M) {
	ServeFunction()
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(LeakOptions()...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

// LeakOptions are goleak's, with the goroutines that libraries never end: the
// Pub/Sub client's keep-alive, which looks for its end only when a ticker fires
// that has been stopped, and OpenCensus's worker, which its init starts.
func LeakOptions(more ...goleak.Option) []goleak.Option {
	return append(more,
		goleak.IgnoreTopFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"),
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// Function is the path of the running test binary.
func Function(t testing.TB) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self
}

// TempDir is a temporary folder that every user may write to: the server of a
// root's stack runs as another.
func TempDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "stacktest-")
	if err == nil {
		err = os.Chmod(dir, os.ModeSticky|0o777)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Error(err)
		}
	})
	return dir
}
