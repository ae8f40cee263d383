package entrypoint

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"testing"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"go.uber.org/goleak"

	"lad.internal/followup/internal/logging"
)

// childEnv makes this test binary a function process: its value is the port.
const childEnv = "ENTRYPOINT_TEST_PORT"

func TestMain(m *testing.M) {
	if port := os.Getenv(childEnv); port != "" {
		serveFunctions(port)
		return
	}
	goleak.VerifyTestMain(m)
}

// serveFunctions is the main that the buildpack generates, with three functions.
// It logs what it builds and closes, so that tests can read it from outside.
func serveFunctions(port string) {
	log := logging.New(os.Stdout, logging.Options{})
	HTTP("Good", log, buildGood(log))
	HTTP("Other", log, func(context.Context) (Function, error) {
		log.Info("built", "event", "built", "function", "Other")
		return function(log, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "other") })), nil
	})
	HTTP("Misconfigured", log, func(context.Context) (Function, error) {
		log.Info("built", "event", "built", "function", "Misconfigured")
		return Function{}, errors.Join(errors.New("FIRST is missing: set it"), errors.New("SECOND is 0: set it to 1"))
	})
	log.Info("main", "event", "main_reached")
	if err := funcframework.StartHostPort("127.0.0.1", port); err != nil {
		log.Error("serve", "event", "serve_failed", "error", err)
		os.Exit(3)
	}
}

func function(log *slog.Logger, h http.Handler) Function {
	return Function{Handler: h, Log: log, Close: func(context.Context) error {
		log.Info("closed", "event", "closed")
		return nil
	}}
}

// buildGood makes a function that answers, panics, or waits until the test closes
// the process's standard input.
func buildGood(log *slog.Logger) Build {
	return func(context.Context) (Function, error) {
		log.Info("built", "event", "built", "function", "Good")
		released := make(chan struct{})
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			close(released)
		}()
		mux := http.NewServeMux()
		mux.HandleFunc("/wait", func(w http.ResponseWriter, _ *http.Request) {
			log.Info("waiting", "event", "waiting")
			<-released
			_, _ = io.WriteString(w, "done waiting")
		})
		mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("call to +49 170 1234567, token=swordfish") })
		mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "good") })
		return function(log, mux), nil
	}
}
