package tenantdb_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"lad.internal/followup/emulators/pgbouncer/pgbouncertest"
	"lad.internal/followup/internal/settings"
	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

// behindPgBouncer has the repository reach the database through a PgBouncer in
// transaction mode, and ask in one of pgx's modes.
func behindPgBouncer(url, mode string) tenantdbtest.Option {
	return func(c *tenantdb.Config) { c.URL = settings.NewSecret(url + "&default_query_exec_mode=" + mode) }
}

// documentedMode is what docs/configuration.md says to set.
const documentedMode = "cache_describe"

// Each transaction gets whichever of the two server connections is free, with
// whatever another tenant's has left on it.
func TestLeak_pgbouncer(t *testing.T) {
	t.Parallel()
	pgbouncertest.Program(t)
	f := tenantdbtest.New(t, tenantdbtest.WithRegistry(), patient)
	url := pgbouncertest.New(t, f.Config.URL.Reveal(), 2)
	newTurns(t, f, f.Open(behindPgBouncer(url, documentedMode))).take(t, 4)
}

// Two instances share one server connection. pgx's own choice are statements that
// it prepares by name, which belong to a server connection; PgBouncer before 1.21
// gives the client another without them. Its modes that prepare nothing do not
// know what type a list of ids is sent as.
func TestBehindPgBouncerTheDocumentedModeServesAndPgxsOwnDoesNot(t *testing.T) {
	t.Parallel()
	pgbouncertest.Program(t)
	for mode, want := range map[string]string{
		documentedMode:    "",
		"cache_statement": "prepared statement",
		"exec":            "cannot find encode plan",
		"simple_protocol": "cannot find encode plan",
	} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f := tenantdbtest.New(t)
			url := pgbouncertest.New(t, f.Config.URL.Reveal(), 1)
			one, other := f.Open(behindPgBouncer(url, mode), poolOfOne), f.Open(behindPgBouncer(url, mode), poolOfOne)
			err := errors.Join(askEverything(t, f, one), askEverything(t, f, other), askEverything(t, f, one))
			switch {
			case want == "" && err != nil:
				t.Errorf("it should serve: %v", err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
				t.Errorf("got error %v, want one about: %s", err, want)
			}
		})
	}
}

// askEverything has the repository run each of its statements.
func askEverything(t *testing.T, f *tenantdbtest.Fixture, db *tenantdb.DB) error {
	t.Helper()
	ctx := t.Context()
	row := dueNow()
	row.Lead = tenantdbtest.Lead{FirstName: "O'Hara \\", Phone: "+4915112345678", Note: "漢"}
	ref := f.Insert(t, row)
	var failed []error
	check := func(what string, ok bool, err error) {
		if err == nil && !ok {
			err = errors.New("not what it should be")
		}
		if err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", what, err))
		}
	}
	b, now, err := db.Booking(ctx, ref)
	check("Booking", b != nil && b.Ref == ref && time.Since(now).Abs() < time.Minute, err)

	admission, err := db.Admit(ctx, ref, rules(), func(b *followup.Booking, facts followup.Facts, _ time.Time) followup.Decision {
		check("Admit's lead", facts.Lead.FirstName == row.Lead.FirstName && facts.Lead.LatestNote == row.Lead.Note, nil)
		next := b.Task
		next.Status, next.Attempts, next.ClaimedAt = followup.InProgress, 1, row.ScheduledAt
		return followup.Decision{Effect: followup.Dial, Next: next}
	})
	check("Admit", admission.Booking != nil, err)
	claimed := admission.Decision.Next
	stored, err := db.Finish(ctx, ref, claimed, followup.Task{Status: followup.Executed, ExecutedAt: claimed.ClaimedAt, CallID: `c'\`})
	check("Finish", stored, err)

	if b, _, err = db.Booking(ctx, ref); err != nil || b == nil {
		return errors.Join(append(failed, err)...)
	}
	check("what Finish stored", b.Task.CallID == `c'\` && b.Task.ExecutedAt.Equal(row.ScheduledAt), nil)
	stored, err = db.Update(ctx, *b, followup.Task{Status: followup.Scheduled, Name: "t", DueAt: row.ScheduledAt, Revision: 2, PlannedFor: row.ScheduledAt})
	check("Update", stored, err)
	for what, ask := range questions(*b) {
		ok, err := ask(ctx, db)
		check(what, ok, err)
	}
	return errors.Join(failed...)
}
