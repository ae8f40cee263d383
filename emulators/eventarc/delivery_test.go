package eventarc_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/pubsub/v2"
	"google.golang.org/api/option"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"lad.internal/followup/emulators/eventarc"
)

func TestEveryMessageArrivesWhateverTheOrder(t *testing.T) {
	t.Parallel()
	target := newTarget(t, accept)
	bus := start(t, eventarc.Options{Target: target.url})
	const messages = 200
	for i := range messages {
		go func() { _, _ = bus.Publish(t.Context(), fmt.Append(nil, i), nil) }()
	}
	eventually(t, "delivery of every message", func() bool {
		texts := map[string]bool{}
		for _, p := range target.seen() {
			texts[p.text()] = true
		}
		return len(texts) == messages
	})
}

func TestAnotherClientMayPublishAtTheAddress(t *testing.T) {
	t.Parallel()
	target := newTarget(t, accept)
	bus := start(t, eventarc.Options{Target: target.url})
	client, err := pubsub.NewClient(t.Context(), "demo", option.WithEndpoint(bus.Addr()), option.WithoutAuthentication(),
		option.WithGRPCDialOption(grpc.WithTransportCredentials(insecure.NewCredentials())))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	publisher := client.Publisher(bus.Topic())
	defer publisher.Stop()
	if _, err := publisher.Publish(t.Context(), &pubsub.Message{Data: []byte("theirs")}).Get(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := target.await(t, 1)[0].text(); got != "theirs" {
		t.Errorf("the message says %q", got)
	}
}

func TestARefusedMessageComesAgainWithGrowingBackoffUntilItIsAcknowledged(t *testing.T) {
	t.Parallel()
	target := newTarget(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n < 5 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	bus := start(t, eventarc.Options{Target: target.url, Retry: eventarc.Backoff{Min: 20 * time.Millisecond, Max: 60 * time.Millisecond}})
	publish(t, bus, "again")
	posts := target.await(t, 5)
	for i, least := range []time.Duration{20, 40, 60, 60} {
		if gap := posts[i+1].at.Sub(posts[i].at); gap < least*time.Millisecond {
			t.Errorf("try %d came %s after the one before, want at least %d ms", i+2, gap, least)
		}
		if posts[i+1].header.Get("Ce-Id") != posts[0].header.Get("Ce-Id") {
			t.Error("the event's id changed between tries")
		}
	}
	// A message of later date is the witness that the first does not come a sixth time meanwhile.
	publish(t, bus, "witness")
	if posts = target.await(t, 6); posts[5].text() != "witness" {
		t.Errorf("after its acknowledgement %q came", posts[5].text())
	}
}

func TestOnlyTheStatusesThatPubSubListsAcknowledge(t *testing.T) {
	t.Parallel()
	tests := []struct {
		status       int
		acknowledged bool
	}{
		{200, true}, {201, true}, {202, true}, {204, true},
		{203, false}, {206, false}, {301, false}, {307, false}, {400, false}, {404, false}, {409, false}, {429, false}, {500, false}, {503, false},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprint(tt.status), func(t *testing.T) {
			t.Parallel()
			target := newTarget(t, func(n int, w http.ResponseWriter, _ *http.Request) {
				if n == 1 {
					w.Header().Set("Location", "/elsewhere")
					w.WriteHeader(tt.status)
				}
			})
			bus := start(t, eventarc.Options{Target: target.url})
			publish(t, bus, "first")
			target.await(t, 1)
			if tt.acknowledged {
				publish(t, bus, "second")
			}
			second := target.await(t, 2)[1]
			if again := second.text() == "first"; again == tt.acknowledged {
				t.Errorf("the second request carries %q", second.text())
			}
			if second.path != "/" {
				t.Errorf("a redirect to %s was followed", second.path)
			}
		})
	}
}

func TestAMessageNotAnsweredWithinTheAckDeadlineComesAgain(t *testing.T) {
	t.Parallel()
	target := newTarget(t, func(n int, _ http.ResponseWriter, r *http.Request) {
		if n == 1 {
			<-r.Context().Done() // the bus hangs up
		}
	})
	bus := start(t, eventarc.Options{Target: target.url, AckDeadline: 50 * time.Millisecond})
	published := time.Now()
	publish(t, bus, "slow")
	if again := target.await(t, 2)[1]; again.at.Sub(published) < 50*time.Millisecond {
		t.Error("the message came again before its deadline")
	}
}

func TestAFunctionThatIsDownGetsTheMessageWhenItIsBackElsewhere(t *testing.T) {
	t.Parallel()
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	target := newTarget(t, accept)
	var asked atomic.Int32
	bus := start(t, eventarc.Options{Target: func() string {
		switch asked.Add(1) {
		case 1:
			return ""
		case 2:
			return "http://" + closed.Addr().String()
		default:
			return target.URL
		}
	}})
	publish(t, bus, "patient")
	target.await(t, 1)
}

func TestAMessageIsDroppedWhenItsRetentionHasPassed(t *testing.T) {
	t.Parallel()
	target := newTarget(t, func(_ int, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	log := &logRecorder{}
	bus := start(t, eventarc.Options{Target: target.url, Retention: 200 * time.Millisecond, Logger: slog.New(slog.NewJSONHandler(log, nil))})
	publish(t, bus, "old")
	eventually(t, "log line about the expiry", func() bool { return log.contains("message_expired") })
	tries := len(target.seen())
	if tries < 2 {
		t.Errorf("the message was given up after %d tries", tries)
	}
	publish(t, bus, "witness")
	if got := target.await(t, tries+1)[tries].text(); got != "witness" {
		t.Errorf("after its expiry %q came", got)
	}
}

// logRecorder is a log that can be searched.
type logRecorder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logRecorder) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logRecorder) contains(s string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), s)
}

func TestAWaitingMessageDoesNotHoldUpOthers(t *testing.T) {
	t.Parallel()
	target := newTarget(t, func(n int, w http.ResponseWriter, _ *http.Request) {
		if n <= 3 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	bus := start(t, eventarc.Options{Target: target.url, MaxOutstanding: 1, Retry: eventarc.Backoff{Min: time.Hour, Max: time.Hour}})
	for i := range 4 {
		publish(t, bus, fmt.Sprint(i))
		if got := target.await(t, i+1)[i].text(); got != fmt.Sprint(i) {
			t.Fatalf("request %d carries message %s", i, got)
		}
	}
}

func TestNoMorePostsThanAllowedAreUnderWayAtOnce(t *testing.T) {
	t.Parallel()
	var now, most atomic.Int32
	var once sync.Once
	full := make(chan struct{})
	target := newTarget(t, func(int, http.ResponseWriter, *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
		}
		if n == 3 {
			once.Do(func() { close(full) })
		}
		<-full
		time.Sleep(5 * time.Millisecond) // time in which a fourth could come
	})
	bus := start(t, eventarc.Options{Target: target.url, MaxOutstanding: 3})
	for i := range 12 {
		publish(t, bus, fmt.Sprint(i))
	}
	target.await(t, 12)
	if most.Load() != 3 {
		t.Errorf("%d posts were under way at once", most.Load())
	}
}

func TestCloseEndsDeliveriesUnderWayAndThoseThatWait(t *testing.T) {
	t.Parallel()
	hung := make(chan struct{}, 1)
	target := newTarget(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			w.WriteHeader(http.StatusInternalServerError) // waits an hour for its next try
			return
		}
		hung <- struct{}{}
		<-r.Context().Done()
	})
	bus := start(t, eventarc.Options{Target: target.url, AckDeadline: time.Hour, Retry: eventarc.Backoff{Min: time.Hour, Max: time.Hour}})
	publish(t, bus, "waits")
	target.await(t, 1)
	publish(t, bus, "hangs")
	<-hung
	for range 2 {
		if err := bus.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := bus.Publish(t.Context(), nil, nil); err == nil {
		t.Error("a closed bus took a message")
	}
}

func TestTheBusEndsWithItsContext(t *testing.T) {
	t.Parallel()
	target := newTarget(t, accept)
	ctx, cancel := context.WithCancel(t.Context())
	bus, err := eventarc.Start(ctx, eventarc.Options{Logger: discard, ProjectID: "demo", Topic: "t", Target: target.url})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	eventually(t, "refusal of a message", func() bool {
		_, err := bus.Publish(t.Context(), nil, nil)
		return err != nil
	})
	if err := bus.Close(); err != nil {
		t.Error(err)
	}
}

func TestTheSweepTicksUntilTheBusIsClosed(t *testing.T) {
	t.Parallel()
	target := newTarget(t, accept)
	bus := start(t, eventarc.Options{Target: target.url})
	bus.Tick(5 * time.Millisecond)
	for _, p := range target.await(t, 3) {
		if p.text() != `{"type":"followup.sweep"}` {
			t.Errorf("a tick says %q", p.text())
		}
	}
}

func TestStartRefusesOptionsThatCannotWork(t *testing.T) {
	t.Parallel()
	target := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(target.Close)
	tests := map[string]func(*eventarc.Options){
		"no logger":         func(o *eventarc.Options) { o.Logger = nil },
		"no project":        func(o *eventarc.Options) { o.ProjectID = "" },
		"no topic":          func(o *eventarc.Options) { o.Topic = "" },
		"no target":         func(o *eventarc.Options) { o.Target = nil },
		"unknown mode":      func(o *eventarc.Options) { o.Mode = "carrier pigeon" },
		"shrinking backoff": func(o *eventarc.Options) { o.Retry = eventarc.Backoff{Min: 2, Max: 1} },
		"negative deadline": func(o *eventarc.Options) { o.AckDeadline = -1 },
		"a topic's name":    func(o *eventarc.Options) { o.Topic = "projects/p/topics/t" },
	}
	for name, spoil := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			options := eventarc.Options{Logger: discard, ProjectID: "demo", Topic: "t", Target: func() string { return target.URL }}
			spoil(&options)
			if bus, err := eventarc.Start(t.Context(), options); err == nil {
				t.Error("it started")
				_ = bus.Close()
			}
		})
	}
}
