package tenantdb_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// decide is what Admit asks.
type decide = func(*followup.Booking, followup.Facts, time.Time) followup.Decision

func always(effect followup.Effect, next followup.Task) decide {
	return func(*followup.Booking, followup.Facts, time.Time) followup.Decision {
		return followup.Decision{Effect: effect, Rule: "test", Next: next}
	}
}

func poolOfOne(c *tenantdb.Config) { c.MaxConns = 1 }

func dueNow() tenantdbtest.Row {
	at := micro(time.Now())
	return tenantdbtest.Row{ScheduledAt: at, Task: followup.Task{Status: followup.Scheduled, Name: "t", DueAt: at, Revision: 1, PlannedFor: at}}
}

func TestAdmitStoresAnUpdateAndAClaimUnderTheLock(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	for _, effect := range []followup.Effect{followup.Update, followup.Dial} {
		row := dueNow()
		row.Lead = tenantdbtest.Lead{FirstName: "Ada", LastName: "King", Phone: "+4915112345678", Note: "likes maths"}
		ref := f.Insert(t, row)
		before, _ := f.Read(t, ref)
		want := followup.Decision{Effect: effect, Rule: "test", Next: before.Task}
		want.Next.Status, want.Next.Attempts, want.Next.ClaimedAt = followup.InProgress, 5, row.ScheduledAt
		var atDecision time.Time
		got, err := f.DB.Admit(t.Context(), ref, rules(), func(_ *followup.Booking, _ followup.Facts, now time.Time) followup.Decision {
			atDecision = now
			return want
		})
		if err != nil {
			t.Fatal(err)
		}
		facts := followup.Facts{
			Lead:   followup.Lead{FirstName: "Ada", LastName: "King", Number: "+4915112345678", LatestNote: "likes maths"},
			Agents: got.Facts.Agents,
		}
		if diff := cmp.Diff(tenantdb.Admission{Decision: want, Booking: &before, Facts: facts, At: atDecision}, got); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		after, now := f.Read(t, ref)
		if diff := cmp.Diff(want.Next, after.Task); diff != "" {
			t.Errorf("stored (-want +got):\n%s", diff)
		}
		if atDecision.IsZero() || atDecision.After(now) {
			t.Errorf("decided at %v, read afterwards at %v", atDecision, now)
		}
	}
}

func TestAdmitLeavesTheRowAloneUnlessItStores(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	ref := f.Insert(t, dueNow())
	before := wholeRow(t, f, ref)
	for _, effect := range []followup.Effect{followup.None, followup.Wait, followup.Arm} {
		if _, err := f.DB.Admit(t.Context(), ref, rules(), always(effect, followup.Task{Status: followup.Failed})); err != nil {
			t.Error(err)
		}
		if after := wholeRow(t, f, ref); after != before {
			t.Errorf("%s: the row has become %s", effect, after)
		}
	}
}

func TestALeadThatIsGoneOrForeignIsEmpty(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	f.Loosen(t, tenantdbtest.TenantA, "lead_id")
	f.LAD(t, tenantdbtest.TenantA, `ALTER TABLE lead_bookings DROP CONSTRAINT lead_bookings_tenant_id_lead_id_fkey`)
	f.LAD(t, tenantdbtest.TenantA, `ALTER TABLE lead_bookings DISABLE TRIGGER USER`)
	foreign := uuid.New()
	f.LAD(t, tenantdbtest.TenantB, `INSERT INTO leads (id, tenant_id, phone, assigned_user_id) VALUES ($1, $2, '+4915100000000', $3)`, foreign, tenantdbtest.TenantB, tenantdbtest.User(tenantdbtest.TenantA))
	for name, lead := range map[string]any{"gone": nil, "another tenant's": foreign} {
		row := dueNow()
		row.Columns = map[string]any{"lead_id": lead}
		got, err := f.DB.Admit(t.Context(), f.Insert(t, row), rules(), always(followup.None, followup.Task{}))
		if err != nil || got.Facts.Lead != (followup.Lead{NumberProblem: "there is no such lead"}) || got.Booking == nil {
			t.Errorf("%s: %+v, error %v", name, got, err)
		}
	}
}

func TestAHundredDeliveriesOfOneTaskMakeOneCall(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, func(c *tenantdb.Config) { c.MaxConns, c.LockTimeout = 16, 19*time.Second })
	row := dueNow()
	ref := f.Insert(t, row)
	key := followup.Booking{Ref: ref, ScheduledAt: row.ScheduledAt}.Key()
	f.LAD(t, ref.TenantID, `UPDATE lead_bookings SET idempotency_key = $1 WHERE id = $2`, key, ref.BookingID)
	r, ticket := rules(), followup.Ticket{Key: key, Revision: 1, TaskName: "t"}

	effects := make(chan followup.Effect, 100)
	var group sync.WaitGroup
	for range cap(effects) {
		group.Go(func() {
			a, err := f.DB.Admit(t.Context(), ref, rules(), func(b *followup.Booking, facts followup.Facts, now time.Time) followup.Decision {
				return r.Admit(b, facts, ticket, now)
			})
			if errors.Is(err, tenantdb.ErrLocked) { // by another delivery: this one comes again
				effects <- followup.Wait
				return
			}
			if err != nil {
				t.Error(err)
			}
			effects <- a.Decision.Effect
		})
	}
	group.Wait()
	close(effects)
	count := map[followup.Effect]int{}
	for e := range effects {
		count[e]++
	}
	if diff := cmp.Diff(map[followup.Effect]int{followup.Dial: 1, followup.Wait: 99}, count); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got, _ := f.Read(t, ref); got.Task.Status != followup.InProgress || got.Task.Attempts != 1 {
		t.Errorf("the row is %s after %d attempts", got.Task.Status, got.Task.Attempts)
	}
}

func TestALockedRowIsNotWaitedFor(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, func(c *tenantdb.Config) { c.LockTimeout = 50 * time.Millisecond })
	ref := f.Insert(t, dueNow())
	tx, err := f.Owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), `SELECT FROM `+bookings(f, ref)+` WHERE id = $1 FOR UPDATE`, ref.BookingID); err != nil {
		t.Fatal(err)
	}
	// The lock is held until both have given up by themselves.
	if _, err := f.DB.Admit(t.Context(), ref, rules(), always(followup.Dial, followup.Task{})); !errors.Is(err, tenantdb.ErrLocked) {
		t.Errorf("Admit: %v", err)
	}
	seen, _ := f.Read(t, ref) // a reader does not wait
	if _, err := f.DB.Update(t.Context(), seen, followup.Task{Status: followup.Cancelled}); !errors.Is(err, tenantdb.ErrLocked) {
		t.Errorf("Update: %v", err)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := f.DB.Admit(t.Context(), ref, rules(), always(followup.None, followup.Task{})); err != nil {
		t.Errorf("after the lock is gone: %v", err)
	}
}

func TestNoConnectionInTimeIsBusy(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t, poolOfOne, tenantdbtest.WithRegistry())
	ref := f.Insert(t, dueNow())
	conn, err := f.DB.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	// The registry is the first to want a connection.
	if _, _, err := f.DB.Booking(ctx, ref); !errors.Is(err, tenantdb.ErrBusy) {
		t.Errorf("got %v", err)
	}
}

// LAD inserts rows that refer to a booking while it is being admitted.
func TestTheLockOfAnAdmissionLetsLADReferToTheRow(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	ref := f.Insert(t, dueNow())
	_, err := f.DB.Admit(t.Context(), ref, rules(), func(*followup.Booking, followup.Facts, time.Time) followup.Decision {
		f.LAD(t, ref.TenantID, `SET LOCAL lock_timeout = '5s'`)
		f.Insert(t, tenantdbtest.Row{Columns: map[string]any{"parent_booking_id": ref.BookingID}})
		return followup.Decision{Effect: followup.None}
	})
	if err != nil {
		t.Error(err)
	}
}

// interruption ends an admission in the middle of its transaction.
type interruption struct {
	name  string
	admit func(*testing.T, *tenantdb.DB, followup.Ref) error
}

var interruptions = []interruption{
	{"a panic in decide", func(_ *testing.T, db *tenantdb.DB, ref followup.Ref) (err error) {
		defer func() {
			if recover() != nil {
				err = errors.New("panicked")
			}
		}()
		_, err = db.Admit(context.Background(), ref, rules(), func(*followup.Booking, followup.Facts, time.Time) followup.Decision { panic("oh") })
		return err
	}},
	{"a request that ends", func(t *testing.T, db *tenantdb.DB, ref followup.Ref) error {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		_, err := db.Admit(ctx, ref, rules(), func(*followup.Booking, followup.Facts, time.Time) followup.Decision {
			cancel()
			return followup.Decision{Effect: followup.Dial, Next: followup.Task{Status: followup.InProgress}}
		})
		return err
	}},
	{"a statement that fails", func(t *testing.T, db *tenantdb.DB, ref followup.Ref) error {
		_, err := db.Admit(t.Context(), ref, rules(), always(followup.Dial, followup.Task{Status: "no such status"}))
		return err
	}},
}

func TestAnInterruptedAdmissionLeavesNoTransactionBehind(t *testing.T) {
	t.Parallel()
	for _, i := range interruptions {
		t.Run(i.name, func(t *testing.T) {
			t.Parallel()
			f := tenantdbtest.New(t, poolOfOne)
			ref := f.Insert(t, dueNow())
			before := wholeRow(t, f, ref)
			for range 3 {
				if err := i.admit(t, f.DB, ref); err == nil || errors.Is(err, tenantdb.ErrUnclear) {
					t.Fatalf("got %v", err)
				}
				if after := wholeRow(t, f, ref); after != before {
					t.Fatalf("the row has become %s", after)
				}
				f.Read(t, ref) // by the pool's only connection
			}
			awaitNoLocks(t, f)
		})
	}
}

// awaitNoLocks waits until nobody holds a lock on this database's bookings: the
// server notices some time after its client that a connection has gone. Databases
// that were cloned from one template share their relations' oids.
func awaitNoLocks(t *testing.T, f *tenantdbtest.Fixture) {
	t.Helper()
	open := 0
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		err := f.Owner.QueryRow(t.Context(), `SELECT count(*) FROM pg_locks l
			JOIN pg_class c ON c.oid = l.relation JOIN pg_database d ON d.oid = l.database
			WHERE d.datname = current_database() AND c.relname = 'lead_bookings' AND l.pid <> pg_backend_pid()`).Scan(&open)
		if err != nil {
			t.Fatal(err)
		}
		if open == 0 {
			return
		}
	}
	t.Errorf("%d locks are left", open)
}

// An admission that has waited for another one is decided at the time after that.
func TestAdmitReadsTheClockAfterItsLocks(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	ref := f.Insert(t, dueNow())
	b, _ := f.Read(t, ref)
	db := f.Open(func(c *tenantdb.Config) { c.LockTimeout, c.StatementTimeout = 60*time.Second, 70*time.Second })
	other, err := f.Owner.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Rollback(t.Context()) }()
	if _, err := other.Exec(t.Context(), tenantdb.LockLeadSQL, ref.TenantID.String(), b.LeadID.UUID.String()); err != nil {
		t.Fatal(err)
	}
	var decided time.Time
	done := make(chan error)
	go func() {
		_, err := db.Admit(t.Context(), ref, rules(), func(_ *followup.Booking, _ followup.Facts, now time.Time) followup.Decision {
			decided = now
			return followup.Decision{Effect: followup.None}
		})
		done <- err
	}()
	for waits := false; !waits; time.Sleep(10 * time.Millisecond) {
		if err := other.QueryRow(t.Context(), `SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database
			WHERE d.datname = current_database() AND l.locktype = 'advisory' AND NOT l.granted)`).Scan(&waits); err != nil {
			t.Fatal(err)
		}
	}
	var released time.Time
	if err := other.QueryRow(t.Context(), `SELECT clock_timestamp()`).Scan(&released); err != nil {
		t.Fatal(err)
	}
	if err := other.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil || decided.Before(released) {
		t.Errorf("decided at %v, and waited until %v: %v", decided, released, err)
	}
}

// A function that is frozen between two statements must not keep its row.
func TestAFrozenAdmissionLosesItsLockAndItsClaim(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	ref := f.Insert(t, dueNow())
	impatient := f.Open(func(c *tenantdb.Config) {
		c.LockTimeout, c.StatementTimeout = 400*time.Millisecond, 500*time.Millisecond
	})
	var frozen atomic.Bool
	_, err := impatient.Admit(t.Context(), ref, rules(), func(*followup.Booking, followup.Facts, time.Time) followup.Decision {
		frozen.Store(true)
		// It is over when somebody else gets the lock.
		err := pgx.BeginFunc(t.Context(), f.Owner, func(tx pgx.Tx) error {
			if _, err := tx.Exec(t.Context(), `SET LOCAL lock_timeout = '15s'`); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), `SELECT FROM `+bookings(f, ref)+` WHERE id = $1 FOR UPDATE`, ref.BookingID)
			return err
		})
		if err != nil {
			t.Error(err)
		}
		return followup.Decision{Effect: followup.Dial, Next: followup.Task{Status: followup.InProgress}}
	})
	if !frozen.Load() || err == nil {
		t.Errorf("admitted with error %v", err)
	}
	if got, _ := f.Read(t, ref); got.Task.Status != followup.Scheduled {
		t.Errorf("the row is %s", got.Task.Status)
	}
}
