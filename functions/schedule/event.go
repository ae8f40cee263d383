package schedule

import (
	"cmp"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

	"lad.internal/followup/internal/exactjson"
	"lad.internal/followup/pkg/followup"
)

// The types of the messages on the topic.
const (
	bookingCreated   = "booking.created"
	bookingUpdated   = "booking.updated"
	bookingCancelled = "booking.cancelled"
	sweepTick        = "followup.sweep"
)

// message is one Pub/Sub message, whichever way it came.
type message struct {
	id        string    // for the log; "" if the sender gave none
	published time.Time // zero if unknown
	kind      string
	ref       followup.Ref // of a booking.* message
	// attributes are Pub/Sub's, as JSON; nothing but a trace is read from them.
	attributes json.RawMessage
}

// maxData bounds the data of a message, in bytes. LAD's have some 150.
const maxData = 64 << 10

// envelope is the data of google.cloud.pubsub.topic.v1.messagePublished, and of
// the plain push that the functions framework turns into one.
type envelope struct {
	Message json.RawMessage `json:"message"`
}

// pubsubMessage is what is read of PubsubMessage (the Pub/Sub API's reference).
// Data is a string here: for a []byte encoding/json takes a list of numbers too.
type pubsubMessage struct {
	Data        string    `json:"data"` // base64
	MessageID   string    `json:"messageId"`
	PublishTime time.Time `json:"publishTime"`
	// Attributes are read by who traces alone, so that nothing in them can make a
	// message unreadable.
	Attributes json.RawMessage `json:"attributes"`
}

// booking is what LAD publishes. The snake_case names are those of LAD's own
// trigger and are accepted here only.
type booking struct {
	Type           string `json:"type"`
	TenantID       string `json:"tenantId"`
	BookingID      string `json:"bookingId"`
	TenantIDSnake  string `json:"tenant_id"`
	BookingIDSnake string `json:"booking_id"`
}

// parse reads an event. What it refuses can never become readable: the caller
// logs and acknowledges it. The message is returned as far as it was read, so
// that the log can name it. Errors quote nothing of the input.
func parse(e cloudevents.Event) (message, error) {
	m := message{id: messageID(e.ID()), published: e.Time()}
	data, err := m.open(e.Data())
	if err != nil {
		return m, err
	}
	var b booking
	if err := exactjson.Unmarshal(data, &b); err != nil {
		return m, fmt.Errorf("the message's data is not a JSON object with text in type, tenantId and bookingId: %w", err)
	}
	switch b.Type {
	case sweepTick:
		m.kind = b.Type
		return m, nil
	case bookingCreated, bookingUpdated, bookingCancelled:
		m.kind = b.Type
	default:
		return m, fmt.Errorf("the message's type is none of %s, %s, %s, %s", bookingCreated, bookingUpdated, bookingCancelled, sweepTick)
	}
	tenant, err := oneOf("tenantId", b.TenantID, "tenant_id", b.TenantIDSnake)
	if err != nil {
		return m, err
	}
	id, err := oneOf("bookingId", b.BookingID, "booking_id", b.BookingIDSnake)
	if err != nil {
		return m, err
	}
	if m.ref.TenantID, err = followup.ParseID(tenant); err != nil {
		return m, fmt.Errorf("tenantId: %w", err)
	}
	if m.ref.BookingID, err = followup.ParseID(id); err != nil {
		return m, fmt.Errorf("bookingId: %w", err)
	}
	return m, nil
}

// open reads the envelope: it notes what it says of the message, and returns the
// message's data.
func (m *message) open(body []byte) ([]byte, error) {
	var env envelope
	if err := exactjson.Unmarshal(body, &env); err != nil {
		return nil, fmt.Errorf("the event's data is not the JSON of a Pub/Sub message: %w", err)
	}
	if len(env.Message) == 0 {
		return nil, errors.New("the event carries no Pub/Sub message")
	}
	var read pubsubMessage
	if err := exactjson.Unmarshal(env.Message, &read); err != nil {
		return nil, fmt.Errorf("the event's message is not one of Pub/Sub: %w", err)
	}
	m.attributes = read.Attributes
	if read.MessageID != "" {
		m.id = messageID(read.MessageID)
	}
	if !read.PublishTime.IsZero() {
		m.published = read.PublishTime
	}
	data, err := base64.StdEncoding.DecodeString(read.Data)
	if err != nil {
		return nil, errors.New("the message's data is not base64") // err quotes an offset alone, which helps nobody
	}
	if len(data) > maxData {
		return nil, fmt.Errorf("the message has %d bytes, at most %d are read", len(data), maxData)
	}
	return data, nil
}

// origin is the traceparent of who published the message: the attribute that
// Pub/Sub's clients write when they trace
// (https://cloud.google.com/pubsub/docs/open-telemetry-tracing), or CloudEvents'
// extension "distributed tracing".
func origin(e cloudevents.Event, m message) string {
	var attributes map[string]any
	_ = json.Unmarshal(m.attributes, &attributes) // none, or none that can be read: no trace
	published, _ := attributes["googclient_traceparent"].(string)
	extension, _ := e.Extensions()["traceparent"].(string)
	return cmp.Or(published, extension)
}

// messageID is the id by which Pub/Sub knows a message, "" if it cannot be one.
func messageID(id string) string {
	if !messageIDs.MatchString(id) {
		return ""
	}
	return id
}

var messageIDs = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)

// oneOf takes a field under either of its names. Two names with two values are
// refused: guessing might look at the wrong tenant.
func oneOf(name, value, other, otherValue string) (string, error) {
	switch {
	case value == "" && otherValue == "":
		return "", fmt.Errorf("%s is missing", name)
	case value == "":
		return otherValue, nil
	case otherValue != "" && otherValue != value:
		return "", fmt.Errorf("%s and %s differ", name, other)
	default:
		return value, nil
	}
}
