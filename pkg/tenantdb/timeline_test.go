package tenantdb_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// guarded are the functions' ways into the database, but for Finish.
func guarded(ctx context.Context, db *tenantdb.DB, b followup.Booking) map[string]error {
	errs := map[string]error{}
	_, _, errs["Booking"] = db.Booking(ctx, b.Ref)
	_, errs["Update"] = db.Update(ctx, b, b.Task)
	_, errs["Admit"] = db.Admit(ctx, b.Ref, rules(), always(followup.None, followup.Task{}))
	_, errs["Tenants"] = db.Tenants(ctx)
	_, errs["Concerned"] = db.Concerned(ctx, b.TenantID, rules())
	_, _, errs["Candidates"] = db.Candidates(ctx, b.TenantID, tenantdb.Due, rules(), tenantdb.Cursor{}, 1)
	return errs
}

func TestTimeline(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	row, claimed := claimedRow()
	ref := f.Insert(t, row)
	b, _ := f.Read(t, ref)
	timeline, err := f.DB.Timeline(t.Context())
	if err != nil || timeline != 1 {
		t.Fatalf("a new server is on time line %d, %v", timeline, err)
	}
	for name, err := range guarded(t.Context(), f.Open(onTimeline(2)).On(1), b) {
		if err != nil {
			t.Errorf("on the time line that is set, %s: %v", name, err)
		}
	}
	other := f.Open(onTimeline(2))
	before := wholeRow(t, f, ref)
	for name, err := range guarded(t.Context(), other, b) {
		if !errors.Is(err, tenantdb.ErrTimeline) {
			t.Errorf("on another time line, %s: %v", name, err)
		}
	}
	if wholeRow(t, f, ref) != before {
		t.Error("on another time line the row was changed")
	}
	next := rules().Finish(claimed, followup.Report{Outcome: followup.CallAccepted})
	if stored, err := other.Finish(t.Context(), ref, claimed, next); err != nil || !stored {
		t.Errorf("what came of a call is not recorded: %v, %v", stored, err)
	}
}

func TestTimeline_unreadable(t *testing.T) {
	t.Parallel()
	f := tenantdbtest.New(t)
	admin, err := pgx.Connect(t.Context(), f.AdminURL)
	if err == nil {
		_, err = admin.Exec(t.Context(), "REVOKE EXECUTE ON FUNCTION pg_walfile_name(pg_lsn) FROM PUBLIC")
		err = errors.Join(err, admin.Close(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	ref := followup.Ref{TenantID: tenantdbtest.TenantA, BookingID: uuid.New()}
	if _, err := f.DB.Timeline(t.Context()); err == nil {
		t.Error("it is read without the right to")
	}
	if _, _, err := f.Open(onTimeline(1)).Booking(t.Context(), ref); err == nil || errors.Is(err, tenantdb.ErrTimeline) {
		t.Errorf("unread, it counts as %v", err)
	}
	if _, _, err := f.DB.Booking(t.Context(), ref); err != nil {
		t.Errorf("where no time line is set, it is asked for: %v", err)
	}
}

func onTimeline(n uint32) tenantdbtest.Option { return func(c *tenantdb.Config) { c.Timeline = n } }
