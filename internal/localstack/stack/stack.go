// Package stack is the whole system on one machine: a throw-away PostgreSQL
// with two tenants or more, Pub/Sub with an Eventarc stand-in, a Cloud Tasks
// server, the voice agent and LAD's booking endpoint, and between them the two
// functions exactly as they are deployed: processes of their own, the functions
// framework, configured by environment alone.
//
// It is for development, the demo and tests. It refuses to listen anywhere but
// on this machine unless it is told to, and to touch a database that it was not
// given.
package stack

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"lad.internal/followup/emulators/cloudtasks"
	"lad.internal/followup/emulators/eventarc"
	"lad.internal/followup/emulators/postgres"
	"lad.internal/followup/emulators/process"
	"lad.internal/followup/internal/localstack/lad"
	"lad.internal/followup/internal/localstack/voiceagent"
)

// Options say what a stack is made of. The zero value starts every part itself.
type Options struct {
	// Listen is where LAD's stand-in and the voice agent listen; "" is a free
	// port of 127.0.0.1.
	Listen string
	// DatabaseURL is the owner's login to a database that is to be used instead
	// of a throw-away one. The tenants' schemas and a registry are created in it.
	DatabaseURL string
	// Tenants is how many tenants there are; 0 is two. The first two have a schema
	// each, all further ones share one.
	Tenants int
	// CloudTasks is host:port of another Cloud Tasks server. Its tokens' issuer
	// and keys are then given by FOLLOWUP_OIDC_ISSUER and FOLLOWUP_OIDC_CERTS_URL.
	CloudTasks string
	// VoiceAgent is the URL of another voice agent.
	VoiceAgent string
	// Function is the program that serves the functions; "" looks for one beside
	// this program, and else builds it from the source tree around the working
	// directory.
	Function string
	// SweepEvery is how often the sweep's tick is published; 0 is never.
	SweepEvery time.Duration
	// Env overrides settings of the functions.
	Env map[string]string
	// FunctionLog takes what the functions print; nil drops it.
	FunctionLog io.Writer
	// Progress is told what is being started; nil tells nobody.
	Progress func(string)
	// Log takes the lines of the stack's own parts; nil drops them.
	Log *slog.Logger

	// CloudTasksOptions are those of the built-in Cloud Tasks server. Its
	// Deliveries disturb the delivery of tasks.
	CloudTasksOptions cloudtasks.Options
	// EventMode is the form in which events are delivered, EventRetry how long a
	// failed one waits, EventClient delivers them, and EventChaos disturbs their
	// delivery; see eventarc.Options.
	EventMode   eventarc.Mode
	EventRetry  eventarc.Backoff
	EventClient *http.Client
	EventChaos  func(messageID string, attempt int) eventarc.Fate
}

// Stack is a running system.
type Stack struct {
	// URL is where LAD's stand-in and the built-in voice agent listen.
	URL     string
	Tenants []lad.Tenant
	// AppURL is the functions' login, which has no more rights than they need.
	AppURL string
	Bus    *eventarc.Bus
	// Tasks and Agent are nil where another one is used.
	Tasks *cloudtasks.Running
	Agent *voiceagent.Server
	// LAD is LAD's backend, for what it does beyond its API.
	LAD *lad.Server

	options   Options
	listener  net.Listener
	database  *postgres.Server // nil where another one is used
	processes *process.Group
	schedule  *function
	execute   *function
	env       []string       // of the functions
	closers   []func() error // in the order of starting
}

// Start starts all parts and returns when each of them answers. ctx bounds the
// start only; the caller must call Close.
func Start(ctx context.Context, options Options) (_ *Stack, err error) {
	if options.Progress == nil {
		options.Progress = func(string) {}
	}
	if options.Log == nil {
		options.Log = slog.New(slog.DiscardHandler)
	}
	if options.FunctionLog == nil {
		options.FunctionLog = io.Discard
	}
	s := &Stack{options: options}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	steps := []func(context.Context) error{
		s.listen, s.startDatabase, s.startCloudTasks, s.startFunctions, s.startEvents, s.serve,
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// Close ends all parts, the last started first, and leaves nothing behind.
func (s *Stack) Close() error {
	var errs []error
	for i := len(s.closers) - 1; i >= 0; i-- {
		errs = append(errs, s.closers[i]())
	}
	s.closers = nil
	return errors.Join(errs...)
}

func (s *Stack) onClose(f func() error) { s.closers = append(s.closers, f) }

func (s *Stack) startCloudTasks(ctx context.Context) error {
	if s.options.CloudTasks != "" {
		s.options.Progress("using the Cloud Tasks server at " + s.options.CloudTasks)
		if s.setting("FOLLOWUP_OIDC_ISSUER", "") == "" || s.setting("FOLLOWUP_OIDC_CERTS_URL", "") == "" {
			s.options.Progress("FOLLOWUP_OIDC_ISSUER and FOLLOWUP_OIDC_CERTS_URL are not set, so only tokens that Google has signed are accepted")
		}
		return s.createQueue(ctx)
	}
	s.options.Progress("starting Cloud Tasks")
	o := s.options.CloudTasksOptions
	if o.Logger == nil {
		o.Logger = s.options.Log
	}
	running, err := cloudtasks.Start(context.WithoutCancel(ctx), o)
	if err != nil {
		return fmt.Errorf("start Cloud Tasks: %w", err)
	}
	s.Tasks = running
	s.onClose(func() error { running.Close(); return nil })
	return s.createQueue(ctx)
}

func (s *Stack) startEvents(ctx context.Context) error {
	s.options.Progress("starting Pub/Sub and Eventarc")
	retry := s.options.EventRetry
	if retry == (eventarc.Backoff{}) {
		retry = eventarc.Backoff{Min: time.Second, Max: 30 * time.Second} // a tenth of the real one
	}
	bus, err := eventarc.Start(context.WithoutCancel(ctx), eventarc.Options{
		Logger:      s.options.Log,
		ProjectID:   project,
		Topic:       "followup-events",
		Mode:        s.options.EventMode,
		Target:      func() string { return s.schedule.url },
		Retry:       retry,
		AckDeadline: 60 * time.Second,
		HTTPClient:  s.options.EventClient,
		Chaos:       s.options.EventChaos,
	})
	if err != nil {
		return fmt.Errorf("start Pub/Sub and Eventarc: %w", err)
	}
	s.Bus = bus
	s.onClose(bus.Close)
	return nil
}

// setting is a setting of the functions: as overridden, as in this process's
// environment, or the default.
func (s *Stack) setting(name, otherwise string) string {
	if v, ok := s.options.Env[name]; ok {
		return v
	}
	if v := os.Getenv(name); v != "" {
		return v
	}
	return otherwise
}

// randomToken is 128 bits of hex.
func randomToken() string { return strings.ToLower(rand.Text()) }
