package tenantdb_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// sqlStates are all of the classes 08, 25, 53, 55, 57 and 58 (PostgreSQL
// documentation, appendix A).
var sqlStates = []struct {
	codes   string
	fault   tenantdb.Fault
	session bool // it costs the session, and the transaction is tried on a new one
	unclear bool // at COMMIT
}{
	{"08000 08001 08003 08004 08006 08007 08P01", tenantdb.ErrUnreachable, true, true},
	{"25000 25001 25002 25003 25004 25005 25007 25008 25P01 25P02 25P03", tenantdb.ErrOther, true, false},
	{"25006", tenantdb.ErrUnwritable, true, false},
	{"53000 53200 53300", tenantdb.ErrBusy, true, false},
	{"53100", tenantdb.ErrUnwritable, false, false},
	{"53400", tenantdb.ErrOther, false, false},
	{"55000 55P02 55P04", tenantdb.ErrOther, false, false},
	{"55006 55P03", tenantdb.ErrLocked, false, false},
	{"57000", tenantdb.ErrOther, false, false},
	{"57014", tenantdb.ErrSlow, false, false},
	{"57P01 57P02 57P05", tenantdb.ErrUnreachable, true, true},
	{"57P03", tenantdb.ErrUnreachable, true, false},
	{"57P04", tenantdb.ErrNoDatabase, true, true},
	{"58000 58030 58P01 58P02", tenantdb.ErrOther, false, false},
	// Of other classes, what callers tell apart.
	{"40001", tenantdb.ErrOther, false, false},
	{"40003", tenantdb.ErrOther, false, true},
	{"40P01", tenantdb.ErrLocked, false, false},
	{"23505", tenantdb.ErrDuplicate, false, false},
	{"28000 28P01 42501", tenantdb.ErrLogin, false, false},
}

// refusing has every write refused with the SQLSTATE that stands in call_id, by its
// statement or by its COMMIT.
func refusing(t *testing.T, f *tenantdbtest.Fixture, at string) {
	t.Helper()
	f.LAD(t, tenantdbtest.TenantA, `CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN RAISE EXCEPTION 'refused' USING ERRCODE = NEW.call_id; END $$`)
	f.LAD(t, tenantdbtest.TenantA, `CREATE CONSTRAINT TRIGGER refuse AFTER UPDATE ON lead_bookings
		DEFERRABLE `+at+` FOR EACH ROW EXECUTE FUNCTION refuse()`)
}

func TestWhatASQLSTATEMeans(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"INITIALLY IMMEDIATE", "INITIALLY DEFERRED"} {
		t.Run(at, func(t *testing.T) {
			t.Parallel()
			f := tenantdbtest.New(t, poolOfOne)
			refusing(t, f, at)
			ref := f.Insert(t, dueNow())
			for _, s := range sqlStates {
				for code := range strings.FieldsSeq(s.codes) {
					before, tries := pid(t, f.DB), 0
					next := claim
					next.CallID = code
					_, err := f.DB.Admit(t.Context(), ref, rules(), func(*followup.Booking, followup.Facts, time.Time) followup.Decision {
						tries++
						return followup.Decision{Effect: followup.Dial, Next: next}
					})
					unclear := s.unclear && at == "INITIALLY DEFERRED"
					fault := map[bool]tenantdb.Fault{true: tenantdb.ErrUnclear, false: s.fault}[unclear]
					want := fmt.Sprintf("%s, tried %d times, session lost %v", fault, map[bool]int{true: 2, false: 1}[s.session && !unclear], s.session)
					got := fmt.Sprintf("%s, tried %d times, session lost %v", tenantdb.FaultOf(err), tries, pid(t, f.DB) != before)
					if got != want || sqlState(err) != code {
						t.Errorf("%s: %s, want %s: %v", code, got, want, err)
					}
					if row, _ := f.Read(t, ref); row.Task.Status != followup.Scheduled {
						t.Errorf("%s: the row is %s", code, row.Task.Status)
					}
				}
			}
		})
	}
}

func pid(t *testing.T, db *tenantdb.DB) (id int) {
	t.Helper()
	if err := db.Pool().QueryRow(t.Context(), `SELECT pg_backend_pid()`).Scan(&id); err != nil {
		t.Fatal(err)
	}
	return id
}

// A failover, or a disk that is full, makes sessions that stay read-only after the
// database has recovered.
func TestSessionsFromAReadOnlyTimeFailNoWrite(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	ref := f.Insert(t, dueNow())
	f.ReadOnly(t, true)
	f.DB.Pool().Reset()
	seen, _ := f.Read(t, ref)
	if _, err := f.DB.Update(t.Context(), seen, claim); !errors.Is(err, tenantdb.ErrUnwritable) {
		t.Fatalf("while it is read-only: %v", err)
	}
	fill(t, f.DB)
	f.ReadOnly(t, false)
	var mode string
	if err := f.DB.Pool().QueryRow(t.Context(), `SHOW transaction_read_only`).Scan(&mode); err != nil || mode != "on" {
		t.Fatalf("the pooled sessions are not what this is about: %s, %v", mode, err)
	}
	if stored, err := f.DB.Update(t.Context(), seen, claim); err != nil || !stored {
		t.Errorf("stored %v, error %v", stored, err)
	}
}

func TestASessionThatTheServerHasEndedFailsNothing(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	ref := f.Insert(t, dueNow())
	fill(t, f.DB)
	tries := 0
	_, err := f.DB.Admit(t.Context(), ref, rules(), func(*followup.Booking, followup.Facts, time.Time) followup.Decision {
		if tries++; tries == 1 {
			f.EndSessions(t)
		}
		return followup.Decision{Effect: followup.Dial, Next: claim}
	})
	if got, _ := f.Read(t, ref); err != nil || tries != 2 || got.Task.Status != followup.InProgress {
		t.Errorf("error %v after %d tries, the row is %s", err, tries, got.Task.Status)
	}
}

func TestConnectionsHaveABoundedLife(t *testing.T) {
	t.Parallel()
	c := tenantdbtest.New(t).DB.Pool().Config()
	if life := c.MaxConnLifetime + c.MaxConnLifetimeJitter; life > 15*time.Minute || c.MaxConnLifetimeJitter == 0 {
		t.Errorf("%v, jitter %v", c.MaxConnLifetime, c.MaxConnLifetimeJitter)
	}
}

// fill opens all connections that the pool may have.
func fill(t *testing.T, db *tenantdb.DB) {
	t.Helper()
	for range db.Pool().Config().MaxConns {
		conn, err := db.Pool().Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Release()
	}
}
