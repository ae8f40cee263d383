package tenantdb_test

import (
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/operatordb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// questions are the repository's methods that change nothing, asked about a
// booking that is scheduled and overdue; true is the right answer.
func questions(b followup.Booking) map[string]func(context.Context, *tenantdb.DB) (bool, error) {
	tenant := b.TenantID
	from, before := b.ScheduledAt.Add(-time.Hour), b.ScheduledAt.Add(time.Hour)
	all := map[string]func(context.Context, *tenantdb.DB) (bool, error){
		"Clock": func(ctx context.Context, db *tenantdb.DB) (bool, error) {
			now, err := operatordb.DB{DB: db}.Clock(ctx)
			return time.Since(now).Abs() < time.Minute, err
		},
		"Tenants": func(ctx context.Context, db *tenantdb.DB) (bool, error) {
			tenants, err := db.Tenants(ctx)
			return slices.Equal(tenants, []uuid.UUID{tenant}), err
		},
		"Lead": func(ctx context.Context, db *tenantdb.DB) (bool, error) {
			lead, err := db.Lead(ctx, b)
			return lead.Number != "", err
		},
		"Bookings": func(ctx context.Context, db *tenantdb.DB) (bool, error) {
			found, err := operatordb.DB{DB: db}.Bookings(ctx, tenant, []uuid.UUID{b.BookingID, uuid.New()})
			return len(found) == 1, err
		},
		"Waiting": func(ctx context.Context, db *tenantdb.DB) (bool, error) {
			n := 0
			err := operatordb.DB{DB: db}.Waiting(ctx, tenant, rules(), func(followup.Booking) { n++ })
			return n > 0, err
		},
		"Report": func(ctx context.Context, db *tenantdb.DB) (bool, error) {
			report, err := operatordb.DB{DB: db}.Report(ctx, tenant, rules(), time.Hour, time.Minute)
			return report.Due > 0, err
		},
		"Leaks": func(ctx context.Context, db *tenantdb.DB) (bool, error) {
			leaks, err := operatordb.DB{DB: db}.Leaks(ctx, tenantdbtest.SharedSchema)
			return len(leaks) == 0, err
		},
		"SchemaExcess": func(ctx context.Context, db *tenantdb.DB) (bool, error) {
			excess, err := operatordb.DB{DB: db}.SchemaExcess(ctx, tenantdbtest.SharedSchema)
			return len(excess) == 0, err
		},
		"RoleExcess": func(ctx context.Context, db *tenantdb.DB) (bool, error) {
			excess, err := operatordb.DB{DB: db}.RoleExcess(ctx)
			return len(excess) == 0, err
		},
		"LADTriggers": func(ctx context.Context, db *tenantdb.DB) (bool, error) {
			names, err := operatordb.DB{DB: db}.LADTriggers(ctx, tenantdbtest.SharedSchema)
			return len(names) == 0, err
		},
		"Migrations": func(ctx context.Context, db *tenantdb.DB) (bool, error) {
			status, err := operatordb.DB{DB: db}.Migrations(ctx, tenantdbtest.SharedSchema)
			return len(status) == 2, err
		},
	}
	all["Concerned"] = func(ctx context.Context, db *tenantdb.DB) (bool, error) {
		impatient := rules()
		impatient.Grace = -24 * time.Hour
		concerns, err := db.Concerned(ctx, tenant, impatient)
		return slices.Equal(concerns, []tenantdb.Concern{tenantdb.Overdue}), err
	}
	for name, filter := range map[string]operatordb.Filter{
		"List":           {},
		"List, filtered": {Statuses: []followup.TaskStatus{followup.Scheduled, followup.Failed}, DueFrom: from, DueBefore: before, Open: true},
		"List, by claim": {Reasons: []followup.Reason{followup.NotStarted}, ClaimedFrom: from, ClaimedBefore: before, Overdue: true},
	} {
		all[name] = func(ctx context.Context, db *tenantdb.DB) (bool, error) {
			page, _, err := operatordb.DB{DB: db}.List(ctx, tenant, filter, rules(), operatordb.Cursor{}, 10)
			return len(page) > 0 == (filter.Reasons == nil), err
		}
	}
	for _, concern := range tenantdb.Concerns {
		all["Candidates, "+string(concern)] = func(ctx context.Context, db *tenantdb.DB) (bool, error) {
			_, page, err := db.Candidates(ctx, tenant, concern, rules(), tenantdb.Cursor{}, 1)
			if err == nil {
				_, _, err = db.Candidates(ctx, tenant, concern, rules(), page, 1) // with a cursor
			}
			return true, err
		}
	}
	return all
}
