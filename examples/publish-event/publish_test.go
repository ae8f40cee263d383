package publishevent_test

import (
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"lad.internal/followup/examples/internal/exampletest"
	"lad.internal/followup/internal/functiontest"
)

func event(kind string, b booking) string {
	return fmt.Sprintf(`{"type":%q,"tenantId":%q,"bookingId":%q}`, kind, b.tenant, b.id)
}

func TestWhatNodePublishesSchedulesTheCall(t *testing.T) {
	t.Parallel()
	node := exampletest.Need(t, ".")
	w := newWorld(t)
	b := w.insert(quiet)
	id := node.Run(t, "", "publish.js", []string{"booking.created", b.tenant, b.id}, w.env()...)
	w.awaitScheduled(quiet, b)
	functiontest.Eventually(t, "the log has the message", func() bool { return len(w.handled(b)) > 0 })
	if got := w.handled(b); len(got) != 1 || got[0]["message_id"] != id || got[0]["message_type"] != "booking.created" {
		t.Errorf("message %s was handled as %v", id, got)
	}
}

func TestLADsListenerSchedulesTheCallWithOneLineChanged(t *testing.T) {
	t.Parallel()
	node := exampletest.Need(t, ".")
	w := newWorld(t)
	node.Start(t, "listener.js", append(w.env(), "DATABASE_URL="+w.Tenants[announced].DatabaseURL)...)
	b := w.insert(announced)
	w.awaitScheduled(announced, b)
	functiontest.Eventually(t, "the log has the message", func() bool { return len(w.handled(b)) > 0 })
	if got := w.handled(b); len(got) != 1 || got[0]["message_type"] != "booking.created" {
		t.Errorf("handled as %v", got)
	}
}

// Nobody publishes anything: plain SQL, and one tick.
func TestABookingWithoutAnyEventIsScheduledByTheNextTick(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.insert(quiet)
	w.publish(exampletest.Named(t, "events.md", "tick"))
	w.awaitScheduled(quiet, b)
}

func TestAnEventThatCannotBePublishedFailsNobody(t *testing.T) {
	t.Parallel()
	node := exampletest.Need(t, ".")
	w := newWorld(t)
	b := w.insert(quiet)
	elsewhere := append(w.env(), "FOLLOWUP_TOPIC=none")
	out, err := node.Command(t, "publish.js", []string{"booking.created", b.tenant, b.id}, elsewhere...).CombinedOutput()
	var status *exec.ExitError
	if !errors.As(err, &status) || !strings.Contains(string(out), "was not published; the sweep will find it") {
		t.Errorf("the publisher ended with %v: %s", err, out)
	}
	w.publish(exampletest.Named(t, "events.md", "tick"))
	w.awaitScheduled(quiet, b)
}

func TestDuplicatedStaleAndReorderedEventsChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.insert(quiet)
	kinds := []string{"booking.updated", "booking.created", "booking.cancelled", "booking.created"}
	for _, kind := range kinds {
		w.publish(event(kind, b))
	}
	functiontest.Eventually(t, "all events are handled", func() bool { return len(w.handled(b)) == len(kinds) })
	if state := w.state(quiet, b); state != "scheduled r1" {
		t.Errorf("the booking is %s", state)
	}
}

func TestAMalformedEventIsAcknowledgedAndNamedInTheLog(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.publish(`{"type":"booking.created","tenantId":"acme"}`)
	rejected := func() (n int) {
		for _, line := range w.log.Events("event_rejected") {
			if line["message_id"] == id {
				n++
			}
		}
		return n
	}
	functiontest.Eventually(t, "the event is refused", func() bool { return rejected() > 0 })
	// Later messages are handled, and this one does not come again with them.
	for range 3 {
		b := w.insert(quiet)
		w.publish(event("booking.created", b))
		w.awaitScheduled(quiet, b)
	}
	if n := rejected(); n != 1 {
		t.Errorf("message %s came %d times", id, n)
	}
}
