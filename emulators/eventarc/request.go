package eventarc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"cloud.google.com/go/pubsub/v2"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	cehttp "github.com/cloudevents/sdk-go/v2/protocol/http"
)

// EventType is the type of the events (https://github.com/googleapis/google-cloudevents,
// google/events/cloud/pubsub/v1/events.proto).
const EventType = "google.cloud.pubsub.topic.v1.messagePublished"

// envelope is the body of a push, and the data of the event that Eventarc makes of it.
type envelope struct {
	Subscription string  `json:"subscription"`
	Message      message `json:"message"`
}

// message has both spellings of two names, as a push has
// (https://cloud.google.com/pubsub/docs/push#receive_push).
type message struct {
	Attributes       map[string]string `json:"attributes,omitempty"`
	Data             []byte            `json:"data,omitempty"` // base64 in JSON
	MessageID        string            `json:"messageId"`
	MessageIDSnake   string            `json:"message_id"`
	OrderingKey      string            `json:"orderingKey,omitempty"`
	PublishTime      time.Time         `json:"publishTime"`
	PublishTimeSnake time.Time         `json:"publish_time"`
}

// request builds the POST that carries m in the bus's mode.
func (b *Bus) request(ctx context.Context, target string, m *pubsub.Message) (*http.Request, error) {
	published := m.PublishTime.UTC().Truncate(time.Millisecond) // the service gives no more
	body, err := json.Marshal(envelope{
		Subscription: b.subscription,
		Message: message{
			Attributes: m.Attributes, Data: m.Data, OrderingKey: m.OrderingKey,
			MessageID: m.ID, MessageIDSnake: m.ID,
			PublishTime: published, PublishTimeSnake: published,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("encode message %s: %w", m.ID, err)
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("address message %s: %w", m.ID, err)
	}
	if b.options.Mode == ModePush {
		request.Header.Set("Content-Type", cloudevents.ApplicationJSON)
		return request, nil
	}

	event := cloudevents.NewEvent(cloudevents.VersionV1)
	event.SetID(m.ID)
	event.SetSource("//pubsub.googleapis.com/" + b.topic)
	event.SetType(EventType)
	event.SetTime(published)
	// Bytes of no known type would become data_base64 in a structured event.
	if err := event.SetData(cloudevents.ApplicationJSON, json.RawMessage(body)); err != nil {
		return nil, fmt.Errorf("make an event of message %s: %w", m.ID, err)
	}
	if b.options.Mode == ModeStructured {
		ctx = binding.WithForceStructured(ctx)
	}
	if err := cehttp.WriteRequest(ctx, binding.ToMessage(&event), request); err != nil {
		return nil, fmt.Errorf("write the event of message %s: %w", m.ID, err)
	}
	return request, nil
}
