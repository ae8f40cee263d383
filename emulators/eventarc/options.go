package eventarc

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"
)

// Options configure a Bus. Logger, ProjectID, Topic and Target are required; the zero value of every
// other field stands for what the service does.
type Options struct {
	Logger    *slog.Logger
	ProjectID string
	Topic     string // the topic's id, without projects/…

	// Target answers with the function's URL. It is asked before each POST, so the function may come
	// back at another address; "" means that there is none now, which is a failed delivery.
	Target func() string

	// Mode is the form of the request; ModeBinary, as Eventarc's, if empty.
	Mode Mode

	// Retry is how long a failed message waits: Min after the first failure, doubling up to Max.
	// Zero means 10 s and 600 s (https://cloud.google.com/eventarc/docs/retry-events).
	Retry Backoff

	// AckDeadline is how long the function may take to answer; then the delivery has failed. 10 s if
	// zero, as a new subscription's (https://cloud.google.com/pubsub/docs/subscription-properties).
	AckDeadline time.Duration

	// Retention is how long after it was published a message is tried; then it is dropped. 24 h if
	// zero (https://cloud.google.com/eventarc/docs/retry-events).
	Retention time.Duration

	// MaxOutstanding bounds the POSTs under way at once; 100 if zero. A message that waits for its
	// next try does not count.
	MaxOutstanding int

	// HTTPClient makes the POSTs; nil is a client of the bus's own. Its CheckRedirect is not used.
	HTTPClient *http.Client

	// Chaos, if set, decides the fate of each try. Seeded makes one.
	Chaos func(messageID string, attempt int) Fate
}

// Mode is the form in which a message reaches the function.
type Mode string

// The modes. A CloudEvent function receives the same message in each.
const (
	// ModeBinary is Eventarc's: the attributes in ce- headers, the data as the body.
	ModeBinary Mode = "binary"
	// ModeStructured puts the attributes and the data into one JSON body.
	ModeStructured Mode = "structured"
	// ModePush is that of a plain Pub/Sub push subscription, without an event's attributes
	// (https://cloud.google.com/pubsub/docs/push#receive_push).
	ModePush Mode = "push"
)

// Backoff is an exponential one: Min, 2·Min, 4·Min … Max.
type Backoff struct{ Min, Max time.Duration }

// delay is the wait after the given failed attempt, counted from 1.
func (b Backoff) delay(attempt int) time.Duration {
	d := b.Min
	for range attempt - 1 {
		if d >= b.Max/2 {
			return b.Max
		}
		d *= 2
	}
	return d
}

func (o Options) withDefaults() (Options, error) {
	if o.Mode == "" {
		o.Mode = ModeBinary
	}
	if o.Retry == (Backoff{}) {
		o.Retry = Backoff{Min: 10 * time.Second, Max: 600 * time.Second}
	}
	if o.AckDeadline == 0 {
		o.AckDeadline = 10 * time.Second
	}
	if o.Retention == 0 {
		o.Retention = 24 * time.Hour
	}
	if o.MaxOutstanding == 0 {
		o.MaxOutstanding = 100
	}
	if o.Chaos == nil {
		o.Chaos = func(string, int) Fate { return Fate{} }
	}
	return o, o.check()
}

func (o Options) check() error {
	switch {
	case o.Logger == nil:
		return errors.New("eventarc: no logger")
	case o.ProjectID == "" || o.Topic == "" || strings.Contains(o.ProjectID+o.Topic, "/"):
		return fmt.Errorf("eventarc: project %q and topic %q are not two plain ids", o.ProjectID, o.Topic)
	case o.Target == nil:
		return errors.New("eventarc: no target to deliver to")
	case o.Mode != ModeBinary && o.Mode != ModeStructured && o.Mode != ModePush:
		return fmt.Errorf("eventarc: mode %q is none of %s, %s, %s", o.Mode, ModeBinary, ModeStructured, ModePush)
	case o.Retry.Min <= 0 || o.Retry.Max < o.Retry.Min:
		return fmt.Errorf("eventarc: the retry backoff from %s to %s does not grow", o.Retry.Min, o.Retry.Max)
	case o.AckDeadline < 0 || o.Retention < 0 || o.MaxOutstanding < 0:
		return errors.New("eventarc: ack deadline, retention and outstanding deliveries cannot be negative")
	}
	return nil
}
