package lifecycle_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
)

// restored is a database that is restored while the first call is made.
type restored struct {
	*tenantdb.DB
	once    sync.Once
	restore func()
}

func (r *restored) Finish(ctx context.Context, ref followup.Ref, claimed, next followup.Task) (bool, error) {
	r.once.Do(r.restore)
	return r.DB.Finish(ctx, ref, claimed, next)
}

func TestRestoreInMidCall(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		armed bool // when the backup is made
		moved time.Duration
	}{
		{name: "to before the claim", armed: true},
		{name: "to before it had a task"},
		{name: "to when it was planned for later", armed: true, moved: 2 * time.Hour},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			at := w.clock.Now().Add(time.Hour)
			ref := w.book(time.Hour)
			w.moveTo(ref, at.Add(c.moved))
			if c.armed {
				w.event(ref)
			}
			w.LAD(t, ref.TenantID, `CREATE TABLE backup AS SELECT * FROM lead_bookings`)
			w.moveTo(ref, at)
			w.event(ref)
			w.store = &restored{DB: w.DB, restore: func() {
				w.LAD(t, ref.TenantID, `DELETE FROM lead_bookings`)
				w.LAD(t, ref.TenantID, `INSERT INTO lead_bookings SELECT * FROM backup`)
			}}
			w.startFunctions(w.rules)
			w.pass(time.Hour, time.Hour)
			if c.moved > 0 { // LAD's word is the later time again, and that call is another
				w.want(ref, followup.Scheduled, "", 1)
				w.pass(3*time.Hour, time.Minute)
				w.want(ref, followup.Executed, "", 2)
				return
			}
			if c.armed {
				w.want(ref, followup.Executed, "", 1)
			}
			w.pass(3*time.Hour, time.Minute)
			w.want(ref, followup.Executed, "", 1)
		})
	}
}
