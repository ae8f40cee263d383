package execute_test

import (
	"strings"
	"testing"
	"time"

	"lad.internal/followup/functions/execute"
	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/localstack/voiceagent"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// LAD may hold hundreds of rows for a minute: their tasks neither wait nor slow
// down the queue, which all tenants share.
func TestLocked(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const lockTimeout = 15 * time.Second
	e := w.serve(func(p *execute.Parts) {
		p.Store = w.Open(func(c *tenantdb.Config) { c.LockTimeout = lockTimeout })
	})
	var locked []followup.Booking
	var refs []followup.Ref
	for range 8 { // twice the pool
		b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
		locked, refs = append(locked, b), append(refs, b.Ref)
	}
	other := w.Insert(functiontest.Seed{Tenant: functiontest.TenantB, Task: task("scheduled", "", 1)})
	release := w.Lock(refs...)
	defer release()

	type outcome struct {
		response
		err  error
		took time.Duration
	}
	answers := make(chan outcome)
	deliver := func(b followup.Booking) {
		r := e.request(payload(b, 1))
		go func() {
			started := time.Now()
			got, err := try(r)
			answers <- outcome{got, err, time.Since(started)}
		}()
	}
	for _, b := range locked {
		deliver(b)
	}
	for range locked {
		if got := <-answers; got.err != nil || got.status != 409 || got.Result != "row_locked" || got.took > lockTimeout/2 {
			t.Errorf("answered %s after %s, %v", got.response, got.took, got.err)
		}
	}
	for _, b := range locked {
		deliver(b)
	}
	if got := e.deliver(other, 1); got.Result != "accepted" || state(w.Row(other.Ref)) != executedRow {
		t.Errorf("another tenant's call is answered %s", got)
	}
	for range locked {
		<-answers
	}
	if n := w.agent.PostsRead(""); n != 1 {
		t.Errorf("the voice agent was asked %d times", n)
	}
	if strings.Contains(w.log.String(), `"severity":"ERROR"`) {
		t.Errorf("an error is logged:\n%s", w.log)
	}
	release()
	if got := e.deliver(locked[0], 1); got.Result != "accepted" {
		t.Errorf("with the lock gone: %s", got)
	}
}

// A call that was refused for now, and whose row LAD has locked meanwhile, is put
// off when its task comes again.
func TestLockedDeferred(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	b := w.Insert(functiontest.Seed{Task: task("scheduled", "", 1)})
	w.agent.Must(voiceagent.Behaviour{Kind: voiceagent.Status, Status: 429, Times: 1})
	release := func() {}
	e := w.serve(func(p *execute.Parts) {
		p.Store = &faultyStore{Store: w.DB, afterFinish: func(int64) error {
			release = w.Lock(b.Ref)
			return nil
		}}
	})
	got := e.deliver(b, 1)
	release()
	if got.status != 409 || got.Result != "row_locked" || !near(got.retryAfter(), time.Minute) || state(w.Row(b.Ref)) != notStartedRow {
		t.Errorf("answered %s with Retry-After %q, the row is %q", got, got.header.Get("Retry-After"), state(w.Row(b.Ref)))
	}
	e = w.serve()
	if got := e.deliver(b, 1); got.Result != "accepted" || state(w.Row(b.Ref)) != "executed r1 a2 task called" {
		t.Errorf("when it comes again: %s, the row is %q", got, state(w.Row(b.Ref)))
	}
	if strings.Contains(w.log.String(), `"severity":"ERROR"`) {
		t.Errorf("an error is logged:\n%s", w.log)
	}
}
