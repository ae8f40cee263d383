package tenantdb_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5/pgproto3"

	"lad.internal/followup/pkg/followup"
	"lad.internal/followup/pkg/tenantdb"
	"lad.internal/followup/pkg/tenantdb/tenantdbtest"
)

var claim = followup.Task{Status: followup.InProgress, Revision: 1, Attempts: 1}

func answer(severity, code string) *pgproto3.ErrorResponse {
	return &pgproto3.ErrorResponse{Severity: severity, SeverityUnlocalized: severity, Code: code, Message: "the test's"}
}

func TestACommitWhoseOutcomeNobodyKnowsIsUnclear(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		doom   fate
		stored followup.TaskStatus
	}{
		{"applied, and the answer lost", fate{deliver: true}, followup.InProgress},
		{"never delivered", fate{}, followup.Scheduled},
		// What poolers and servers say when they do not know either.
		{"applied, and FATAL", fate{deliver: true, answer: answer("FATAL", "57P01")}, followup.InProgress},
		{"applied, and a connection failure", fate{deliver: true, answer: answer("ERROR", "08006")}, followup.InProgress},
		{"never delivered, and a protocol violation", fate{answer: answer("ERROR", "08P01")}, followup.Scheduled},
		{"applied, and statement_completion_unknown", fate{deliver: true, answer: answer("ERROR", "40003")}, followup.InProgress},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			f := tenantdbtest.New(t)
			ref := f.Insert(t, dueNow())
			db := f.Open(behindProxy(t, c.doom), poolOfOne)
			a, err := db.Admit(t.Context(), ref, rules(), always(followup.Dial, claim))
			if !errors.Is(err, tenantdb.ErrUnclear) {
				t.Fatalf("Admit: %v", err)
			}
			if a.Decision.Effect != followup.Dial || a.Decision.Next != claim || a.Booking == nil {
				t.Errorf("the admission is lost: %+v", a)
			}
			await(t, "the row to be "+string(c.stored), func() bool {
				got, _ := f.Read(t, ref)
				return got.Task.Status == c.stored
			})
			// The connection that was cut leaves the pool.
			await(t, "another connection", func() bool {
				_, err := db.Update(t.Context(), *a.Booking, claim)
				return errors.Is(err, tenantdb.ErrUnclear) // by its own COMMIT
			})
		})
	}
}
