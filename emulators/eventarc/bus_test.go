package eventarc_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"lad.internal/followup/emulators/eventarc"
)

var discard = slog.New(slog.DiscardHandler)

func TestMain(m *testing.M) {
	if os.Getenv(functionEnv) != "" {
		serveFunction()
		return
	}
	goleak.VerifyTestMain(m,
		// The Pub/Sub client's: it looks for its end only when a ticker fires that has been stopped.
		goleak.IgnoreTopFunction("cloud.google.com/go/pubsub/v2.(*messageIterator).streamKeepAliveHandler"),
		// OpenCensus starts one in its init and has no way to stop it.
		goleak.IgnoreTopFunction("go.opencensus.io/stats/view.(*worker).start"))
}

// patience bounds what a test awaits; it is reached only by a test that fails.
const patience = 20 * time.Second

// post is one request that the target read whole.
type post struct {
	at     time.Time
	path   string
	header http.Header
	body   []byte
}

// text is the data of the Pub/Sub message, whatever the mode.
func (p post) text() string {
	type envelope struct {
		Message struct{ Data []byte }
	}
	var either struct {
		envelope
		Data envelope // of a structured event
	}
	if err := json.Unmarshal(p.body, &either); err != nil {
		return err.Error()
	}
	return string(append(either.Message.Data, either.Data.Message.Data...))
}

// target is a function's endpoint: answer decides about the n-th request, from 1.
type target struct {
	*httptest.Server
	mu     sync.Mutex
	posts  []post
	answer func(n int, w http.ResponseWriter, r *http.Request)
}

func newTarget(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *target {
	t.Helper()
	target := &target{answer: answer}
	target.Server = httptest.NewServer(target)
	t.Cleanup(target.Close)
	return target
}

func accept(int, http.ResponseWriter, *http.Request) {}

func (t *target) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	t.mu.Lock()
	t.posts = append(t.posts, post{time.Now(), r.URL.Path, r.Header.Clone(), body})
	n := len(t.posts)
	t.mu.Unlock()
	t.answer(n, w, r)
}

func (t *target) url() string { return t.URL }

func (t *target) seen() []post {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.posts)
}

// await polls until the target has seen n requests.
func (t *target) await(tb testing.TB, n int) []post {
	tb.Helper()
	eventually(tb, fmt.Sprintf("%d requests", n), func() bool { return len(t.seen()) >= n })
	return t.seen()
}

func eventually(tb testing.TB, what string, condition func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatalf("no %s within %s", what, patience)
		}
	}
}

// start starts a bus with the backoff scaled down, unless the test says otherwise.
func start(t *testing.T, options eventarc.Options) *eventarc.Bus {
	t.Helper()
	options.ProjectID, options.Topic = "demo", "booking-events"
	if options.Logger == nil {
		options.Logger = discard
	}
	if options.Retry == (eventarc.Backoff{}) {
		options.Retry = eventarc.Backoff{Min: 5 * time.Millisecond, Max: 20 * time.Millisecond}
	}
	bus, err := eventarc.Start(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := bus.Close(); err != nil {
			t.Error(err)
		}
	})
	return bus
}

func publish(t *testing.T, bus *eventarc.Bus, data string) string {
	t.Helper()
	id, err := bus.Publish(t.Context(), []byte(data), nil)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
