package schedule_test

import (
	"fmt"
	"testing"
	"time"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/pkg/followup"
)

func TestAnEventThatMeetsAFaultFailsAndSucceedsWhenItComesAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	store, queue := &flakyStore{Store: w.DB}, &flakyQueue{Queue: w.queue.Client}
	url := w.serve(func(p *parts) { p.store, p.queue = store, queue })
	for name, fault := range map[string]func(bool){
		"the row cannot be read":     func(down bool) { store.readsFail.Store(down) },
		"the plan cannot be stored":  func(down bool) { store.updatesFail.Store(down) },
		"the task cannot be created": func(down bool) { queue.down.Store(down) },
	} {
		t.Run(name, func(t *testing.T) {
			b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour)})
			fault(true)
			got := w.event(url, binary, "booking.created", b.Ref)
			fault(false)
			if got.status != 500 || got.Error.Code != "event_failed" {
				t.Errorf("answered %s", got)
			}
			if after := w.Row(b.Ref); after.Task != b.Task {
				t.Errorf("the row is %+v", after.Task)
			}
			got = w.event(url, binary, "booking.created", b.Ref)
			after := w.Row(b.Ref)
			if got.status != 200 || after.Task.Status != followup.Scheduled || after.Task.Revision != 1 || w.queue.Named(after.Task.Name) == nil {
				t.Errorf("when it comes again: %s, the row is %+v", got, after.Task)
			}
		})
	}
	for _, line := range w.log.Events("event_failed") {
		if line["severity"] != "ERROR" || line["message_id"] != "m-1" || line["tenant_id"] == nil || line["booking_id"] == nil {
			t.Errorf("logged %v", line)
		}
	}
}

func TestTheSameEventFiftyTimesAtOnceMakesOneTask(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	urls := []string{w.serve(), w.serve()} // two instances
	b := w.Insert(functiontest.Seed{At: time.Now().Add(time.Hour)})
	answers := make(chan string)
	for i := range 50 {
		data := fmt.Appendf(nil, `{"type":"booking.created","tenantId":%q,"bookingId":%q}`, b.TenantID, b.BookingID)
		r := forms[i%len(forms)].request(urls[i%len(urls)], envelope(data, time.Now()))
		go func() {
			got, err := try(r)
			answers <- fmt.Sprint(got.status, got.Result, err)
		}()
	}
	for range 50 {
		if got := <-answers; got != "200handled<nil>" {
			t.Errorf("an answer was %s", got)
		}
	}
	after := w.Row(b.Ref)
	if all := w.queue.List(); len(all) != 1 || after.Task.Revision != 1 || all[0].GetName() != after.Task.Name {
		t.Errorf("%d tasks, the row is %+v", len(all), after.Task)
	}
}

func TestADatabaseThatIsAwayBringsTheEventBack(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	url := w.serve(func(p *parts) {
		p.store = w.Open(functiontest.At("postgres://followup_app:secret@127.0.0.1:1/lad?sslmode=disable"))
	})
	b := w.Insert(functiontest.Seed{})
	if got := w.event(url, binary, "booking.created", b.Ref); got.status != 500 || got.Error.Code != "event_failed" {
		t.Errorf("answered %s", got)
	}
	got, line := w.tick(url, time.Now())
	if got.status != 200 || got.Result != "swept" || line != nil || len(w.log.Events("sweep_failed")) != 1 {
		t.Errorf("a sweep without a database got %s and logged %v", got, line)
	}
}
