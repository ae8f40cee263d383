package tenantdb_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/operatordb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// turns lets tenants use the repository in turn, and looks at what each sees.
type turns struct {
	db      *tenantdb.DB
	tenants []uuid.UUID
	own     map[uuid.UUID][]followup.Ref // each tenant's bookings, by their id

	mu       sync.Mutex
	backends map[int]bool // that have served a turn
	taken    map[string]int
}

// newTurns gives four tenants three bookings each. The first two share a schema,
// the others have their own, so that neither the setting nor the search path
// could stand in for the other.
func newTurns(t *testing.T, f *tenantdbtest.Fixture, db *tenantdb.DB) *turns {
	t.Helper()
	neighbour, newcomer := uuid.New(), uuid.New()
	f.Register(t, neighbour, tenantdbtest.SchemaA)
	f.AddTenant(t, newcomer, "tenant_d")
	w := &turns{
		db: db, tenants: []uuid.UUID{tenantdbtest.TenantA, neighbour, tenantdbtest.TenantB, newcomer},
		own: map[uuid.UUID][]followup.Ref{}, backends: map[int]bool{}, taken: map[string]int{},
	}
	for _, tenant := range w.tenants {
		refs := f.InsertAll(t, tenant, make([]tenantdbtest.Row, 3))
		slices.SortFunc(refs, func(a, b followup.Ref) int { return strings.Compare(a.String(), b.String()) })
		w.own[tenant] = refs
	}
	return w
}

// patient is for a machine that has much else to do.
func patient(c *tenantdb.Config) { c.LockTimeout, c.StatementTimeout = 30*time.Second, time.Minute }

// take lets so many workers take 2,000 turns between them, or 10,000 with
// FOLLOWUP_BIG=1. Each worker's turns go round the tenants, so that no two in a row
// are of the same one.
func (w *turns) take(t *testing.T, workers int) {
	t.Helper()
	n := 2_000
	if os.Getenv("FOLLOWUP_BIG") != "" {
		n = 10_000
	}
	start := time.Now()
	var working sync.WaitGroup
	for worker := range workers {
		working.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(worker))) // the same turns in every run
			for i := range n / workers {
				tenant, how := w.tenants[(worker+i)%len(w.tenants)], draw(random)
				err := how.use(w, tenant, random)
				for errors.Is(err, tenantdb.ErrLocked) { // another worker is at this row
					err = how.use(w, tenant, random)
				}
				w.count(how.name)
				// What a turn left behind would stay, since the next ones' settings are local.
				if err == nil && random.IntN(5) == 0 {
					err = w.lookBetween()
				}
				if err != nil {
					t.Errorf("turn %d of worker %d, %s: %v", i, worker, how.name, err)
					return
				}
			}
		})
	}
	working.Wait()
	if err := w.lookBetween(); err != nil {
		t.Errorf("in the end: %v", err)
	}
	took := time.Since(start)
	t.Logf("%d turns of %d tenants in %v (%v each) on %d server connections: %v",
		n, len(w.tenants), took.Round(time.Millisecond), (took / time.Duration(n)).Round(time.Microsecond), len(w.backends), w.taken)
}

// lookBetween looks at a connection as the next user finds it: bound to nobody,
// with the search path that it came with.
func (w *turns) lookBetween() error {
	var tenant, path string
	var visible bool
	var backend int
	err := w.db.Pool().QueryRow(context.Background(), `SELECT COALESCE(current_setting('app.tenant_id', true), ''),
		current_setting('search_path'), EXISTS (SELECT FROM tenant_a.followup_bookings), pg_backend_pid()`).
		Scan(&tenant, &path, &visible, &backend)
	if err != nil {
		return fmt.Errorf("look at the connection: %w", err)
	}
	if tenant != "" || path != `"$user", public` || visible {
		return fmt.Errorf("it leaves behind the tenant %q, the search path %q, and bookings in sight: %v", tenant, path, visible)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.backends[backend] = true
	return nil
}

func (w *turns) count(how string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.taken[how]++
}

// turnWay is a way to use a connection and to leave it. It fails if the tenant
// sees too little or too much.
type turnWay struct {
	name  string
	share int // of 1000 turns; a connection that is lost costs as much as 50 turns
	use   func(w *turns, tenant uuid.UUID, random *rand.Rand) error
}

var turnWays = []turnWay{
	{"reads its own", 250, (*turns).read},
	{"asks for another's", 150, (*turns).readForeign},
	{"lists", 20, (*turns).list},
	{"forgets the filter", 150, (*turns).forgetFilter},
	{"updates", 30, (*turns).update},
	{"is refused", 100, (*turns).refused},
	{"panics", 100, (*turns).panics},
	{"is cancelled in mid-transaction", 100, (*turns).cancelledInside},
	{"is cancelled before", 94, (*turns).cancelledBefore},
	{"runs out of time anywhere", 5, (*turns).outOfTime},
	{"loses its connection", 1, (*turns).disconnected},
}

func draw(random *rand.Rand) turnWay {
	n := random.IntN(1000)
	for _, way := range turnWays {
		if n -= way.share; n < 0 {
			return way
		}
	}
	panic("the shares add up to less than 1000")
}

func (w *turns) read(tenant uuid.UUID, random *rand.Rand) error {
	ref := w.own[tenant][random.IntN(3)]
	b, _, err := w.db.Booking(context.Background(), ref)
	return ownOnly(ref, b, err)
}

// ownOnly: not even its own are visible to a tenant whose transaction is bound
// to another.
func ownOnly(ref followup.Ref, b *followup.Booking, err error) error {
	switch {
	case err != nil:
		return err
	case b == nil:
		return errors.New("it does not see its own booking")
	case b.Ref != ref:
		return fmt.Errorf("it asked for %s and got %s", ref, b.Ref)
	}
	return nil
}

func (w *turns) readForeign(tenant uuid.UUID, random *rand.Rand) error {
	other := w.tenants[(slices.Index(w.tenants, tenant)+1+random.IntN(3))%4]
	ref := followup.Ref{TenantID: tenant, BookingID: w.own[other][random.IntN(3)].BookingID}
	b, _, err := w.db.Booking(context.Background(), ref)
	if b != nil {
		return fmt.Errorf("it sees the booking of %s: %v", other, b.Ref)
	}
	return err
}

func (w *turns) list(tenant uuid.UUID, _ *rand.Rand) error {
	page, _, err := operatordb.DB{DB: w.db}.List(context.Background(), tenant, operatordb.Filter{}, rules(), operatordb.Cursor{}, 100)
	if err != nil {
		return err
	}
	refs := make([]followup.Ref, 0, len(page))
	for _, b := range page {
		refs = append(refs, b.Ref)
	}
	return w.exactlyOwn(tenant, refs)
}

// forgetFilter runs a statement that no programmer should have written.
func (w *turns) forgetFilter(tenant uuid.UUID, _ *rand.Rand) error {
	var refs []followup.Ref
	err := w.db.InTenantTx(context.Background(), tenant, func(tx pgx.Tx) error {
		rows, err := tx.Query(context.Background(), `SELECT tenant_id, id FROM followup_bookings`)
		if err != nil {
			return err
		}
		refs, err = pgx.CollectRows(rows, pgx.RowToStructByPos[followup.Ref])
		return err
	})
	if err != nil {
		return err
	}
	return w.exactlyOwn(tenant, refs)
}

func (w *turns) exactlyOwn(tenant uuid.UUID, refs []followup.Ref) error {
	slices.SortFunc(refs, func(a, b followup.Ref) int { return strings.Compare(a.String(), b.String()) })
	if diff := cmp.Diff(w.own[tenant], refs); diff != "" {
		return fmt.Errorf("it should see its own alone (-want +got):\n%s", diff)
	}
	return nil
}

func (w *turns) update(tenant uuid.UUID, random *rand.Rand) error {
	ref := w.own[tenant][random.IntN(3)]
	b, _, err := w.db.Booking(context.Background(), ref)
	if err := ownOnly(ref, b, err); err != nil {
		return err
	}
	stored, err := w.db.Update(context.Background(), *b, b.Task)
	if err == nil && !stored {
		err = errors.New("its own booking was not updated")
	}
	return err
}

func (w *turns) refused(tenant uuid.UUID, random *rand.Rand) error {
	_, err := w.db.Admit(context.Background(), w.own[tenant][random.IntN(3)], rules(),
		always(followup.Dial, followup.Task{Status: "no such status"}))
	var answer *pgconn.PgError
	if !errors.As(err, &answer) || answer.Code != "23514" {
		return fmt.Errorf("want the check's refusal, got %w", err)
	}
	return nil
}

func (w *turns) panics(tenant uuid.UUID, random *rand.Rand) (err error) {
	ref := w.own[tenant][random.IntN(3)]
	defer func() {
		if recover() == nil && !errors.Is(err, tenantdb.ErrLocked) {
			err = fmt.Errorf("the panic was swallowed: %w", err)
		}
	}()
	_, err = w.db.Admit(context.Background(), ref, rules(), func(b *followup.Booking, _ followup.Facts, _ time.Time) followup.Decision {
		if err := ownOnly(ref, b, nil); err != nil {
			return followup.Decision{} // and so no panic
		}
		panic("in the middle of a transaction")
	})
	return err
}

func (w *turns) cancelledInside(tenant uuid.UUID, random *rand.Rand) error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	_, err := w.db.Admit(ctx, w.own[tenant][random.IntN(3)], rules(), func(b *followup.Booking, _ followup.Facts, _ time.Time) followup.Decision {
		cancel()
		return followup.Decision{Effect: followup.Update, Next: b.Task}
	})
	if !errors.Is(err, context.Canceled) {
		return fmt.Errorf("want the cancellation, got %w", err)
	}
	return nil
}

func (w *turns) cancelledBefore(tenant uuid.UUID, random *rand.Rand) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, _, err := w.db.Booking(ctx, w.own[tenant][random.IntN(3)]); !errors.Is(err, context.Canceled) {
		return fmt.Errorf("want the cancellation, got %w", err)
	}
	return nil
}

// outOfTime may also be in time, and then sees what it should.
func (w *turns) outOfTime(tenant uuid.UUID, random *rand.Rand) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Duration(random.IntN(3000))*time.Microsecond)
	defer cancel()
	ref := w.own[tenant][random.IntN(3)]
	b, _, err := w.db.Booking(ctx, ref)
	if err != nil {
		return nil // out of time, then
	}
	return ownOnly(ref, b, nil)
}

func (w *turns) disconnected(tenant uuid.UUID, _ *rand.Rand) error {
	err := w.db.InTenantTx(context.Background(), tenant, func(tx pgx.Tx) error {
		_, err := tx.Exec(context.Background(), `SELECT pg_terminate_backend(pg_backend_pid())`)
		return err
	})
	if err == nil {
		return errors.New("the connection has survived its end")
	}
	return nil
}
