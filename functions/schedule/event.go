package schedule

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	cloudevents "github.com/cloudevents/sdk-go/v2"

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
}

// maxData bounds the data of a message, in bytes. LAD's have some 150.
const maxData = 64 << 10

// envelope is the data of google.cloud.pubsub.topic.v1.messagePublished, and of
// the plain push that the functions framework turns into one.
type envelope struct {
	Message *struct {
		Data        []byte    `json:"data"` // base64 in JSON
		MessageID   string    `json:"messageId"`
		PublishTime time.Time `json:"publishTime"`
	} `json:"message"`
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
	m := message{id: e.ID(), published: e.Time()}
	var env envelope
	if err := json.Unmarshal(e.Data(), &env); err != nil {
		return m, errors.New("the event's data is not the JSON of a Pub/Sub message")
	}
	if env.Message == nil {
		return m, errors.New("the event carries no Pub/Sub message")
	}
	if env.Message.MessageID != "" {
		m.id = env.Message.MessageID
	}
	if !env.Message.PublishTime.IsZero() {
		m.published = env.Message.PublishTime
	}
	if len(env.Message.Data) > maxData {
		return m, fmt.Errorf("the message has %d bytes, at most %d are read", len(env.Message.Data), maxData)
	}
	var b booking
	if err := json.Unmarshal(env.Message.Data, &b); err != nil {
		return m, errors.New("the message's data is not a JSON object with text in type, tenantId and bookingId")
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
