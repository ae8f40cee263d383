// Package integration_test tests the system as a whole: the local stack with the
// functions' real program, asked and watched from outside, as LAD, Cloud Tasks,
// Pub/Sub and the voice agent do.
//
// Stacks are shared, since each is eight processes; every test has bookings and
// leads of its own.
package integration_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lad.internal/followup/emulators/eventarc"
	"lad.internal/followup/internal/localstack/stack"
	"lad.internal/followup/internal/localstack/stack/stacktest"
)

// The worlds, started when a test first needs them.
var (
	// calm is as deployed, with events as Eventarc sends them.
	calm = shared(stack.Options{
		Env: map[string]string{"LOG_LEVEL": "debug"},
	})
	// impatient gives a call three seconds. Its events are structured CloudEvents.
	impatient = shared(stack.Options{
		EventMode: eventarc.ModeStructured,
		Env:       map[string]string{"VOICE_AGENT_TIMEOUT": "3s"},
	})
	// unreliable delivers each message three times, twice at once and again
	// because it has lost the answers, as plain Pub/Sub pushes.
	unreliable = shared(stack.Options{
		EventMode:  eventarc.ModePush,
		EventRetry: eventarc.Backoff{Min: 100 * time.Millisecond, Max: time.Second},
		EventChaos: func(_ string, attempt int) eventarc.Fate {
			if attempt == 1 {
				return eventarc.Fate{Duplicates: 1, LoseAnswer: true}
			}
			return eventarc.Fate{}
		},
	})
	// mortal is one whose functions get killed. The lease is the shortest one
	// that the call's timeout allows.
	mortal = shared(stack.Options{
		Env: map[string]string{"VOICE_AGENT_TIMEOUT": "6s", "FOLLOWUP_LEASE": "21s"},
	})
)

func TestMain(m *testing.M) {
	// The tests wait for times to come, and hardly compute. A -parallel on the
	// command line wins.
	if err := flag.Set("test.parallel", "32"); err != nil {
		panic(err)
	}
	code := m.Run()
	if err := end(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = max(code, 1)
	}
	if code == 0 {
		if err := goleak.Find(stacktest.LeakOptions()...); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

var program struct {
	once sync.Once
	dir  string
	err  error
}

// buildFunction builds cmd/function once.
func buildFunction() (path string, err error) {
	program.once.Do(func() {
		if program.dir, program.err = os.MkdirTemp("", "integration-"); program.err != nil {
			return
		}
		args := slices.Concat([]string{"build"}, buildFlags, []string{"-o", program.dir, "lad.internal/followup/cmd/function"})
		if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
			program.err = fmt.Errorf("build cmd/function: %w\n%s", err, out)
		}
	})
	return filepath.Join(program.dir, "function"), program.err
}

var started struct {
	mu     sync.Mutex
	worlds []*world
}

// shared starts a world at its first use.
func shared(o stack.Options) func(testing.TB) *world {
	start := sync.OnceValues(func() (*world, error) { return newWorld(o) })
	return func(t testing.TB) *world {
		t.Helper()
		w, err := start()
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
}

func newWorld(o stack.Options) (w *world, err error) {
	w = &world{tasks: map[string]sent{}}
	if o.Function, err = buildFunction(); err != nil {
		return nil, err
	}
	if w.traces, err = emptyFile(); err != nil {
		return nil, err
	}
	env := map[string]string{
		"INTERNAL_SERVICE_SECRET": secretCanary,
		"VOICE_AGENT_FRONTEND_ID": "integration", "VOICE_AGENT_API_KEY": apiKeyCanary, "VOICE_AGENT_JWT_SECRET": jwtCanary,
		"FOLLOWUP_TRACES": "file:" + w.traces,
	}
	maps.Copy(env, o.Env)
	o.Env = env
	o.SweepEvery = time.Second
	o.FunctionLog = &w.log
	o.CloudTasksOptions.Deliveries = w.onDispatch
	o.CloudTasksOptions.OnAttempt = w.onAttempt
	o.CloudTasksOptions.HTTPClient = &http.Client{Transport: &w.left}
	o.EventClient = &http.Client{Transport: &w.left}
	if w.Stack, err = stack.Start(context.Background(), o); err != nil {
		return nil, err
	}
	started.mu.Lock()
	defer started.mu.Unlock()
	started.worlds = append(started.worlds, w)
	return w, w.plant(context.Background())
}

// emptyFile is one beside the functions' program.
func emptyFile() (path string, err error) {
	f, err := os.CreateTemp(program.dir, "traces-")
	if err != nil {
		return "", err
	}
	return f.Name(), f.Close()
}

// end ends all worlds and looks at all that has left their functions.
func end() error {
	started.mu.Lock()
	defer started.mu.Unlock()
	var errs []error
	for _, w := range started.worlds {
		errs = append(errs, w.collect(), w.Close(), w.check())
	}
	return errors.Join(append(errs, os.RemoveAll(program.dir))...)
}
