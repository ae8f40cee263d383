// Package entrypoint starts a function inside the functions framework: it gives
// what the framework leaves out, which is a start that fails at once and in one
// sentence, an end that waits for the work in hand, and panics that are logged
// like everything else.
//
// Both functions are registered in both deployments, since the buildpack serves
// one root package. Only the one that FUNCTION_TARGET names is built.
//
// Functions that receive CloudEvents are registered here as HTTP functions too.
// The framework's own reception answers a malformed request by printing its
// whole body to stderr, unmasked, and prints the text of a function's error as
// a printf format.
package entrypoint

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/functions"

	"lad.internal/followup/internal/httpjson"
	"lad.internal/followup/internal/logging"
	"lad.internal/followup/internal/version"
)

// Function is a function that has been built.
type Function struct {
	Handler http.Handler
	Log     *slog.Logger
	// Close releases what Handler holds. It is called when no request is at work.
	Close func(context.Context) error
}

// Build makes a function of the environment. Its error is a complete sentence
// for whoever sets the environment, or one a line.
type Build func(context.Context) (Function, error)

// grace is how long an instance that was told to stop waits for its requests.
// Cloud Run kills it after 10 s (container runtime contract).
const grace = 9 * time.Second

// HTTP registers a function under name. In the process that is to serve it, it
// is built before this returns, and a failure ends the process: a revision with
// a wrong setting must never take traffic. In a process that serves another
// function it is never built. Where no function is named, as in a framework
// that serves all of them for development, it is built by its first request.
func HTTP(name string, log *slog.Logger, build Build) {
	switch os.Getenv("FUNCTION_TARGET") {
	case name:
		f, err := build(context.Background())
		if err != nil {
			log.Log(context.Background(), logging.LevelCritical, "the function cannot start",
				"event", "start_failed", "function", name, "error", err)
			os.Exit(1)
		}
		f.Log.Log(context.Background(), logging.LevelNotice, "the function is ready", "event", "started", "version", version.Version)
		s := newServer(f)
		go s.stopOnSignal(grace, os.Exit)
		functions.HTTP(name, s.ServeHTTP)
	case "":
		lazy := sync.OnceValues(func() (*server, error) {
			f, err := build(context.Background())
			if err != nil {
				log.Log(context.Background(), logging.LevelCritical, "the function cannot start", "event", "start_failed", "function", name, "error", err)
				return nil, err
			}
			return newServer(f), nil
		})
		functions.HTTP(name, func(w http.ResponseWriter, r *http.Request) {
			s, err := lazy()
			if err != nil {
				httpjson.Problem{Status: http.StatusInternalServerError, Code: "start_failed", Message: "the function cannot start; its log says why"}.Write(w)
				return
			}
			s.ServeHTTP(w, r)
		})
	default:
		functions.HTTP(name, func(w http.ResponseWriter, _ *http.Request) {
			httpjson.Problem{Status: http.StatusNotFound, Code: "not_served", Message: "this instance serves another function"}.Write(w)
		})
	}
}

// server counts the requests at work, so that the end can wait for them.
type server struct {
	function Function
	mu       sync.Mutex
	active   sync.WaitGroup
	stopping bool
}

func newServer(f Function) *server { return &server{function: f} }

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.enter() {
		// Another instance takes it: whoever calls these functions calls again.
		w.Header().Set("Connection", "close")
		httpjson.Problem{Status: http.StatusBadGateway, Code: "stopping", Message: "this instance is stopping"}.Write(w)
		return
	}
	defer s.active.Done()
	// The answer leaves the process before the request counts as ended: the end
	// may come right after. Not every writer can flush, and then it is sent as
	// soon as the server gets to it.
	defer func() { _ = http.NewResponseController(w).Flush() }()
	defer s.recoverPanic(w, r)
	s.function.Handler.ServeHTTP(w, r)
}

// recoverPanic logs a panic in the form that Error Reporting groups by, and
// answers. A panic's value may be anything: its text is kept out, unless it is the
// runtime's.
func (s *server) recoverPanic(w http.ResponseWriter, r *http.Request) {
	v := recover()
	if v == nil {
		return
	}
	what := fmt.Sprintf("a value of type %T", v)
	if runtimeError, ok := v.(runtime.Error); ok {
		what = runtimeError.Error()
	}
	s.function.Log.ErrorContext(logging.WithTrace(r.Context(), r.Header), "a request panicked",
		"event", "panic", "error", what, "stack_trace", fmt.Sprintf("panic: %s\n\n%s", what, debug.Stack()))
	httpjson.Problem{Status: http.StatusInternalServerError, Code: "internal", Message: "the request could not be handled"}.Write(w)
}

// enter counts a request in, unless the end has begun.
func (s *server) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return false
	}
	s.active.Add(1)
	return true
}

// stopOnSignal waits for SIGTERM or SIGINT and then ends the process: with 0
// when all requests have ended within the grace period, with 1 otherwise.
func (s *server) stopOnSignal(grace time.Duration, exit func(int)) {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
	if err := s.stop(grace); err != nil {
		s.function.Log.Error("the instance did not stop cleanly", "event", "stopped_early", "error", err)
		exit(1)
	}
	exit(0)
}

func (s *server) stop(grace time.Duration) error {
	s.mu.Lock()
	s.stopping = true
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	idle := make(chan struct{})
	go func() {
		s.active.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return s.function.Close(ctx)
	case <-ctx.Done():
		return errors.New("requests were still at work when the grace period ended")
	}
}
