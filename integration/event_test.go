package integration_test

import (
	"testing"
)

func TestAnEventIsHandledInEveryFormItMayTake(t *testing.T) {
	t.Parallel()
	for form, world := range map[string]func(testing.TB) *world{
		"a CloudEvent in binary mode": calm, "a structured CloudEvent": impatient, "a plain push": unreliable,
	} {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			w := world(t)
			user := w.user(0)
			id := user.Book(t, in(0), nil)
			user.Await(t, id, "executed")
			// The sweep would have found it as well.
			await(t, "the event of booking "+id, func() bool { return w.log.count("event_handled", id) > 0 })
			w.expectCalls(t, id, 1, 1)
		})
	}
}
