package eventarc_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"lad.internal/followup/emulators/eventarc"
)

// TestEachModesBytes compares with the requests that the service's documents show.
func TestEachModesBytes(t *testing.T) {
	t.Parallel()
	const data = `{"subscription":"projects/demo/subscriptions/eventarc-booking-events","message":{"attributes":{"origin":"test"},"data":"e30=","messageId":"ID","message_id":"ID","publishTime":"TIME","publish_time":"TIME"}}`
	binary := map[string]string{
		"Ce-Id": "ID", "Ce-Time": "TIME", "Ce-Specversion": "1.0", "Content-Type": "application/json",
		"Ce-Source": "//pubsub.googleapis.com/projects/demo/topics/booking-events",
		"Ce-Type":   "google.cloud.pubsub.topic.v1.messagePublished",
	}
	const structured = `{"specversion":"1.0","id":"ID","source":"//pubsub.googleapis.com/projects/demo/topics/booking-events",` +
		`"type":"google.cloud.pubsub.topic.v1.messagePublished","datacontenttype":"application/json","time":"TIME","data":` + data + `}`
	tests := []struct {
		mode    eventarc.Mode
		headers map[string]string // the content type and every ce- header
		body    string
	}{
		{"", binary, data},
		{eventarc.ModeBinary, binary, data},
		{eventarc.ModeStructured, map[string]string{"Content-Type": "application/cloudevents+json"}, structured},
		{eventarc.ModePush, map[string]string{"Content-Type": "application/json"}, data},
	}
	for _, tt := range tests {
		t.Run(string(tt.mode), func(t *testing.T) {
			t.Parallel()
			target := newTarget(t, accept)
			bus := start(t, eventarc.Options{Target: target.url, Mode: tt.mode})
			id, err := bus.Publish(t.Context(), []byte("{}"), map[string]string{"origin": "test"})
			if err != nil {
				t.Fatal(err)
			}
			got := target.await(t, 1)[0]
			fill := strings.NewReplacer("ID", id, "TIME", publishTime(t, got.body))
			headers := map[string]string{}
			for name := range got.header {
				if name == "Content-Type" || strings.HasPrefix(name, "Ce-") {
					headers[name] = got.header.Get(name)
				}
			}
			want := map[string]string{}
			for name, value := range tt.headers {
				want[name] = value
				if name == "Ce-Id" || name == "Ce-Time" {
					want[name] = fill.Replace(value)
				}
			}
			if diff := cmp.Diff(want, headers); diff != "" {
				t.Errorf("headers (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(fill.Replace(tt.body), string(got.body)); diff != "" {
				t.Errorf("body (-want +got):\n%s", diff)
			}
		})
	}
}

// publishTime reads the one thing that the server alone knows, and checks that it is about now.
func publishTime(t *testing.T, body []byte) string {
	t.Helper()
	var event struct {
		Message struct{ PublishTime string }
		Data    struct{ Message struct{ PublishTime string } }
	}
	if err := json.Unmarshal(body, &event); err != nil {
		t.Fatal(err)
	}
	text := event.Message.PublishTime + event.Data.Message.PublishTime
	published, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || time.Since(published).Abs() > time.Minute || !strings.HasSuffix(text, "Z") {
		t.Errorf("published at %q (%v), which is not RFC 3339 in UTC, or not now", text, err)
	}
	return text
}
