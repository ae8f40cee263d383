package property_test

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"time"

	"cloud.google.com/go/cloudtasks/apiv2/cloudtaskspb"
	"github.com/google/uuid"

	"lad.internal/followup/internal/functiontest"
	"lad.internal/followup/internal/promise"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// reporter is what a run needs of a test.
type reporter interface {
	Helper()
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
}

// run is one run in a world: LAD's view of its bookings, and what has happened to
// them.
type run struct {
	*world
	t reporter

	mu       sync.Mutex // the voice agent reports from elsewhere
	bookings []*booking
	problems []string
	beside   sync.WaitGroup // what goes on beside a call
}

// booking is what LAD means by one, and what the run has done to it.
type booking struct {
	followup.Ref
	name    string // for people
	when    followup.When
	at      time.Time // the instant of when; zero if its zone cannot be read
	created time.Time
	status  string
	deleted bool
	heard   []*delivery // every event about it, delivered or not
	read    []columns   // whatever LAD may have read of the row, each once
	inCall  func()      // to be done while its next call is under way

	disturbed   bool // the voice agent misbehaved, or a claim was lost
	operated    bool // an operator has changed it
	overwritten bool // LAD has written task columns over

	attempts []promise.Attempt // its start-calls, and claims that were lost
	last     promise.Row       // as it was seen last
	latest   time.Time         // that it was moved to
}

// meant: LAD means it to take place.
func (b *booking) meant() bool { return b.status == "scheduled" && !b.deleted }

// moveTo has it be at an instant, by the clock of its zone.
func (b *booking) moveTo(at time.Time) {
	if b.when.Wall = (followup.Times{}).Wall(at, b.when.Zone); b.when.Wall.IsZero() {
		b.when.Wall = at.UTC() // nobody knows what that means
	}
	b.settleTime()
}

// settleTime reads its instant off the clock of its zone.
func (b *booking) settleTime() {
	b.at = followup.Times{}.Instant(b.when).At
	b.latest = later(b.latest, b.at)
}

// time is its instant for people, who see what it means.
func (b *booking) time() string { return followup.Times{}.Explain(b.when) }

// begin starts a run in an empty world.
func (w *world) begin(t reporter) *run {
	r := &run{world: w, t: t}
	w.agent.mu.Lock()
	w.agent.read = nil
	w.agent.mu.Unlock()
	r.settle()
	r.must(w.clear())
	w.agent.mu.Lock()
	w.agent.read = r.onPost
	w.agent.mu.Unlock()
	return r
}

func (r *run) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatalf("the test itself: %v", err)
	}
}

// say tells what an act does, for whoever reads a run that failed.
func (r *run) say(format string, args ...any) {
	r.t.Helper()
	r.t.Logf("%s  "+format, append([]any{r.now().Format("02 15:04:05")}, args...)...)
}

// fail notes a broken promise. It may be called on any goroutine.
func (r *run) fail(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.problems = append(r.problems, fmt.Sprintf(format, args...))
}

// find is the booking of that id, nil if this run has none.
func (r *run) find(id string) *booking {
	for _, b := range r.bookings {
		if b.BookingID.String() == id {
			return b
		}
	}
	return nil
}

// fate is what becomes of LAD's event.
type fate string

const (
	lost  fate = "lost"
	heard fate = "heard"
	twice fate = "heard twice"
)

// bookAt has LAD book a follow-up that is due after d, by the clock of a zone.
func (r *run) bookAt(name, zone string, d time.Duration, event fate) *booking {
	r.t.Helper()
	now := r.now()
	b := &booking{
		Ref:  followup.Ref{TenantID: tenants[len(r.bookings)%len(tenants)], BookingID: uuid.New()},
		name: name, when: followup.When{Zone: zone}, created: now, status: "scheduled",
	}
	b.moveTo(now.Add(d))
	r.mu.Lock()
	r.bookings = append(r.bookings, b)
	r.mu.Unlock()
	_, err := r.Owner.Exec(context.Background(), `INSERT INTO `+tenantdbtest.SharedSchema+`.lead_bookings
		(id, tenant_id, lead_id, booking_type, booking_source, scheduled_at, timezone, created_at, status)
		VALUES ($1, $2, $3, 'follow_up', 'voice_agent', $4, $5, $6, 'scheduled')`,
		b.BookingID, b.TenantID, r.leads[len(r.bookings)-1], b.when.Wall, b.when.Zone, b.created)
	r.must(err)
	r.say("LAD books %s for %s; its event is %s", b.name, b.time(), event)
	r.publish(b, functiontest.Created, event)
	return b
}

// change has LAD change a booking and publish that.
func (r *run) change(b *booking, kind string, event fate, set func(*booking)) {
	r.t.Helper()
	r.mu.Lock()
	set(b)
	r.mu.Unlock()
	_, err := r.Owner.Exec(context.Background(), `UPDATE `+tenantdbtest.SharedSchema+`.lead_bookings
		SET scheduled_at = $3, timezone = $4, status = $5, is_deleted = $6 WHERE tenant_id = $1 AND id = $2`,
		b.TenantID, b.BookingID, b.when.Wall, b.when.Zone, b.status, b.deleted)
	r.must(err)
	r.publish(b, kind, event)
}

func (r *run) publish(b *booking, kind string, f fate) {
	r.t.Helper()
	e := event(kind, b.Ref)
	b.heard = append(b.heard, e)
	if f != lost {
		r.deliverEvent(e)
	}
	if f == twice {
		r.deliverEvent(e)
	}
}

func (r *run) deliverEvent(e *delivery) {
	r.t.Helper()
	if status := e.To(r.Schedule); status != http.StatusOK {
		r.t.Fatalf("%s was answered %d although nothing is broken", e.what, status)
	}
}

// deliverTask sends a task, which may be long done for, and says how it was
// answered.
func (r *run) deliverTask(d *delivery) {
	r.taskAnswered(d, d.To(r.Execute))
}

func (r *run) taskAnswered(d *delivery, status int) {
	switch status {
	case http.StatusOK, http.StatusConflict, http.StatusBadGateway: // done, somebody is at it, not started
	default:
		r.fail("%s was answered %d although nothing is broken", d.what, status)
	}
}

// pass lets time go by, with all that Cloud Tasks sends meanwhile.
func (r *run) pass(d time.Duration) {
	r.clock.Advance(d)
	r.settle()
}

// settle waits for what is under way.
func (r *run) settle() {
	r.t.Helper()
	r.clock.Advance(0)
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r.must(r.queue.WaitIdle(ctx))
	r.beside.Wait()
}

func (r *run) sweep() {
	r.t.Helper()
	if swept := r.Schedule.Sweep(context.Background()); swept.Broken+swept.Skipped+swept.Failed > 0 {
		r.t.Fatalf("a sweep could not do its work although nothing is broken: %+v", swept)
	}
}

// loseClaim is an instance that ends between its claim and the call.
func (r *run) loseClaim(d *delivery) (claimed bool) {
	r.t.Helper()
	a, err := r.DB.Admit(context.Background(), d.ref, r.rules, func(b *followup.Booking, facts followup.Facts, now time.Time) followup.Decision {
		return r.rules.Admit(b, facts, d.ticket, now)
	})
	r.must(err)
	if a.Decision.Effect != followup.Dial {
		return false
	}
	b := r.find(d.ref.BookingID.String())
	b.disturbed = true
	b.attempts = append(b.attempts, promise.Attempt{At: a.Decision.Next.ClaimedAt, Words: []promise.Word{r.word(b)}})
	return true
}

// loseTask has Cloud Tasks forget a task without a trace.
func (r *run) loseTask(name string) (lost bool) {
	_, err := r.queue.DeleteTask(context.Background(), &cloudtaskspb.DeleteTaskRequest{Name: name})
	return err == nil
}

// force has Cloud Tasks send a task at once, as a person may ask in the console.
func (r *run) force(name string) (sent bool) {
	_, err := r.queue.RunTask(context.Background(), &cloudtaskspb.RunTaskRequest{Name: name})
	return err == nil
}

// operate does what the command does for an operator, who knows the truth about
// a call in doubt. What he is refused is no error.
func (r *run) operate(b *booking, cancels bool) (done string) {
	r.t.Helper()
	ctx := context.Background()
	row, now, err := r.DB.Booking(ctx, b.Ref)
	r.must(err)
	var d followup.Decision
	var refused error
	switch {
	case cancels:
		done = "cancels"
		d, refused = r.rules.Cancel(*row, now)
	case row.Task.Reason != followup.OutcomeUnknown:
		done = "retries"
		d, refused = r.rules.Retry(*row, now)
	case r.trace(b).RungAt(row.Task.ClaimedAt):
		done = "resolves as called"
		d, refused = r.rules.ResolveCalled(*row, "", now)
	default:
		done = "resolves as not called"
		d, refused = r.rules.ResolveNotCalled(*row, now)
	}
	if refused != nil {
		return ""
	}
	stored, err := r.DB.Update(ctx, *row, d.Next)
	r.must(err)
	if !stored {
		r.t.Fatalf("an operator who %s is told that the row has moved, and nobody has touched it", done)
	}
	r.mu.Lock()
	b.operated = true
	r.mu.Unlock()
	r.Reconciler.Drop(ctx, b.Ref, d)
	_, err = r.Reconciler.Booking(ctx, b.Ref)
	r.must(err)
	return done
}

// notes is a reporter that remembers why a run failed.
type notes struct {
	testing.TB
	failed string
}

func (n *notes) Fatalf(format string, args ...any) {
	n.failed = fmt.Sprintf(format, args...)
	panic(n)
}

// lookFor plays a run that was written down, and returns the broken promise that
// it shows, "" if there is none.
func (w *world) lookFor(t testing.TB, play func(*run)) (broken string) {
	t.Helper()
	n := &notes{TB: t}
	defer func() {
		if v := recover(); v != nil && v != any(n) {
			panic(v)
		}
		broken = n.failed
	}()
	r := w.begin(n)
	play(r)
	r.check()
	r.end()
	return ""
}
