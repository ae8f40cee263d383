package eventarc_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/GoogleCloudPlatform/functions-framework-go/funcframework"
	"github.com/GoogleCloudPlatform/functions-framework-go/functions"
	cloudevents "github.com/cloudevents/sdk-go/v2"
	"github.com/google/go-cmp/cmp"

	"lad.internal/followup/emulators/eventarc"
)

// functionEnv holds, in the child process, the port of the function to serve.
const functionEnv = "EVENTARC_TEST_FUNCTION_PORT"

// received is what a CloudEvent function sees of an event.
type received struct {
	ID, Type, Source, Subject, ContentType string
	Time                                   time.Time
	Data                                   json.RawMessage
}

// serveFunction is the child: a CloudEvent function in the real functions framework, which prints
// each event as a line of JSON. It ends with its parent.
func serveFunction() {
	functions.CloudEvent("Record", func(_ context.Context, e cloudevents.Event) error {
		line, err := json.Marshal(received{e.ID(), e.Type(), e.Source(), e.Subject(), e.DataContentType(), e.Time(), e.Data()})
		// The line break first: the framework's own warnings on stdout end without one.
		fmt.Printf("\n%s\n", line)
		return err
	})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}()
	if err := funcframework.StartHostPort("127.0.0.1", os.Getenv(functionEnv)); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// startFunction starts the child and returns its address and the events it sees.
func startFunction(t *testing.T) (string, <-chan received) {
	t.Helper()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(free.Addr().String())
	free.Close()

	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), "FUNCTION_TARGET=Record", functionEnv+"="+port)
	child.Stderr = t.Output()
	stdin, err := child.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	events := make(chan received)
	read := make(chan struct{})
	go func() {
		defer close(read)
		for lines := bufio.NewScanner(stdout); lines.Scan(); {
			var event received
			if json.Unmarshal(lines.Bytes(), &event) == nil { // the framework prints warnings of its own
				select {
				case events <- event:
				case <-t.Context().Done():
				}
			}
		}
	}()
	t.Cleanup(func() {
		stdin.Close()
		<-read
		if err := child.Wait(); err != nil {
			t.Error(err)
		}
	})
	return "http://127.0.0.1:" + port, events
}

// TestEachModeReachesACloudEventFunction also covers a function that is not up yet: the message is
// published while the child starts.
func TestEachModeReachesACloudEventFunction(t *testing.T) {
	t.Parallel()
	const source = "//pubsub.googleapis.com/projects/demo/topics/booking-events"
	tests := []struct {
		name   string
		mode   eventarc.Mode
		path   string
		source string
	}{
		{"binary", eventarc.ModeBinary, "/", source},
		{"structured", eventarc.ModeStructured, "/", source},
		{"push to the topic's path", eventarc.ModePush, "/projects/demo/topics/booking-events", source},
		{"push to the root", eventarc.ModePush, "/", "//pubsub.googleapis.com/"}, // the framework finds the topic nowhere
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			address, events := startFunction(t)
			bus := start(t, eventarc.Options{Target: func() string { return address + tt.path }, Mode: tt.mode})
			id, err := bus.Publish(t.Context(), []byte(`{"type":"booking.created"}`), map[string]string{"origin": "test"})
			if err != nil {
				t.Fatal(err)
			}
			var got received
			select {
			case got = <-events:
			case <-time.After(patience):
				t.Fatal("no event arrived")
			}
			t.Logf("data: %s", got.Data)
			if diff := cmp.Diff(received{
				ID: id, Type: "google.cloud.pubsub.topic.v1.messagePublished", Source: tt.source,
				ContentType: "application/json", Time: got.Time, Data: got.Data,
			}, got); diff != "" {
				t.Errorf("the event (-want +got):\n%s", diff)
			}
			var data struct {
				Message struct {
					Data        []byte
					Attributes  map[string]string
					MessageID   string
					PublishTime time.Time
				}
			}
			if err := json.Unmarshal(got.Data, &data); err != nil {
				t.Fatal(err)
			}
			m := data.Message
			if string(m.Data) != `{"type":"booking.created"}` || m.Attributes["origin"] != "test" || m.MessageID != id {
				t.Errorf("the message is %+v", m)
			}
			if !m.PublishTime.Equal(got.Time) || time.Since(got.Time).Abs() > time.Minute {
				t.Errorf("the event is of %s, its message of %s", got.Time, m.PublishTime)
			}
		})
	}
}
